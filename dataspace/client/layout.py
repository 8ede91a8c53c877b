"""The layout of a cube: which slot of a ciphertext is which cell, and what keeps totals exact."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self, TypeAlias

from dataspace.errors import Malformed, Unprocessable
from dataspace.wire.parameters import ParameterSet, parameter_set

Key: TypeAlias = tuple[str | int | bool | None, ...]


@dataclass(frozen=True)
class Layout:
    """What slot is which cell of a cube, and within which bounds each measure's values lie."""

    cube: str
    parameters: ParameterSet
    dimensions: tuple[str, ...]
    cells: tuple[Key, ...]
    bounds: Mapping[str, int]
    precisions: Mapping[str, int]

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
        bounds = {name: self.bounds[name] for name in measures}
        return replace(self, bounds=bounds, precisions={name: self.precisions[name] for name in measures})


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


def limits(layout: Layout, slots: Sequence[int]) -> dict[str, int]:
    """Return what no total of each measure can pass under these weights.

    Raises:
        Unprocessable: a total might pass half of the plain modulus, and be taken for another.

    """
    reach = sum(map(abs, slots))
    found = {name: reach * bound for name, bound in layout.bounds.items()}
    for name, limit in found.items():
        if 2 * max(limit, reach) >= layout.parameters.plain_modulus:
            raise Unprocessable(f"a total of {name} might pass the plain modulus: use smaller weights")
    return found
