"""A tree head as text: origin, size, root (C2SP tlog-checkpoint).

    example.com/space
    42
    CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

Size and root are believed only out of a checkpoint that a pinned key signed.
"""

from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Self

from dataspace.errors import VerificationError
from dataspace.proof.encoding import decode_base64
from dataspace.proof.key import NoteKey
from dataspace.proof.merkle import EMPTY, HASH_SIZE
from dataspace.proof.note import open_note
from dataspace.proof.note import sign as sign_note

LARGEST: Final = 2**63 - 1


@dataclass(frozen=True)
class Checkpoint:
    """The head of one log: the name of the log, how many entries it holds, and their root."""

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.origin:
            raise VerificationError("malformed checkpoint: no origin")
        if not 0 <= self.size <= LARGEST:
            raise VerificationError("malformed checkpoint: size out of range")
        if len(self.root) != HASH_SIZE:
            raise VerificationError(f"malformed checkpoint: root is {len(self.root)} bytes, want {HASH_SIZE}")
        if self.size == 0 and self.root != EMPTY:
            raise VerificationError("malformed checkpoint: size 0 with the root of something")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the text of a checkpoint, whose signatures the caller has checked.

        Raises:
            VerificationError: it is malformed.

        """
        lines = text.split("\n")
        if len(lines) < 4 or lines.pop() or not all(lines):
            raise VerificationError("malformed checkpoint: want origin, size and root, a line each")
        origin, size, encoded, *extensions = lines
        return cls(
            origin,
            decimal(size, "checkpoint size"),
            decode_base64(encoded, "checkpoint root"),
            tuple(extensions),
        )

    @classmethod
    def open(cls, note: str, verifier: NoteKey) -> Self:
        """Return the checkpoint in `note`, signed by the log whose key is `verifier`.

        Raises:
            VerificationError: it is malformed, not signed by that key, or the
                head of a log of another name.

        """
        checkpoint = cls.parse(open_note(note, [verifier]).text)
        if checkpoint.origin != verifier.name:
            raise VerificationError(f"checkpoint: its origin is not {verifier.name}")
        return checkpoint

    def text(self) -> str:
        """Return the text that is signed."""
        lines = [self.origin, str(self.size), b64encode(self.root).decode(), *self.extensions]
        return "\n".join(lines) + "\n"

    def sign(self, verifier: NoteKey, signer: Callable[[bytes], bytes]) -> str:
        """Return the note of this head under the log's own signature."""
        return sign_note(self.text(), verifier, signer)


def decimal(text: str, what: str) -> int:
    """Return a whole number written without sign, space or leading zero.

    Raises:
        VerificationError: it is written otherwise, or larger than 2^63 - 1.

    """
    if not (text.isascii() and text.isdecimal()) or len(text) > 19 or (text[0] == "0" and text != "0"):
        raise VerificationError(f"malformed {what}: want a decimal number without leading zeros")
    if int(text) > LARGEST:
        raise VerificationError(f"malformed {what}: want at most {LARGEST}")
    return int(text)
