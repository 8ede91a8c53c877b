"""Noised aggregates: what noise is asked for, and the numbers of a query with noise on every one of them.

    {"epsilon": 500000, "max_rows": 1, "bounds": {"income": [0, 200000]}, "mechanism": "laplace"}

**Sensitivity.** Two neighbouring datasets differ by all rows of one subject, of
which an answer counts at most `max_rows`; a summed value is clamped to its
bounds, low..high, before. Both are the asker's choice, and public.

**Parts.** An answer consists of parts, each of them one number for each group: the
rows, the rows with a value of a column, the sum of a column. An average is a sum
divided by the rows with a value, both noised. The parts, and the decision which
groups are there, share the epsilon.

**Presence.** A group is shown if its subjects, with noise and less the margin that
noise passes once in a million, are still `min_group` (`spec.Presence.NOISED`):
its delta is told with the answer. A query without groups is one such group. Who
is left out of it is protected by the noise, which is as large for an answer
about all but one as for one about one.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Self

from dataspace.errors import Malformed
from dataspace.privacy.cube import Builder
from dataspace.privacy.noise import Mechanism, add_noise, margin
from dataspace.privacy.spec import EPSILON_LIMIT, ROWS_LIMIT
from dataspace.privacy.suppression import Cells, suppress
from dataspace.proof.canonical import canonical

PARTS_LIMIT: Final = 16
LEAST_EPSILON: Final = PARTS_LIMIT + 1  # a millionth for each part, and for the presence
_BOUND: Final = (1 << 40) // 100  # decimals are summed in units of 0.01
_MEMBERS: Final = frozenset({"epsilon", "max_rows", "bounds", "mechanism"})


@dataclass(frozen=True)
class Noise:
    """What noise is asked for; `bounds` are low and high of each column that is summed, in its own unit."""

    epsilon: int
    max_rows: int = 1
    bounds: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    mechanism: Mechanism = Mechanism.LAPLACE

    def to_json(self) -> dict[str, Any]:
        """Return what `from_json` reads."""
        return {
            "epsilon": self.epsilon,
            "max_rows": self.max_rows,
            "bounds": {name: list(self.bounds[name]) for name in sorted(self.bounds)},
            "mechanism": self.mechanism.value,
        }

    @classmethod
    def from_json(cls, data: Any) -> Self:
        """Read what noise is asked for; all but `epsilon` may be left out.

        Raises:
            Malformed: it is none: no number but an integer is one (attack QY-11).

        """
        if not isinstance(data, Mapping) or not {"epsilon"} <= data.keys() <= _MEMBERS:
            raise Malformed(f"malformed noise: want {', '.join(sorted(_MEMBERS))}")
        bounds, mechanism = data.get("bounds", {}), data.get("mechanism", Mechanism.LAPLACE)
        if not isinstance(bounds, Mapping) or not all(isinstance(name, str) for name in bounds):
            raise Malformed("malformed noise: bounds name columns, each with [low, high]")
        if not isinstance(mechanism, str) or mechanism not in list(Mechanism):
            raise Malformed(f"malformed noise: the mechanism is one of {', '.join(Mechanism)}")
        return cls(
            _integer(data["epsilon"], "epsilon", LEAST_EPSILON, EPSILON_LIMIT),
            _integer(data.get("max_rows", 1), "max_rows", 1, ROWS_LIMIT),
            {name: _bounds(name, bounds[name]) for name in sorted(bounds)},
            Mechanism(mechanism),
        )


@dataclass(frozen=True)
class Part:
    """One number of each group; `peak` is the most that one row changes it by.

    `name` is what the cells call its sums; without one it is the rows.
    """

    name: str
    peak: int

    def sensitivity(self, noise: Noise) -> int:
        """Return by how much one subject changes it, over all groups together."""
        return noise.max_rows * self.peak


def answered(cells: Cells, parts: Sequence[Part], noise: Noise, min_group: int) -> dict[str, Any]:
    """Return `{"keys": [...], "values": [[one for each part] for each key]}` with noise on every value.

    Groups are in the order of their keys, which says nothing of the order of rows.

    Raises:
        Malformed: the cells are not those of the parts, or hold more of a subject than the noise allows for.

    """
    _check(cells, parts, noise)
    order = sorted(range(len(cells.keys)), key=lambda cell: canonical(list(cells.keys[cell])))
    keys = [cells.keys[cell] for cell in order]
    subjects = _observed([cells.subjects[cell] for cell in order], parts, noise, min_group)
    shown = suppress(keys, subjects, min_group, noise.max_rows)
    kept = [cell for cell, present in zip(order, shown, strict=True) if present]
    columns = [
        add_noise(
            [_column(cells, part)[cell] for cell in kept],
            sensitivity=part.sensitivity(noise),
            epsilon=noise.epsilon,
            mechanism=noise.mechanism,
            parts=len(parts) + 1,
        )
        for part in parts
    ]
    values = [list(row) for row in zip(*columns, strict=True)]
    return {"keys": [list(cells.keys[cell]) for cell in kept], "values": values}


class Noiser(Builder):
    """Adds noise to aggregates, and builds cubes, in a worker process (`dataspace.sandbox`)."""

    def noise(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Return `answered` for `{"cells", "parts": [[name, peak]], "noise", "min_group"}`.

        Raises:
            Malformed: as `answered` and the readers of its parts.

        """
        parts = [Part(name, peak) for name, peak in request["parts"]]
        noise, cells = Noise.from_json(request["noise"]), Cells.from_json(request["cells"])
        return answered(cells, parts, noise, request["min_group"])


def _observed(subjects: Sequence[int], parts: Sequence[Part], noise: Noise, min_group: int) -> list[int]:
    """Return the noised numbers of subjects, less the margin, by which groups are shown or not."""
    # One subject adds one to each of `max_rows` groups at most: that far it goes in L2.
    root = math.isqrt(noise.max_rows - 1) + 1
    drawing: dict[str, Any] = {
        "sensitivity": noise.max_rows if noise.mechanism is Mechanism.LAPLACE else root,
        "epsilon": noise.epsilon,
        "mechanism": noise.mechanism,
        "parts": len(parts) + 1,
    }
    below, noised = margin(**drawing), add_noise(subjects, **drawing)
    # The noise may pass the margin, once in a million: never at the cost of the minimum.
    return [
        max(0, seen - below) if few >= min_group else 0 for few, seen in zip(subjects, noised, strict=True)
    ]


def _column(cells: Cells, part: Part) -> Sequence[int]:
    return cells.sums[part.name] if part.name else cells.count


def _check(cells: Cells, parts: Sequence[Part], noise: Noise) -> None:
    """Check what the sensitivity rests on, as far as totals can show it."""
    if cells.sums.keys() != {part.name for part in parts if part.name} or not 0 < len(parts) <= PARTS_LIMIT:
        raise Malformed("malformed cells: not the parts of the query")
    if any(rows > noise.max_rows * few for few, rows in zip(cells.subjects, cells.count, strict=True)):
        raise Malformed("malformed cells: a subject has more rows than max_rows")
    for part in parts:
        if any(
            abs(value) > rows * part.peak
            for value, rows in zip(_column(cells, part), cells.count, strict=True)
        ):
            raise Malformed("malformed cells: values were not clamped to their bounds")


def _bounds(column: str, value: Any) -> tuple[int, int]:
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise Malformed(f"malformed noise: the bounds of {column} are [low, high]")
    low, high = (
        _integer(bound, f"the {end} bound of {column}", -_BOUND, _BOUND)
        for end, bound in zip(("low", "high"), value, strict=True)
    )
    if low >= high:
        raise Malformed(
            f"malformed noise: the low bound of {column}, {low}, is not below the high one, {high}"
        )
    return low, high


def _integer(value: Any, name: str, low: int, high: int) -> int:
    if type(value) is not int or not low <= value <= high:
        raise Malformed(f"malformed noise: {name} is not an integer from {low} to {high}")
    return value
