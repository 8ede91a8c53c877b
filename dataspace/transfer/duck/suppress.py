"""Which groups of an answer may be shown: those with enough subjects, less what would give the others away.

A group counts its distinct subjects, and for every column that is counted or
summed its distinct subjects with a value in it: an average over the one value of
a large group is that value. Each of these numbers is a part.

 1. A group is hidden when it has fewer than `minimum` subjects, or some but fewer
    than `minimum` with a value in a column of the query.
 2. If the hidden rows together have too few in some part, whoever knows the total
    could subtract what is shown: the smallest group shown is hidden too, and
    enough are hidden then, since it alone has enough.

Which group that is depends on the groups alone, not on how the answer is sorted
or named: two queries that differ only there must not hide two different ones.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Group:
    """One group: its key as it sorts, its key as it leaves, its parts, and what was counted and summed in it.

    `counts`: rows, then by column rows with a value. `sums`: by column.
    """

    key: tuple[Any, ...]
    label: tuple[Any, ...]
    parts: tuple[int, ...]
    counts: tuple[int, ...]
    sums: tuple[Any, ...]


def enough(parts: Sequence[int], minimum: int) -> bool:
    """Say whether there are enough subjects, and in each column enough or none with a value."""
    return parts[0] >= minimum and not lacking(parts, minimum)


def lacking(parts: Sequence[int], minimum: int) -> list[int]:
    """Return the places of the parts that are some, but fewer than `minimum`."""
    return [place for place, part in enumerate(parts) if 0 < part < minimum]


def least(parts: Sequence[int]) -> int:
    """Return the smallest part that is not zero, or zero."""
    return min((part for part in parts if part), default=0)


def complement(groups: Sequence[Group], hidden: Sequence[int], minimum: int) -> list[Group]:
    """Return which of `groups` (all with enough) may be shown beside rows hidden already.

    `groups`: in the order of their keys. `hidden`: the parts of the hidden rows.
    """
    shown = list(groups)
    parts = list(hidden)
    while places := lacking(parts, minimum):
        able = [group for group in shown if group.parts[places[0]]]
        if not able:
            # Nothing is shown of this column, so there is nothing to subtract from its total.
            parts[places[0]] = 0
            continue
        smallest = min(able, key=lambda group: group.parts[0])
        shown.remove(smallest)
        parts = [max(part, more) for part, more in zip(parts, smallest.parts, strict=True)]
    return shown
