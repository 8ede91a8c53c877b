"""Conditions in one normal form: two that differ only in how they are put become equal values.

    NOT (a < 5 OR b = 1)   a >= 5 AND b <> 1     in three-valued logic too: where a is NULL neither holds
    a < 5                  a <= 4                of whole numbers
    a >= 3 AND a >= 5      a >= 5                and BETWEEN, and of OR the weaker
    a = 1 OR a IN (2, 3)   a IN (1, 2, 3)        a <> 1 AND a <> 2 is NOT a IN (1, 2)
    a >= 4 AND a <= 4      a = 4

It is what a question is recognised by (attack QY-07); what runs is the condition as it was put.
"""

from collections.abc import Collection, Iterable
from dataclasses import replace
from decimal import Decimal
from typing import Final

from dataspace.table import Column, Type
from dataspace.transfer.sql.predicate import (
    Compare,
    Every,
    Literal,
    Not,
    Operator,
    Predicate,
    Some,
    Within,
    every,
    some,
    within,
)
from dataspace.transfer.sql.statement import Query

_NEGATED: Final = {
    Operator.EQUAL: Operator.UNEQUAL,
    Operator.UNEQUAL: Operator.EQUAL,
    Operator.LESS: Operator.AT_LEAST,
    Operator.AT_LEAST: Operator.LESS,
    Operator.GREATER: Operator.AT_MOST,
    Operator.AT_MOST: Operator.GREATER,
}
# Of whole numbers: the bound that includes its number, and how far that is.
_INCLUDED: Final = {Operator.LESS: (Operator.AT_MOST, -1), Operator.GREATER: (Operator.AT_LEAST, 1)}
_LOWER: Final = frozenset({Operator.GREATER, Operator.AT_LEAST})
_BOUNDS: Final = frozenset({*_INCLUDED, Operator.AT_MOST, Operator.AT_LEAST})
_OPEN: Final = frozenset(_INCLUDED)


def as_asked(query: Query, columns: Iterable[Column]) -> Query:
    """Return a query with its condition in normal form, for a dataset of these columns."""
    if query.where is None:
        return query
    whole = {column.name for column in columns if column.type is Type.INTEGER}
    return replace(query, where=normal(query.where, whole))


def normal(predicate: Predicate, whole: Collection[str]) -> Predicate:
    """Return the normal form of a condition; `whole`: the columns of whole numbers."""
    return _normal(predicate, whole, holds=True)


def _normal(predicate: Predicate, whole: Collection[str], *, holds: bool) -> Predicate:
    match predicate:
        case Not(part):
            return _normal(part, whole, holds=not holds)
        case Every(parts) | Some(parts):
            found = [_normal(part, whole, holds=holds) for part in parts]
            return _joined(found, both=isinstance(predicate, Every) is holds)
        case Compare(column, operator, value):
            return _compared(column, operator if holds else _NEGATED[operator], value, whole)
        case _:
            return predicate if holds else Not(predicate)


def _compared(column: str, operator: Operator, value: Literal, whole: Collection[str]) -> Predicate:
    if operator is Operator.UNEQUAL:
        return Not(Compare(column, Operator.EQUAL, value))
    if column in whole and operator in _INCLUDED and value.number and _is_whole(value.text):
        included, step = _INCLUDED[operator]
        return Compare(column, included, Literal(str(int(value.text) + step), number=True))
    return Compare(column, operator, value)


def _is_whole(text: str) -> bool:
    return text.removeprefix("-").isdecimal()


def _joined(parts: Iterable[Predicate], *, both: bool) -> Predicate:
    """Return normal parts joined by AND if `both`, else by OR, with those of one column made one."""
    flat = [
        inner
        for part in parts
        for inner in (part.parts if isinstance(part, Every if both else Some) else (part,))
    ]
    listed: dict[str, list[Literal]] = {}
    bounds: dict[tuple[str, bool], Compare] = {}
    rest: list[Predicate] = []
    for part in flat:
        inner = part.part if both and isinstance(part, Not) else part
        if both is isinstance(part, Not) and isinstance(inner, Compare | Within) and _lists(inner):
            listed.setdefault(inner.column, []).extend(_values(inner))
        elif isinstance(part, Compare) and part.operator in _BOUNDS and part.value.number:
            key = part.column, part.operator in _LOWER
            bounds[key] = _stricter(bounds.get(key, part), part, both=both)
        else:
            rest.append(part)
    named = [within(column, values) for column, values in listed.items()]
    rest += [Not(part) for part in named] if both else named
    rest += _met(bounds) if both else bounds.values()
    return every(rest) if both else some(rest)


def _lists(part: Compare | Within) -> bool:
    return isinstance(part, Within) or part.operator is Operator.EQUAL


def _values(part: Compare | Within) -> tuple[Literal, ...]:
    return part.values if isinstance(part, Within) else (part.value,)


def _stricter(one: Compare, other: Compare, *, both: bool) -> Compare:
    """Return the bound that implies the other, or for OR the one that is implied."""

    def tightness(part: Compare) -> tuple[Decimal, bool]:
        number = Decimal(part.value.text)
        return (number if part.operator in _LOWER else -number), part.operator in _OPEN

    ordered = sorted((one, other), key=tightness)
    return ordered[-1] if both else ordered[0]


def _met(bounds: dict[tuple[str, bool], Compare]) -> list[Predicate]:
    """Return bounds, and an equality where the two of a column leave one number."""
    found: list[Predicate] = []
    for (column, lower), part in bounds.items():
        other = bounds.get((column, not lower))
        met = other and part.value == other.value and not {part.operator, other.operator} & _OPEN
        if not met:
            found.append(part)
        elif lower:
            found.append(Compare(column, Operator.EQUAL, part.value))
    return found
