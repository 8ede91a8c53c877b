"""What is coarser than what: the steps from a column as it leaves to a column that tells nothing.

Every step is a `Column` with the parameters of `desensitize`, and its value
follows from the value of the step before: so classes only ever grow, which is
what the search in `lattice` stands on.

    date     month, quarter, year                     then suppressed
    number   bands between quantiles, each step half as many   (a column that leaves as it is)
             a width doubled, as often as needed                (one that is generalized by width)
    text     first characters fewer; a division's city, province; an ICD code's block, chapter

A pseudonym, noise or a shift has no coarser form than nothing: its column's
values would show more. Nor has a mask: one that shows fewer characters shows
some of short values, of which the first one shows none.
"""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dataspace.privacy.closeness import Floats
from dataspace.table import Column, Method, Type

_ORDERS: Final[Mapping[str, tuple[str, ...]]] = {  # from fine to coarse
    "unit": ("month", "quarter", "year"),
    "division": ("county", "city", "province"),
    "icd": ("category", "block", "chapter"),
}
# Categories of the zone packs whose texts have an order of their own.
_PLACES: Final = frozenset({"address", "region"})
_DIAGNOSES: Final = frozenset({"diagnosis_code"})
_BANDS: Final = (16, 8, 4, 2)
_WIDTHS: Final = 8
_LONGEST: Final = 12  # characters of a text's beginning that a step may show
_LARGEST: Final = 10**15


def coarser(step: Column, column: Column) -> bool:
    """Tell whether `step` shows nothing that `column` as it leaves does not show; in doubt it does."""
    if step.method is Method.SUPPRESS or _leaves_as(step, column):
        return True
    if column.method is Method.KEEP:
        return step.method in {Method.ROUND, Method.TOP_CODE, Method.GENERALIZE, Method.MASK}
    return step.method is Method.GENERALIZE and _coarser_class(step, column)


def suppressed(column: Column) -> Column:
    """Return the column, telling nothing."""
    return replace(column, method=Method.SUPPRESS, parameters={})


def steps(column: Column, values: pa.Array) -> list[Column]:
    """Return the column as it leaves, then coarser and coarser, and at last suppressed.

    `values`: the distinct values of the column; of numbers they say where bands
    begin, of texts no more than how long they are.
    """
    if column.method is Method.SUPPRESS:
        return [column]
    found = [column, *_between(column, values)]
    return [*found, suppressed(column)]


def _between(column: Column, values: pa.Array) -> list[Column]:
    match column.method, column.type:
        case Method.KEEP, _:
            return list(_KEPT[column.type](column, values))
        case Method.GENERALIZE, _:
            return _generalized(column, values)
        case Method.ROUND, _:
            return _wider(column, int(column.parameters.get("to", 1)), values)
        case Method.TOP_CODE, _:
            return [step for step in _quantiles(column, values) if coarser(step, column)]
    return []


def _kept_text(column: Column, values: pa.Array) -> list[Column]:
    """Shorten texts to the half, again and again; of words that say little less by their first characters."""
    if column.category in _PLACES:
        return [_as(column, division=division) for division in _ORDERS["division"]]
    if column.category in _DIAGNOSES:
        return [_as(column, icd=part) for part in _ORDERS["icd"]]
    longest = pc.max(pc.utf8_length(values)).as_py() or 0
    lengths = [n for n in (8, 4, 2, 1) if n < min(longest, _LONGEST)]
    return [_as(column, first=n) for n in lengths]


def _kept_date(column: Column, values: pa.Array) -> list[Column]:
    del values
    return [_as(column, unit=unit) for unit in _ORDERS["unit"]]


def _quantiles(column: Column, values: pa.Array) -> list[Column]:
    """Return bands of about equally many distinct values, every step a selection of the bounds before."""
    numbers = np.unique(_finite(values))
    if len(numbers) < 3:
        return []
    shares = np.arange(1, _BANDS[0]) / _BANDS[0]
    # Of two digits: reports tell the bounds, and one that was a value would be a cell.
    cuts = [_rounded(int(cut)) for cut in np.quantile(numbers, shares, method="higher")]
    found: list[Column] = []
    for count in _BANDS:
        every = _BANDS[0] // count
        # Greater than the first value: a band without values says nothing.
        bounds = sorted({cut for cut in cuts[every - 1 :: every] if cut > numbers[0]})
        text = ",".join(map(str, bounds))
        if bounds and (not found or found[-1].parameters["bands"] != text):
            found.append(_as(column, bands=text))
    return found


def _rounded(number: int) -> int:
    unit = int(10 ** max(len(str(abs(number))) - 2, 0))
    return number // unit * unit


def _finite(values: pa.Array) -> Floats:
    """Return the numbers that have a band."""
    numbers = pc.cast(values.drop_null(), pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    return np.asarray(numbers[np.abs(numbers) < _LARGEST])


def _generalized(column: Column, values: pa.Array) -> list[Column]:
    ((name, value), *others) = (*column.parameters.items(), ("", 0))[:2]
    if others and others[0][0]:
        return []
    if name in _ORDERS and value in _ORDERS[name]:
        order = _ORDERS[name]
        return [_as(column, **{name: coarse}) for coarse in order[order.index(str(value)) + 1 :]]
    if name == "first" and isinstance(value, int):
        return [_as(column, first=n) for n in _halves(value)]
    if name == "bands":
        return _fewer_bands(column)
    if name == "width" and isinstance(value, int):
        return _wider(column, value, values)
    return []


def _wider(column: Column, width: int, values: pa.Array) -> list[Column]:
    """Double the width until one band may hold all."""
    largest = float(np.abs(_finite(values)).max(initial=0))
    widths = (width << shift for shift in range(1, 63))
    wanted = list(itertools.takewhile(lambda wide: wide <= min(2 * largest, _LARGEST), widths))
    # Of many, some: a lattice has no use for forty levels of one column.
    return [_as(column, width=wide) for wide in wanted[:: -(-len(wanted) // _WIDTHS) or 1]]


def _fewer_bands(column: Column) -> list[Column]:
    bounds = _bounds(column)
    found = []
    while len(bounds) > 1:
        bounds = bounds[1::2]
        found.append(_as(column, bands=",".join(map(str, bounds))))
    return found


def _halves(number: int) -> list[int]:
    return [number >> shift for shift in range(1, number.bit_length())]


def _as(column: Column, **parameters: int | str) -> Column:
    return replace(column, method=Method.GENERALIZE, parameters=parameters)


def _leaves_as(step: Column, column: Column) -> bool:
    return step.method is column.method and dict(step.parameters) == dict(column.parameters)


def _coarser_class(step: Column, column: Column) -> bool:
    """Tell whether the classes of a generalized step are unions of what the column leaves as."""
    new, old = dict(step.parameters), dict(column.parameters)
    match column.method:
        case Method.TOP_CODE:
            return new.keys() == {"bands"} and all(_within(bound, old) for bound in _bounds(step))
        case Method.ROUND:
            return _multiples(step, int(old.get("to", 1)))
        case Method.GENERALIZE if old.keys() == {"width"}:
            return _multiples(step, int(old["width"]))
        case Method.GENERALIZE if new.keys() == old.keys() and len(new) == 1:
            ((name, value),) = new.items()
            return _further(name, value, old[name])
    return False


def _further(name: str, new: int | str, old: int | str) -> bool:
    if name == "first":
        return int(new) <= int(old)
    if name == "bands":
        return set(_split(new)) <= set(_split(old))
    order = _ORDERS.get(name, ())
    return new in order and old in order and order.index(str(new)) >= order.index(str(old))


def _multiples(step: Column, width: int) -> bool:
    """Tell whether all bounds of a step's classes are multiples of a width."""
    if step.parameters.keys() == {"width"}:
        return int(step.parameters["width"]) % width == 0
    return step.parameters.keys() == {"bands"} and all(bound % width == 0 for bound in _bounds(step))


def _within(bound: int, limits: Mapping[str, int | str]) -> bool:
    bottom, top = (limits.get(name) for name in ("bottom", "top"))
    return (bottom is None or bound > int(bottom)) and (top is None or bound <= int(top))


def _bounds(column: Column) -> list[int]:
    return _split(column.parameters["bands"])


def _split(bands: int | str) -> list[int]:
    return [int(bound) for bound in str(bands).split(",")]


_KEPT: Final[Mapping[Type, Callable[[Column, pa.Array], Sequence[Column]]]] = {
    Type.TEXT: _kept_text,
    Type.DATE: _kept_date,
    Type.INTEGER: _quantiles,
    Type.DECIMAL: _quantiles,
}
