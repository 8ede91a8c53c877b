"""Integer noise of differential privacy, Laplace and Gaussian, drawn by OpenDP from the system's randomness.

Epsilon is an integer in millionths. `sensitivity` is by how much one subject
changes the numbers together: their L1 distance for Laplace, their L2 distance
for Gaussian. A scale is a pure function of public parameters: what error to
expect can be told before anything is computed.

**Laplace** of scale `sensitivity / epsilon` is epsilon-differentially private.
Numbers that share an epsilon get equal parts of it (basic composition).

**Gaussian** of standard deviation s is rho-zCDP with rho = sensitivity^2 / (2 s^2),
and n numbers together are n*rho-zCDP, which is (rho + 2 sqrt(rho ln(1/delta)),
delta)-differentially private (Bun and Steinke 2016, proposition 1.3). It is
charged as that epsilon, at `DELTA` for each answer. The worker asks OpenDP's own,
tighter conversion whether the epsilon charged is enough, before it draws.

There is no seed, and no parameter for one (attack QY-24). OpenDP is imported at
the first use, which only worker processes come to.
"""

import math
from collections.abc import Sequence
from enum import StrEnum
from typing import Any, Final

from dataspace.errors import Malformed, Unavailable

MILLION: Final = 1_000_000
TAIL: Final = 1e-6  # the chance that one draw passes `margin`
DELTA: Final = 1e-10  # of one Gaussian answer: far below one in the subjects of any dataset here
DELTA_EXPONENT: Final = 10
_LARGEST: Final = 1 << 53  # of a value or a sensitivity: exact as a double, and far from the end of 64 bits
_LOG: Final = math.nextafter(math.log(1 / DELTA), math.inf)


class Mechanism(StrEnum):
    """The distribution that noise is drawn from."""

    LAPLACE = "laplace"
    GAUSSIAN = "gaussian"


def add_noise(
    values: Sequence[int],
    *,
    sensitivity: int,
    epsilon: int,
    mechanism: Mechanism = Mechanism.LAPLACE,
    parts: int = 1,
) -> list[int]:
    """Return `values` with independent noise added to each, as one of `parts` that share `epsilon`.

    Raises:
        Malformed: a value is no integer below 2^53, or sensitivity, epsilon or parts is not positive.

    """
    # OpenDP does not check the domain at each call: infinity gives a plausible number (attack QY-23).
    for value in (*values, sensitivity, epsilon, parts):
        if type(value) is not int or not -_LARGEST < value < _LARGEST:
            raise Malformed("noise is added to integers below 2^53 only")
    spread = scale(sensitivity=sensitivity, epsilon=epsilon, mechanism=mechanism, parts=parts)
    drawn = MECHANISMS[mechanism](spread, sensitivity, epsilon, parts)
    return [int(value) for value in drawn(list(values))] if values else []


def scale(
    *, sensitivity: int, epsilon: int, mechanism: Mechanism = Mechanism.LAPLACE, parts: int = 1
) -> float:
    """Return the scale of the noise: the mean distance from 0 of Laplace, the standard deviation of Gaussian.

    Raises:
        Malformed: an argument is not a positive integer, or epsilon is less than a millionth for each part.

    """
    if any(type(value) is not int or value < 1 for value in (sensitivity, epsilon, parts)) or epsilon < parts:
        raise Malformed("sensitivity and epsilon are positive, and each part has a millionth at least")
    if mechanism is Mechanism.LAPLACE:
        spread = sensitivity * MILLION / (epsilon // parts)
    else:
        spread = sensitivity * math.sqrt(parts / 2) / _root(epsilon)
    # Rounded up, so that the noise is never a hair too small.
    return spread * (1 + 1e-12)


def margin(
    *, sensitivity: int, epsilon: int, mechanism: Mechanism = Mechanism.LAPLACE, parts: int = 1
) -> int:
    """Return what a draw passes upwards with a chance of at most one in a million.

    Discrete Laplace noise is at least m with a chance of
    exp(-m / scale) / (1 + exp(-1 / scale)), which is below exp(-m / scale);
    discrete Gaussian noise with one below exp(-m^2 / 2 scale^2), like the
    continuous one (Canonne, Kamath and Steinke 2020, proposition 25).
    """
    spread = scale(sensitivity=sensitivity, epsilon=epsilon, mechanism=mechanism, parts=parts)
    tail = -math.log(TAIL)
    return math.ceil(spread * (tail if mechanism is Mechanism.LAPLACE else math.sqrt(2 * tail)))


def _root(epsilon: int) -> float:
    """Return the square root of the most rho whose conversion stays within `epsilon` at `DELTA`."""
    # (sqrt(rho) + sqrt(L))^2 = epsilon + L; written so that nothing cancels for a small epsilon.
    whole = epsilon / MILLION
    return whole / (math.sqrt(whole + _LOG) + math.sqrt(_LOG))


def _laplace(spread: float, sensitivity: int, epsilon: int, parts: int) -> Any:
    dp = _library()
    # Not T=int, which OpenDP reads as 32 bits and saturates.
    domain = dp.domains.vector_domain(dp.domains.atom_domain(T="i64"))
    made = dp.measurements.make_laplace(domain, dp.metrics.l1_distance(T="i64"), scale=spread)
    _ensure(made.map(sensitivity), epsilon // parts)
    return made


def _gaussian(spread: float, sensitivity: int, epsilon: int, parts: int) -> Any:
    dp = _library()
    domain = dp.domains.vector_domain(dp.domains.atom_domain(T="i64"))
    space = domain, dp.metrics.l2_distance(T="i64")
    # All parts together lose as much as one of this scale.
    whole = dp.measurements.make_gaussian(*space, scale=spread / math.sqrt(parts))
    _ensure(dp.combinators.make_zCDP_to_approxDP(whole).map(sensitivity).epsilon(DELTA), epsilon)
    return dp.measurements.make_gaussian(*space, scale=spread)


def _ensure(lost: float, charged: int) -> None:
    if not lost <= charged / MILLION * (1 + 1e-9):
        raise Unavailable("the noise would lose more privacy than is charged for it")


def _library() -> Any:
    # Not the prelude: it imports scikit-learn where there is one, and every worker would wait seconds for it.
    import opendp.combinators  # noqa: PLC0415
    import opendp.domains  # noqa: PLC0415
    import opendp.measurements  # noqa: PLC0415
    import opendp.metrics  # noqa: PLC0415
    import opendp.mod  # noqa: PLC0415

    opendp.mod.enable_features("contrib")
    return opendp


MECHANISMS: Final = {Mechanism.LAPLACE: _laplace, Mechanism.GAUSSIAN: _gaussian}
