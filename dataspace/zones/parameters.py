"""Which parameters each method takes, for the rules of packs and recognisers.

`dataspace.privacy.desensitize` says what they do; here only a typing error is
told, with its place, before a rule that weakens a zone can come into force.
"""

import re
from collections.abc import Mapping
from itertools import pairwise
from typing import Any, Final

from dataspace.errors import Malformed
from dataspace.table import Method

_MOST: Final = 10**15
_DOMAIN: Final = re.compile(r"[a-z][a-z0-9_-]{0,62}")
_BANDS: Final = re.compile(r"-?\d{1,15}(,-?\d{1,15}){1,99}")
_WORDS: Final[Mapping[str, tuple[str, ...]]] = {
    "unit": ("year", "quarter", "month"),
    "division": ("province", "city", "county"),
    "icd": ("chapter", "block", "category"),
}
_KINDS: Final[Mapping[Method, tuple[str, ...]]] = {
    Method.MASK: ("name", "resident_id", "email", "mobile", "bank_card"),
    Method.FPE: ("resident_id", "uscc", "bank_card", "mobile"),
}
_LEAST: Final[Mapping[str, int]] = {
    "width": 1,
    "to": 1,
    "scale": 1,
    "days": 1,
    "size": 3,
    "first": 0,
    "last": 0,
    "digits": 0,
}
_PARAMETERS: Final[Mapping[Method, tuple[str, ...]]] = {
    Method.KEEP: (),
    Method.ROUND: ("to", "digits"),
    Method.TOP_CODE: ("bottom", "top"),
    Method.GENERALIZE: ("unit", "width", "bands", "first", "division", "icd"),
    Method.MICROAGGREGATE: ("size",),
    Method.NOISE: ("scale",),
    Method.SHIFT: ("days",),
    Method.MASK: ("first", "last", "as"),
    Method.PSEUDONYMIZE: ("domain",),
    Method.FPE: ("as", "domain"),
    Method.SUPPRESS: (),
}
# Methods that do nothing, or cannot be done, without one of these.
_NEEDS: Final[Mapping[Method, tuple[str, ...]]] = {
    Method.ROUND: ("to", "digits"),
    Method.TOP_CODE: ("bottom", "top"),
    Method.GENERALIZE: ("unit", "width", "bands", "first", "division", "icd"),
    Method.MICROAGGREGATE: ("size",),
    Method.NOISE: ("scale",),
    Method.SHIFT: ("days",),
    Method.FPE: ("as",),
}


def check_parameters(method: Method, parameters: Mapping[str, int | str], place: str) -> None:
    """Check the parameters of a rule that stands at `place`.

    Raises:
        Malformed: one is unknown, missing or of a wrong value; the message names place and key.

    """
    if unknown := set(parameters) - set(_PARAMETERS[method]):
        raise Malformed(f"{place}: parameters.{min(unknown)} is not one of {method}")
    for key, value in parameters.items():
        if not _fits(method, key, value):
            raise Malformed(f"{place}: parameters.{key} is {value!r}")
    wanted = _NEEDS.get(method, ())
    if wanted and not set(wanted) & set(parameters):
        raise Malformed(f"{place}: parameters of {method}: want one of {', '.join(wanted)}")


def _fits(method: Method, key: str, value: Any) -> bool:
    if key in _WORDS:
        return value in _WORDS[key]
    if key == "as":
        return value in _KINDS[method]
    if isinstance(value, str):
        return (key == "domain" and _DOMAIN.fullmatch(value) is not None) or (
            key == "bands" and _ascending(value)
        )
    if isinstance(value, bool) or not isinstance(value, int) or key in {"domain", "bands"}:
        return False
    return _LEAST.get(key, -_MOST) <= value <= (9 if key == "digits" else _MOST)


def _ascending(bands: str) -> bool:
    if _BANDS.fullmatch(bands) is None:
        return False
    bounds = [int(bound) for bound in bands.split(",")]
    return all(low < high for low, high in pairwise(bounds))
