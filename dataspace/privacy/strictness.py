"""Which of two ways to leave shows more: a provider may choose a stricter one than its zone's rule.

Methods stand in `Method` from the laxest to the strictest. A stricter method
whose parameters make it show more than the rule does is laxer all the same:

    chosen         over                    not laxer when
    generalize     round                   its bands are as wide as the rule's multiple
    generalize     top_code                its outermost bands hide what the rule hides
    microaggregate round, generalize ...   never: nobody can say beforehand how far its groups reach
    noise          round, generalize       its scale is at least the multiple or the width
    shift          generalize              its days are at least those of the unit
    mask           generalize              it shows a prefix no longer than the rule's, or nothing
    mask           any other but keep      it shows nothing
    mask           another mask            it shows nothing, or of names the first character
    pseudonymize, fpe, suppress            always

What cannot be compared counts as laxer. `domain` is free: which columns can be
joined within one agreement is for the provider to say.
"""

from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Final

from dataspace.errors import Malformed
from dataspace.privacy.parameters import (
    DIVISIONS,
    ICD,
    UNITS,
    Kind,
    Mask,
    bands,
    check_parameters,
    clamp,
    generalization,
    mask,
    rounding,
    whole,
)
from dataspace.table import Column, Method

__all__ = ["check_parameters", "is_laxer"]

_ORDER: Final = tuple(Method)
_OPAQUE: Final = frozenset({Method.PSEUDONYMIZE, Method.FPE, Method.SUPPRESS})
_DAYS: Final[Mapping[str, int]] = {"month": 31, "quarter": 92, "year": 366}
_WORDS: Final[Mapping[str, tuple[str, ...]]] = {"unit": UNITS, "division": DIVISIONS, "icd": ICD}
_ENDLESS: Final = 1 << 64  # the width of a band that is open to one side
_SIZES: Final[Mapping[Method, str]] = {
    Method.MICROAGGREGATE: "size",
    Method.NOISE: "scale",
    Method.SHIFT: "days",
}


def is_laxer(chosen: Column, least: Column) -> bool:
    """Tell whether values would show more as `chosen` says than as `least` does, or may do so."""
    try:
        check_parameters(chosen)
        check_parameters(least)
    except Malformed:
        return True
    if chosen.type is not least.type or _ORDER.index(chosen.method) < _ORDER.index(least.method):
        return True
    if chosen.method is least.method:
        return _SAME[chosen.method](chosen, least)
    if least.method is Method.KEEP or chosen.method in _OPAQUE:
        return False
    return _OVER.get(chosen.method, _incomparable)(chosen, least)


def _same(chosen: Column, least: Column) -> bool:
    del chosen, least
    return False


def _incomparable(chosen: Column, least: Column) -> bool:
    del chosen, least
    return True


def _generalized(chosen: Column, least: Column) -> bool:
    if least.method is Method.ROUND:
        return _reach(chosen) < rounding(least)[0]
    if "bands" not in chosen.parameters:
        return True
    bounds = bands(chosen)
    return not _within((bounds[0], bounds[-1]), clamp(least))


def _noisy(chosen: Column, least: Column) -> bool:
    return least.method not in {Method.ROUND, Method.GENERALIZE} or _size(chosen, least) < _widest(least)


def _shifted(chosen: Column, least: Column) -> bool:
    return (
        least.method is not Method.GENERALIZE or _size(chosen, least) < _DAYS[str(least.parameters["unit"])]
    )


def _masked(chosen: Column, least: Column) -> bool:
    shown = mask(chosen)
    # A generalized prefix shows short values whole, which a mask never does.
    first = least.parameters.get("first", 0) if least.method is Method.GENERALIZE else 0
    return shown.kind is not None or shown.last > 0 or shown.first > int(first)


def _cut_less(chosen: Column, least: Column) -> bool:
    return not _within(clamp(chosen), clamp(least))


def _finer(chosen: Column, least: Column) -> bool:
    (to, digits), (wanted, decimals) = rounding(chosen), rounding(least)
    if digits is None:
        return decimals is None and to < wanted
    return digits > decimals if decimals is not None else digits > 0 or wanted > 1


def _within(given: tuple[int | None, int | None], wanted: tuple[int | None, int | None]) -> bool:
    """Tell whether numbers are cut at both ends at least as the wanted bounds cut them."""
    (bottom, top), (lowest, highest) = given, wanted
    below = lowest is None or (bottom is not None and bottom >= lowest)
    above = highest is None or (top is not None and top <= highest)
    return below and above


def _narrower(chosen: Column, least: Column) -> bool:
    (kind, value), (wanted_kind, wanted) = generalization(chosen), generalization(least)
    if kind == "bands" and wanted_kind == "width":
        return _reach(chosen) < whole(least, "width", 1)
    if kind != wanted_kind:
        return True
    if kind == "bands":
        return not set(bands(chosen)) <= set(bands(least))
    if kind in _WORDS:
        return _WORDS[kind].index(str(value)) < _WORDS[kind].index(str(wanted))
    more = whole(chosen, kind, 1) - whole(least, kind, 1)
    return more > 0 if kind == "first" else more < 0


def _reach(column: Column) -> int:
    """Return how wide the narrowest band of a generalized number is."""
    kind, value = generalization(column)
    if kind == "width":
        return whole(column, "width", 1)
    bounds = value if isinstance(value, tuple) else ()
    return min((high - low for low, high in pairwise(bounds)), default=_ENDLESS)


def _widest(column: Column) -> int:
    """Return how far apart two numbers can be that a rule does not tell apart; of open bands, any."""
    if column.method is Method.ROUND:
        return rounding(column)[0]
    return whole(column, "width", 1) if "width" in column.parameters else _ENDLESS


def _size(chosen: Column, least: Column) -> int:
    del least
    return whole(chosen, _SIZES[chosen.method], 1)


def _smaller(chosen: Column, least: Column) -> bool:
    return _size(chosen, least) < _size(least, least)


def _fewer_hidden(chosen: Column, least: Column) -> bool:
    """Tell whether two masks differ and the chosen one shows anything but a first character of names.

    Fewer characters are not always less: of `00` three and four at the ends leave
    `****`, one at the start leaves `0****`.
    """
    shown, allowed = mask(chosen), mask(least)
    initial = allowed.kind is Kind.NAME and shown == Mask(1, 0)
    return shown not in {allowed, Mask(0, 0)} and not initial


def _other_form(chosen: Column, least: Column) -> bool:
    return chosen.parameters["as"] != least.parameters["as"]


# Tests of two columns of one method, and of a column whose method is the stricter one.
_SAME: Final[Mapping[Method, Callable[[Column, Column], bool]]] = {
    Method.KEEP: _same,
    Method.ROUND: _finer,
    Method.TOP_CODE: _cut_less,
    Method.GENERALIZE: _narrower,
    Method.MICROAGGREGATE: _smaller,
    Method.NOISE: _smaller,
    Method.SHIFT: _smaller,
    Method.MASK: _fewer_hidden,
    Method.PSEUDONYMIZE: _same,
    Method.FPE: _other_form,
    Method.SUPPRESS: _same,
}
_OVER: Final[Mapping[Method, Callable[[Column, Column], bool]]] = {
    Method.GENERALIZE: _generalized,
    Method.NOISE: _noisy,
    Method.SHIFT: _shifted,
    Method.MASK: _masked,
}
