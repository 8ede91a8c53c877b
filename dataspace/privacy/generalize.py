"""The classes that generalized values leave as, in DuckDB SQL: `class_of` to group by, `written` to read.

Every class but those of dates beyond year 9999 and of numbers beyond 10^15 holds
all values between its ends, and a coarser class is a union of finer ones when
its parameter says so: months, quarters, years; a width and its multiples; bands
and some of their bounds.
"""

from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Final

from dataspace.privacy.divisions import division
from dataspace.privacy.icd import code_group, code_label
from dataspace.privacy.parameters import bands, generalization, whole
from dataspace.table import Column, Type

# Units of dates: (how many to a year, the unit's number within the year, how a unit is written).
_UNITS: Final[Mapping[str, tuple[int, str, str]]] = {
    "year": (1, "1", "%04d"),
    "quarter": (4, "quarter({0})", "%04d-Q%d"),
    "month": (12, "month({0})", "%04d-%02d"),
}


def quoted(name: str) -> str:
    """Return a name as an SQL identifier, whatever characters it has."""
    return '"' + name.replace('"', '""') + '"'


def class_of(column: Column) -> str:
    """Return SQL of a value for each class, of the one parameter that fits the column's type.

    Raises:
        Malformed: it is missing or out of range.

    """
    kind, _ = generalization(column)
    return _CLASSES[kind](column)


def written(column: Column, grouped: str) -> str:
    """Return SQL that spells out the class that the SQL `grouped` yields.

    Raises:
        Malformed: as in `class_of`.

    """
    kind, _ = generalization(column)
    return _LABELS[kind](column, grouped)


def period(column: Column) -> str:
    """Return SQL of a date's period spelled out at once: `written` calls printf, ten times as slow.

    Raises:
        Malformed: as in `class_of`.

    """
    generalization(column)
    name = quoted(column.name)
    text = f"CAST({name} AS VARCHAR)"
    spelled = {
        "year": f"left({text}, 4)",
        "quarter": f"left({text}, 4) || '-Q' || quarter({name})",
        "month": f"left({text}, 7)",
    }[str(column.parameters["unit"])]
    return f"CASE WHEN year({name}) BETWEEN 1 AND 9999 THEN {spelled} END"


def _steps(column: Column) -> str:
    name, width = quoted(column.name), whole(column, "width", 1)
    if column.type is Type.INTEGER:
        return f"({name} // {width} - CAST({name} % {width} < 0 AS BIGINT))"
    # Beyond 10^15 a double cannot tell bands apart; NaN and infinities are not below it either.
    return f"CASE WHEN abs({name}) < 1e15 THEN TRY_CAST(floor({name} / {width}) AS BIGINT) END"


def _band(column: Column) -> str:
    name, bounds = quoted(column.name), bands(column)
    below = " ".join(f"WHEN {name} < {bound} THEN {number}" for number, bound in enumerate(bounds))
    # NaN is the greatest of all for DuckDB.
    known = f"isfinite({name})" if column.type is Type.DECIMAL else f"{name} IS NOT NULL"
    return f"CASE WHEN {known} THEN CASE {below} ELSE {len(bounds)} END END"


def _bands(column: Column) -> list[str]:
    bounds = bands(column)
    inner = [f"[{low}, {high})" for low, high in pairwise(bounds)]
    return [f"< {bounds[0]}", *inner, f">= {bounds[-1]}"]


def _period(column: Column) -> str:
    name = quoted(column.name)
    units, within, _ = _UNITS[str(column.parameters["unit"])]
    number = f"year({name}) * {units} + {within.format(name)} - 1"
    return f"CASE WHEN year({name}) BETWEEN 1 AND 9999 THEN {number} END"


def _period_label(column: Column, grouped: str) -> str:
    units, _, form = _UNITS[str(column.parameters["unit"])]
    parts = [f"({grouped}) // {units}", f"({grouped}) % {units} + 1"][: form.count("%")]
    return f"printf('{form}', {', '.join(parts)})"


def _step_label(column: Column, grouped: str) -> str:
    width = whole(column, "width", 1)
    narrow, wide = f"({grouped}) * {width}", f"CAST({grouped} AS HUGEINT) * {width}"
    near, far = (f"'[' || {lower} || ', ' || ({lower} + {width}) || ')'" for lower in (narrow, wide))
    # 128 bits are slow, and needed at the ends of 64 alone.
    most = (1 << 62) // width
    return f"CASE WHEN ({grouped}) BETWEEN {-most} AND {most} THEN {near} ELSE {far} END"


def _band_label(column: Column, grouped: str) -> str:
    names = " ".join(f"WHEN {number} THEN '{text}'" for number, text in enumerate(_bands(column)))
    return f"CASE {grouped} {names} END"


def _division(column: Column) -> str:
    return division(quoted(column.name), str(column.parameters["division"]))


def _code(column: Column) -> str:
    return code_group(quoted(column.name), str(column.parameters["icd"]))


def _code_label(column: Column, grouped: str) -> str:
    return code_label(grouped, str(column.parameters["icd"]))


def _start(column: Column) -> str:
    return f"left({quoted(column.name)}, {whole(column, 'first', 1)})"


_CLASSES: Final[Mapping[str, Callable[[Column], str]]] = {
    "unit": _period,
    "width": _steps,
    "bands": _band,
    "first": _start,
    "division": _division,
    "icd": _code,
}
_LABELS: Final[Mapping[str, Callable[[Column, str], str]]] = {
    "unit": _period_label,
    "width": _step_label,
    "bands": _band_label,
    "first": lambda _, grouped: f"({grouped} || '*')",
    "division": lambda _, grouped: grouped,
    "icd": _code_label,
}
