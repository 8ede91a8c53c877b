"""The history of a dataset version as its worker keeps it: replayed from what was stored, one answer ahead.

What is stored of an answer is what was asked, as SQL, and which groups were
shown; from these the rows of each group are found again: the rows of a version
never change. A history is named by its head: how many releases it has, and the
mark of the last. The worker that answered goes on from there; another one, or a
new one, says how far it is and is told the rest.

Keeping it costs 8 bytes for each row, twice where subjects have many rows,
64 MB of coded columns at most, and what `privacy.history` bounds. Checking an
answer costs a look at the rows, 14 ms for a million, and a search of bounded
steps; replaying one costs a look too, so 100 over a million rows take two seconds
or three, and 1,000 over 100,000 five. Nothing is looked at for the first answer
on a dataset: groups that have enough, beside a rest that has enough, cannot
isolate anybody. One of more than `_FEW_NUMBERS` is: given without room for it, it
would be the last of all.
"""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
import numpy as np

from dataspace.privacy.atoms import COUNTS, Codes, Number, Release, numbered, wording_of
from dataspace.privacy.history import History, Verdict
from dataspace.privacy.isolation import UncheckedError
from dataspace.privacy.span import Flags
from dataspace.transfer.duck.coded import Coded, coded, flags, plain
from dataspace.transfer.duck.data import Table
from dataspace.transfer.duck.past import Head
from dataspace.transfer.duck.views import tiers_of

_KEPT_SIZE: Final = 64 << 20  # bytes of columns whose codes are kept
CUBE: Final = "cube"
_FEW_NUMBERS: Final = 1024  # groups times measures that an empty history has room for, whatever they are


@dataclass(frozen=True)
class _Next:
    """The answer judged last, in case it is given: its mark, what is stored of it, the history with it."""

    mark: bytes
    content: bytes = field(repr=False)
    history: History | None = field(repr=False)


@dataclass
class Releases:
    """The history of one table; `views` are the names of how its rows leave to those who know them."""

    views: tuple[str, ...] = ()
    head: Head = field(default_factory=Head)
    _history: History | None = None
    _full: bool = False
    _next: _Next | None = field(default=None, repr=False)
    _columns: dict[str, Coded] = field(default_factory=dict, repr=False)

    @property
    def size(self) -> int:
        """About how many bytes it takes."""
        return sum(column.size for column in self._columns.values()) + (
            self._history.size if self._history else 0
        )

    def reaches(self, table: Table, request: Mapping[str, Any]) -> bool:
        """Tell whether the history is the one asked about, perhaps with the answer it judged last."""
        wanted = Head.of(request)
        if self._next and wanted == Head(self.head.sequence + 1, self._next.mark):
            if self._next.history is None:
                self._append(table, request, self._next.mark, self._next.content)
            else:
                self._history, self.head, self._next = self._next.history, wanted, None
        return self.head == wanted

    def replay(self, table: Table, request: Mapping[str, Any]) -> dict[str, Any]:
        """Append what was stored after a head: `entries`, pairs of a mark and a content; return the head."""
        if self.head != Head.of(request):
            # Of two workers one may have judged an answer that was never given: it begins anew.
            self.head, self._history, self._full, self._next = Head(), None, False, None
        if self.head == Head.of(request):
            for mark, content in request["entries"]:
                self._append(table, request, mark, content)
        return vars(self.head)

    def judged(self, table: Table, request: Mapping[str, Any], found: Mapping[str, Any]) -> dict[str, Any]:
        """Return the verdict on an answer, and as `content` what is to be stored of it, if anything.

        `found`: what `aggregates.aggregate` did, with `shown` and `partly`.
        """
        left_out = int(request["minimum"]) if not request["where"] else found["complement"]
        # What a condition leaves too few out of, or nobody, is refused: by one reason, whatever was released.
        if not found["shown"] or left_out < int(request["minimum"]):
            return _told(Verdict())
        content = _content(request, found["shown"], whole=not found["suppressed"])
        few = len(found["shown"]) * len(request["numbers"]) <= _FEW_NUMBERS
        if self.head == Head() and not self.views and not found["partly"] and few:
            return self._expecting(request, content, Verdict(adds=True), None)
        if self._full:
            return _told(Verdict(unchecked=True))
        try:
            release = self._release(table, request, msgspec.msgpack.decode(content))
        except UncheckedError:
            return _told(Verdict(unchecked=True))
        history, verdict = self._begun(table, request).after(release, int(request["minimum"]))
        return self._expecting(request, content, verdict, history)

    def _expecting(
        self, request: Mapping[str, Any], content: bytes, verdict: Verdict, history: History | None
    ) -> dict[str, Any]:
        if not verdict.adds or verdict.isolates or verdict.unchecked:
            return _told(verdict)
        self._next = _Next(bytes(request["release"]), content, history)
        return {**_told(verdict), "content": content}

    def _append(self, table: Table, request: Mapping[str, Any], mark: bytes, content: bytes) -> None:
        told = msgspec.msgpack.decode(content)
        if told["form"] == CUBE:
            self._append_cube(table, request, told)
        else:
            self._append_answer(table, request, told)
        self.head, self._next = Head(self.head.sequence + 1, bytes(mark)), None

    def _append_answer(self, table: Table, request: Mapping[str, Any], told: Mapping[str, Any]) -> None:
        try:
            history, release = self._begun(table, request), self._release(table, request, told)
            self._history, verdict = history.after(release, int(request["minimum"]), judged=False)
            self._full |= verdict.unchecked
        except UncheckedError:
            # What is not in the history any more can isolate unseen: nothing is answered.
            self._full = True

    def _append_cube(self, table: Table, request: Mapping[str, Any], told: Mapping[str, Any]) -> None:
        # One without room is left to its noise: or one consumer would end the exact answers of all.
        if len(told["shown"]) * len(told["numbers"]) > _FEW_NUMBERS:
            return
        with suppress(UncheckedError):
            release = self._release(table, request, told)
            self._history = self._begun(table, request).beside(release)

    def _begun(self, table: Table, request: Mapping[str, Any]) -> History:
        if self._history is None:
            leaving: list[Flags] = [tiers_of(table, view) == 0 for view in request["views"]]
            seen = np.logical_or.reduce(leaving) if leaving else None
            self._history = History.begun(table.rows, _subjects(table), seen)
        return self._history

    def _release(self, table: Table, request: Mapping[str, Any], told: Mapping[str, Any]) -> Release:
        hidden = set(request["hidden"])
        values = {name: f"({sql}) IS NOT NULL" for _, sql, name in told["numbers"] if name}
        filled = {
            name: flags(column)
            for name, column in zip(values, self._read(table, values.values()), strict=True)
        }
        return Release(
            codes=self._codes(table, told),
            groups=len(told["shown"]),
            numbers=tuple(
                Number(COUNTS if kind == "count" else name, name, kind == "count" or name not in hidden)
                for kind, _, name in told["numbers"]
            ),
            wording=wording_of(told),
            filled={name: values for name, values in filled.items() if not values.all()},
        )

    def _codes(self, table: Table, told: Mapping[str, Any]) -> Codes:
        """Return for each row the number of its group, from 1, or 0 if it is in none that was shown."""
        found, shown = np.zeros(table.rows, np.int64), np.zeros(len(told["shown"]), np.int64)
        count = 1
        for place, column in enumerate(self._read(table, told["keys"])):
            labels = _labels(table, column, told, place)
            codes = {label: code for code, label in enumerate(labels)}
            # Two values may leave as one, as 0.0 and -0.0 do.
            same = np.array([codes[label] for label in labels], np.int64)
            wanted = np.array([codes.get(key[place], len(labels)) for key in told["shown"]], np.int64)
            names, found = numbered(found * (len(labels) + 1) + same[column.codes], count * (len(labels) + 1))
            shown = _places(names, shown * (len(labels) + 1) + wanted)
            count = len(names)
        groups = np.zeros(count, np.int64)
        groups[shown] = np.arange(1, len(shown) + 1)
        taken = groups[found]
        if told["where"]:
            (condition,) = coded(table, [f"coalesce({told['where']}, FALSE)"])
            taken *= flags(condition)
        return taken

    def _read(self, table: Table, statements: Iterable[str]) -> list[Coded]:
        """Return columns as codes; those that were read last are kept."""
        wanted = list(statements)
        missing = [sql for sql in dict.fromkeys(wanted) if sql not in self._columns]
        read = {**self._columns, **dict(zip(missing, coded(table, missing), strict=True))}
        self._columns.update(read)
        while sum(column.size for column in self._columns.values()) > _KEPT_SIZE:
            self._columns.pop(next(iter(self._columns)))
        return [read[sql] for sql in wanted]


def _told(verdict: Verdict) -> dict[str, Any]:
    return {"isolates": verdict.isolates, "unchecked": verdict.unchecked, "content": b""}


def _content(request: Mapping[str, Any], shown: list[list[Any]], *, whole: bool) -> bytes:
    names = ("keys", "where", "numbers", "conditions", "pinned", "group")
    return msgspec.msgpack.encode(
        {"form": "aggregate", "shown": shown, "whole": whole, **{name: request[name] for name in names}}
    )


def _subjects(table: Table) -> Codes | None:
    """Return a number for the subject of each row; None where every row is one."""
    if table.most == 1:
        return None
    found, count = np.zeros(table.rows, np.int64), 1
    for column in coded(table, table.subjects):
        names, found = numbered(found * len(column.values) + column.codes, count * len(column.values))
        count = len(names)
    return found


def _labels(table: Table, column: Coded, told: Mapping[str, Any], place: int) -> list[Any]:
    """Return by what a group shown is found again: the value it is grouped by, or a cell's label of it."""
    if told["form"] != CUBE:
        return list(column.values)
    key, label = f"k{place}", told["labels"][place]
    distinct = f"(SELECT DISTINCT {told['keys'][place]} AS {key} FROM data)"
    labels = {plain(value): name for value, name in table.all(f"SELECT {key}, {label} FROM {distinct}")}
    return [labels[value] for value in column.values]


def _places(names: Codes, wanted: Codes) -> Codes:
    """Return the places of names; raises UncheckedError where one is of no row."""
    places = np.minimum(np.searchsorted(names, wanted), max(len(names) - 1, 0))
    if not len(names) or (names[places] != wanted).any():
        raise UncheckedError
    return places.astype(np.int64)
