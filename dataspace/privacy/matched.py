"""The exact cells of a cube over the rows of some items: what `transfer.cells` is over all rows.

For `privacy.cube`, which suppresses and noises them; they never leave the worker that computes them.
"""

import heapq
import json
import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from dataspace.errors import Malformed, Unprocessable
from dataspace.privacy.spec import CubeSpec, Factor
from dataspace.privacy.suppression import Cells
from dataspace.wire.oprf import encoded

_PRIME: Final = 2_654_435_761  # Knuth's multiplicative hash of 32 bits
_LARGEST: Final = 2**62  # so that noise, which is far smaller, does not pass 64 bits either

Row = Sequence[Any]


def cells(rows: Sequence[Row], inside: Collection[str], spec: CubeSpec) -> Cells:
    """Return the exact cells of the rows whose item is `inside`; of each item at most `max_rows` rows count.

    `rows`: the item, the dimensions as they leave, and a value of each column
    that the measures read, in the order of the specification.

    Raises:
        Unprocessable: a sum could pass 62 bits.

    """
    names = list(dict.fromkeys(name for measure in spec.measures for name in measure.columns))
    found: dict[str, _Cell] = {}
    for item, its in _bounded(rows, inside, spec, len(names)).items():
        for row in its:
            values = dict(zip(names, row[1 + len(spec.dimensions) :], strict=True))
            key = list(row[1 : 1 + len(spec.dimensions)])
            # As JSON, for to a dictionary true is 1.
            cell = found.setdefault(json.dumps(key), _Cell(key))
            cell.add(item, {m.column: _product(m.factors, values) for m in spec.measures if m.factors})
    return _read(list(found.values()), spec)


class _Cell:
    def __init__(self, key: Row) -> None:
        self.key, self.count = key, 0
        self.subjects: set[str] = set()
        self.sums: dict[str, int] = {}

    def add(self, subject: str, values: Mapping[str, int]) -> None:
        self.count += 1
        self.subjects.add(subject)
        for name, value in values.items():
            self.sums[name] = self.sums.get(name, 0) + value
            if abs(self.sums[name]) > _LARGEST:
                raise Unprocessable("a sum could pass 64 bits: lower its precision or its bounds")


def _bounded(
    rows: Sequence[Row], inside: Collection[str], spec: CubeSpec, measured: int
) -> dict[str, list[Row]]:
    """Return of each item the rows that count: always the same, by a mix that does not favour early ones."""
    found: dict[str, list[tuple[int, Row]]] = {}
    for place, row in enumerate(rows):
        item = _item(row[0])
        if item in inside and not (spec.complete and measured and None in row[-measured:]):
            found.setdefault(item, []).append((place * _PRIME % 2**32, row))
    return {
        item: [row for _, row in heapq.nsmallest(spec.max_rows, its, key=lambda one: one[0])]
        for item, its in found.items()
    }


def _read(found: Sequence[_Cell], spec: CubeSpec) -> Cells:
    return Cells.from_json(
        {
            "keys": [cell.key for cell in found],
            "subjects": [len(cell.subjects) for cell in found],
            "count": [cell.count for cell in found],
            "sums": {m.column: [cell.sums[m.column] for cell in found] for m in spec.measures if m.factors},
        }
    )


def _product(factors: Sequence[Factor], values: Mapping[str, Any]) -> int:
    """Return a measure's value of one row; one of which a factor has no value adds nothing."""
    units = [_units(values[factor.column], factor) for factor in factors]
    known = [unit for unit in units if unit is not None]
    return math.prod(known) if len(known) == len(units) else 0


def _units(value: Any, factor: Factor) -> int | None:
    if value is None or not math.isfinite(value):
        return None
    unit: int = 10**factor.precision
    units: int = round(min(max(value, factor.low), factor.high) * unit)
    return units


def _item(value: Any) -> str:
    """Return a cell as the item that it would be, empty where it is none."""
    try:
        return "" if value is None else encoded(str(value)).decode()
    except Malformed:
        return ""
