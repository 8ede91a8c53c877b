"""The parameters that each method takes, read from a column: one reading for SQL, preparing and comparing.

    round           to: a whole number from 1; or digits: decimals, 0 to 9 (of decimal columns)
    top_code        bottom and/or top: whole numbers, bottom below top
    generalize      dates: unit (year, quarter, month); numbers: width, or bands ("0,18,35,60");
                    texts: first, or division (province, city, county), or icd (chapter, block, category)
    microaggregate  size: from 3
    noise           scale: from 1
    shift           days: from 1
    mask            first and/or last: characters shown; or as: a kind of `Kind`
    pseudonymize    domain, optional
    fpe             as: a kind of `FPE_KINDS`; domain, optional

Every reader raises `Malformed` when the parameter is missing or out of range.
"""

import re
from collections.abc import Mapping, Sequence
from enum import StrEnum
from itertools import pairwise
from typing import Final, NamedTuple

from dataspace.errors import Malformed
from dataspace.table import Column, Method, Type

LARGEST: Final = 10**15  # of a parameter: a double tells whole numbers apart below it
_DAYS: Final = 36_525  # of a shift: a century
_DECIMALS: Final = 9
_BANDS: Final = 100
_WRITTEN: Final = re.compile(r"-?[0-9]{1,15}(,-?[0-9]{1,15})*")
_DOMAIN: Final = 100  # characters
NUMBERS: Final = frozenset({Type.INTEGER, Type.DECIMAL})


class Kind(StrEnum):
    """What a text is, for a mask or a pseudonym that knows its form."""

    NAME = "name"
    RESIDENT_ID = "resident_id"
    USCC = "uscc"
    BANK_CARD = "bank_card"
    MOBILE = "mobile"
    EMAIL = "email"


MASK_KINDS: Final = (Kind.NAME, Kind.RESIDENT_ID, Kind.EMAIL, Kind.MOBILE, Kind.BANK_CARD)
FPE_KINDS: Final = (Kind.RESIDENT_ID, Kind.USCC, Kind.BANK_CARD, Kind.MOBILE)

# Words of a parameter, from the one that shows most to the one that shows least.
UNITS: Final = ("month", "quarter", "year")
DIVISIONS: Final = ("county", "city", "province")
ICD: Final = ("category", "block", "chapter")
# Of each method, the sets of parameters it takes.
_ALLOWED: Final[Mapping[Method, Sequence[frozenset[str]]]] = {
    Method.KEEP: [frozenset()],
    Method.SUPPRESS: [frozenset()],
    Method.ROUND: [frozenset({"to"}), frozenset({"digits"})],
    Method.TOP_CODE: [frozenset({"bottom", "top"}), frozenset({"bottom"}), frozenset({"top"})],
    Method.GENERALIZE: [frozenset({one}) for one in ("unit", "width", "bands", "first", "division", "icd")],
    Method.MICROAGGREGATE: [frozenset({"size"})],
    Method.NOISE: [frozenset({"scale"})],
    Method.SHIFT: [frozenset({"days"})],
    Method.MASK: [frozenset(names) for names in ((), ("first",), ("last",), ("first", "last"), ("as",))],
    Method.PSEUDONYMIZE: [frozenset(), frozenset({"domain"})],
    Method.FPE: [frozenset({"as"}), frozenset({"as", "domain"})],
}  # fmt: skip


class Mask(NamedTuple):
    """How many characters a mask shows at the two ends, or what kind of text it masks."""

    first: int
    last: int
    kind: Kind | None = None


def check_parameters(column: Column) -> None:
    """Check that a column's method fits its type and has exactly the parameters it takes.

    Raises:
        Malformed: it does not.

    """
    given = frozenset(column.parameters)
    if given not in _ALLOWED[column.method]:
        named = ", ".join(sorted(given)) or "none"
        raise Malformed(
            f"malformed parameters of column {column.name}: {column.method} does not take {named}"
        )
    read(column)


def read(column: Column) -> None:
    """Read every parameter of the column's method once, for the sake of its errors.

    Raises:
        Malformed: the method does not fit the column's type, or a parameter is missing or out of range.

    """
    match column.method:
        case Method.ROUND:
            rounding(column)
        case Method.TOP_CODE:
            clamp(column)
        case Method.GENERALIZE:
            generalization(column)
        case Method.MICROAGGREGATE:
            wants(column, NUMBERS)
            whole(column, "size", 3)
        case Method.NOISE:
            wants(column, NUMBERS)
            whole(column, "scale", 1)
        case Method.SHIFT:
            wants(column, {Type.DATE})
            whole(column, "days", 1, _DAYS)
        case Method.MASK:
            mask(column)
        case Method.PSEUDONYMIZE:
            domain(column)
        case Method.FPE:
            fpe(column)


def rounding(column: Column) -> tuple[int, int | None]:
    """Return the multiple that numbers are rounded to, and the decimals, if it is those."""
    wants(column, NUMBERS)
    if "digits" not in column.parameters:
        return whole(column, "to", 1), None
    if column.type is not Type.DECIMAL or "to" in column.parameters:
        raise Malformed(
            f"malformed parameters of column {column.name}: digits are of decimals, and exclude to"
        )
    return 1, whole(column, "digits", 0, _DECIMALS)


def clamp(column: Column) -> tuple[int | None, int | None]:
    """Return the lowest and the highest number that leave; one may be None."""
    wants(column, NUMBERS)
    bottom, top = (
        whole(column, name, -LARGEST) if name in column.parameters else None for name in ("bottom", "top")
    )
    if (bottom is None and top is None) or (bottom is not None and top is not None and bottom >= top):
        raise Malformed(
            f"malformed parameters of column {column.name}: want bottom below top, or one of them"
        )
    return bottom, top


def generalization(column: Column) -> tuple[str, int | str | tuple[int, ...]]:
    """Return the name of the one parameter of generalize that fits the column's type, and its value."""
    match column.type:
        case Type.DATE:
            return "unit", word(column, "unit", UNITS)
        case Type.INTEGER | Type.DECIMAL:
            if "bands" in column.parameters:
                return "bands", bands(column)
            return "width", whole(column, "width", 1)
        case Type.TEXT:
            if "division" in column.parameters:
                return "division", word(column, "division", DIVISIONS)
            if "icd" in column.parameters:
                return "icd", word(column, "icd", ICD)
            return "first", whole(column, "first", 1)


def bands(column: Column) -> tuple[int, ...]:
    """Return the bounds between bands, ascending."""
    value = column.parameters.get("bands")
    written = isinstance(value, str) and _WRITTEN.fullmatch(value) is not None
    bounds = tuple(int(bound) for bound in str(value).split(",")) if written else ()
    if not 1 <= len(bounds) <= _BANDS or not all(low < high for low, high in pairwise(bounds)):
        raise Malformed(
            f"malformed bands of column {column.name}: want ascending whole numbers with commas between"
        )
    return bounds


def mask(column: Column) -> Mask:
    """Return what a mask shows."""
    if "as" not in column.parameters:
        return Mask(whole(column, "first", 0, default=0), whole(column, "last", 0, default=0))
    if len(column.parameters.keys() & {"first", "last"}):
        raise Malformed(f"malformed parameters of column {column.name}: a mask takes as, or first and last")
    return Mask(0, 0, Kind(word(column, "as", MASK_KINDS)))


def fpe(column: Column) -> Kind:
    """Return what kind of identifier is kept in form."""
    domain(column)
    wants(column, {Type.TEXT, Type.INTEGER})
    return Kind(word(column, "as", FPE_KINDS))


def domain(column: Column) -> str:
    """Return the domain that the column's pseudonyms can be joined in, empty for the column alone."""
    value = column.parameters.get("domain", "")
    if not isinstance(value, str) or len(value) > _DOMAIN or ("domain" in column.parameters and not value):
        raise Malformed(f"malformed domain of column {column.name}: want 1 to {_DOMAIN} characters")
    return value


def whole(column: Column, name: str, least: int, most: int = LARGEST, *, default: int | None = None) -> int:
    """Return a whole number."""
    value = column.parameters.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise Malformed(
            f"malformed {name} of column {column.name}: {value!r}, want a whole number from {least}"
        )
    return value


def word(column: Column, name: str, words: Sequence[str]) -> str:
    """Return one of some words."""
    value = column.parameters.get(name)
    if not isinstance(value, str) or value not in words:
        raise Malformed(
            f"malformed {name} of column {column.name}: {value!r}, want one of {', '.join(words)}"
        )
    return value


def wants(column: Column, types: frozenset[Type] | set[Type]) -> None:
    """Refuse a column of another type."""
    if column.type not in types:
        raise Malformed(f"column {column.name} is of type {column.type}: {column.method} is not for it")
