"""What a worker is told of a history: where it stands, which rows leave, and what it has not heard of yet."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from dataspace.errors import TooMany

_MESSAGES: Final = 128  # more than a history takes that is told from its beginning

Entry = tuple[bytes, bytes]  # the mark of a release and what is stored of it, in the clear


@dataclass(frozen=True)
class Head:
    """Where a history stands: how many releases it has, and the mark of the last one."""

    sequence: int = 0
    mark: bytes = b""

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> "Head":
        """Read it from a message of or to a worker."""
        return cls(int(data["sequence"]), bytes(data["mark"]))


@dataclass(frozen=True)
class Judged:
    """Whether an answer isolates fewer subjects than the minimum, or whether that could not be told."""

    isolates: bool
    unchecked: bool


@dataclass(frozen=True)
class Past:
    """The history an answer is judged by.

    `release` is the mark the answer gets if it is given. `views` are how rows
    of the dataset leave, one for each offer of rows that holds some back;
    `hidden` names the columns whose values no row shows. `entries` gives the
    next ones after a sequence, in the clear.
    """

    head: Head
    release: bytes
    views: Sequence[Mapping[str, Any]]
    hidden: Sequence[str]
    entries: Callable[[int], Sequence[Entry]] = field(repr=False)
    mark: Callable[[int], bytes] = field(repr=False)

    def message(self, head: Head) -> dict[str, Any]:
        """Return what every message about the history says."""
        return {
            "sequence": head.sequence,
            "mark": head.mark,
            "release": self.release,
            "views": list(self.views),
            "hidden": list(self.hidden),
        }

    def next(self, reached: Head) -> tuple[Head, Sequence[Entry]]:
        """Return what a worker that has reached so far is told next, and after which head."""
        known = reached.sequence <= self.head.sequence and self.mark(reached.sequence) == reached.mark
        start = reached if known else Head()
        return start, self.entries(start.sequence)


def judged(call: Callable[[str, Mapping[str, Any]], Any], request: Mapping[str, Any], past: Past) -> Any:
    """Return the answer of a worker that has all of the history, after telling it what it has not.

    `call`: a method of a worker, with a request; each call may come to another worker.

    Raises:
        TooMany: none got hold of the history, for others asked too much.

    """
    asked = {**request, "history": {**request["history"], **past.message(past.head)}}
    found = call("aggregate", asked)
    for _ in range(_MESSAGES):
        if "behind" not in found:
            return found
        start, entries = past.next(Head.of(found["behind"]))
        if entries:
            told = {**past.message(start), "entries": entries, "minimum": request["min_group"]}
            found = {"behind": call("replay", {"history": told})}
        if not entries or Head.of(found["behind"]) == past.head:
            found = call("aggregate", asked)
    raise TooMany("the history of the dataset is being read by others: ask again", retry_after=5)
