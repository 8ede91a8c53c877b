"""What the entries of a log tell, as values: what an audit keeps in mind, and saves for the next one."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Protocol

from dataspace.audit.report import Notebook, Stage

_CURSORY: Final = ("kind", "time", "policy", "input")

# An act is decided on before its entry is written, and a query may take minutes: one that was under way when
# a right ended is no violation. What the service reads again in the same transaction is held to the moment.
UNDER_WAY: Final = timedelta(minutes=5)


class Gaps(Protocol):
    """Knows how many records say less than they hold."""

    @property
    def part(self) -> int:
        """How many were shown in part so far."""
        ...

    @property
    def lost(self) -> int:
        """How many lie in bundles that cannot be read."""
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
    """A participant: its roles, its status, the zones an auditor is bounded to, the digest of its entity.

    What its `former` roles allowed it may still do until the time of each. When
    `entry` told all this, so many records before it were `missing`; when its
    entity was named, `named_missing`, and until `named_until` it may still spend
    what it began to before.
    """

    roles: list[str]
    status: str
    entry: int
    zones: list[str] = field(default_factory=list)
    former: dict[str, str] = field(default_factory=dict)
    missing: int = 0
    entity: str = ""
    named_until: str = ""
    named_missing: int = 0

    def lately(self, role: str | None, time: str) -> bool:
        """Return whether it had a role, or any, so shortly before `time` that its act was under way."""
        return any(time <= until for had, until in self.former.items() if role in (None, had))


@dataclass
class Registered:
    """A dataset: its versions' fields by number, and the entry that withdrew it."""

    provider: str
    zone: str
    versions: dict[int, dict[str, Any]] = field(default_factory=dict)
    withdrawn: int | None = None


@dataclass
class Approved:
    """What a second person said to a registration, by which entry, and the entry that `used` it."""

    provider: str
    zone: str
    source_sha256: str
    registration_sha256: str
    codes: list[str]
    by: str
    granted: bool
    entry: int
    used: int | None = None


@dataclass
class Agreed:
    """An agreement: its terms, what was spent under it, what ended it; after `until` nothing is answered.

    `suspended` is the entry by which it was, with nothing left to spend.
    """

    terms: dict[str, Any]
    entry: int
    units: int = 0
    epsilon: int = 0
    ended: int | None = None
    until: str = ""
    suspended: int | None = None


@dataclass
class Negotiated:
    """A negotiation: its parties, its last state, and the agreement that came of it."""

    offer: str
    consumer: str
    state: str
    provider: str = ""
    agreement: str | None = None


@dataclass
class Modelled:
    """A model for encrypted scores: the fields of its entry, and the entry that withdrew it."""

    fields: dict[str, Any]
    entry: int
    withdrawn: int | None = None


@dataclass
class Sealed:
    """A computation on a sealed dataset, by its entry; at most one answer follows from it."""

    fields: dict[str, Any]
    entry: int


@dataclass(frozen=True)
class KeyFact:
    """A key that an entry names, and for what; `log` is the role of the log's own."""

    entry: int
    role: str
    vkey: str


@dataclass(frozen=True)
class Saved:
    """Everything that the entries up to some size imply.

    `grants` are cube, agreement and entry; `policies` are until when each may be
    decided by, "" for the one in force; `acknowledged` are the answers that were, as `Bits`.
    """

    participants: dict[str, Member]
    datasets: dict[str, Registered]
    negotiations: dict[str, Negotiated]
    agreements: dict[str, Agreed]
    cubes: dict[str, dict[str, Any]]
    grants: list[tuple[str, str, int]]
    policies: dict[str, str]
    keys: list[KeyFact]
    acknowledged: bytes
    excuses: "Excuses"
    approvals: dict[str, Approved] = field(default_factory=dict)
    models: dict[str, Modelled] = field(default_factory=dict)
    jobs: dict[str, Sealed] = field(default_factory=dict)


@dataclass
class Excuses:
    """How many records were `missing` or shown in `part` so far, and the names that they account for.

    A record tells of one offer, of one policy, or of one other thing at most: so
    many names may be unknown, and no more.
    """

    missing: int = 0
    part: int = 0
    offers: set[str] = field(default_factory=set)
    policies: set[str] = field(default_factory=set)
    others: set[str] = field(default_factory=set)


class Verdicts:
    """Writes down what contradicts, and counts what cannot be judged.

    Every record that says something is announced by `reach`, in order: those
    between are missing, shown in part, or cannot be read.
    """

    def __init__(self, notebook: Notebook, gaps: Gaps) -> None:
        self.unjudged = 0
        self._notebook, self._gaps = notebook, gaps
        self._excuses = Excuses()
        self._next = 0
        self._last: int | None = None

    @property
    def missing(self) -> int:
        """How many records before this point say nothing."""
        return self._excuses.missing

    @property
    def lost(self) -> int:
        """How many entries lie in bundles that cannot be read."""
        return self._gaps.lost

    def resume(self, begin: int, excuses: Excuses) -> None:
        """Go on with entry `begin`."""
        self._next, self._excuses = begin, excuses

    def save(self) -> Excuses:
        """Return what the next audit goes on from."""
        return replace(self._excuses, part=self._excuses.part + self._gaps.part)

    def reach(self, index: int) -> None:
        """Go on to an entry that says something, or to the end of the log."""
        self._excuses.missing += index - self._next
        self._next = index + 1

    def wrong(self, index: int, problem: str) -> None:
        """Write down that an entry contradicts those before it."""
        self._notebook.wrong(Stage.MEANING, f"entry {index}", problem)

    def unknown(self, index: int, problem: str, name: str) -> None:
        """Write down that what an entry says of `name` has no ground, unless a missing record may be it."""
        self._judge(index, problem, _within(self._excuses.others, name, self.missing))

    def unknown_offer(self, index: int, problem: str, offer: str) -> None:
        """Do so for an offer: the record that would tell of it tells of a dataset too."""
        self._judge(index, problem, _within(self._excuses.offers, offer, self.missing))

    def unknown_policy(self, index: int, problem: str, policy: str) -> None:
        """Do so for a policy: what adopts one is never erased, but may be shown in part or unreadable."""
        part = self._excuses.part + self._gaps.part + self._gaps.lost
        self._judge(index, problem, _within(self._excuses.policies, policy, min(part, self.missing)))

    def stale(self, index: int, problem: str, name: str, missing: int) -> None:
        """Write down what is wrong by an entry on `name`, unless a missing record after it changed that.

        So many were `missing` before that entry.
        """
        if self.missing > missing:
            self.unknown(index, problem, name)
        else:
            self.wrong(index, problem)

    def unjudge(self, index: int) -> None:
        """Count an entry that cannot be judged."""
        self.unjudged += index != self._last
        self._last = index

    def _judge(self, index: int, problem: str, excused: bool) -> None:
        if excused:
            self.unjudge(index)
        else:
            self.wrong(index, problem)


def _within(names: set[str], name: str, most: int) -> bool:
    """Return whether a name is one of `most` that missing records account for."""
    if len(names) < most:
        names.add(name)
    return name in names


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
    try:
        until = moment.astimezone(UTC).replace(tzinfo=None) + UNDER_WAY
    except OverflowError:
        until = datetime.max if moment.year > 1 else datetime.min  # noqa: DTZ901 - of UTC, as all here
    return until.isoformat(timespec="microseconds") + "Z"
