"""Expressions as SQL, their types checked: made so that no value of the data can make one fail.

A failed cast, an overflow or a division by zero would name a cell, or tell by
its absence: each becomes NULL instead. Whole numbers are computed in 128 bits
and cut to 64; what a number or a date cannot be is tried and given up.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, NoReturn

from dataspace.errors import Malformed
from dataspace.privacy.desensitize import SQL_TYPES
from dataspace.table import Type
from dataspace.transfer.sql.expression import Call, Cast, Choice, Expression, Field, Operation
from dataspace.transfer.sql.predicate import Literal, Predicate

_NUMBERS: Final = {Type.INTEGER, Type.DECIMAL}
_ARITHMETIC: Final = {Operation.ADD, Operation.SUBTRACT, Operation.MULTIPLY}
# What each type can be cast to.
_CASTS: Final = {
    Type.TEXT: set(Type),
    Type.INTEGER: {Type.TEXT, Type.INTEGER, Type.DECIMAL},
    Type.DECIMAL: {Type.TEXT, Type.INTEGER, Type.DECIMAL},
    Type.DATE: {Type.TEXT, Type.DATE},
}
# Functions of one argument: what it takes and what it gives.
_OF_ONE: Final = {
    Operation.LOWER: (Type.TEXT, Type.TEXT),
    Operation.UPPER: (Type.TEXT, Type.TEXT),
    Operation.LENGTH: (Type.TEXT, Type.INTEGER),
    Operation.SUBSTR: (Type.TEXT, Type.TEXT),
    Operation.YEAR: (Type.DATE, Type.INTEGER),
    Operation.MONTH: (Type.DATE, Type.INTEGER),
}


@dataclass(frozen=True)
class Value:
    """SQL of a value, and its type."""

    sql: str
    type: Type


@dataclass(frozen=True)
class Leaves:
    """What expressions are made of: the leaving value of a column by its name, and conditions as SQL."""

    column: Callable[[str], Value]
    condition: Callable[[Predicate], str]


def written(expression: Expression, leaves: Leaves) -> Value:
    """Return an expression as SQL.

    Raises:
        Malformed: an operation is given a type that it does not take.

    """
    match expression:
        case Field(column):
            return leaves.column(column)
        case Literal():
            return _literal(expression)
        case Cast(value, wanted):
            return _cast(written(value, leaves), wanted)
        case Choice():
            return _choice(expression, leaves)
        case Call(operation, arguments, settings):
            return _call(operation, [written(argument, leaves) for argument in arguments], settings)


def _literal(literal: Literal) -> Value:
    if not literal.number:
        return Value("'" + literal.text.replace("'", "''") + "'", Type.TEXT)
    if literal.text.lstrip("-").isdecimal() and -(2**63) <= int(literal.text) < 2**63:
        return Value(f"CAST({literal.text} AS BIGINT)", Type.INTEGER)
    number = float(literal.text)
    if not math.isfinite(number):
        raise Malformed("a number of an expression is larger than numbers can be")
    return Value(f"CAST('{number!r}' AS DOUBLE)", Type.DECIMAL)


def _cast(value: Value, wanted: Type) -> Value:
    if wanted not in _CASTS[value.type]:
        _unfit("CAST", f"no {value.type} as {wanted}")
    if wanted is value.type:
        return value
    return Value(f"TRY_CAST({value.sql} AS {SQL_TYPES[wanted]})", wanted)


def _choice(choice: Choice, leaves: Leaves) -> Value:
    whens = [leaves.condition(when) for when, _ in choice.branches]
    values = [written(then, leaves) for _, then in choice.branches]
    if choice.otherwise is not None:
        values.append(written(choice.otherwise, leaves))
    same = _same(values, "CASE")
    branches = "".join(f" WHEN {when} THEN {value.sql}" for when, value in zip(whens, same, strict=False))
    otherwise = f" ELSE {same[-1].sql}" if choice.otherwise is not None else ""
    return Value(f"CASE{branches}{otherwise} END", same[0].type)


def _call(operation: Operation, values: Sequence[Value], settings: Sequence[int]) -> Value:
    if operation is Operation.COALESCE:
        same = _same(values, "COALESCE")
        return Value(f"coalesce({', '.join(value.sql for value in same)})", same[0].type)
    if operation in _OF_ONE:
        takes, gives = _OF_ONE[operation]
        _check(operation, values, {takes})
        arguments = ", ".join([values[0].sql, *map(str, settings)])
        return Value(f"{operation.value}({arguments})", gives)
    if operation is Operation.CONCATENATE:
        _check(operation, values, {Type.TEXT})
        return Value(f"({values[0].sql} || {values[1].sql})", Type.TEXT)
    _check(operation, values, _NUMBERS)
    return _number(operation, values, settings)


def _number(operation: Operation, values: Sequence[Value], settings: Sequence[int]) -> Value:
    whole = all(value.type is Type.INTEGER for value in values)
    if operation is Operation.ROUND:
        return values[0] if whole else Value(f"round({values[0].sql}, {settings[0]})", Type.DECIMAL)
    if operation is Operation.DIVIDE:
        one, other = (_as(value, "DOUBLE") for value in values)
        return Value(f"({one} / nullif({other}, 0))", Type.DECIMAL)
    parts = [_as(value, "HUGEINT" if whole else "DOUBLE") for value in values]
    if operation in _ARITHMETIC:
        computed = f"({parts[0]} {operation.value} {parts[1]})"
    else:
        computed = f"abs({parts[0]})" if operation is Operation.ABS else f"(- {parts[0]})"
    # Two numbers of 64 bits give one of 128 at most: only the way back can fail, and that is tried.
    return Value(f"TRY_CAST({computed} AS BIGINT)", Type.INTEGER) if whole else Value(computed, Type.DECIMAL)


def _same(values: Sequence[Value], what: str) -> list[Value]:
    """Return the values in one type: numbers of both kinds become decimals."""
    kinds = {value.type for value in values}
    if len(kinds) == 1:
        return list(values)
    if kinds != _NUMBERS:
        _unfit(what, f"{' and '.join(sorted(kinds))} together: CAST them to one type")
    return [Value(_as(value, "DOUBLE"), Type.DECIMAL) for value in values]


def _as(value: Value, sql_type: str) -> str:
    return f"CAST({value.sql} AS {sql_type})"


def _check(operation: Operation, values: Sequence[Value], wanted: set[Type]) -> None:
    for value in values:
        if value.type not in wanted:
            _unfit(
                operation.value.upper(), f"no {value.type}: want {' or '.join(sorted(wanted))}, as it leaves"
            )


def _unfit(what: str, why: str) -> NoReturn:
    raise Malformed(f"{what} takes {why}")
