"""From a plan to the cells that noise is added to: each subject's part bounded, each number a part.

What may be grouped by and summed is what cubes allow (`render.cells_request`). The
parts are named by their places, for a column may be called anything:

    (none)  rows      s<i>  sum of column i      n<i>  rows with a value of column i
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from dataspace.errors import Unprocessable
from dataspace.privacy.desensitize import quoted
from dataspace.privacy.noised import PARTS_LIMIT, Noise, Part
from dataspace.privacy.spec import CubeSpec, Factor
from dataspace.privacy.spec import Measure as Bounded
from dataspace.table import Column, Type
from dataspace.transfer.sql import render
from dataspace.transfer.sql.plan import Measure, Plan
from dataspace.transfer.sql.statement import Function

_EXACT: Final = 1 << 53  # no sum may pass it: noise is added to integers that a double holds
_DIGITS: Final = 2  # of the unit that decimals are summed in


@dataclass(frozen=True)
class Counted:
    """How a measure of a query is made of parts, by their places; `unit` is what sums are integers of."""

    name: str
    function: Function
    column: Column | None
    part: int
    rows: int = 0
    unit: int = 1

    @property
    def averaged(self) -> bool:
        """Whether it is a sum divided by the rows with a value."""
        return self.function is Function.AVG


@dataclass(frozen=True)
class BoundedPlan:
    """What a worker is asked for, the parts that get noise, and the measures that are made of them."""

    keys: tuple[Column, ...]
    parts: tuple[Part, ...]
    measures: tuple[Counted, ...]
    request: Mapping[str, Any]


def bounded_plan(plan: Plan, noise: Noise, rows: int) -> BoundedPlan:
    """Return how an aggregate is computed with each subject's part bounded; `rows` are the dataset's.

    Raises:
        Unprocessable: a summed column has no bounds, or a column has that is not summed; too many
            parts; a sum could pass 2^53.
        Malformed: a column is of a type that cannot be grouped by.

    """
    measured = [(output.name, output.what) for output in plan.outputs if isinstance(output.what, Measure)]
    if not measured:
        raise Unprocessable("nothing to add noise to: want COUNT, SUM or AVG")
    keys = tuple(sorted(plan.group, key=lambda column: column.name))
    summed = _summed([what for _, what in measured], noise)
    sums = {name: _clamped(column, noise) for name, column in summed.items()}
    request = _request(plan, keys, sums, noise)
    parts, places = _parts([what for _, what in measured], sums, request)
    if any(part.peak * noise.max_rows * max(rows, 1) >= _EXACT for part in parts):
        raise Unprocessable("a sum could pass 2^53: narrow the bounds")
    measures = tuple(_counted(name, what, places, sums) for name, what in measured)
    return BoundedPlan(keys, tuple(parts), measures, request)


def _summed(measured: Sequence[Measure], noise: Noise) -> dict[str, Column]:
    """Return the columns that are summed, by name."""
    found = {
        what.column.name: what.column
        for what in measured
        if what.column and what.function is not Function.COUNT
    }
    if missing := sorted(found.keys() - noise.bounds.keys()):
        want = f"want bounds={{{missing[0]!r}: (low, high)}}"
        raise Unprocessable(f"column {missing[0]} is summed and has no bounds: {want}", column=missing[0])
    if unused := sorted(noise.bounds.keys() - found.keys()):
        raise Unprocessable(f"column {unused[0]} has bounds and is not summed", column=unused[0])
    return {name: found[name] for name in sorted(found)}


def _clamped(column: Column, noise: Noise) -> Bounded:
    low, high = noise.bounds[column.name]
    return Bounded((Factor(column.name, low, high, 0 if column.type is Type.INTEGER else _DIGITS),))


def _request(plan: Plan, keys: Sequence[Column], sums: Mapping[str, Bounded], noise: Noise) -> dict[str, Any]:
    """Return the request for the cells, whose sums are not named by their places yet."""
    names = tuple(column.name for column in keys)
    spec = CubeSpec(names, tuple(sums.values()), noise.max_rows, noise.epsilon)
    return {**render.cells_request(spec, plan.table), "where": plan.where}


def _parts(
    measured: Sequence[Measure], sums: Mapping[str, Bounded], request: dict[str, Any]
) -> tuple[list[Part], dict[tuple[str, str], int]]:
    """Return the parts and the place of each; the request's sums become those of the parts."""
    values = {measure["column"]: measure["value"] for measure in request["sums"]}
    parts, places, asked = list[Part](), dict[tuple[str, str], int](), list[dict[str, Any]]()

    def add(what: str, column: str, value: str, peak: int) -> None:
        if (what, column) in places:
            return
        places[what, column] = len(parts)
        name = f"{what}{len(parts)}" if column else ""
        parts.append(Part(name, peak))
        if column:
            asked.append({"column": name, "value": value, "peak": peak})

    for what in measured:
        if what.column is None:
            add("rows", "", "", 1)
            continue
        column = what.column.name
        if what.function is not Function.COUNT:
            add("s", column, values[column], sums[column].peak)
        if what.function is not Function.SUM:
            there = values.get(column, quoted(column))
            add("n", column, f"CASE WHEN {there} IS NOT NULL THEN 1 END", 1)
    if len(parts) > PARTS_LIMIT:
        raise Unprocessable(f"{len(parts)} numbers for each group, want at most {PARTS_LIMIT}")
    request["sums"] = asked
    return parts, places


def _counted(
    name: str, what: Measure, places: Mapping[tuple[str, str], int], sums: Mapping[str, Bounded]
) -> Counted:
    if what.column is None:
        return Counted(name, what.function, None, places["rows", ""])
    column = what.column.name
    if what.function is Function.COUNT:
        return Counted(name, what.function, what.column, places["n", column])
    unit = 10 ** sums[column].precision
    rows = places["n", column] if what.function is Function.AVG else 0
    return Counted(name, what.function, what.column, places["s", column], rows, unit)
