"""The records of a log against its entries.

Each is there and hashes to its entry, or a later entry says that it was erased.
What can be said of a record alone is said where it is read (`mismatch`,
`FormCheck`); what follows from those before it, where all come together
(`RecordCheck`).
"""

import hmac
import re
from bisect import insort
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, Final

from dataspace.audit.report import Notebook, Stage
from dataspace.audit.told import Bits
from dataspace.errors import Malformed, TooLarge, VerificationError
from dataspace.ledger.kinds import ADDED, KINDS, check_fields
from dataspace.proof.disclosure import Disclosure
from dataspace.proof.record import Record

UNEXPLAINED: Final = (
    1_000_000  # records that may be missing without an entry that explains it, before an audit stops
)
_NAMED: Final = 10  # erasures that the report names one by one

_COUNTS: Final = {"version", "rows", "level", "units", "epsilon", "price", "entry", "answered"}
_FLAGS: Final = {"releasable"}
_LISTS: Final = {
    "roles": str, "forms": str, "reasons": str, "zones": str, "versions": int, "codes": str, "lifted": str,
}  # fmt: skip
_TIME: Final = re.compile(r"(\d{4}-\d\d-\d\d)T([01]\d|2[0-3]):[0-5]\d:[0-5]\d\.\d{6}Z", re.ASCII)

Fact = tuple[int, dict[str, Any]]


def mismatch(record: Record | Disclosure | VerificationError, entry: bytes) -> str | None:
    """Return why a record is not the one its entry commits to, or None."""
    if isinstance(record, VerificationError):
        return str(record)
    try:
        return None if hmac.compare_digest(record.entry(), entry) else "the record does not match its leaf"
    except VerificationError as error:
        return str(error)


class FormCheck:
    """Checks that a record has the fields of its kind, of the right types, and a time of the one form."""

    def __init__(self, notebook: Notebook) -> None:
        self._notebook = notebook

    def holds(self, index: int, fields: dict[str, Any]) -> bool:
        """Return whether the fields of entry `index` can be read as what they say."""
        kind = fields.get("kind")
        form = _FORMS.get(kind) if isinstance(kind, str) else None
        if form is not None and form.fits(fields):
            return True
        try:
            given = {name: value for name, value in fields.items() if name not in ADDED}
            check_fields(str(kind), given, read=True)
            _check_types(given)
            _check_time(fields.get("time"))
        except (Malformed, VerificationError) as error:
            self._notebook.wrong(Stage.FORM, f"entry {index}", str(error))
            return False
        return True


class Erased:
    """Which entries were erased, and by which entries the first ones of them."""

    def __init__(self, entries: bytes = b"", named: Sequence[tuple[int, int]] = ()) -> None:
        self.entries = Bits(entries)
        self.named = list(named)
        self._count = len(self.entries)

    def __contains__(self, index: int) -> bool:
        return index in self.entries

    def add(self, index: int, by: int) -> None:
        """Note that entry `by` erased entry `index`."""
        self.entries.add(index)
        self._count += 1
        insort(self.named, (index, by))
        del self.named[_NAMED:]

    def told(self) -> list[str]:
        """Return the first ones as sentences, and how many more there are."""
        named = [f"entry {index}: present, content erased by entry {by}" for index, by in self.named]
        more = self._count - len(named)
        return [*named, *([f"{more} more erased"] if more else [])]


class RecordCheck:
    """Takes what was read of the records, in order; hands on what those that hold say.

    `present` tells of an entry before the audit's first one whether its
    record is there; None when the audit begins at the beginning.
    """

    def __init__(self, notebook: Notebook, now: datetime | None = None) -> None:
        self.held = self.part = self.lost = 0
        self.erased = Erased()
        self.last = ""
        self.present: Callable[[int], bool] | None = None
        self._notebook = notebook
        self._missing: set[int] = set()
        self._gap: int | None = None
        self._begin = 0
        self._latest = None if now is None else f"{now:%Y-%m-%dT%H:%M:%S}"

    @property
    def gap(self) -> int | None:
        """The first entry whose record does not speak."""
        return self._gap

    @property
    def lacking(self) -> int:
        """How many records do not say what they set: erased, missing, in part; one at least if any is so."""
        known = len(self.erased.entries) + len(self._missing) + self.part + self.lost
        return known or int(self._gap is not None)

    def resume(self, begin: int, last: str, erased: Erased, gap: int | None) -> None:
        """Go on with entry `begin`: what an audit before found of those before it."""
        self._begin, self.last, self.erased, self._gap = begin, last, erased, gap

    def miss(self, indexes: Sequence[int]) -> None:
        """Note that records are not there.

        Raises:
            TooLarge: more are missing than an audit keeps in mind.

        """
        self._missing.update(indexes)
        if len(self._missing) > UNEXPLAINED:
            raise TooLarge(f"more than {UNEXPLAINED} records are missing so far")

    def take(
        self, facts: Sequence[Fact], held: int, gap: int | None, silent: tuple[int, int] = (0, 0)
    ) -> Iterator[Fact]:
        """Check the next entries against those before them; yield each that says something.

        `held` of them hash to their entries; of the `silent` more, so many were
        shown in part, and so many lie in bundles that cannot be read.
        """
        self.held += held
        self.part += silent[0]
        self.lost += silent[1]
        if self._gap is None:
            self._gap = gap
        for index, fields in facts:
            self._check_order(index, fields["time"])
            if fields["kind"] == "entry.erased":
                self._check_erasure(index, fields["entry"])
            yield index, fields

    def finish(self) -> None:
        """Report the records that nothing explains the lack of, and close the two steps."""
        for index in sorted(self._missing):
            self._notebook.wrong(
                Stage.RECORDS, f"entry {index}", "its record is missing, and no entry erases it"
            )
        begin = f" from entry {self._begin} on" if self._begin else ""
        part = [f"{self.part} more shown in part, and not judged by what they hide"] if self.part else []
        told = [f"{self.held} records{begin}", *part, *self.erased.told()]
        self._notebook.right(Stage.RECORDS, "; ".join(told))
        clock = "" if self._latest else "; no clock was given"
        self._notebook.right(Stage.FORM, f"{self.held} records{begin}{clock}")

    def _check_order(self, index: int, time: str) -> None:
        # Of one form and one zone, so their text has the order of the times.
        last, self.last = self.last, time
        if time < last:
            problem = f"its time {time} is before {last}, the time of an entry before it"
            self._notebook.wrong(Stage.FORM, f"entry {index}", problem)
        if self._latest is not None and time[: len(self._latest)] > self._latest:
            self._notebook.wrong(Stage.FORM, f"entry {index}", f"its time {time} lies in the future")

    def _check_erasure(self, index: int, erased: int) -> None:
        if erased >= index:
            self._notebook.wrong(Stage.RECORDS, f"entry {index}", f"it erases entry {erased}, which is later")
        elif erased in self._missing or self._is_gone(erased):
            self._missing.discard(erased)
            self.erased.add(erased, index)
        elif erased not in self.erased:
            problem = f"it erases entry {erased}, whose record is still there"
            self._notebook.wrong(Stage.RECORDS, f"entry {index}", problem)

    def _is_gone(self, index: int) -> bool:
        """Tell whether the record of an entry before this audit's first is gone since."""
        if index >= self._begin or index in self.erased or self.present is None:
            return False
        return not self.present(index)


class _Form:
    """The form of one kind: the same rules, asked in one go, for the many entries that keep them."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = frozenset([*names, *ADDED])
        self._counts = [name for name in names if name in _COUNTS]
        self._lists = [(name, _LISTS[name]) for name in names if name in _LISTS]
        self._flags = [name for name in names if name in _FLAGS]
        self._texts = [name for name in names if name not in {*_COUNTS, *_FLAGS, *_LISTS}]

    def fits(self, fields: dict[str, Any]) -> bool:
        """Return whether all is as it should be; what is not, `FormCheck` looks for."""
        if fields.keys() != self._names or not _is_time(fields["time"]):
            return False
        if any(type(fields[name]) is not str for name in self._texts):
            return False
        if any(type(fields[name]) is not int or fields[name] < 0 for name in self._counts):
            return False
        if any(type(fields[name]) is not bool for name in self._flags):
            return False
        return all(_is_list(fields[name], kind) for name, kind in self._lists)


_FORMS: Final = {kind: _Form(names) for kind, names in KINDS.items()}


def _check_types(fields: dict[str, Any]) -> None:
    for name, value in fields.items():
        if name in _COUNTS:
            right = type(value) is int and value >= 0
        elif name in _LISTS:
            right = _is_list(value, _LISTS[name])
        elif name in _FLAGS:
            right = type(value) is bool
        else:
            right = isinstance(value, str)
        if not right:
            raise VerificationError(f"its field {name} is of a wrong type")


def _is_list(value: Any, kind: type) -> bool:
    return isinstance(value, list) and all(type(item) is kind for item in value)


def _check_time(time: Any) -> None:
    if not _is_time(time):
        raise VerificationError("its time is not of the form 2026-01-01T00:00:00.000000Z")


def _is_time(time: Any) -> bool:
    found = _TIME.fullmatch(time) if isinstance(time, str) else None
    return found is not None and _is_day(found[1])


@lru_cache(maxsize=64)
def _is_day(day: str) -> bool:
    try:
        datetime.fromisoformat(day)
    except ValueError:
        return False
    return True
