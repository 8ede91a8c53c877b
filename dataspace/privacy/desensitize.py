"""How a value leaves as part of a row: DuckDB SQL for each method of ISO/IEC 20889 that a column can have.

    keep           the value
    suppress       NULL of the column's type
    mask           13812345678 -> 138****5678   always four asterisks: the length of a name tells much;
                   a value with nothing left to hide between `first` and `last` becomes the asterisks alone
    generalize     date   -> 2024, 2024-Q3, 2024-07           unit: year, quarter, month
                   number -> [20, 30)                         width: a whole number from 1
                   text   -> 310***... as 310*                first: for codes whose prefix is the wider class
    pseudonymize   the first 32 hex digits of HMAC-SHA256 of the value as text in UTF-8, under
                   HMAC-SHA256(agreement's key, "pseudonym" 00 || column name)

NULL stays NULL under every method. No expression fails on any value: what has
no class (NaN, an infinite date, a decimal beyond 10^15) becomes NULL.

A generalized value is computed in two steps, `group` and `label`, so that a
million rows are grouped by whole numbers and only the groups are spelled out.
"""

import hashlib
import hmac
from collections.abc import Mapping
from typing import Final

from dataspace.errors import Malformed
from dataspace.table import Column, Method, Type

SQL_TYPES: Final[Mapping[Type, str]] = {
    Type.TEXT: "VARCHAR",
    Type.INTEGER: "BIGINT",
    Type.DECIMAL: "DOUBLE",
    Type.DATE: "DATE",
}
_HIDDEN: Final = "****"
_BLOCK: Final = 64  # of SHA-256, for HMAC (RFC 2104)
_DIGITS: Final = 32  # 128 bits: no two subjects of a dataset meet by chance
# Units of dates: (how many to a year, the unit's number within the year, how a unit is written).
_UNITS: Final[Mapping[str, tuple[int, str, str]]] = {
    "year": (1, "1", "%04d"),
    "quarter": (4, "quarter({0})", "%04d-Q%d"),
    "month": (12, "month({0})", "%04d-%02d"),
}


def quoted(name: str) -> str:
    """Return a name as an SQL identifier, whatever characters it has."""
    return '"' + name.replace('"', '""') + '"'


def leaving_type(column: Column) -> Type:
    """Return the type of what `expression` yields."""
    return column.type if column.method in {Method.KEEP, Method.SUPPRESS} else Type.TEXT


def expression(column: Column, key: bytes) -> str:
    """Return the SQL of the value that may leave; it holds a secret when the method is pseudonymize.

    `key`: of the agreement, 32 bytes, so that two consumers cannot join their pseudonyms.

    Raises:
        Malformed: a parameter of the method is missing or out of range.

    """
    name = quoted(column.name)
    match column.method:
        case Method.KEEP:
            return name
        case Method.SUPPRESS:
            return f"CAST(NULL AS {SQL_TYPES[column.type]})"
        case Method.MASK:
            return _masked(_text(column), _count(column, "first", 0), _count(column, "last", 0))
        case Method.GENERALIZE:
            return label(column, group(column))
        case Method.PSEUDONYMIZE:
            return _pseudonym(_text(column), _derived(key, column.name))


def group(column: Column) -> str:
    """Return SQL whose equal values are the column's equal leaving values; only for keep and generalize.

    For a generalized number it is the count of whole widths below the band, for
    a date the count of units since year 0: both sort as the values do.

    Raises:
        Malformed: as in `expression`.

    """
    name = quoted(column.name)
    if column.method is Method.KEEP:
        return name
    match column.type:
        case Type.TEXT:
            return f"left({name}, {_count(column, 'first', 1)})"
        case Type.INTEGER:
            width = _count(column, "width", 1)
            return f"({name} // {width} - CAST({name} % {width} < 0 AS BIGINT))"
        case Type.DECIMAL:
            # Beyond 10^15 a double cannot tell bands apart; NaN and infinities are not below it either.
            return (
                f"CASE WHEN abs({name}) < 1e15 "
                f"THEN TRY_CAST(floor({name} / {_count(column, 'width', 1)}) AS BIGINT) END"
            )
        case Type.DATE:
            units, within, _ = _unit(column)
            number = f"year({name}) * {units} + {within.format(name)} - 1"
            return f"CASE WHEN year({name}) BETWEEN 1 AND 9999 THEN {number} END"


def label(column: Column, grouped: str) -> str:
    """Return SQL that spells out what `group` computed, given as the SQL `grouped`.

    Raises:
        Malformed: as in `expression`.

    """
    if column.method is Method.KEEP:
        return grouped
    match column.type:
        case Type.TEXT:
            return f"({grouped} || '*')"
        case Type.DATE:
            units, _, written = _unit(column)
            parts = [f"({grouped}) // {units}", f"({grouped}) % {units} + 1"][: written.count("%")]
            return f"printf('{written}', {', '.join(parts)})"
        case Type.INTEGER | Type.DECIMAL:
            width = _count(column, "width", 1)
            lower = f"CAST({grouped} AS HUGEINT) * {width}"
            return f"('[' || {lower} || ', ' || ({lower} + {width}) || ')')"


def _text(column: Column) -> str:
    name = quoted(column.name)
    return name if column.type is Type.TEXT else f"CAST({name} AS VARCHAR)"


def _masked(text: str, first: int, last: int) -> str:
    shown = f"left({text}, {first}) || '{_HIDDEN}' || right({text}, {last})"
    return (
        f"CASE WHEN length({text}) > {first + last} THEN {shown} "
        f"WHEN {text} IS NOT NULL THEN '{_HIDDEN}' END"
    )  # fmt: skip


def _pseudonym(text: str, key: bytes) -> str:
    """Return HMAC-SHA256 in SQL: DuckDB's sha256 takes a BLOB and gives hex."""
    inner, outer = (_blob(bytes(byte ^ pad for byte in key.ljust(_BLOCK, b"\0"))) for pad in (0x36, 0x5C))
    return f"left(sha256({outer} || unhex(sha256({inner} || encode({text})))), {_DIGITS})"


def _derived(key: bytes, name: str) -> bytes:
    return hmac.digest(key, b"pseudonym\0" + name.encode(), hashlib.sha256)


def _blob(value: bytes) -> str:
    return f"unhex('{value.hex()}')"


def _count(column: Column, parameter: str, least: int) -> int:
    value = column.parameters.get(parameter, 0)
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= 10**15:
        raise Malformed(
            f"malformed {parameter} of column {column.name}: {value!r}, want a whole number from {least}"
        )
    return value


def _unit(column: Column) -> tuple[int, str, str]:
    unit = column.parameters.get("unit")
    if not isinstance(unit, str) or unit not in _UNITS:
        raise Malformed(f"malformed unit of column {column.name}: {unit!r}, want one of {', '.join(_UNITS)}")
    return _UNITS[unit]
