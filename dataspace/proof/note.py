"""Signed notes (C2SP signed-note): a text, and signatures of keys of any type under it.

    <text, whose last line ends too>
    <empty line>
    — <key name> <base64 of 4-byte key id and signature>

A key is known by its name and id together. Signatures of unknown keys are
ignored; a known key whose signature fails rejects the whole note. `key.Verifier`
is the Ed25519 key of a log; `vkey` reads the keys of every type.
"""

import hmac
import re
from base64 import b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from dataspace.errors import VerificationError
from dataspace.proof.encoding import decode_base64, is_unicode
from dataspace.proof.key import CONTROL, NoteKey

SIGNATURES: Final = 100  # lines of one note; the Go implementation's limit
LIMIT: Final = 1 << 20  # bytes of one note; a post-quantum signature takes 5 kB

_LINE: Final = re.compile(r"— ([^\s+]+) ([A-Za-z0-9+/]+={0,2})")


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


def _known(verifiers: Sequence[NoteKey], name: str, key_id: bytes) -> NoteKey | None:
    known = [one for one in verifiers if one.name == name and hmac.compare_digest(one.key_id, key_id)]
    if len(known) > 1:
        raise VerificationError(f"note: two keys claim the signature of {name}")
    return known[0] if known else None


def _signature(line: str) -> tuple[str, bytes, bytes]:
    match = _LINE.fullmatch(line)
    if match is None or CONTROL.search(line) or not is_unicode(line):
        raise VerificationError("malformed note: a line below the text that is not a signature")
    data = decode_base64(match[2], "note signature")
    if len(data) < 5:
        raise VerificationError("malformed note: an empty signature")
    return match[1], data[:4], data[4:]


def _check_text(text: str) -> None:
    if not text.endswith("\n") or CONTROL.search(text):
        raise VerificationError("malformed note: want lines of text without control characters")
    if not is_unicode(text):
        raise VerificationError("malformed note: a lone surrogate")
