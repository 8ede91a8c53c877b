"""The level of a whole: the highest of its parts (就高从严, GB/T 43697-2024)."""

from collections.abc import Iterable

from dataspace.table import Column


def grade(columns: Iterable[Column]) -> int:
    """Return the level of a dataset: the highest of its columns', 1 when there are none."""
    return max((column.level for column in columns), default=1)


def joined(levels: Iterable[int]) -> int:
    """Return the level of a join of datasets: the highest of theirs."""
    return max(levels, default=1)
