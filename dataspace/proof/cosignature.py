r"""Signatures of a checkpoint with the time they were made at (C2SP tlog-cosignature).

    <8 bytes: POSIX seconds> <Ed25519 signature (type 0x04) or ML-DSA-44 signature (type 0x06)>

A cosigner says: at this time this was the largest head of the log I had seen,
and it extends every other one. Ed25519 signs the whole text of the checkpoint
after `cosignature/v1` and the time, and does not bind the cosigner's name: one
key has one name. ML-DSA-44 signs names, time, size and root, and no extension
line; its time may be 0, which states none.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import mldsa

from dataspace.errors import Unavailable, VerificationError
from dataspace.proof.checkpoint import LARGEST, Checkpoint
from dataspace.proof.key import ED25519_SIZE, NoteKey, PublicKey, check_ed25519
from dataspace.proof.note import read_note, signature_line

ED25519: Final = b"\x04"
ML_DSA_44: Final = b"\x06"
TIME_SIZE: Final = 8
PUBLIC_KEY_SIZE: Final = 1312  # bytes, of ML-DSA-44 (FIPS 204 table 2)


@dataclass(frozen=True)
class Cosigner(PublicKey):
    """A public Ed25519 key that cosigns (type 0x04)."""

    TYPE = ED25519
    SIZE = ED25519_SIZE

    def verify(self, text: str, signature: bytes) -> int:
        """Check one cosignature; return its time in POSIX seconds.

        Raises:
            VerificationError: `text` is no checkpoint, or the signature is not this key's.

        """
        seconds = _seconds(signature)
        check_ed25519(self, _note_message(text, seconds), signature[TIME_SIZE:])
        return seconds

    def line(self, text: str, seconds: int, sign: Callable[[bytes], bytes]) -> str:
        """Return the signature line of a checkpoint's text; `sign` holds this key's private part.

        Raises:
            VerificationError: `text` is no checkpoint, `seconds` no time, or
                `sign` belongs to another key.

        """
        signature = _timestamp(seconds) + sign(_note_message(text, seconds))
        self.verify(text, signature)
        return signature_line(self, signature)


@dataclass(frozen=True)
class PostQuantumCosigner(PublicKey):
    """A public ML-DSA-44 key that cosigns (type 0x06)."""

    TYPE = ML_DSA_44
    SIZE = PUBLIC_KEY_SIZE

    def verify(self, text: str, signature: bytes) -> int:
        """Check one cosignature; return its time in POSIX seconds, or 0 if it states none.

        Raises:
            VerificationError: `text` is no checkpoint, or the signature is not this key's.
            Unavailable: the installed cryptography lacks ML-DSA.

        """
        seconds = _seconds(signature)
        message = self._message(text, seconds)
        try:
            key = mldsa.MLDSA44PublicKey.from_public_bytes(self.public_key)
            key.verify(signature[TIME_SIZE:], message)
        except UnsupportedAlgorithm as error:
            raise Unavailable("the installed cryptography cannot check signatures of ML-DSA-44") from error
        except (InvalidSignature, ValueError) as error:
            raise VerificationError(f"note: the signature of {self.name} does not verify") from error
        return seconds

    def line(self, text: str, seconds: int, sign: Callable[[bytes], bytes]) -> str:
        """Return the signature line of a checkpoint's text; `sign` holds this key's private part.

        Raises:
            VerificationError: `text` is no checkpoint, `seconds` no time, or
                `sign` belongs to another key.
            Unavailable: the installed cryptography lacks ML-DSA.

        """
        signature = _timestamp(seconds) + sign(self._message(text, seconds))
        self.verify(text, signature)
        return signature_line(self, signature)

    def _message(self, text: str, seconds: int) -> bytes:
        head = Checkpoint.parse(text)
        return subtree_message(self.name, seconds, head.origin, (0, head.size), head.root)


def cosigned(note: str, keys: Sequence[NoteKey]) -> dict[str, int]:
    """Return the cosigners among `keys` whose signatures verify: verifier key to time, the earliest if many.

    Raises:
        VerificationError: the note is malformed, or a signature of one of
            `keys` fails.
        Unavailable: the installed cryptography cannot check one of them.

    """
    return {str(key): time for key, time in read_note(note, keys).signed if time is not None}


def subtree_message(cosigner: str, seconds: int, origin: str, leaves: tuple[int, int], root: bytes) -> bytes:
    r"""Return what ML-DSA-44 signs for the subtree of `leaves`, from its first to before its last.

    Raises:
        VerificationError: a name is longer than 255 bytes.

    """
    names = [name.encode() for name in (cosigner, origin)]
    if not all(0 < len(name) < 256 for name in names):
        raise VerificationError("cosignature: want names of 1 to 255 bytes")
    first, second = (len(name).to_bytes() + name for name in names)
    start, end = (number.to_bytes(8) for number in leaves)
    return b"subtree/v1\n\0" + first + _eight(seconds) + second + start + end + root


def _eight(seconds: int) -> bytes:
    return seconds.to_bytes(TIME_SIZE)


def _note_message(text: str, seconds: int) -> bytes:
    Checkpoint.parse(text)  # A cosigner signs heads and nothing else.
    return f"cosignature/v1\ntime {seconds}\n{text}".encode()


def _timestamp(seconds: int) -> bytes:
    if not 0 <= seconds <= LARGEST:
        raise VerificationError(f"cosignature: time {seconds}, want at most {LARGEST}")
    return _eight(seconds)


def _seconds(signature: bytes) -> int:
    if len(signature) <= TIME_SIZE:
        raise VerificationError("malformed cosignature: want a time and a signature")
    seconds = int.from_bytes(signature[:TIME_SIZE])
    _timestamp(seconds)
    return seconds
