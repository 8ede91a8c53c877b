"""Signed notes (C2SP signed-note): a text, and signatures of keys of any type under it.

    <text, whose last line ends too>
    <empty line>
    — <key name> <base64 of 4-byte key id and signature>

A key is known by its name and id together. Signatures of unknown keys are
ignored; a known key whose signature fails rejects the whole note. `Verifier`
is the Ed25519 key of a log; `vkey` reads the keys of every type.
"""

import binascii
import hmac
import re
from base64 import b64decode, b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, Protocol, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from dataspace.errors import VerificationError

ED25519: Final = b"\x01"
SIGNATURES: Final = 100  # lines of one note; the Go implementation's limit
LIMIT: Final = 1 << 20  # bytes of one note; a post-quantum signature takes 5 kB

_NAME: Final = re.compile(r"[^\s+]+")
_LINE: Final = re.compile(r"— ([^\s+]+) ([A-Za-z0-9+/]+={0,2})")
_CONTROL: Final = re.compile(r"[\x00-\x09\x0b-\x1f]")


class NoteKey(Protocol):
    """A public key under the name it signs as; `str()` gives its verifier key.

    Implementations MUST be frozen values, and MUST compute `key_id` from name,
    type and key, whatever anyone stated.
    """

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def public_key(self) -> bytes: ...  # noqa: D102
    @property
    def key_id(self) -> bytes: ...  # noqa: D102

    def verify(self, text: str, signature: bytes) -> int | None:
        """Check one signature of a note's text; return the POSIX seconds that it states, if its type does.

        Raises:
            VerificationError: it is not this key's signature of `text`.
            Unavailable: the installed cryptography cannot check this type.

        """
        ...


@dataclass(frozen=True)
class Verifier:
    """A public Ed25519 key under the name it signs as (type 0x01)."""

    name: str
    public_key: bytes

    def __post_init__(self) -> None:
        check_name(self.name)
        if len(self.public_key) != 32:
            raise VerificationError(f"malformed key: {len(self.public_key)} bytes, want 32")

    @classmethod
    def parse(cls, vkey: str) -> Self:
        """Read a verifier key: name, id in hexadecimal and base64 of type and key, joined by plus.

        Raises:
            VerificationError: it is malformed, of another type than Ed25519,
                or its id is not the one its name and key give.

        """
        name, key = split_vkey(vkey)
        if key[:1] != ED25519:
            raise VerificationError("verifier key: not of type Ed25519")
        verifier = cls(name, key[1:])
        check_vkey(verifier, vkey)
        return verifier

    @property
    def key_id(self) -> bytes:
        """The first four bytes of the hash over name, type and key."""
        return make_key_id(self.name, ED25519 + self.public_key)

    def __str__(self) -> str:
        return join_vkey(self, ED25519 + self.public_key)

    def verify(self, text: str, signature: bytes) -> None:
        """Check one signature.

        Raises:
            VerificationError: it is not this key's signature of `text`.

        """
        check_ed25519(self, text.encode(), signature)


@dataclass(frozen=True)
class Note:
    """A read note: its text, the keys whose signatures verified, and the names that are not known.

    `signed` holds each key once, with the earliest time that its signatures
    state, or None for a type that states none.
    """

    text: str
    signed: tuple[tuple[NoteKey, int | None], ...]
    unknown: tuple[str, ...]

    @property
    def verified(self) -> tuple[str, ...]:
        """The names of the keys whose signatures verified."""
        return tuple(key.name for key, _ in self.signed)


def sign(text: str, verifier: NoteKey, signer: Callable[[bytes], bytes]) -> str:
    """Return `text` as a note with one signature, which `signer` makes with the verifier's private key.

    Raises:
        VerificationError: `text` cannot be the text of a note.

    """
    _check_text(text)
    return f"{text}\n{signature_line(verifier, signer(text.encode()))}"


def signature_line(key: NoteKey, signature: bytes) -> str:
    """Return the line that stands below a text for one signature."""
    return f"— {key.name} {b64encode(key.key_id + signature).decode()}\n"


def open_note(note: str, verifiers: Sequence[NoteKey]) -> Note:
    """Return `note` once at least one of `verifiers` has signed it, and none wrongly.

    Raises:
        VerificationError: the note is malformed, two of `verifiers` claim one
            signature, one of theirs fails, or none is there.
        Unavailable: the installed cryptography cannot check one of theirs.

    """
    opened = read_note(note, verifiers)
    if not opened.signed:
        raise VerificationError("note: no signature of a known key")
    return opened


def read_note(note: str, verifiers: Sequence[NoteKey]) -> Note:
    """Return `note` once none of `verifiers` has signed it wrongly; that any signed it is not required.

    Raises:
        VerificationError: the note is malformed, two of `verifiers` claim one
            signature, or one of theirs fails.
        Unavailable: the installed cryptography cannot check one of theirs.

    """
    text, lines = split(note)
    signed: dict[NoteKey, int | None] = {}
    unknown: list[str] = []
    for name, key_id, signature in dict.fromkeys(lines):
        key = _known(verifiers, name, key_id)
        if key is None:
            unknown.append(name)
        else:
            times = (key.verify(text, signature), signed.get(key))
            signed[key] = min((time for time in times if time is not None), default=None)
    return Note(text, tuple(signed.items()), tuple(unknown))


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


def check_name(name: str) -> None:
    """Let pass what can be a key's name.

    Raises:
        VerificationError: it is empty, or holds a space, a plus, a control
            character or a lone surrogate.

    """
    if not _NAME.fullmatch(name) or _CONTROL.search(name) or not _is_unicode(name):
        raise VerificationError("malformed key: its name is empty or holds a space or a plus")


def make_key_id(name: str, key: bytes) -> bytes:
    """Return the first four bytes of the hash over a name and a key, its type's byte before it."""
    return sha256(name.encode() + b"\n" + key).digest()[:4]


def join_vkey(verifier: NoteKey, key: bytes) -> str:
    """Return the verifier key over `key`, its type's byte before it."""
    return f"{verifier.name}+{verifier.key_id.hex()}+{b64encode(key).decode()}"


def split_vkey(vkey: str) -> tuple[str, bytes]:
    """Return name, and type and key of a verifier key, whose id `check_vkey` compares afterwards.

    Raises:
        VerificationError: it is malformed.

    """
    name, _, rest = vkey.partition("+")
    return name, decode_base64(rest.partition("+")[2], "verifier key")


def check_vkey(key: NoteKey, vkey: str) -> None:
    """Let pass the one spelling of `key`.

    Raises:
        VerificationError: the id that `vkey` states is not the key's.

    """
    if not hmac.compare_digest(str(key).encode(), vkey.encode(errors="surrogatepass")):
        raise VerificationError(f"verifier key: its id is not {key.key_id.hex()}")


def check_ed25519(key: NoteKey, message: bytes, signature: bytes) -> None:
    """Check an Ed25519 signature of `message`.

    Raises:
        VerificationError: it is not the key's.

    """
    try:
        Ed25519PublicKey.from_public_bytes(key.public_key).verify(signature, message)
    except (InvalidSignature, ValueError) as error:
        raise VerificationError(f"note: the signature of {key.name} does not verify") from error


def _known(verifiers: Sequence[NoteKey], name: str, key_id: bytes) -> NoteKey | None:
    known = [one for one in verifiers if one.name == name and hmac.compare_digest(one.key_id, key_id)]
    if len(known) > 1:
        raise VerificationError(f"note: two keys claim the signature of {name}")
    return known[0] if known else None


def _signature(line: str) -> tuple[str, bytes, bytes]:
    match = _LINE.fullmatch(line)
    if match is None or _CONTROL.search(line) or not _is_unicode(line):
        raise VerificationError("malformed note: a line below the text that is not a signature")
    data = decode_base64(match[2], "note signature")
    if len(data) < 5:
        raise VerificationError("malformed note: an empty signature")
    return match[1], data[:4], data[4:]


def _check_text(text: str) -> None:
    if not text.endswith("\n") or _CONTROL.search(text):
        raise VerificationError("malformed note: want lines of text without control characters")
    if not _is_unicode(text):
        raise VerificationError("malformed note: a lone surrogate")


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
