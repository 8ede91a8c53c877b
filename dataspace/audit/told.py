"""What the entries of a log tell, as values: what an audit keeps in mind, and saves for the next one."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Protocol

from dataspace.audit.report import Notebook, Stage

_CURSORY: Final = ("kind", "time", "policy", "input")

# An act is decided on before its entry is written, and a query may take minutes: one that was under way when
# a right ended is no violation. What the service reads again in the same transaction is held to the moment.
UNDER_WAY: Final = timedelta(minutes=5)


class Gaps(Protocol):
    """Knows whether a record before this point is not there."""

    @property
    def gaps(self) -> bool:
        """Whether one is missing."""
        ...


class Bits:
    """A set of entries, a bit each, so that a log of any length fits into memory."""

    def __init__(self, content: bytes = b"") -> None:
        self._content = bytearray(content)

    def __contains__(self, index: int) -> bool:
        byte, bit = divmod(index, 8)
        return byte < len(self._content) and bool(self._content[byte] >> bit & 1)

    def __len__(self) -> int:
        return int.from_bytes(self._content).bit_count()

    def __bytes__(self) -> bytes:
        return bytes(self._content)

    def add(self, index: int) -> None:
        """Add an entry."""
        byte, bit = divmod(index, 8)
        self._content.extend(bytes(max(0, byte + 1 - len(self._content))))
        self._content[byte] |= 1 << bit


@dataclass
class Member:
    """A participant: its roles, its status, the zones an auditor is bounded to.

    Until the time `lately` it may still do what its `former` roles allowed.
    """

    roles: list[str]
    status: str
    entry: int
    zones: list[str] = field(default_factory=list)
    former: list[str] = field(default_factory=list)
    lately: str = ""


@dataclass
class Registered:
    """A dataset: its versions' fields by number, and the entry that withdrew it."""

    provider: str
    zone: str
    versions: dict[int, dict[str, Any]] = field(default_factory=dict)
    withdrawn: int | None = None


@dataclass
class Agreed:
    """An agreement: its terms, what was spent under it, what ended it; after `until` nothing is answered."""

    terms: dict[str, Any]
    entry: int
    units: int = 0
    epsilon: int = 0
    ended: int | None = None
    until: str = ""


@dataclass
class Negotiated:
    """A negotiation: its parties, its last state, and the agreement that came of it."""

    offer: str
    consumer: str
    state: str
    provider: str = ""
    agreement: str | None = None


@dataclass(frozen=True)
class KeyFact:
    """A key that an entry names, and for what; `log` is the role of the log's own."""

    entry: int
    role: str
    vkey: str


@dataclass(frozen=True)
class Saved:
    """Everything that the entries up to some size imply.

    `grants` are cube, agreement and entry; `acknowledged` are the answers that were, as `Bits`.
    """

    participants: dict[str, Member]
    datasets: dict[str, Registered]
    negotiations: dict[str, Negotiated]
    agreements: dict[str, Agreed]
    cubes: dict[str, dict[str, Any]]
    grants: list[tuple[str, str, int]]
    policies: list[str]
    keys: list[KeyFact]
    acknowledged: bytes


class Verdicts:
    """Writes down what contradicts, and counts what cannot be judged."""

    def __init__(self, notebook: Notebook, gaps: Gaps) -> None:
        self.unjudged = 0
        self._notebook, self._gaps = notebook, gaps

    def wrong(self, index: int, problem: str) -> None:
        """Write down that an entry contradicts those before it."""
        self._notebook.wrong(Stage.MEANING, f"entry {index}", problem)

    def unknown(self, index: int, problem: str) -> None:
        """Write down that what an entry builds on is not there, unless a missing record may have said it."""
        if self._gaps.gaps:
            self.unjudged += 1
        else:
            self.wrong(index, problem)


def facts_of(fields: Mapping[str, Any], *without: str) -> dict[str, Any]:
    """Return the fields that are state: not those of the entry itself, nor those named."""
    return {name: value for name, value in fields.items() if name not in (*_CURSORY, *without)}


def later(time: str) -> str:
    """Return until when an act may still be written that was begun before `time`, in the form of the entries.

    Raises:
        ValueError: `time` is none.

    """
    moment = datetime.fromisoformat(time)
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    until = moment.astimezone(UTC).replace(tzinfo=None) + UNDER_WAY
    return until.isoformat(timespec="microseconds") + "Z"
