"""Integer Laplace noise of differential privacy, drawn by OpenDP from the system's randomness.

Epsilon is an integer in millionths. Adding noise of scale `sensitivity /
epsilon` to each of several numbers that one subject changes by at most
`sensitivity` in all (the L1 distance) is epsilon-differentially private.

OpenDP is imported at the first use, which only worker processes come to.
"""

import math
from collections.abc import Sequence
from typing import Any, Final

from dataspace.errors import Malformed

MILLION: Final = 1_000_000
TAIL: Final = 1e-6  # the chance that one draw passes `margin`
_LARGEST: Final = 1 << 53  # of a value or a sensitivity: exact as a double, and far from the end of 64 bits


def add_noise(values: Sequence[int], *, sensitivity: int, epsilon: int) -> list[int]:
    """Return `values` with independent noise added to each.

    Raises:
        Malformed: a value is no integer below 2^53, or sensitivity or epsilon is not positive.

    """
    # OpenDP does not check the domain at each call: infinity gives a plausible number.
    for value in (*values, sensitivity, epsilon):
        if type(value) is not int or not -_LARGEST < value < _LARGEST:
            raise Malformed("noise is added to integers below 2^53 only")
    mechanism = _mechanism(sensitivity, epsilon)
    return [int(value) for value in mechanism(list(values))] if values else []


def margin(*, sensitivity: int, epsilon: int) -> int:
    """Return what a draw passes upwards with a chance of at most one in a million.

    Discrete Laplace noise is at least m with a chance of
    exp(-m / scale) / (1 + exp(-1 / scale)), which is below exp(-m / scale).
    """
    return math.ceil(_scale(sensitivity, epsilon) * -math.log(TAIL))


def _scale(sensitivity: int, epsilon: int) -> float:
    if sensitivity < 1 or epsilon < 1:
        raise Malformed("sensitivity and epsilon are positive")
    # Rounded up, so that the noise is never a hair too small.
    return math.nextafter(sensitivity * MILLION / epsilon, math.inf)


def _mechanism(sensitivity: int, epsilon: int) -> Any:
    import opendp.prelude as dp  # noqa: PLC0415

    dp.enable_features("contrib")
    # Not T=int, which OpenDP reads as 32 bits and saturates.
    space = dp.vector_domain(dp.atom_domain(T="i64")), dp.l1_distance(T="i64")
    return dp.m.make_laplace(*space, scale=_scale(sensitivity, epsilon))
