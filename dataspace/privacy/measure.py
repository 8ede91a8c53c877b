"""The numbers that a cube has for each cell: how many rows, sums of a column, sums of products of two.

    {"kind": "count"}
    {"kind": "sum", "column": "amount", "low": 0, "high": 5000, "precision": 2}
    {"kind": "product", "factors": [{"column": "amount", "low": 0, "high": 5000, "precision": 2},
                                    {"column": "age", "low": 0, "high": 120, "precision": 0}]}

A value is clamped to low..high and rounded to a whole number of units of
10^-precision; a product is of two such numbers, so that its precision is the
sum of theirs, and nothing is rounded twice. The square of a column is its
product with itself.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

from dataspace.errors import Malformed

PRECISION_LIMIT: Final = 6
NAME_LIMIT: Final = 200
_LARGEST: Final = 1 << 40  # of one value, in units


@dataclass(frozen=True)
class Factor:
    """A column's value, clamped to low..high, in units of 10^-precision."""

    column: str
    low: int
    high: int
    precision: int = 0

    @property
    def peak(self) -> int:
        """Return the most that it can be, positive or negative, in its units."""
        unit: int = 10**self.precision
        return max(abs(self.low), abs(self.high)) * unit

    def to_json(self) -> dict[str, Any]:
        """Return what `from_json` reads."""
        return {"column": self.column, "low": self.low, "high": self.high, "precision": self.precision}

    @classmethod
    def from_json(cls, data: Any) -> Self:
        """Read one factor.

        Raises:
            Malformed: it is none.

        """
        if not isinstance(data, Mapping) or data.keys() != {"column", "low", "high", "precision"}:
            raise Malformed("malformed measure: want column, low, high and precision of each column")
        column = column_name(data["column"])
        precision = integer(data, "precision", 0, PRECISION_LIMIT, of=column)
        limit = _LARGEST // 10**precision
        low, high = (integer(data, bound, -limit, limit, of=column) for bound in ("low", "high"))
        if low >= high:
            raise Malformed(f"malformed measure: low of {column} is {low}, want less than high, {high}")
        return cls(column, low, high, precision)


@dataclass(frozen=True)
class Measure:
    """One number for each cell: its rows if there are no factors, else the sum of their product over them."""

    factors: tuple[Factor, ...] = ()

    @property
    def name(self) -> str:
        """Return what queries, layouts and answers call it."""
        return f"sum({self.column})" if self.factors else "count"

    @property
    def column(self) -> str:
        """Return what its sums are called among a table's cells: empty for a count."""
        return "*".join(factor.column for factor in self.factors)

    @property
    def columns(self) -> tuple[str, ...]:
        """Return the columns that it reads, each once."""
        return tuple(dict.fromkeys(factor.column for factor in self.factors))

    @property
    def precision(self) -> int:
        """Return the decimals of its unit."""
        return sum(factor.precision for factor in self.factors)

    @property
    def peak(self) -> int:
        """Return the most by which one row can change it, in units of 10^-precision.

        The bounds of a product are reached where each factor is at the one of
        its two bounds that is further from zero, and of a square likewise.
        """
        return math.prod(factor.peak for factor in self.factors)

    def to_json(self) -> dict[str, Any]:
        """Return what `from_json` reads."""
        told = [factor.to_json() for factor in self.factors]
        match told:
            case []:
                return {"kind": "count"}
            case [one]:
                return {"kind": "sum", **one}
        return {"kind": "product", "factors": told}

    @classmethod
    def from_json(cls, data: Any) -> Self:
        """Read one measure of a specification; the factors of a product in the order of their columns.

        Raises:
            Malformed: it is none.

        """
        match data:
            case {"kind": "count"} if len(data) == 1:
                return cls()
            case {"kind": "sum", **rest}:
                return cls((Factor.from_json(rest),))
            case {"kind": "product", "factors": [one, other]} if len(data) == 2:
                return cls(_product(Factor.from_json(one), Factor.from_json(other)))
        raise Malformed(
            "malformed measure: want a count, a sum with column, low, high and precision, "
            "or a product of two factors"
        )


def _product(one: Factor, other: Factor) -> tuple[Factor, ...]:
    if one.column == other.column and one != other:
        raise Malformed(f"malformed measure: {one.column} is bounded in two ways in its square")
    return tuple(sorted((one, other), key=lambda factor: factor.column))


def column_name(value: Any) -> str:
    """Return the name of a column; raises Malformed."""
    if not isinstance(value, str) or not 0 < len(value) <= NAME_LIMIT or not value.isprintable():
        raise Malformed(f"malformed cube: a column's name has 1 to {NAME_LIMIT} printable characters")
    return value


def integer(data: Mapping[str, Any], name: str, low: int, high: int, *, of: str = "") -> int:
    """Return a whole number between bounds; `of` is the column it is told of. Raises Malformed."""
    value = data[name]
    if type(value) is not int or not low <= value <= high:
        whose = f" of {of}" if of else ""
        raise Malformed(f"malformed cube: {name}{whose} is not an integer from {low} to {high}")
    return value
