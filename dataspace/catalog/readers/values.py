"""Values that came with types, as Arrow's: each kept as what it is, so that its text can be told exactly.

The arrays that readers hand on are of a few types: text, 64-bit integers,
doubles, decimals, booleans, days, moments, and none. What is mixed, or would
lose a digit as a number, is text already.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dataspace.errors import Unprocessable
from dataspace.table import Type

DIGITS = 10**15  # whole numbers below it are decimals that a double gives back
_EXACT = 1 << 53  # whole numbers up to it are doubles
_MOMENT = pa.timestamp("us")
_ALIKE: Sequence[tuple[set[type], pa.DataType]] = (
    ({str}, pa.string()),
    ({bool}, pa.bool_()),
    ({date}, pa.date32()),
    ({datetime}, _MOMENT),
)
_CALENDAR = (
    -719_162,
    2_932_896,
)  # days from 1970 to the first of year 1 and the last of 9999: no date is beyond
_UNITS = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}  # in a second
_SECONDS = 86_400  # of a day
_FRACTION = r"\.0+$"


class Kind(StrEnum):
    """What values are in the file."""

    TEXT = "text"
    INTEGER = "integer"
    DECIMAL = "decimal"
    BOOLEAN = "boolean"
    DAY = "day"
    MOMENT = "moment"
    OTHER = "other"


@dataclass(frozen=True)
class Values:
    """Values of one column; `wide`: some whole numbers have over 15 digits, `lossy`: some are no double."""

    array: pa.Array
    kinds: frozenset[Kind]
    wide: bool = False
    lossy: bool = False


class Literal(str):
    """A number as it was written, because its digits are more than a double's."""

    __slots__ = ()


def from_python(column: Sequence[Any]) -> Values:
    """Return Python values as Arrow's; None is null."""
    types = {type(value) for value in column} - {type(None)}
    if not types:
        return Values(pa.nulls(len(column)), frozenset())
    if types <= {int, float}:
        return _numbers(column, types)
    for alike, kind in _ALIKE:
        if types <= alike:
            return Values(pa.array(column, kind), frozenset(_KINDS[type_] for type_ in types))
    return _mixed(column, types)


def as_type(array: pa.Array, kind: Type) -> pa.Array:
    """Return values with the type that their column was given; what is no finite number becomes null.

    Raises:
        Unprocessable: they are not as they were when the type was found.

    """
    try:
        if kind is Type.TEXT:
            return texts(array)
        if kind is Type.INTEGER:
            return pc.cast(array, pa.int64())
        if kind is Type.DATE:
            return pc.cast(array, pa.date32())
        numbers = pc.cast(array, pa.float64())
    except pa.ArrowInvalid:
        # `from None`: its text holds cells.
        raise Unprocessable("the file has values that are not as they were when it was checked") from None
    numbers = pc.if_else(pc.is_finite(numbers), numbers, pa.scalar(None, pa.float64()))
    # Adding zero makes -0.0 the zero that it equals.
    return pc.add(numbers, 0.0)


def texts(array: pa.Array) -> pa.Array:
    """Return values as the texts that they are: `12`, `1.5`, `true`, `2024-02-29 08:00:00`."""
    if pa.types.is_string(array.type):
        return array
    found = pc.cast(array, pa.string())
    if pa.types.is_timestamp(array.type):
        return pc.replace_substring_regex(found, _FRACTION, "")
    return found


def beyond(array: pa.Array) -> npt.NDArray[np.int64]:
    """Return the places of the days and moments that no calendar has."""
    if pa.types.is_date32(array.type):
        number, unit = pc.cast(array, pa.int32()), 1
    elif pa.types.is_timestamp(array.type):
        number, unit = pc.cast(array, pa.int64()), _SECONDS * _UNITS[array.type.unit]
    else:
        return np.zeros(0, np.int64)
    days = pc.fill_null(number, 0).to_numpy(zero_copy_only=False) // unit
    return np.flatnonzero((days < _CALENDAR[0]) | (days > _CALENDAR[1]))


def text(value: Any) -> str | None:
    """Return one Python value as the text that it is."""
    if value is None or isinstance(value, str):
        return value if value is None else str(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return _decimal(value)
    if isinstance(value, datetime):
        return value.isoformat(sep=" ")
    return value.isoformat() if isinstance(value, (date, time)) else str(value)


def _numbers(column: Sequence[Any], types: set[type]) -> Values:
    if types == {int}:
        try:
            array = pa.array(column, pa.int64())
        except OverflowError:
            return Values(_texts(column), frozenset({Kind.INTEGER}), wide=True, lossy=True)
        return integers(array)
    kinds = frozenset(_KINDS[kind] for kind in types)
    if int in types and any(type(value) is int and abs(value) > _EXACT for value in column):
        return Values(_texts(column), kinds, wide=True, lossy=True)
    numbers = [None if value is None else float(value) for value in column]
    return Values(pa.array(numbers, pa.float64()), kinds)


def whole(values: Values) -> Values:
    """Return doubles that are all whole numbers as integers: a spreadsheet knows no others.

    Whole numbers of more than 15 digits become the text of their shortest decimal.
    """
    if values.kinds != {Kind.DECIMAL}:
        return values
    array = values.array
    if not pc.all(pc.is_finite(array), min_count=0).as_py():
        return values
    if not pc.all(pc.equal(pc.floor(array), array), min_count=0).as_py():
        return values
    if pc.any(pc.greater_equal(pc.abs(array), float(DIGITS))).as_py():
        return Values(_texts(array.to_pylist()), frozenset({Kind.INTEGER}), wide=True)
    return Values(pc.cast(array, pa.int64()), frozenset({Kind.INTEGER}))


def integers(array: pa.Array) -> Values:
    """Return 64-bit integers as what they are."""
    bounds = pc.min_max(array)
    least, most = bounds["min"].as_py(), bounds["max"].as_py()
    if most is None:
        return Values(array, frozenset())
    size = max(most, -least)
    return Values(array, frozenset({Kind.INTEGER}), wide=size >= DIGITS, lossy=size > _EXACT)


def _mixed(column: Sequence[Any], types: set[type]) -> Values:
    """Return values of several types as texts."""
    kinds = {_KINDS.get(kind, Kind.OTHER) for kind in types}
    return Values(_texts(column), frozenset(kinds), lossy=Literal in types)


def _texts(column: Sequence[Any]) -> pa.Array:
    return pa.array([text(value) for value in column], pa.string())


def _decimal(value: float) -> str:
    """Return a double as its shortest decimal, whole numbers without a point or an exponent."""
    if value != value or value in (float("inf"), float("-inf")):  # noqa: PLR0124 - NaN is not itself
        return {"nan": "NaN"}.get(str(value), str(value))
    return format(Decimal(repr(value)), "f").removesuffix(".0") if value == int(value) else repr(value)


_KINDS: dict[type, Kind] = {
    str: Kind.TEXT,
    int: Kind.INTEGER,
    float: Kind.DECIMAL,
    Literal: Kind.DECIMAL,
    bool: Kind.BOOLEAN,
    date: Kind.DAY,
    datetime: Kind.MOMENT,
    time: Kind.OTHER,
    timedelta: Kind.OTHER,
}
