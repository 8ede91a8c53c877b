"""Statistics from noised moments, and the error that the noise gives them, to first order.

A moment is a count, a sum or a sum of products over the same rows, with
independent noise. Where f is computed from moments m with standard deviations
s, its variance is the sum of (df/dm)^2 s^2, which leaves out what is of second
order: it is small while noise is small beside the counts.
"""

import math
from collections.abc import Sequence
from typing import Final, NamedTuple

from dataspace.errors import Unprocessable


class Moment(NamedTuple):
    """A number with the standard deviation of its noise."""

    value: float
    error: float


UNKNOWN: Final = Moment(math.nan, math.inf)
_WORST: Final = 1e12  # of a condition number: beyond it no digit of a solution is left


def mean(rows: Moment, total: Moment) -> Moment:
    """Return the mean: total / rows."""
    if rows.value <= 0:
        return UNKNOWN
    found = total.value / rows.value
    return Moment(found, _spread((1 / rows.value, total), (found / rows.value, rows)))


def variance(rows: Moment, total: Moment, squares: Moment) -> Moment:
    """Return the variance of the rows that count: squares / rows less the mean's square."""
    if rows.value <= 0:
        return UNKNOWN
    middle = total.value / rows.value
    found = squares.value / rows.value - middle**2
    by = [(1.0, squares), (-2 * middle, total), (middle**2 - found, rows)]
    return Moment(found, _spread(*((factor / rows.value, moment) for factor, moment in by)))


def covariance(rows: Moment, one: Moment, other: Moment, products: Moment) -> Moment:
    """Return the covariance over the rows that count: products / rows less the product of the means."""
    if rows.value <= 0:
        return UNKNOWN
    mine, theirs = one.value / rows.value, other.value / rows.value
    found = products.value / rows.value - mine * theirs
    by = [(1.0, products), (-theirs, one), (-mine, other), (mine * theirs - found, rows)]
    return Moment(found, _spread(*((factor / rows.value, moment) for factor, moment in by)))


def regression(gram: Sequence[Sequence[Moment]], right: Sequence[Moment]) -> list[Moment]:
    """Return the coefficients b of least squares, from the normal equations gram b = right.

    `gram` is symmetric: what stands at i, j and at j, i is one moment. From
    db = gram^-1 (d right - d gram b) follows by how much each of them moves b.

    Raises:
        Unprocessable: the equations have no one solution, or noise left them none.

    """
    import numpy as np  # noqa: PLC0415 - it takes a while, and no other statistic needs it

    left = np.array([[moment.value for moment in row] for row in gram])
    wanted = np.array([moment.value for moment in right])
    with np.errstate(all="ignore"):
        scale = np.sqrt(np.diag(left))
        scaled = left / np.outer(scale, scale)
    if not np.isfinite(scaled).all() or np.linalg.cond(scaled) > _WORST:
        raise Unprocessable(
            "the normal equations have no one solution: leave out columns that follow from others, "
            "or ask for a larger epsilon"
        )
    inverse = np.linalg.inv(scaled) / np.outer(scale, scale)
    found = inverse @ wanted
    spread = sum((inverse[:, i] * moment.error) ** 2 for i, moment in enumerate(right))
    for i, row in enumerate(gram):
        for j, moment in enumerate(row[: i + 1]):
            moved = inverse[:, i] * found[j] + (inverse[:, j] * found[i] if i != j else 0)
            spread = spread + (moved * moment.error) ** 2
    return [Moment(float(value), float(error)) for value, error in zip(found, np.sqrt(spread), strict=True)]


def _spread(*parts: tuple[float, Moment]) -> float:
    return math.sqrt(sum((factor * moment.error) ** 2 for factor, moment in parts))
