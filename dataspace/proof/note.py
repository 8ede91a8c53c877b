"""Signed notes with Ed25519 keys (C2SP signed-note).

    <text, whose last line ends too>
    <empty line>
    — <key name> <base64 of 4-byte key id and signature>

A key is known by its name and id together. Signatures of unknown keys are
ignored; a known key whose signature fails rejects the whole note.
"""

import binascii
import hmac
import re
from base64 import b64decode, b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from dataspace.errors import VerificationError

ED25519: Final = b"\x01"
SIGNATURES: Final = 100  # lines of one note; the Go implementation's limit
LIMIT: Final = 1 << 20  # bytes of one note; a post-quantum signature takes 5 kB

_NAME: Final = re.compile(r"[^\s+]+")
_LINE: Final = re.compile(r"— ([^\s+]+) ([A-Za-z0-9+/]+={0,2})")
_CONTROL: Final = re.compile(r"[\x00-\x09\x0b-\x1f\x7f]")


@dataclass(frozen=True)
class Verifier:
    """A public Ed25519 key under the name it signs as."""

    name: str
    public_key: bytes

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name) or _CONTROL.search(self.name):
            raise VerificationError("malformed key: its name is empty or holds a space or a plus")
        if len(self.public_key) != 32:
            raise VerificationError(f"malformed key: {len(self.public_key)} bytes, want 32")

    @classmethod
    def parse(cls, vkey: str) -> Self:
        """Read a verifier key: name, id in hexadecimal and base64 of type and key, joined by plus.

        Raises:
            VerificationError: it is malformed, of another type than Ed25519,
                or its id is not the one its name and key give.

        """
        name, _, rest = vkey.partition("+")
        stated, _, encoded = rest.partition("+")
        key = decode_base64(encoded, "verifier key")
        if key[:1] != ED25519:
            raise VerificationError("verifier key: not of type Ed25519")
        verifier = cls(name, key[1:])
        if not hmac.compare_digest(stated.encode(), verifier.key_id.hex().encode()):
            raise VerificationError(f"verifier key: its id is not {verifier.key_id.hex()}")
        return verifier

    @property
    def key_id(self) -> bytes:
        """The first four bytes of the hash over name, type and key."""
        return sha256(self.name.encode() + b"\n" + ED25519 + self.public_key).digest()[:4]

    def __str__(self) -> str:
        return f"{self.name}+{self.key_id.hex()}+{b64encode(ED25519 + self.public_key).decode()}"

    def verify(self, message: bytes, signature: bytes) -> None:
        """Check one signature.

        Raises:
            VerificationError: it is not this key's signature of `message`.

        """
        try:
            Ed25519PublicKey.from_public_bytes(self.public_key).verify(signature, message)
        except (InvalidSignature, ValueError) as error:
            raise VerificationError(f"note: the signature of {self.name} does not verify") from error


@dataclass(frozen=True)
class Note:
    """An opened note: its text, and the names whose signatures were checked or not known."""

    text: str
    verified: tuple[str, ...]
    unknown: tuple[str, ...]


def sign(text: str, verifier: Verifier, signer: Callable[[bytes], bytes]) -> str:
    """Return `text` as a note with one signature, which `signer` makes with the verifier's private key.

    Raises:
        VerificationError: `text` cannot be the text of a note.

    """
    _check_text(text)
    signature = b64encode(verifier.key_id + signer(text.encode())).decode()
    return f"{text}\n— {verifier.name} {signature}\n"


def open_note(note: str, verifiers: Sequence[Verifier]) -> Note:
    """Return the text of `note` once at least one of `verifiers` has signed it, and none wrongly.

    Raises:
        VerificationError: the note is malformed, two of `verifiers` claim one
            signature, one of theirs fails, or none is there.

    """
    text, lines = split(note)
    verified: list[str] = []
    unknown: list[str] = []
    for name, key_id, signature in dict.fromkeys(lines):
        known = [one for one in verifiers if one.name == name and hmac.compare_digest(one.key_id, key_id)]
        if len(known) > 1:
            raise VerificationError(f"note: two keys claim the signature of {name}")
        if not known:
            unknown.append(name)
        elif name not in verified:
            known[0].verify(text.encode(), signature)
            verified.append(name)
    if not verified:
        raise VerificationError("note: no signature of a known key")
    return Note(text, tuple(verified), tuple(unknown))


def split(note: str) -> tuple[str, list[tuple[str, bytes, bytes]]]:
    """Return the text and each signature's key name, key id and signature, none of them checked.

    Raises:
        VerificationError: the note is malformed.

    """
    if len(note) > LIMIT:
        raise VerificationError(f"note of {len(note)} characters, want at most {LIMIT}")
    text, blank, signatures = note.rpartition("\n\n")
    text += "\n"
    _check_text(text)
    lines = signatures.split("\n")
    if not blank or lines.pop() or not 0 < len(lines) <= SIGNATURES:
        raise VerificationError(
            f"malformed note: want a text, an empty line and 1 to {SIGNATURES} signatures"
        )
    return text, [_signature(line) for line in lines]


def decode_base64(text: str, what: str) -> bytes:
    """Return the bytes of standard base64 with padding, in its only spelling.

    Raises:
        VerificationError: `text` is anything else.

    """
    try:
        data = b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise VerificationError(f"malformed {what}: not base64") from error
    if b64encode(data).decode() != text:
        raise VerificationError(f"malformed {what}: base64 with stray bits")
    return data


def _signature(line: str) -> tuple[str, bytes, bytes]:
    match = _LINE.fullmatch(line)
    if match is None or _CONTROL.search(line):
        raise VerificationError("malformed note: a line below the text that is not a signature")
    data = decode_base64(match[2], "note signature")
    if len(data) < 5:
        raise VerificationError("malformed note: an empty signature")
    return match[1], data[:4], data[4:]


def _check_text(text: str) -> None:
    if not text.endswith("\n") or _CONTROL.search(text):
        raise VerificationError("malformed note: want lines of text without control characters")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise VerificationError("malformed note: a lone surrogate") from error
