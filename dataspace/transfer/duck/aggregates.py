"""Aggregates on a table: computed, counted by subject, suppressed, and written as JSON.

Counting distinct subjects costs three times the aggregate itself. Where every
subject has one row, rows are subjects. Where none has more than m, n rows are at
least n/m subjects: if that is enough everywhere, nothing has to be hidden and
nothing exact to be known; only otherwise subjects are counted. To know m all
rows must be read: as long as it is not known, it is enough that the first rows
alone have subjects enough everywhere.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import msgspec

from dataspace.errors import TooCostly
from dataspace.transfer.duck.coded import plain
from dataspace.transfer.duck.data import Table
from dataspace.transfer.duck.statements import Grouping
from dataspace.transfer.duck.suppress import Group, complement, enough, lacking, least

_GROUPS_LIMIT: Final = 100_000
_FIRST: Final = 4096
_DIGITS: Final = 15  # of a sum of doubles: 0.1 + 0.2 is 0.3


def aggregate(table: Table, request: Mapping[str, Any]) -> dict[str, Any]:
    """Return the answer and its facts for a rendered aggregate.

    The facts count subjects, up to `min_group`: more need not be known, by
    anybody. The body is empty when the rows that the condition takes, or those
    that it leaves, have some subjects but too few.

    Raises:
        TooCostly: there are more than 100,000 groups, or not enough memory.

    """
    parts, minimum = Grouping.of(request), int(request["min_group"])
    found = _by_rows(table, parts, minimum) or _by_subjects(table, parts, minimum)
    shown = complement(found.groups, found.hidden, minimum)
    suppressed = len(shown) < len(found.groups) or found.hidden[0] > 0
    withheld = bool(lacking(found.others, minimum) or lacking([found.subjects], minimum))
    return {
        "body": b"" if withheld else _body(shown, request, suppressed=suppressed),
        "rows": len(shown),
        "smallest_group": min((min(least(group.parts), minimum) for group in shown), default=0),
        "complement": min(least(found.others), minimum),
        "suppressed": suppressed,
        "withheld": withheld,
        **(_released([] if withheld else shown, request["history"]) if "history" in request else {}),
    }


def _released(shown: Sequence[Group], request: Mapping[str, Any]) -> dict[str, Any]:
    """Return the groups shown as the history stores them, and whether some rows of one are not in a number.

    A group without any row, which only an answer without keys can have, tells of nobody.
    """
    counted = [place for place, (kind, _, name) in enumerate(request["numbers"]) if kind == "count" and name]
    columns = [request["columns"].index(request["numbers"][place][2]) for place in counted]
    groups = [group for group in shown if group.counts[0]]
    return {
        "shown": [[plain(rank) for _, rank in group.key] for group in groups],
        "partly": any(group.counts[1 + column] < group.counts[0] for group in groups for column in columns),
    }


@dataclass(frozen=True)
class _Found:
    """Groups that have enough, in the order of keys; the parts of all other groups, and of the rows left."""

    groups: list[Group]
    hidden: Sequence[int]
    others: Sequence[int]
    subjects: int


@dataclass(frozen=True)
class _Counted:
    """Rows of groups as they were fetched; rows, and rows with a value, of them all and of what is left."""

    rows: list[tuple[Any, ...]]
    taken: Sequence[int]
    left: Sequence[int]

    def hidden(self, groups: Sequence[Group]) -> list[int]:
        """Return the same of the rows that are in none of `groups`."""
        return [whole - sum(group.counts[i] for group in groups) for i, whole in enumerate(self.taken)]


def _by_rows(table: Table, parts: Grouping, minimum: int) -> _Found | None:
    """Return what can be told without counting every subject; None when that is not enough to know."""
    rows, totals = _fetched(table, parts.by_rows(minimum, _GROUPS_LIMIT + 1))
    taken = _counts(totals, parts)
    left = [0] * len(taken)
    if parts.where:
        left = [whole - part for whole, part in zip(_whole(table, parts), taken, strict=True)]
    # What costs less comes first; what is found, if anything is, does not depend on it.
    ways = (_by_most, _by_first) if table.most_is_known else (_by_first, _by_most)
    found = (way(table, parts, minimum, _Counted(rows, taken, left)) for way in ways)
    return next((one for one in found if one), None)


def _by_most(table: Table, parts: Grouping, minimum: int, counted: _Counted) -> _Found | None:
    """Return what the most rows of a subject tell: so many rows are at least so many subjects."""
    groups = [_group(row, parts, _subjects(_counts(row, parts), table)) for row in counted.rows]
    groups = [
        group for group in groups if enough(group.parts, minimum) or not (parts.keys or group.counts[0])
    ]
    hidden, others = counted.hidden(groups), _subjects(counted.left, table)
    if table.most > 1 and (any(hidden) or lacking(others, minimum)):
        return None
    return _Found(_sorted(groups), hidden, others, _subjects(counted.taken, table)[0])


def _by_first(table: Table, parts: Grouping, minimum: int, counted: _Counted) -> _Found | None:
    """Return what the first rows tell: that subjects are enough everywhere, and nothing is to be hidden."""
    groups = [_group(row, parts, _some(_counts(row, parts), minimum)) for row in counted.rows]
    hidden, others = counted.hidden(groups), _some(counted.left, minimum)
    if any(hidden):
        return None
    first = parts.of_first(_FIRST)
    keys = len(parts.keys)
    seen = {_key(row[:keys]): row[keys:] for row in table.all(first.parts(table.subjects))}
    wanted: list[tuple[Sequence[int], Sequence[int]]] = [
        (group.parts, seen.get(group.key, ())) for group in groups
    ]
    wanted += [(others, table.one(first.others(table.subjects)))] if any(others) else []
    for want, have in wanted:
        if any(want) and not (have and all(h >= w for h, w in zip(have, want, strict=True))):
            return None
    return _Found(_sorted(groups), hidden, others, minimum)


def _by_subjects(table: Table, parts: Grouping, minimum: int) -> _Found:
    rows, totals = _fetched(table, parts.by_subjects(table.subjects, minimum, _GROUPS_LIMIT + 1))
    some = slice(-len(parts.values) - 2, -1)
    others = table.one(parts.others(table.subjects)) if parts.where else (0,)
    return _Found(_sorted([_group(row, parts, row[some]) for row in rows]), totals[some], others, totals[-1])


def _fetched(table: Table, sql: str) -> tuple[list[tuple[Any, ...]], tuple[Any, ...]]:
    """Return the rows of groups, and the row of totals."""
    rows = table.all(sql)
    groups = [row for row in rows if not row[0]]
    if len(groups) > _GROUPS_LIMIT:
        raise TooCostly(f"more than {_GROUPS_LIMIT} groups")
    (totals,) = (row for row in rows if row[0])
    return groups, totals


def _group(row: Sequence[Any], parts: Grouping, subjects: Sequence[int]) -> Group:
    keys, values = len(parts.keys), len(parts.values)
    rest = row[1 + 2 * keys :]
    return Group(
        key=_key(row[1 : 1 + keys]),
        label=tuple(row[1 + keys : 1 + 2 * keys]),
        parts=tuple(subjects),
        counts=tuple(rest[: 1 + values]),
        sums=tuple(rest[1 + values : 1 + 2 * values]),
    )


def _key(ranks: Sequence[Any]) -> tuple[tuple[bool, Any], ...]:
    """Return what a group sorts by; NULL comes last."""
    return tuple((rank is None, rank) for rank in ranks)


def _counts(row: Sequence[Any], parts: Grouping) -> Sequence[int]:
    """Return a row's number of rows, and of rows with a value in each column."""
    first = 1 + 2 * len(parts.keys)
    return row[first : first + 1 + len(parts.values)]


def _some(counts: Sequence[int], minimum: int) -> list[int]:
    """Return the parts of rows that have enough subjects, so far as anybody need know."""
    return [minimum if rows else 0 for rows in counts]


def _whole(table: Table, parts: Grouping) -> list[int]:
    """Return the same of the whole dataset."""
    return [table.rows, *table.filled(parts.values)]


def _subjects(counts: Sequence[int], table: Table) -> list[int]:
    """Return how many subjects so many rows have at least; exact where each has one row."""
    return [-(-rows // table.most) for rows in counts]


def _sorted(groups: list[Group]) -> list[Group]:
    return sorted(groups, key=lambda group: group.key)


def _body(groups: Sequence[Group], request: Mapping[str, Any], *, suppressed: bool) -> bytes:
    ordered = list(groups)
    for place, descending in reversed(request["order"]):
        ordered.sort(key=partial(_rank, place, last=not descending), reverse=descending)
    rows = [[_cell(group, output) for output in request["outputs"]] for group in ordered]
    return msgspec.json.encode({"columns": request["columns"], "rows": rows, "suppressed": suppressed})


def _rank(place: int, group: Group, *, last: bool) -> tuple[bool, Any]:
    """Return what a group sorts by; NULL comes last either way."""
    missing, value = group.key[place]
    return missing is last, value


def _cell(group: Group, output: Mapping[str, Any]) -> Any:
    """Return one cell: `output` names the place of a key, or a function and the place of a column."""
    if "key" in output:
        return group.label[output["key"]]
    column, function = output["column"], output["function"]
    if function == "count":
        return group.counts[column + 1]
    total = group.sums[column]
    if total is None or (isinstance(total, float) and not math.isfinite(total)):
        return None
    number = total / group.counts[column + 1] if function == "avg" else total
    # Of integers sums are exact, and averages the nearest double.
    return float(f"{number:.{_DIGITS}g}") if isinstance(total, float) else number
