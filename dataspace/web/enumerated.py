"""Which values a closed place of a body takes: for who sent another."""

import re
from collections.abc import Iterator
from typing import Any, Final

from msgspec import inspect

_STEP: Final = re.compile(r"[^.\[\]]+|\[[^\]]*\]")


def one_of(annotation: Any, key: str) -> str:
    """Return `, want one of ...` for a closed place of a body (`offer.forms[0]`), else nothing."""
    kinds = list(_choices(inspect.type_info(annotation)))
    for step in _STEP.findall(key):
        kinds = [part for kind in kinds for inner in _below(kind, step) for part in _choices(inner)]
    allowed = dict.fromkeys(value for kind in kinds for value in _values(kind))
    return f", want one of {', '.join(map(str, allowed))}" if allowed else ""


def _choices(kind: inspect.Type) -> Iterator[inspect.Type]:
    """Yield the kinds that one may be."""
    if isinstance(kind, inspect.Metadata):
        yield from _choices(kind.type)
    elif isinstance(kind, inspect.UnionType):
        for one in kind.types:
            yield from _choices(one)
    else:
        yield kind


def _below(kind: inspect.Type, step: str) -> Iterator[inspect.Type]:
    match kind:
        case inspect.StructType() | inspect.DataclassType():
            yield from (field.type for field in kind.fields if field.encode_name == step)
        case inspect.CollectionType():
            yield kind.item_type
        case inspect.DictType():
            yield kind.value_type


def _values(kind: inspect.Type) -> Iterator[Any]:
    match kind:
        case inspect.EnumType():
            yield from (member.value for member in kind.cls)
        case inspect.LiteralType():
            yield from kind.values
