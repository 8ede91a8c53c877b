"""What error to expect of a noised number: from public parameters alone, before anything is computed.

Every figure here follows from the query, its noise and a number of rows that the
catalogue shows; nothing of it is measured on data. A number's `wide` is what 95 of
100 draws stay within. Laplace noise of scale b passes 3 b with a chance of
exp(-3) = 0.0498; Gaussian noise of deviation s passes 1.96 s with one of 0.05.

An average over n rows is a noised sum divided by a noised count. To first order
its error is (e_sum + |average| e_count) / n, and no average is further from 0
than the bounds: so much is told, for a sum's and a count's noise at once.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from dataspace.privacy.noise import Mechanism, scale
from dataspace.privacy.noised import LEAST_EPSILON, Noise, Part
from dataspace.privacy.spec import EPSILON_LIMIT

_WIDE: Final = {Mechanism.LAPLACE: 3.0, Mechanism.GAUSSIAN: 1.96}
_HALF: Final = {Mechanism.LAPLACE: math.log(2), Mechanism.GAUSSIAN: 0.6745}
_POINTS: Final = 10_000  # hundredths of a percent
_HAIR: Final = 1 - 1e-9  # by which a scale may be larger than its formula says


@dataclass(frozen=True)
class Number:
    """One measure of an answer: the parts it is made of, what its sums are integers of, its kind.

    `kind` is count, sum or avg; of an average the second part is the rows it is divided by.
    """

    name: str
    kind: str
    parts: tuple[Part, ...]
    unit: int = 1


@dataclass(frozen=True)
class Expected:
    """The error of a number, in its own unit: half of the draws are within `half`, 95 of 100 within `wide`.

    `per_row`: both are to be divided by the rows of the group: it is an average.
    """

    name: str
    kind: str
    scale: float
    half: float
    wide: float
    per_row: bool

    def points(self, rows: int, peak: float) -> int:
        """Return `wide` relative to a group of `rows`, in hundredths of a percent, rounded up.

        A sum is compared with the largest of its kind, `rows` times the bound `peak`.
        """
        whole = rows * (peak if self.kind != "count" else 1.0)
        return math.ceil(self.wide / whole * _POINTS * _HAIR) if whole else _POINTS

    def to_json(self) -> dict[str, Any]:
        """Return it as an answer tells it, with the sentence in English and Chinese."""
        half, wide = _figure(self.half), _figure(self.wide)
        divided = (" divided by the rows of the group", "除以该组行数") if self.per_row else ("", "")
        return {
            "name": self.name,
            "scale": float(_figure(self.scale)),
            "half": float(half),
            "wide": float(wide),
            "per_row": self.per_row,
            "words": {
                "en": f"half of the values are within {half}{divided[0]} of the exact one, "
                f"95 of 100 within {wide}{divided[0]}",
                "zh": f"一半的数值与真实值相差不超过 {half}{divided[1]}，95% 不超过 {wide}{divided[1]}",
            },
        }


def expected(number: Number, noise: Noise, parts: int) -> Expected:
    """Return the error of a number of an answer with so many `parts` in all."""
    spreads = [
        scale(
            sensitivity=part.sensitivity(noise),
            epsilon=noise.epsilon,
            mechanism=noise.mechanism,
            parts=parts + 1,
        )
        for part in number.parts
    ]
    if number.kind == "avg":
        # No average is further from 0 than its bounds.
        spread = (spreads[0] + number.parts[0].peak * spreads[1]) / number.unit
    else:
        spread = spreads[0] / number.unit
    half, wide = spread * _HALF[noise.mechanism], spread * _WIDE[noise.mechanism]
    return Expected(number.name, number.kind, spread, half, wide, number.kind == "avg")


def relative(number: Number, noise: Noise, parts: int, rows: int) -> int:
    """Return the error of a number relative to a group of `rows`, in hundredths of a percent."""
    return expected(number, noise, parts).points(rows, number.parts[0].peak / number.unit)


def needed(numbers: Sequence[Number], noise: Noise, *, parts: int, rows: int, points: int) -> int | None:
    """Return the least epsilon with which every number is as exact as wanted; None: no epsilon that is sold.

    `points` are hundredths of a percent, relative to a group of `rows`.
    """

    def enough(epsilon: int) -> bool:
        asked = Noise(epsilon, noise.max_rows, noise.bounds, noise.mechanism)
        return all(relative(number, asked, parts, rows) <= points for number in numbers)

    low, high = max(LEAST_EPSILON, parts + 1), EPSILON_LIMIT
    if not enough(high):
        return None
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle + 1, high)
    return low


def _figure(value: float) -> str:
    """Return a number with two digits that matter, rounded up: an error is never told too small."""
    if value <= 0:
        return "0"
    places = 1 - math.floor(math.log10(value))
    up = math.ceil(value * _HAIR * 10**places) / 10**places
    return f"{up:.{max(0, places)}f}"
