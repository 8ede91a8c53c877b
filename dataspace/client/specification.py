"""The cube that an encrypted statistic is computed from: which sums, over which rows, at what epsilon."""

from collections.abc import Mapping, Sequence
from itertools import combinations_with_replacement
from typing import TYPE_CHECKING, Any, Final, Required, TypeAlias, TypedDict

from dataspace.client.estimating import low_high, millionths
from dataspace.errors import Malformed, Unprocessable
from dataspace.wire.envelope import MEASURES_LIMIT

if TYPE_CHECKING:
    from dataspace.client.encrypted import Keys
    from dataspace.client.keyring import KeyRing

Dimension: TypeAlias = str | Mapping[str, str | int]
Bounds: TypeAlias = tuple[int, int] | Mapping[str, tuple[int, int]]

_MILLION: Final = 1_000_000
_COLUMNS: Final = {"count": 0, "sum": 1, "mean": 1, "variance": 1, "covariance": 2}


class How(TypedDict, total=False):
    """What every statistic takes; see `statistics`."""

    keys: Required["Keys | KeyRing"]
    by: Sequence[Dimension]
    where: Mapping[str, Any]
    max_rows: int
    epsilon: int


class Values(How, total=False):
    """What those of a column's values take too."""

    bounds: Required[Bounds]
    precision: int | Mapping[str, int]


def specification(statistic: str, columns: Sequence[str], how: Mapping[str, Any]) -> dict[str, Any]:
    """Return the specification of the cube of a count, sum, mean, variance, covariance or regression.

    A regression is of the first column on the others. All but a count and a sum
    are of the rows that have a value in every column concerned.

    Raises:
        Malformed: there is no such statistic of these columns, or an epsilon or bounds are none.
        Unprocessable: a regression is on too many columns.

    """
    by, where = how.get("by", ()), how.get("where") or {}
    return {
        "dimensions": [*by, *(name for name in where if name not in named(by))],
        "measures": [_product(how, *factors) for factors in _sums(statistic, columns, by)],
        "max_rows": how.get("max_rows", 1),
        "epsilon": millionths(how.get("epsilon", _MILLION)),
        "complete": statistic not in {"count", "sum"},
    }


def named(dimensions: Sequence[Dimension]) -> tuple[str, ...]:
    """Return the columns of dimensions."""
    return tuple(one if isinstance(one, str) else str(one["column"]) for one in dimensions)


def sum_of(*columns: str) -> str:
    """Return what a cube calls a count, a sum or a sum of products."""
    return f"sum({'*'.join(sorted(columns))})" if columns else "count"


def _sums(statistic: str, columns: Sequence[str], by: Sequence[Dimension]) -> list[Sequence[str]]:
    """Return the columns of each sum that a statistic is made of; none for the rows."""
    if statistic == "regression":
        return _normal_equations(columns[:1], columns[1:], by)
    if _COLUMNS.get(statistic) != len(columns):
        takes = ", ".join(f"{name} of {count}" for name, count in _COLUMNS.items())
        raise Malformed(
            f"there is no {statistic} of {len(columns)} columns: want one of {takes}, or a regression"
        )
    each: list[Sequence[str]] = [[column] for column in columns]
    match statistic:
        case "variance":
            return [[], *each, [*columns, *columns]]
        case "covariance":
            return [[], *each, columns]
        case "mean":
            return [[], *each]
    return each or [[]]


def _normal_equations(
    column: Sequence[str], on: Sequence[str], by: Sequence[Dimension]
) -> list[Sequence[str]]:
    if by or not on or len({*column, *on}) != 1 + len(on):
        raise Malformed("a regression is of a column on one or more others, once each, and without by")
    pairs = [*combinations_with_replacement(["", *on], 2), *((term, *column) for term in ["", *on])]
    if len(pairs) > MEASURES_LIMIT:
        raise Unprocessable(f"{len(pairs)} sums for {len(on)} columns, want at most {MEASURES_LIMIT}")
    return [list(filter(None, pair)) for pair in pairs]


def _product(how: Mapping[str, Any], *columns: str) -> dict[str, Any]:
    """Return the measure of the product of no, one or two columns."""
    factors = [_factor(how, column) for column in columns]
    match factors:
        case []:
            return {"kind": "count"}
        case [one]:
            return {"kind": "sum", **one}
    return {"kind": "product", "factors": factors}


def _factor(how: Mapping[str, Any], column: str) -> dict[str, Any]:
    bounds, precision = how.get("bounds"), how.get("precision", 0)
    low, high = low_high(bounds.get(column) if isinstance(bounds, Mapping) else bounds, column)
    digits = precision.get(column, 0) if isinstance(precision, Mapping) else precision
    return {"column": column, "low": low, "high": high, "precision": digits}
