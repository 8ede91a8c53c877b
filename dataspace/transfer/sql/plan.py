"""What a dataset allows of a query: columns known, their uses permitted, the condition written as SQL."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from dataspace.catalog.models import Form
from dataspace.errors import Malformed, Refused
from dataspace.privacy.release import Release
from dataspace.table import Column, Method, Type
from dataspace.transfer.sql.conditions import known, readable
from dataspace.transfer.sql.expression import Expression, Field, compared_by, read_by
from dataspace.transfer.sql.leaving import WHOLE, Protection
from dataspace.transfer.sql.normal import normal
from dataspace.transfer.sql.predicate import Every, columns_of
from dataspace.transfer.sql.statement import Aggregate, Function, Order, Query

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
class Formula:
    """An expression over the leaving values of `columns`, by name: of the strictest class of them all."""

    expression: Expression
    columns: Mapping[str, Column]
    type: Type

    @property
    def compared(self) -> list[Column]:
        """The columns that its conditions read."""
        return [self.columns[name] for name in dict.fromkeys(compared_by(self.expression))]


@dataclass(frozen=True)
class Output:
    """One column of the answer: of the dataset, computed of some, or a measure; `type` is of its values."""

    name: str
    what: Column | Formula | Measure
    type: Type

    @property
    def columns(self) -> list[Column]:
        """The columns whose values, as they leave, are shown or computed with."""
        match self.what:
            case Column():
                return [self.what]
            case Formula(columns=columns):
                return list(columns.values())
            case _:
                return []

    @property
    def level(self) -> int:
        """The highest level of these columns."""
        return max((column.level for column in self.columns), default=0)

    @property
    def method(self) -> Method:
        """The strictest method of these columns; the methods stand in `Method` from the laxest on."""
        found = {column.method for column in self.columns}
        return next((method for method in reversed(Method) if method in found), Method.KEEP)


@dataclass(frozen=True)
class Plan:
    """A query that a dataset can answer; `table` is all columns of the dataset, `where` is SQL or empty.

    `conditions` are texts of what all must hold, equal where it is the same, each with the columns it reads.
    """

    form: Form
    table: tuple[Column, ...]
    outputs: tuple[Output, ...]
    filtered: tuple[Column, ...] = ()
    where: str = ""
    group: tuple[Column, ...] = ()
    order: tuple[Order, ...] = ()
    limit: int | None = None
    protection: Protection = WHOLE
    conditions: tuple[tuple[str, tuple[str, ...]], ...] = ()

    def uses(self) -> list[dict[str, Any]]:
        """Return which column is used for what: select, filter, group, order or measure."""
        shown = [column for output in self.outputs for column in output.columns]
        compared = [
            column
            for output in self.outputs
            if isinstance(output.what, Formula)
            for column in output.what.compared
        ]
        measured = [output.what for output in self.outputs if isinstance(output.what, Measure)]
        ordered = {order.column for order in self.order}
        return uses(
            select=[column for column in shown if column not in self.group],
            filter=[*self.filtered, *compared],
            group=self.group,
            order=[column for column in self.group if column.name in ordered],
            measure=[measure.column for measure in measured if measure.column],
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


def resolve(
    query: Query, columns: Sequence[Column], form: Form, protection: Protection | None = None
) -> Plan:
    """Return the plan of a query on a dataset that has these columns; `protection` is of its rows.

    Raises:
        NotFound: the query names a column that the dataset has not.
        Refused: a column is read in a way its method or its provider does not allow.
        Malformed: the query does not fit the form, or a literal its column.

    """
    named = {column.name: column for column in columns}
    if len({name for name, _ in query.outputs}) < len(query.outputs):
        raise Malformed("two columns of the answer have one name: tell them apart with AS")
    if form is Form.ROWS:
        return _rows(query, named, protection or Protection.of(Release(), 100, columns))
    if form is Form.AGGREGATE:
        return _aggregate(query, named)
    raise Malformed("an encrypted answer is asked of a cube, not by a query")


def _rows(query: Query, named: Mapping[str, Column], protection: Protection) -> Plan:
    if query.group or query.order or any(isinstance(what, Aggregate) for _, what in query.outputs):
        raise Malformed("rows are columns alone: want no COUNT, SUM, AVG, GROUP BY or ORDER BY")
    outputs = [
        _shown(name, what, named, protection)
        for name, what in query.outputs
        if not isinstance(what, Aggregate)
    ]
    if not query.outputs:
        outputs = [
            Output(name, column, protection.type(column))
            for name, column in named.items()
            if column.method is not Method.SUPPRESS
        ]
    if not outputs:
        raise Refused("no column of the dataset leaves as rows")
    filtered, where = _where(query, named, protection)
    return Plan(
        Form.ROWS,
        tuple(named.values()),
        tuple(outputs),
        filtered,
        where,
        limit=query.limit,
        protection=protection,
    )


def _shown(name: str, what: Expression, named: Mapping[str, Column], protection: Protection) -> Output:
    if isinstance(what, Field):
        column = known(what.column, named)
        return Output(name, column, protection.type(column))
    read = {column: known(column, named) for column in read_by(what)}
    kind = protection.formula(what, read).type
    return Output(name, Formula(what, read, kind), kind)


def _aggregate(query: Query, named: Mapping[str, Column]) -> Plan:
    if not query.outputs or query.limit is not None:
        raise Malformed("an aggregate names its columns, and has no * and no LIMIT")
    group = tuple(readable(name, named, "group") for name in dict.fromkeys(query.group))
    outputs = tuple(_grouped(name, what, query, named) for name, what in query.outputs)
    for order in query.order:
        if order.column not in query.group:
            raise Malformed(f"an aggregate is ordered by what it is grouped by, not by {order.column}")
    filtered, where = _where(query, named, WHOLE)
    return Plan(
        Form.AGGREGATE,
        tuple(named.values()),
        outputs,
        filtered,
        where,
        group,
        query.order,
        conditions=_conditions(query, named),
    )


def _grouped(name: str, what: Expression | Aggregate, query: Query, named: Mapping[str, Column]) -> Output:
    if isinstance(what, Aggregate):
        measure = _measure(what, named)
        return Output(name, measure, measure.type)
    if not isinstance(what, Field):
        raise Malformed("an aggregate computes nothing of a row: expressions are for rows")
    column = known(what.column, named)
    if what.column not in query.group:
        raise Malformed(f"an aggregate shows columns it is grouped by: want {what.column} in GROUP BY")
    return Output(name, column, WHOLE.type(column))


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


def _conditions(query: Query, named: Mapping[str, Column]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    if query.where is None:
        return ()
    where = normal(query.where, {name for name, column in named.items() if column.type is Type.INTEGER})
    found = []
    for part in where.parts if isinstance(where, Every) else (where,):
        read = sorted(set(columns_of(part)))
        # By another method a column is compared otherwise.
        methods = [[named[name].method, dict(named[name].parameters)] for name in read]
        found.append((json.dumps([part.canonical(), methods], sort_keys=True), tuple(read)))
    return tuple(found)


def _where(
    query: Query, named: Mapping[str, Column], protection: Protection
) -> tuple[tuple[Column, ...], str]:
    if query.where is None:
        return (), ""
    # The condition first: it is what refuses an unknown column.
    where = protection.condition(query.where, named)
    return tuple(named[name] for name in dict.fromkeys(columns_of(query.where))), where
