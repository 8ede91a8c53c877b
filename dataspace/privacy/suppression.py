"""Which cells of a table may be shown: those with enough subjects, less what would give the others away.

A cell with fewer than `min_group` subjects is hidden. Somebody who knows a
margin (the sum of all cells that agree in some dimensions, or in none: the
total) subtracts the cells shown from it. So if the hidden cells of a margin are
one alone, or fewer than `min_group` subjects together, the smallest cell shown
of that margin is hidden too, and so on until nothing changes.

What several margins together may still give away is not searched for; against
that stands the noise, which every value shown has of its own.
"""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, combinations
from typing import Any, Self, TypeAlias

from dataspace.errors import Malformed, TooLarge

Key: TypeAlias = tuple[str | int | bool | None, ...]

CELLS_LIMIT = 1 << 16  # before suppression


@dataclass(frozen=True)
class Cells:
    """Exact counts of a table: one cell for each combination of values that occurs.

    `subjects` counts the distinct subjects of a cell, `count` its rows;
    `sums` holds, by column, the sum of its clamped values in units of
    10^-precision. None of it may leave the process that reads this.
    """

    keys: tuple[Key, ...]
    subjects: tuple[int, ...] = field(repr=False)
    count: tuple[int, ...] = field(repr=False)
    sums: Mapping[str, tuple[int, ...]] = field(repr=False)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read `{"keys": [[...]], "subjects": [...], "count": [...], "sums": {column: [...]}}`.

        Raises:
            TooLarge: there are more than 65,536 cells.
            Malformed: the lists do not fit together, or hold what they should not.

        """
        try:
            keys = tuple(tuple(key) for key in data["keys"])
            subjects, count = tuple(data["subjects"]), tuple(data["count"])
            sums = {str(column): tuple(values) for column, values in data["sums"].items()}
        except (KeyError, TypeError, AttributeError) as error:
            raise Malformed("malformed cells: want keys, subjects, count and sums") from error
        if len(keys) > CELLS_LIMIT:
            raise TooLarge(f"more than {CELLS_LIMIT} cells: choose coarser dimensions", limit=CELLS_LIMIT)
        _check_numbers(len(keys), [subjects, count, *sums.values()])
        _check_keys(keys)
        if not all(1 <= few <= rows for few, rows in zip(subjects, count, strict=True)):
            raise Malformed("malformed cells: a cell has no subject, or more subjects than rows")
        return cls(keys, subjects, count, sums)


def suppress(keys: Sequence[Key], subjects: Sequence[int], min_group: int, max_rows: int = 1) -> list[bool]:
    """Return for each cell whether it may be shown.

    A subject may be in as many as `max_rows` cells, so hidden cells with s
    subjects in all hold at least s / `max_rows` distinct ones. A cell whose
    `subjects` is 0 is hidden and counts as not being there at all.
    """
    table = _Table(keys, subjects, min_group, max_rows)
    for cell, few in enumerate(subjects):
        if few < min_group:
            table.hide(cell)
    table.settle()
    return table.shown


@dataclass
class _Margin:
    """Cells that agree in some dimensions, fewest subjects first."""

    cells: list[int]
    next: int = 0
    hidden: int = 0  # cells
    subjects: int = 0  # of the hidden cells, added up
    largest: int = 0  # ... and of the largest of them


class _Table:
    def __init__(self, keys: Sequence[Key], subjects: Sequence[int], min_group: int, max_rows: int) -> None:
        self.shown = [True] * len(keys)
        self._subjects, self._min_group, self._max_rows = subjects, min_group, max_rows
        self._of_cell: list[list[_Margin]] = [[] for _ in keys]
        margins: dict[tuple[object, ...], _Margin] = {}
        for cell in sorted(range(len(keys)), key=lambda cell: subjects[cell]):
            for name in _projections(keys[cell]):
                margin = margins.setdefault(name, _Margin([]))
                margin.cells.append(cell)
                self._of_cell[cell].append(margin)
        self._waiting = deque(margins.values())

    def hide(self, cell: int) -> None:
        self.shown[cell] = False
        if not self._subjects[cell]:
            return
        for margin in self._of_cell[cell]:
            margin.hidden += 1
            margin.subjects += self._subjects[cell]
            margin.largest = max(margin.largest, self._subjects[cell])
            self._waiting.append(margin)

    def settle(self) -> None:
        while self._waiting:
            margin = self._waiting.popleft()
            while self._gives_away(margin) and margin.next < len(margin.cells):
                if self.shown[margin.cells[margin.next]]:
                    self.hide(margin.cells[margin.next])
                margin.next += 1

    def _gives_away(self, margin: _Margin) -> bool:
        together = max(margin.largest, -(-margin.subjects // self._max_rows))
        return margin.hidden == 1 or 0 < together < self._min_group


def _projections(key: Key) -> Iterator[tuple[object, ...]]:
    """Yield the name of each margin the cell is in: the dimensions that are fixed, and their values."""
    # True equals 1 as a dictionary key, and the type tells them apart.
    named = [(place, type(value), value) for place, value in enumerate(key)]
    return chain.from_iterable(combinations(named, fixed) for fixed in range(len(key)))


def _check_numbers(cells: int, lists: Sequence[tuple[Any, ...]]) -> None:
    if any(len(values) != cells for values in lists):
        raise Malformed(f"malformed cells: want {cells} values in each list")
    if any(type(value) is not int for values in lists for value in values):
        raise Malformed("malformed cells: a number is not an integer")


def _check_keys(keys: tuple[Key, ...]) -> None:
    if any(value is not None and type(value) not in {str, int, bool} for key in keys for value in key):
        raise Malformed("malformed cells: a key holds what is not text, an integer, true, false or null")
    if len({tuple((type(value), value) for value in key) for key in keys}) != len(keys):
        raise Malformed("malformed cells: a key occurs twice")
    if len({len(key) for key in keys}) > 1:
        raise Malformed("malformed cells: the keys have different lengths")
