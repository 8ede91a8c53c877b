"""The tables of `zones/<name>/grading.toml`: when columns are graded higher than each of them alone.

    combinations   columns of all these categories lie in one dataset
    scales         a column of such a category or level tells of so many subjects
    precisions     a column of such a category is written so precisely

Every rule says to which level it raises the columns it names, from which clause
that comes, and why, in both languages. The factors are those of GB/T 43697-2024:
scale, precision and combination; the highest level wins.
"""

from collections.abc import Iterator
from typing import Annotated

import msgspec

from dataspace.zones.schema import Clause, Count, Name, Positive, Title


class Rule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every rule has: the level it raises columns to, the clause, the reason."""

    level: Positive
    clause: Clause
    reason: Title


class Combination(Rule, frozen=True, kw_only=True):
    """Categories that are more sensitive together.

    An entry is one category, or several (`a|b`) of which one will do. With at
    least `least` entries present the rule holds; 0 wants them all.
    """

    categories: Annotated[list[str], msgspec.Meta(min_length=2)]
    least: Count = 0


class Scale(Rule, frozen=True, kw_only=True):
    """Columns of `categories`, or of at least the level `of_level`, about at least so many subjects."""

    subjects: Positive
    categories: list[Name] = []
    of_level: Count = 0


class Precision(Rule, frozen=True, kw_only=True):
    """Columns of `categories` whose precision, as `precision.py` counts it, is at least this."""

    categories: Annotated[list[Name], msgspec.Meta(min_length=1)]
    precision: int


class Rules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The file grading.toml."""

    combinations: list[Combination] = []
    scales: list[Scale] = []
    precisions: list[Precision] = []

    def all(self) -> Iterator[Rule]:
        """Yield the rules of all three kinds."""
        yield from self.combinations
        yield from self.scales
        yield from self.precisions

    def categories(self) -> Iterator[str]:
        """Yield the categories that rules name."""
        for combination in self.combinations:
            for entry in combination.categories:
                yield from entry.split("|")
        for scale in self.scales:
            yield from scale.categories
        for precise in self.precisions:
            yield from precise.categories
