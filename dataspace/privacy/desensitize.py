"""How a value leaves as part of a row: DuckDB SQL for each method of ISO/IEC 20889 that a column can have.

    keep           the value
    suppress       NULL of the column's type
    round          1,234 -> 1,230 (to: 10); 1.25 -> 1.3 (digits: 1)      half away from zero; the type stays
    top_code       104 -> 90 (top: 90)                      bottom and top coding; the type stays
    generalize     date   -> 2024, 2024-Q3, 2024-07         unit: year, quarter, month
                   number -> [20, 30)                       width: a whole number from 1
                          -> < 18, [18, 35), >= 35          bands: "18,35"
                   text   -> 310***... as 310*              first: for codes whose prefix is the wider class
                          -> 浙江省杭州市                    division (`divisions`)
                          -> I20-I25                        icd (`icd`)
    mask           13812345678 -> 138****5678               first and last, or as (`masks`)
    pseudonymize   the first 32 hex digits of HMAC-SHA256 of the value as text in UTF-8, under
                   HMAC-SHA256(agreement's key, "pseudonym" 00 || column name), or of a column with a
                   domain under HMAC-SHA256(agreement's key, "pseudonym domain" 00 || domain)

The rest of `COSTLY` has no SQL: `prepared` computes it once per agreement and version.

NULL stays NULL under every method. No expression fails on any value: what has
no class (NaN, an infinite date, a decimal beyond 10^15) becomes NULL.

Rounding and cutting keep the ends of a distribution recognisable: one subject
alone beyond the cut is still known to be beyond it. The measures of risk count
what such a value leaves as (`release`).

A generalized value is computed in two steps, `group` and `label`, so that a
million rows are grouped by whole numbers and only the groups are spelled out.
"""

import hashlib
import hmac
from collections.abc import Callable, Mapping
from typing import Final

from dataspace.errors import Malformed
from dataspace.privacy.generalize import class_of, period, quoted, written
from dataspace.privacy.masks import masked
from dataspace.privacy.parameters import clamp, domain, mask, read, rounding
from dataspace.table import Column, Method, Type

__all__ = ["COSTLY", "DIGITS", "SQL_TYPES", "expression", "group", "label", "leaving_type", "quoted"]

SQL_TYPES: Final[Mapping[Type, str]] = {
    Type.TEXT: "VARCHAR",
    Type.INTEGER: "BIGINT",
    Type.DECIMAL: "DOUBLE",
    Type.DATE: "DATE",
}
COSTLY: Final = frozenset(
    {Method.MICROAGGREGATE, Method.NOISE, Method.SHIFT, Method.PSEUDONYMIZE, Method.FPE}
)
DIGITS: Final = 32  # of a pseudonym; 128 bits: no two subjects of a dataset meet by chance
_TEXTS: Final = frozenset({Method.GENERALIZE, Method.MASK, Method.PSEUDONYMIZE, Method.FPE})
_BLOCK: Final = 64  # of SHA-256, for HMAC (RFC 2104)


def leaving_type(column: Column) -> Type:
    """Return the type of the values that leave."""
    return Type.TEXT if column.method in _TEXTS else column.type


def expression(column: Column, key: bytes) -> str:
    """Return the SQL of the value that may leave; it holds a secret when the method is pseudonymize.

    `key`: of the agreement, 32 bytes, so that two consumers cannot join their pseudonyms.

    Raises:
        Malformed: a parameter of the method is missing or out of range, or the method is costly and
            no pseudonym.

    """
    if column.method is Method.PSEUDONYMIZE:
        return _pseudonym(_text(column), pseudonym_key(column, key))
    if column.method in COSTLY:
        read(column)
        # Never the value itself: whoever forgot to prepare the column learns it here.
        raise Malformed(f"column {column.name}: {column.method} is computed beforehand, not in a query")
    return _WRITTEN[column.method](column)


def group(column: Column) -> str:
    """Return SQL whose equal values are the column's equal leaving values, of any method that has SQL.

    For a generalized number it is the count of whole widths below the band, or
    the band's number, for a date the count of units since year 0: all sort as
    the values do.

    Raises:
        Malformed: as in `expression`.

    """
    return class_of(column) if column.method is Method.GENERALIZE else expression(column, b"")


def label(column: Column, grouped: str) -> str:
    """Return SQL that spells out what `group` computed, given as the SQL `grouped`.

    Raises:
        Malformed: as in `expression`.

    """
    return written(column, grouped) if column.method is Method.GENERALIZE else grouped


def pseudonym_key(column: Column, key: bytes) -> bytes:
    """Return the key of a column's pseudonyms: its own, or its domain's, under the agreement's `key`."""
    shared = domain(column)
    label = b"pseudonym domain\0" + shared.encode() if shared else b"pseudonym\0" + column.name.encode()
    return hmac.digest(key, label, hashlib.sha256)


def _rounded(column: Column) -> str:
    name, (to, digits) = quoted(column.name), rounding(column)
    if column.type is Type.INTEGER:
        near, far = (
            f"({value} + sign({name}) * {to // 2}) // {to} * {to}"
            for value in (name, f"CAST({name} AS HUGEINT)")
        )
        # 128 bits are slow, and needed at the ends of 64 alone.
        inside = f"{name} BETWEEN {-(1 << 62)} AND {1 << 62}"
        return f"CASE WHEN {inside} THEN {near} ELSE TRY_CAST({far} AS BIGINT) END"
    rounded = f"round({name}, {digits})" if digits is not None else f"round({name} / {to}) * {to}"
    return f"CASE WHEN abs({name}) < 1e15 THEN {rounded} END"


def _cut(column: Column) -> str:
    name, (bottom, top) = quoted(column.name), clamp(column)
    # Not `least` and `greatest`: they make a bound of NULL.
    cases = [f"WHEN {name} < {bottom} THEN {bottom}"] if bottom is not None else []
    cases += [f"WHEN {name} > {top} THEN {top}"] if top is not None else []
    cut = f"CASE {' '.join(cases)} ELSE {name} END"
    if column.type is Type.INTEGER:
        return f"CAST({cut} AS BIGINT)"
    return f"CASE WHEN isfinite({name}) THEN CAST({cut} AS DOUBLE) END"


def _text(column: Column) -> str:
    name = quoted(column.name)
    return name if column.type is Type.TEXT else f"CAST({name} AS VARCHAR)"


def _pseudonym(text: str, key: bytes) -> str:
    """Return HMAC-SHA256 in SQL: DuckDB's sha256 takes a BLOB and gives hex."""
    inner, outer = (_blob(bytes(byte ^ pad for byte in key.ljust(_BLOCK, b"\0"))) for pad in (0x36, 0x5C))
    return f"left(sha256({outer} || unhex(sha256({inner} || encode({text})))), {DIGITS})"


def _blob(value: bytes) -> str:
    return f"unhex('{value.hex()}')"


def _masked(column: Column) -> str:
    return masked(_text(column), mask(column))


def _suppressed(column: Column) -> str:
    return f"CAST(NULL AS {SQL_TYPES[column.type]})"


def _kept(column: Column) -> str:
    return quoted(column.name)


def _generalized(column: Column) -> str:
    return period(column) if column.type is Type.DATE else written(column, class_of(column))


_WRITTEN: Final[Mapping[Method, Callable[[Column], str]]] = {
    Method.KEEP: _kept,
    Method.ROUND: _rounded,
    Method.TOP_CODE: _cut,
    Method.GENERALIZE: _generalized,
    Method.MASK: _masked,
    Method.SUPPRESS: _suppressed,
}
