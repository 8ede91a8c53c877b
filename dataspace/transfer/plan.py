"""What a dataset allows of a query: columns known, their uses permitted, the condition written as SQL."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from dataspace.catalog.models import Form
from dataspace.errors import Malformed, Refused
from dataspace.privacy.desensitize import leaving_type
from dataspace.table import Column, Method, Type
from dataspace.transfer.conditions import condition, known, readable
from dataspace.transfer.predicate import columns_of
from dataspace.transfer.statement import Aggregate, Field, Function, Order, Query

_NUMERIC: Final = {Type.INTEGER, Type.DECIMAL}


@dataclass(frozen=True)
class Measure:
    """A function over a column's unmasked values; COUNT over no column counts rows."""

    function: Function
    column: Column | None = None

    @property
    def type(self) -> Type:
        """Return the type of the numbers it yields."""
        if self.function is Function.SUM and self.column:
            return self.column.type
        return Type.DECIMAL if self.function is Function.AVG else Type.INTEGER


@dataclass(frozen=True)
class Output:
    """One column of the answer; `what` is a column of the dataset, or a measure."""

    name: str
    what: Column | Measure

    @property
    def type(self) -> Type:
        """Return the type of its values."""
        return self.what.type if isinstance(self.what, Measure) else leaving_type(self.what)


@dataclass(frozen=True)
class Plan:
    """A query that a dataset can answer; `table` is all columns of the dataset, `where` is SQL or empty."""

    form: Form
    table: tuple[Column, ...]
    outputs: tuple[Output, ...]
    filtered: tuple[Column, ...] = ()
    where: str = ""
    group: tuple[Column, ...] = ()
    order: tuple[Order, ...] = ()
    limit: int | None = None

    def uses(self) -> list[dict[str, Any]]:
        """Return which column is used for what: select, filter, group, order or measure."""
        shown = [output.what for output in self.outputs]
        ordered = {order.column for order in self.order}
        return uses(
            select=[what for what in shown if isinstance(what, Column) and what not in self.group],
            filter=self.filtered,
            group=self.group,
            order=[column for column in self.group if column.name in ordered],
            measure=[what.column for what in shown if isinstance(what, Measure) and what.column],
        )


def uses(**columns: Sequence[Column]) -> list[dict[str, Any]]:
    """Return columns as the policy reads them, each use of each column once."""
    found = {(column.name, use): column for use, used in columns.items() for column in used}
    return [
        {
            "name": name,
            "level": column.level,
            "category": column.category,
            "method": column.method.value,
            "use": use,
        }
        for (name, use), column in found.items()
    ]


def resolve(query: Query, columns: Sequence[Column], form: Form) -> Plan:
    """Return the plan of a query on a dataset that has these columns.

    Raises:
        NotFound: the query names a column that the dataset has not.
        Refused: a column is read in a way its method or its provider does not allow.
        Malformed: the query does not fit the form, or a literal its column.

    """
    named = {column.name: column for column in columns}
    if len({name for name, _ in query.outputs}) < len(query.outputs):
        raise Malformed("two columns of the answer have one name: tell them apart with AS")
    if form is Form.ROWS:
        return _rows(query, named)
    if form is Form.AGGREGATE:
        return _aggregate(query, named)
    raise Malformed("an encrypted answer is asked of a cube, not by a query")


def _rows(query: Query, named: Mapping[str, Column]) -> Plan:
    if query.group or query.order or any(isinstance(what, Aggregate) for _, what in query.outputs):
        raise Malformed("rows are columns alone: want no COUNT, SUM, AVG, GROUP BY or ORDER BY")
    outputs = [
        Output(name, known(what.column, named)) for name, what in query.outputs if isinstance(what, Field)
    ]
    if not query.outputs:
        outputs = [
            Output(name, column) for name, column in named.items() if column.method is not Method.SUPPRESS
        ]
    if not outputs:
        raise Refused("no column of the dataset leaves as rows")
    filtered, where = _where(query, named)
    return Plan(Form.ROWS, tuple(named.values()), tuple(outputs), filtered, where, limit=query.limit)


def _aggregate(query: Query, named: Mapping[str, Column]) -> Plan:
    if not query.outputs or query.limit is not None:
        raise Malformed("an aggregate names its columns, and has no * and no LIMIT")
    group = tuple(readable(name, named, "group") for name in dict.fromkeys(query.group))
    outputs = tuple(Output(name, _output(what, query, named)) for name, what in query.outputs)
    for order in query.order:
        if order.column not in query.group:
            raise Malformed(f"an aggregate is ordered by what it is grouped by, not by {order.column}")
    filtered, where = _where(query, named)
    return Plan(Form.AGGREGATE, tuple(named.values()), outputs, filtered, where, group, query.order)


def _output(what: Field | Aggregate, query: Query, named: Mapping[str, Column]) -> Column | Measure:
    if isinstance(what, Aggregate):
        return _measure(what, named)
    column = known(what.column, named)
    if what.column not in query.group:
        raise Malformed(f"an aggregate shows columns it is grouped by: want {what.column} in GROUP BY")
    return column


def _measure(what: Aggregate, named: Mapping[str, Column]) -> Measure:
    if what.column is None:
        return Measure(what.function)
    column = known(what.column, named)
    if what.function is not Function.COUNT:
        if column.type not in _NUMERIC:
            raise Malformed(f"column {column.name} is of type {column.type}: {what.function} wants numbers")
        if not column.aggregable:
            raise Refused(
                f"column {column.name} is not open to SUM and AVG",
                column=column.name,
                method=column.method.value,
                use="measure",
            )
    return Measure(what.function, column)


def _where(query: Query, named: Mapping[str, Column]) -> tuple[tuple[Column, ...], str]:
    if query.where is None:
        return (), ""
    # The condition first: it is what refuses an unknown column.
    where = condition(query.where, named)
    return tuple(named[name] for name in dict.fromkeys(columns_of(query.where))), where
