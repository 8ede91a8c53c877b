"""The change of a log's key, signed by both keys, and the chain of keys that such statements make.

    dataspace/key-rotation/v1
    example.com/space
    old example.com/space+8c2f...
    new example.com/space+91aa...
    size 41
    reason scheduled

`size` is the index of the entry that records the change. A checkpoint of at
most that size is believed under the old key, a larger one under the new key
alone: a stolen old key signs no history beyond its rotation. Two statements
that hand one key over to two others are refused, both: whoever holds a stolen
key can write one, and no signature tells which of the two is the owner's.
"""

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Self

from dataspace.errors import VerificationError
from dataspace.proof.checkpoint import LARGEST, Checkpoint, decimal
from dataspace.proof.key import Verifier
from dataspace.proof.note import open_note, sign, signature_line, split

FORMAT: Final = "dataspace/key-rotation/v1"
REASONS: Final = ("scheduled", "compromised")
LIMIT: Final = 1000  # rotations of one log

_LABELS: Final = ("old ", "new ", "size ", "reason ")


@dataclass(frozen=True)
class Rotation:
    """One change of the key of the log `origin`, recorded by the entry with index `size`."""

    origin: str
    old: Verifier
    new: Verifier
    size: int
    reason: str

    def __post_init__(self) -> None:
        if not self.origin == self.old.name == self.new.name:
            raise VerificationError("malformed rotation: want both keys under the log's origin")
        if self.old == self.new:
            raise VerificationError("malformed rotation: the new key is the old one")
        if not 0 <= self.size <= LARGEST:
            raise VerificationError("malformed rotation: size out of range")
        if self.reason not in REASONS:
            raise VerificationError(f"malformed rotation: want a reason of {' or '.join(REASONS)}")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the text of a rotation, whose signatures the caller has checked.

        Raises:
            VerificationError: it is malformed.

        """
        lines = text.split("\n")
        labelled = len(lines) == 7 and all(map(str.startswith, lines[2:6], _LABELS))
        if not labelled or lines[0] != FORMAT or lines[6]:
            raise VerificationError(f"malformed rotation: want {FORMAT}, origin, old, new, size and reason")
        old, new, size, reason = (line.partition(" ")[2] for line in lines[2:6])
        return cls(lines[1], Verifier.parse(old), Verifier.parse(new), decimal(size, "rotation size"), reason)

    @classmethod
    def open(cls, note: str) -> Self:
        """Return the rotation that both of its keys signed; whether the old one is a log's is not checked.

        Raises:
            VerificationError: it is malformed, or a signature is missing or fails.

        """
        rotation = cls.parse(split(note)[0])
        for key in (rotation.old, rotation.new):
            open_note(note, [key])
        return rotation

    def text(self) -> str:
        """Return the text that is signed."""
        lines = [FORMAT, self.origin, f"old {self.old}", f"new {self.new}", f"size {self.size}"]
        return "\n".join([*lines, f"reason {self.reason}", ""])

    def sign(self, old: Callable[[bytes], bytes], new: Callable[[bytes], bytes]) -> str:
        """Return the note that both keys signed: each argument signs with the private part of its key."""
        note = sign(self.text(), self.old, old)
        return note + signature_line(self.new, new(self.text().encode()))


@dataclass(frozen=True)
class LogKeys:
    """The keys of one log, the oldest first; `rotations[i]` leads from `keys[i]` to `keys[i + 1]`."""

    keys: tuple[Verifier, ...]
    rotations: tuple[Rotation, ...] = ()

    @classmethod
    def follow(cls, pinned: Verifier, rotations: Sequence[str] = ()) -> Self:
        """Return the chain of keys that holds the pinned one, from the notes of all rotations.

        It leads forwards, as the pinned key signed its successor, and
        backwards, as a newer key signed what it took over.

        Raises:
            VerificationError: a note is malformed or not signed by both keys,
                two hand over one key or lead to one, one does not belong to
                the chain, or a later one is of no larger size.

        """
        if len(rotations) > LIMIT:
            raise VerificationError(f"{len(rotations)} rotations of a key, want at most {LIMIT}")
        opened = tuple(dict.fromkeys(map(Rotation.open, rotations)))
        after = _once(((one.old, one) for one in opened), "two rotations hand over one key")
        before = _once(((one.new, one) for one in opened), "two rotations lead to one key")
        chain: list[Rotation] = []
        while (one := before.pop(chain[0].old if chain else pinned, None)) is not None:
            chain.insert(0, one)
        while (one := after.pop(chain[-1].new if chain else pinned, None)) is not None:
            chain.append(one)
        if len(chain) != len(opened):
            raise VerificationError("a rotation does not belong to the pinned key's chain")
        return cls._ordered(pinned, chain)

    @classmethod
    def _ordered(cls, pinned: Verifier, chain: Sequence[Rotation]) -> Self:
        if any(later.size <= one.size for one, later in pairwise(chain)):
            raise VerificationError("the rotations of a key are not in the order of their entries")
        first = chain[0].old if chain else pinned
        return cls((first, *(one.new for one in chain)), tuple(chain))

    @property
    def origin(self) -> str:
        """The name of the log."""
        return self.keys[0].name

    @property
    def current(self) -> Verifier:
        """The key that signs now."""
        return self.keys[-1]

    def at(self, size: int) -> Verifier:
        """Return the one key under which a checkpoint of `size` is believed."""
        return self.keys[sum(size > one.size for one in self.rotations)]

    def open(self, note: str) -> Checkpoint:
        """Return the checkpoint in `note`, signed by the key that was the log's at its size.

        Raises:
            VerificationError: it is malformed, of another log, or not signed by that key.

        """
        text, lines = split(note)
        size = Checkpoint.parse(text).size
        try:
            return Checkpoint.open(note, self.at(size))
        except VerificationError as error:
            signer = next((key for key in self.keys if _signed(text, lines, key)), None)
            if signer is None:
                raise
            raise VerificationError(
                f"checkpoint of size {size}: signed by {signer}, which counts {self._span(signer)}"
            ) from error

    def _span(self, key: Verifier) -> str:
        at = self.keys.index(key)
        start = self.rotations[at - 1].size + 1 if at else 0
        return f"from size {start} " + (f"to {self.rotations[at].size}" if key != self.current else "on")


def _signed(text: str, lines: Sequence[tuple[str, bytes, bytes]], key: Verifier) -> bool:
    """Tell whether a key signed the text of a note, by lines that were read once for all keys."""
    known = (key.name, key.key_id)
    for name, key_id, signature in lines:
        if (name, key_id) == known:
            with suppress(VerificationError):
                key.verify(text, signature)
                return True
    return False


def _once(pairs: Iterable[tuple[Verifier, Rotation]], problem: str) -> dict[Verifier, Rotation]:
    found: dict[Verifier, Rotation] = {}
    for key, rotation in pairs:
        if found.setdefault(key, rotation) != rotation:
            raise VerificationError(f"{problem}: {key}")
    return found
