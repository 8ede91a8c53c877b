"""The layout of a cube: which slot is which cell, what keeps totals exact, how much noise they have.

Each value of a cube has discrete Laplace noise of its own, of a scale that its
specification gives; so the variance of a weighted total is that of one draw
times the weights' squares, added up. What else parts a total from the truth
(cells that are hidden, rows beyond `max_rows`, values beyond their bounds) is
not noise, and not in it.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self, TypeAlias

from dataspace.errors import Malformed, Unprocessable
from dataspace.wire.parameters import ParameterSet, parameter_set

_SMALLEST = 0.002  # of a scale: below it a draw is zero for all that will ever be drawn
Key: TypeAlias = tuple[str | int | bool | None, ...]


@dataclass(frozen=True)
class Layout:
    """What slot is which cell of a cube, and within which bounds each measure's values lie.

    `scales` are of the noise in each value, in millionths of 10^-precision.
    """

    cube: str
    parameters: ParameterSet
    dimensions: tuple[str, ...]
    cells: tuple[Key, ...]
    bounds: Mapping[str, int]
    precisions: Mapping[str, int]
    scales: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read a layout as the service gives it.

        Raises:
            Malformed: it is none.

        """
        try:
            measures = {str(item["name"]): item for item in data["measures"]}
            layout = cls(
                str(data["cube"]),
                parameter_set(data["parameters"]),
                tuple(map(str, data["dimensions"])),
                tuple(tuple(key) for key in data["cells"]),
                {name: int(item["bound"]) for name, item in measures.items()},
                {name: int(item["precision"]) for name, item in measures.items()},
                {name: int(item["scale"]) for name, item in measures.items()},
            )
        except (KeyError, TypeError, ValueError) as error:
            raise Malformed(
                "malformed layout: want cube, parameters, dimensions, measures and cells"
            ) from error
        if not 0 < len(layout.cells) <= layout.parameters.slots or not measures:
            raise Malformed("malformed layout: no cells, more than fit, or no measure")
        return layout

    def only(self, *measures: str) -> Self:
        """Return the layout with these measures alone, of which a query then asks.

        Raises:
            Malformed: there is no such measure.

        """
        if missing := [name for name in measures if name not in self.bounds]:
            raise Malformed(f"the cube has no measure {missing[0]!r}")
        bounds, precisions, scales = (
            {name: told[name] for name in measures} for told in (self.bounds, self.precisions, self.scales)
        )
        return replace(self, bounds=bounds, precisions=precisions, scales=scales)

    def error(self, measure: str, weights: Sequence[int]) -> float:
        """Return the standard deviation of a weighted total's noise, in units of 10^-precision."""
        # Of noise k with a chance in proportion to exp(-|k| / scale), as OpenDP draws it.
        scale = max(self.scales[measure], 1) / 1_000_000
        one = 1 / (math.sqrt(2) * math.sinh(1 / (2 * scale))) if scale > _SMALLEST else 0.0
        return one * math.sqrt(sum(weight * weight for weight in weights))


def place(layout: Layout, weights: Mapping[Key, int] | Sequence[int]) -> list[int]:
    """Return one weight for each cell of the layout, in its order.

    Raises:
        Malformed: a weight is no integer, or there is no such cell.

    """
    if isinstance(weights, Mapping):
        known = set(layout.cells)
        if unknown := [key for key in weights if key not in known]:
            raise Malformed(f"the cube shows no cell {unknown[0]!r}")
        weights = [weights.get(key, 0) for key in layout.cells]
    if len(weights) != len(layout.cells) or any(type(weight) is not int for weight in weights):
        raise Malformed(f"want one whole number for each of the {len(layout.cells)} cells")
    return list(weights)


def limits(layout: Layout, slots: Sequence[int], modulus: int = 0) -> dict[str, int]:
    """Return what no total of each measure can pass under these weights.

    `modulus` is the plain modulus, or the product of several; without it that of the layout.

    Raises:
        Unprocessable: a total might pass half of the modulus, and be taken for another.

    """
    reach = sum(map(abs, slots))
    found = {name: reach * bound for name, bound in layout.bounds.items()}
    for name, limit in found.items():
        if 2 * max(limit, reach) >= (modulus or layout.parameters.plain_modulus):
            raise Unprocessable(f"a total of {name} might pass the plain modulus: use smaller weights")
    return found
