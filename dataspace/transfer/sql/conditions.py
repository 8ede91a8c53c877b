"""Conditions as SQL, made anew from checked values: what a column's type and method let a consumer compare.

A condition sees what a row would show: on a generalized column it acts on the
generalized value. Numbers come in bands, so `age >= 60` holds only where 60
begins a band, and `age = '[60, 70)'` is the band itself; dates compare as they
are written: `born < '1990'`, `admitted = '2024-Q3'`; divisions and chapters by
their names. Where a row leaves coarser than its column says, what is compared is
not there: the comparison is NULL, and so is its negation. No value of the data
is ever cast for a comparison, so that no value can make one fail (a failed cast
names its cell). Literals are typed by their column and written out by us.
"""

import difflib
import math
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final

from dataspace.errors import Malformed, NotFound, Refused
from dataspace.privacy.desensitize import expression, group, quoted
from dataspace.table import Column, Method, Type
from dataspace.transfer.sql.predicate import (
    Compare,
    Every,
    Literal,
    Missing,
    Not,
    Operator,
    Predicate,
    Some,
    Within,
)

_EXACT: Final = {Method.KEEP, Method.ROUND, Method.TOP_CODE}  # the value itself, or one of its type
_READABLE: Final = {*_EXACT, Method.GENERALIZE}
_EQUALITY: Final = {Operator.EQUAL, Operator.UNEQUAL}
_BAND: Final = re.compile(r"\[(-?\d{1,20}), (-?\d{1,20})\)", re.ASCII)
_DATE: Final = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_UNITS: Final = {
    "year": (re.compile(r"(\d{4})", re.ASCII), 1, "2024"),
    "quarter": (re.compile(r"(\d{4})-Q([1-4])", re.ASCII), 4, "2024-Q3"),
    "month": (re.compile(r"(\d{4})-(0[1-9]|1[0-2])", re.ASCII), 12, "2024-07"),
}


@dataclass(frozen=True)
class Coarser:
    """Columns that leave otherwise in the rows whose SQL `tier` is not 0, where they are not compared."""

    names: Collection[str] = ()
    tier: str = ""


def condition(predicate: Predicate, columns: Mapping[str, Column], coarser: Coarser = Coarser()) -> str:
    """Return a predicate as SQL.

    Raises:
        NotFound: a column is not one of `columns`.
        Refused: a column's values may not be compared, being masked, pseudonymized or suppressed.
        Malformed: a literal does not fit its column.

    """
    return _condition(predicate, columns, coarser, negated=False)


def _condition(
    predicate: Predicate, columns: Mapping[str, Column], coarser: Coarser, *, negated: bool
) -> str:
    match predicate:
        case Every(parts) | Some(parts):
            word = " AND " if isinstance(predicate, Every) else " OR "
            return (
                "(" + word.join(_condition(part, columns, coarser, negated=negated) for part in parts) + ")"
            )
        case Not(part):
            return f"(NOT {_condition(part, columns, coarser, negated=True)})"
    test = _test(predicate, readable(predicate.column, columns, "filter"))
    if predicate.column not in coarser.names:
        return test
    # Where nothing negates it, false does as well as NULL, and is faster: a scan can skip by it.
    return (
        f"(CASE WHEN {coarser.tier} = 0 THEN {test} END)" if negated else f"({coarser.tier} = 0 AND {test})"
    )


def _test(predicate: Missing | Compare | Within, column: Column) -> str:
    match predicate:
        case Missing():
            return f"({_group(column)} IS NULL)"
        case Compare(_, operator, value):
            if _named(column) and operator not in _EQUALITY:
                return _bounded(column, operator, value)
            return f"({_side(column, operator)} {operator} {_literal(column, operator, value)})"
        case Within(_, values):
            listed = ", ".join(_literal(column, Operator.EQUAL, value) for value in values)
            return f"({_side(column, Operator.EQUAL)} IN ({listed}))"


def known(name: str, columns: Mapping[str, Column]) -> Column:
    """Return the column of that name; raises NotFound."""
    if name not in columns:
        near = _near(name, columns)
        hint = f"; near it: {', '.join(map(repr, near))}" if near else ""
        raise NotFound(f"the dataset has no column {name!r}{hint}", column=name, near=near)
    return columns[name]


def _near(name: str, columns: Mapping[str, Column]) -> list[str]:
    """Return the names that were perhaps meant; the catalogue shows them to every consumer."""
    folded = {known.casefold(): known for known in columns}
    return [folded[match] for match in difflib.get_close_matches(name.casefold(), folded)]


def readable(name: str, columns: Mapping[str, Column], use: str) -> Column:
    """Return a column whose values a query may compare or group by.

    Raises:
        NotFound: there is none of that name.
        Refused: its method hides its values.

    """
    column = known(name, columns)
    if column.method not in _READABLE:
        raise Refused(
            f"column {name} leaves under {column.method}: no condition, group or order may read it",
            column=name,
            method=column.method.value,
            use=use,
        )
    return column


def _group(column: Column) -> str:
    return expression(column, b"") if _named(column) else group(column)


def _named(column: Column) -> bool:
    """Tell whether a generalized column is compared by the names of its classes, having no other order."""
    return column.method is Method.GENERALIZE and not {"width", "unit", "first"} & set(column.parameters)


def _side(column: Column, operator: Operator) -> str:
    # A worker may keep texts as an enumeration, which sorts by position: as text they sort as texts do.
    if column.type is Type.TEXT and operator not in _EQUALITY:
        return f"CAST({_group(column)} AS VARCHAR)"
    return _group(column)


def _literal(column: Column, operator: Operator, value: Literal) -> str:
    if _named(column):
        return _label(column, value)
    if column.type is Type.TEXT:
        return _text(column, operator, value)
    if column.method in _EXACT:
        return _exact(column, value)
    if column.type is Type.DATE:
        return str(_date_unit(column, value))
    return str(_band(column, operator, value))


def _label(column: Column, value: Literal) -> str:
    if value.number:
        raise _unfit(column, "= or <> with a value as it leaves, in single quotes")
    return _sql(value.text)


def _bounded(column: Column, operator: Operator, value: Literal) -> str:
    """Return a comparison with a number that parts two bands: it holds for all of a band or none of it."""
    bounds = str(column.parameters.get("bands", "")).split(",")
    parting = operator in {Operator.AT_LEAST, Operator.LESS} and value.number and value.text in bounds
    if not parting or column.type not in {Type.INTEGER, Type.DECIMAL}:
        wanted = f" or >= or < with one of {', '.join(bounds)}" if bounds[0] else ""
        raise _unfit(column, f"= or <> with a value as it leaves{wanted}")
    name = quoted(column.name)
    compared = f"{name} {operator} {_whole(column, value)}"
    return f"(CASE WHEN {_group(column)} IS NOT NULL THEN {compared} END)"


def _text(column: Column, operator: Operator, value: Literal) -> str:
    if value.number:
        raise _unfit(column, "a text in single quotes")
    text = value.text
    if column.method is Method.GENERALIZE:
        # What is compared is the prefix without its asterisk.
        if operator not in _EQUALITY or not text.endswith("*"):
            raise _unfit(column, "= or <> with a prefix and an asterisk, as in '310*'")
        text = text[:-1]
    return _sql(text)


def _sql(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _exact(column: Column, value: Literal) -> str:
    if column.type is Type.INTEGER:
        return f"({_whole(column, value)})"
    if column.type is Type.DATE:
        return f"DATE '{_date(column, value)}'"
    number = float(value.text) if value.number else math.nan
    if not math.isfinite(number):
        raise _unfit(column, "a number")
    return f"CAST('{number!r}' AS DOUBLE)"


def _whole(column: Column, value: Literal) -> int:
    if not value.number or not value.text.lstrip("-").isdecimal() or len(value.text) > 20:
        raise _unfit(column, "a whole number")
    if not -(2**63) <= int(value.text) < 2**63:
        raise _unfit(column, "a whole number of 64 bits")
    return int(value.text)


def _date(column: Column, value: Literal) -> date:
    try:
        if not value.number and _DATE.fullmatch(value.text):
            return date.fromisoformat(value.text)
    except ValueError:
        pass
    raise _unfit(column, "a date, as in '2024-07-31'")


def _date_unit(column: Column, value: Literal) -> int:
    pattern, units, example = _UNITS[str(column.parameters["unit"])]
    found = None if value.number else pattern.fullmatch(value.text)
    if not found:
        raise _unfit(column, f"a {column.parameters['unit']}, as in '{example}'")
    year, within = int(found[1]), int(found[2]) if units > 1 else 1
    return year * units + within - 1


def _band(column: Column, operator: Operator, value: Literal) -> int:
    """Return the number of the band, as `group` counts them."""
    width = int(column.parameters["width"])
    wanted = f">= or < with a multiple of {width}, or = or <> with a band as in '[0, {width})'"
    if value.number:
        lower = _whole(column, value)
        fits = operator in {Operator.AT_LEAST, Operator.LESS} and lower % width == 0
    else:
        found = _BAND.fullmatch(value.text)
        lower, upper = map(int, found.groups()) if found else (0, 0)
        fits = operator in _EQUALITY and lower % width == 0 and upper == lower + width
    if not fits:
        raise _unfit(column, wanted)
    return lower // width


def _unfit(column: Column, wanted: str) -> Malformed:
    return Malformed(f"column {quoted(column.name)} is compared with what does not fit: want {wanted}")
