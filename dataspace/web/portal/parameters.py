"""Methods and their parameters as forms write them, `first=3 last=4`, with examples for each method."""

import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Final

from dataspace.errors import Malformed, Unprocessable
from dataspace.privacy.strictness import check_parameters
from dataspace.table import Column, Method, Type

_WHOLE: Final = re.compile(r"-?[0-9]{1,15}")
# Parameters that are words, also where all their signs are digits: bands=18.
_WORDS: Final = frozenset({"as", "bands", "division", "domain", "icd", "unit"})
_EXAMPLES: Final[Mapping[Method, Sequence[str]]] = {
    Method.KEEP: ("",),
    Method.ROUND: ("to=10", "digits=1"),
    Method.TOP_CODE: ("bottom=0 top=90", "top=90", "bottom=18"),
    Method.GENERALIZE: (
        "unit=month",
        "unit=quarter",
        "unit=year",
        "bands=0,18,35,60",
        "width=10",
        "division=city",
        "icd=chapter",
        "first=2",
    ),
    Method.MICROAGGREGATE: ("size=5",),
    Method.NOISE: ("scale=10",),
    Method.SHIFT: ("days=30",),
    Method.MASK: ("as=name", "as=resident_id", "as=email", "as=mobile", "as=bank_card", "first=3 last=4"),
    Method.PSEUDONYMIZE: ("", "domain=person"),
    Method.FPE: ("as=resident_id", "as=uscc", "as=bank_card", "as=mobile"),
    Method.SUPPRESS: ("",),
}


def read_parameters(text: str) -> dict[str, int | str]:
    """Read `first=3 last=4`.

    Raises:
        Unprocessable: it is something else.

    """
    found: dict[str, int | str] = {}
    for part in text.split():
        name, equals, value = part.partition("=")
        if not equals or not value:
            raise Unprocessable("parameters are written like first=3 last=4", field="parameters")
        found[name] = int(value) if name not in _WORDS and _WHOLE.fullmatch(value) else value
    return found


def write_parameters(parameters: Mapping[str, int | str]) -> str:
    """Return parameters as `read_parameters` reads them."""
    return " ".join(f"{name}={value}" for name, value in parameters.items())


@cache
def choices(kind: Type) -> tuple[tuple[Method, tuple[str, ...]], ...]:
    """Return the methods that a column of a type can leave by, each with examples of its parameters."""
    fitting = (
        (method, tuple(one for one in texts if _fits(kind, method, one)))
        for method, texts in _EXAMPLES.items()
    )
    return tuple((method, texts) for method, texts in fitting if texts)


def examples() -> Mapping[Method, Sequence[str]]:
    """Return examples of the parameters of every method."""
    return _EXAMPLES


def _fits(kind: Type, method: Method, text: str) -> bool:
    try:
        check_parameters(Column("example", kind, method=method, parameters=read_parameters(text)))
    except Malformed:
        return False
    return True
