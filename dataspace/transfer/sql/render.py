"""From a plan to what a worker is asked: SQL made anew, so that none of it is the consumer's text.

The same plan always gives the same request, and no request's SQL holds a secret.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from dataspace.errors import Malformed, Refused, Unsupported
from dataspace.privacy.desensitize import group, label, leaving_type, quoted
from dataspace.privacy.parameters import generalization
from dataspace.privacy.spec import CubeSpec, Factor, aligned
from dataspace.privacy.spec import Measure as CubeMeasure
from dataspace.privacy.strictness import is_laxer
from dataspace.privacy.suppression import CELLS_LIMIT
from dataspace.table import Column, Method, Type
from dataspace.transfer.sql.conditions import known, readable
from dataspace.transfer.sql.formulas import Value
from dataspace.transfer.sql.leaving import Protection, finite
from dataspace.transfer.sql.plan import Formula, Measure, Output, Plan
from dataspace.transfer.sql.statement import Function
from dataspace.wire import ARROW, JSON

_PINNED: Final = '[["=", '  # how the text of a column's equality with one value begins (`Plan.conditions`)


def rows_request(plan: Plan, limit: int, media_type: str) -> dict[str, Any]:
    """Return the request for a plan's rows, at most `limit`.

    Raises:
        Unsupported: the media type is neither JSON nor an Arrow stream.
        Malformed: the method of a column has a parameter out of range.

    """
    if media_type not in {JSON, ARROW}:
        raise Unsupported(f"media type {media_type} is not offered: want {JSON} or {ARROW}")
    # A worker may keep texts as an enumeration: a client of Arrow shall see only text.
    text = media_type == ARROW
    return {
        "select": [_shown(output, plan.protection, text=text) for output in plan.outputs],
        "columns": _named(plan.outputs),
        "where": plan.where,
        "limit": limit if plan.limit is None else min(limit, plan.limit),
        "media_type": media_type,
    }


def aggregate_request(plan: Plan, min_group: int) -> dict[str, Any]:
    """Return the request for a plan's aggregates."""
    # By name: what is hidden must not depend on the order in which the consumer groups.
    keys = sorted(plan.group, key=lambda column: column.name)
    places = {column.name: place for place, column in enumerate(keys)}
    measured = [output.what for output in plan.outputs if isinstance(output.what, Measure)]
    columns = {measure.column.name: measure.column for measure in measured if measure.column}
    summed = {
        measure.column.name
        for measure in measured
        if measure.column and measure.function is not Function.COUNT
    }
    descending = {order.column: order.descending for order in plan.order}
    order = dict.fromkeys([*descending, *(column.name for column in plan.group)])
    return {
        **_grouping(keys),
        "values": [_value(column) for column in columns.values()],
        "sums": [_sum(column) if column.name in summed else "" for column in columns.values()],
        "where": plan.where,
        "outputs": [_output(output, places, list(columns)) for output in plan.outputs],
        "columns": _named(plan.outputs),
        "order": [[places[name], descending.get(name, False)] for name in order],
        "min_group": min_group,
    }


def history_request(plan: Plan, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the history is told of an aggregate: its keys and numbers, and its words.

    `columns` names the columns that are counted or summed, in the order of the aggregate's values.
    """
    measured = [output.what for output in plan.outputs if isinstance(output.what, Measure)]
    columns = {measure.column.name: measure.column for measure in measured if measure.column}
    numbers = [number for measure in measured for number in _numbers(measure)]
    # By another method its groups are others.
    called = {
        column.name: f"{column.name} {column.method} {sorted(column.parameters.items())}"
        for column in plan.table
    }
    return {
        "keys": asked["keys"],
        "where": plan.where,
        "numbers": [list(number) for number in dict.fromkeys(numbers)],
        "columns": list(columns),
        "conditions": [[text, [called[name] for name in names]] for text, names in plan.conditions],
        "pinned": [text for text, _ in plan.conditions if text.startswith(_PINNED)],
        "group": [called[column.name] for column in plan.group],
        "minimum": asked["min_group"],
    }


def _numbers(measure: Measure) -> list[tuple[str, str, str]]:
    """Return the numbers that a measure tells: a kind, the SQL of its column and its name.

    An average tells how many it is of: of whole numbers it is a fraction, whose denominator can be found.
    """
    if measure.column is None:
        return [("count", "", "")]
    of_column = (_value(measure.column), measure.column.name)
    kinds = {Function.COUNT: ["count"], Function.SUM: ["sum"], Function.AVG: ["count", "sum"]}
    return [(kind, *of_column) for kind in kinds[measure.function]]


def cells_request(spec: CubeSpec, columns: Sequence[Column]) -> dict[str, Any]:
    """Return the request for the cells of a cube.

    Raises:
        NotFound: a column is not the dataset's.
        Refused: a column may not be grouped by, or not summed.
        Malformed: a column is of a type that cannot be.

    """
    dimensions, summed = cube_columns(spec, columns)
    named = {column.name: column for column in summed}
    return {
        **_grouping(dimensions),
        "sums": [
            {"column": measure.column, "value": _product(measure, named), "peak": measure.peak}
            for measure in spec.measures
            if measure.factors
        ],
        "max_rows": spec.max_rows,
        "limit": CELLS_LIMIT,
        "where": " AND ".join(f"{_value(column)} IS NOT NULL" for column in summed) if spec.complete else "",
    }


def cube_columns(spec: CubeSpec, columns: Sequence[Column]) -> tuple[list[Column], list[Column]]:
    """Return the columns of a cube's dimensions and of its sums; raises as `cells_request`."""
    named = {column.name: column for column in columns}
    dimensions = [_dimension(readable(name, named, "group"), spec) for name in spec.dimensions]
    for column in dimensions:
        if column.type is Type.DECIMAL and column.method in {Method.KEEP, Method.TOP_CODE}:
            raise Malformed(f"column {column.name} is of type decimal: a dimension has few values")
    measured = dict.fromkeys(name for measure in spec.measures for name in measure.columns)
    summed = [known(name, named) for name in measured]
    for column in summed:
        if column.type not in {Type.INTEGER, Type.DECIMAL}:
            raise Malformed(f"column {column.name} is of type {column.type}: a sum wants numbers")
        if not column.aggregable:
            facts = {"column": column.name, "method": column.method.value, "use": "measure"}
            raise Refused(f"column {column.name} is not open to sums", **facts)
    return dimensions, summed


def _dimension(column: Column, spec: CubeSpec) -> Column:
    """Return a dimension's column, in the bins that the specification asks for."""
    if column.name not in spec.bins:
        return column
    binned = replace(column, method=Method.GENERALIZE, parameters=spec.bins[column.name])
    if column.type not in {Type.INTEGER, Type.DECIMAL}:
        raise Malformed(f"column {column.name} is of type {column.type}: bins are of numbers")
    if is_laxer(binned, column) or not aligned(spec.bins[column.name], column):
        facts = {"column": column.name, "method": column.method.value, "use": "group"}
        want = _classes(column)
        raise Refused(f"column {column.name} leaves in coarser classes than these bins: {want}", **facts)
    return binned


def _classes(column: Column) -> str:
    """Return in words which bins are not finer than the classes that a column leaves in."""
    if column.method is not Method.GENERALIZE:
        return "want the column without bins"
    _, classes = generalization(column)
    if isinstance(classes, tuple):
        return f"want bands of its own bounds, {','.join(map(str, classes))}"
    return f"want a width or bands that are multiples of {classes}, the width of its classes"


def _shown(output: Output, protection: Protection, *, text: bool) -> str:
    if isinstance(output.what, Formula):
        return protection.formula(output.what.expression, output.what.columns).sql
    (column,) = output.columns
    return protection.value(column, text=text).sql


def _grouping(columns: Sequence[Column]) -> dict[str, list[str]]:
    names = [f"k{place}" for place in range(len(columns))]
    keys = [_key(column) for column in columns]
    pairs = list(zip(columns, names, strict=True))
    # A worker may keep texts as an enumeration, which sorts by position; classes of texts may be numbers.
    ranks = [f"CAST({name} AS VARCHAR)" if _enumerated(column) else name for column, name in pairs]
    return {"keys": keys, "ranks": ranks, "labels": [_label(column, name) for column, name in pairs]}


def _enumerated(column: Column) -> bool:
    return column.type is Type.TEXT and column.method is Method.KEEP


def _key(column: Column) -> str:
    return (
        group(column) if column.method is Method.GENERALIZE else finite(Value(group(column), column.type)).sql
    )


def _label(column: Column, name: str) -> str:
    if column.method is not Method.GENERALIZE and leaving_type(column) in {Type.TEXT, Type.DATE}:
        return f"CAST({name} AS VARCHAR)"
    return label(column, name)


def _value(column: Column) -> str:
    """Return SQL of the column's value, NULL for a decimal that is no number: JSON cannot hold one."""
    return finite(Value(quoted(column.name), column.type)).sql


def _product(measure: CubeMeasure, columns: Mapping[str, Column]) -> str:
    """Return SQL of a measure's value of one row: the product of its factors, NULL where one has none."""
    return " * ".join(f"({_units(columns[factor.column], factor)})" for factor in measure.factors)


def _units(column: Column, factor: Factor) -> str:
    """Return SQL of a value clamped to the factor's bounds, as a whole number of units of its precision."""
    name, unit = quoted(column.name), 10**factor.precision
    clamped = f"least(greatest({name}, {factor.low}), {factor.high})"
    if column.type is Type.INTEGER:
        return f"CASE WHEN {name} IS NOT NULL THEN {clamped} * {unit} END"
    return f"CASE WHEN isfinite({name}) THEN CAST(round({clamped} * {unit}) AS BIGINT) END"


def _sum(column: Column) -> str:
    # For doubles a compensated sum, which hardly depends on the order.
    return "sum" if column.type is Type.INTEGER else "fsum"


def _output(output: Output, places: dict[str, int], columns: list[str]) -> dict[str, Any]:
    if not isinstance(output.what, Measure):
        (column,) = output.columns
        return {"key": places[column.name]}
    function, summed = output.what.function.value, output.what.column
    return {"function": function, "column": columns.index(summed.name) if summed else -1}


def _named(outputs: Sequence[Output]) -> list[dict[str, str]]:
    return [{"name": output.name, "type": output.type.value} for output in outputs]
