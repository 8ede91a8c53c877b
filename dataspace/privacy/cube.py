"""Cubes: tables suppressed and noised once, and from then on releasable as a whole.

A consumer's ciphertext may only ever multiply what that consumer could be
given in the clear: noise flooding stops an honest-but-curious consumer, and a
malicious one reads the whole operand with two queries. So the operand of an
encrypted query is a cube and nothing else. What encryption adds is that nobody
learns what the consumer asks; what protects the subjects is done here, before.

Cells that are not shown are not in a cube at all: no key, no zero, no number of
them, since a key alone would say that there is somebody. How it is decided
which are shown, and what that leaks, stands at `spec.Presence`.
"""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Self

from dataspace.errors import Malformed, TooLarge, Unprocessable, VerificationError
from dataspace.privacy.noise import add_noise, margin
from dataspace.privacy.spec import CubeSpec, Measure, Presence
from dataspace.privacy.suppression import Cells, Key, suppress
from dataspace.proof.canonical import canonical, parse
from dataspace.wire.frame import join_parts, split_parts
from dataspace.wire.parameters import parameter_set

_MAGIC: Final = b"DSCB\x01"
_HEAD_LIMIT: Final = 1 << 26


@dataclass(frozen=True)
class Cube:
    """A cube: the keys of its cells in the order of slots, and the integers of each measure by name.

    Sums are in units of 10^-precision; noise can make a count negative.
    """

    spec: CubeSpec
    keys: tuple[Key, ...]
    values: Mapping[str, tuple[int, ...]] = field(repr=False)

    def layout(self, cube: str) -> dict[str, Any]:
        """Return what a consumer needs in order to ask: which slot is which cell, as JSON-ready data.

        `bound` is the least 2^n - 1 that no value of the measure passes,
        taken from the noised values, which the consumer may know anyway. A
        total is exact while the weights' absolute values, added up, times
        `bound` stay below half of the plain modulus, or of the product of the
        plain moduli of all sets it was asked under. `noise` is the scale of
        the Laplace noise in each value, in units of 10^-precision: half of the
        values are less than 0.7 of it away from the exact ones, one in twenty
        more than three of it. `scale` is the same in millionths, not
        rounded up to a whole unit. Both follow from the specification alone.
        """
        measures = [
            {
                "name": name,
                "columns": list(measure.columns),
                "precision": measure.precision,
                "bound": _bound(self.values[name]),
                "noise": self.spec.noise(measure),
                "scale": self.spec.scale(measure),
            }
            for name, measure in _named(self.spec).items()
        ]
        return {
            "cube": cube,
            "parameters": self.spec.parameters,
            "dimensions": list(self.spec.dimensions),
            "max_rows": self.spec.max_rows,
            "measures": measures,
            "cells": [list(key) for key in self.keys],
        }

    def to_bytes(self) -> bytes:
        """Return the cube as it is kept: sealed at rest, for not every consumer was charged for it."""
        head = canonical({"spec": self.spec.to_json(), "cells": [list(key) for key in self.keys]})
        columns = [struct.pack(f"<{len(self.keys)}q", *self.values[name]) for name in _named(self.spec)]
        return join_parts(_MAGIC, [head, *columns])

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read what `to_bytes` wrote.

        Raises:
            Malformed: it is not that.

        """
        head, *columns = split_parts(data, _MAGIC)
        try:
            facts = parse(bytes(head), limit=_HEAD_LIMIT)
            spec, cells = CubeSpec.from_json(facts["spec"]), facts["cells"]
            names = list(_named(spec))
            values = {
                name: struct.unpack(f"<{len(cells)}q", column)
                for name, column in zip(names, columns, strict=True)
            }
            return cls(spec, tuple(tuple(key) for key in cells), values)
        except (VerificationError, KeyError, TypeError, ValueError, struct.error) as error:
            raise Malformed("malformed cube: want what was kept of one") from error


def build(cells: Cells, spec: CubeSpec, min_group: int) -> Cube:
    """Return the cube of `cells`; every call draws new noise, so that each costs the whole epsilon.

    Raises:
        Malformed: the cells are not those of the specification, or a subject
            has more rows in them than it allows.
        Unprocessable: no cell has enough subjects to be shown.
        TooLarge: more cells are left than a ciphertext has slots.

    The last two depend on noise that was drawn, and tell something of the
    cells: they cost as much as a cube, and `facts["epsilon"]` says how much.

    """
    _check(cells, spec)
    if min_group < 1:
        raise Malformed(f"min_group is {min_group}, want at least 1")
    slots = parameter_set(spec.parameters).slots
    # In the order of their keys, which says nothing about the order of rows.
    order = sorted(range(len(cells.keys)), key=lambda cell: canonical(list(cells.keys[cell])))
    keys = [cells.keys[cell] for cell in order]
    subjects = _observe([cells.subjects[cell] for cell in order], spec, min_group)
    shown = suppress(keys, subjects, min_group, spec.max_rows)
    kept = [cell for cell, present in zip(order, shown, strict=True) if present]
    if not kept:
        raise Unprocessable(_no_cell(spec), epsilon=spec.epsilon)
    if len(kept) > slots:
        message = f"more than {slots} cells: choose coarser dimensions"
        raise TooLarge(message, limit=slots, epsilon=spec.epsilon)
    values = {}
    for name, measure in _named(spec).items():
        column = cells.sums[measure.column] if measure.column else cells.count
        values[name] = _noised([column[cell] for cell in kept], spec, measure)
    return Cube(spec, tuple(cells.keys[cell] for cell in kept), values)


class Builder:
    """Builds cubes in a worker process (`dataspace.sandbox`), best in the one that computed the cells.

    The exact cells and a consumer's bytes never meet in one process: this is
    not the class that answers encrypted queries.
    """

    def build(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Return `{"cube": bytes, "cells": how many}` for `{"cells", "spec", "min_group"}`.

        Raises:
            Malformed: as `build` and the readers of its parts.

        """
        spec = CubeSpec.from_json(request["spec"])
        cube = build(Cells.from_json(request["cells"]), spec, request["min_group"])
        return {"cube": cube.to_bytes(), "cells": len(cube.keys)}


def _no_cell(spec: CubeSpec) -> str:
    # Of an exact presence the noise decides nothing.
    noise = ", a larger epsilon or a smaller max_rows" if spec.presence is Presence.NOISED else ""
    return (
        f"no cell has enough subjects to be shown: choose coarser dimensions{noise}; "
        f"{spec.epsilon} millionths of epsilon are spent all the same"
    )


def _observe(subjects: Sequence[int], spec: CubeSpec, min_group: int) -> list[int]:
    """Return the numbers of subjects by which cells are shown or not: exact, or noised lower bounds."""
    if spec.presence is Presence.EXACT:
        return list(subjects)
    below = margin(sensitivity=spec.max_rows, epsilon=spec.share)
    noised = add_noise(subjects, sensitivity=spec.max_rows, epsilon=spec.share)
    # The noise may pass the margin, once in a million: never at the cost of the minimum.
    return [
        max(0, seen - below) if few >= min_group or seen - below < min_group else 0
        for few, seen in zip(subjects, noised, strict=True)
    ]


def _noised(values: Sequence[int], spec: CubeSpec, measure: Measure) -> tuple[int, ...]:
    # Of zeros, and added here: sums have 62 bits, and what noise is added to there has 53.
    noise = add_noise([0] * len(values), sensitivity=spec.sensitivity(measure), epsilon=spec.share)
    return tuple(value + drawn for value, drawn in zip(values, noise, strict=True))


def _check(cells: Cells, spec: CubeSpec) -> None:
    """Check what the sensitivity rests on, as far as totals can show it."""
    summed = {measure.column for measure in spec.measures if measure.column}
    if cells.sums.keys() != summed or any(len(key) != len(spec.dimensions) for key in cells.keys):
        raise Malformed("malformed cells: not the dimensions and sums of the specification")
    if any(rows > spec.max_rows * few for few, rows in zip(cells.subjects, cells.count, strict=True)):
        raise Malformed("malformed cells: a subject has more rows than max_rows")
    for measure in _named(spec).values():
        column = cells.sums.get(measure.column, ())
        if any(abs(value) > rows * measure.peak for value, rows in zip(column, cells.count, strict=False)):
            raise Malformed(f"malformed cells: values of {measure.name} were not clamped to low and high")


def _named(spec: CubeSpec) -> dict[str, Measure]:
    return {measure.name: measure for measure in spec.measures}


def _bound(values: Sequence[int]) -> int:
    return (1 << max(map(abs, values)).bit_length()) - 1
