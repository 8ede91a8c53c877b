"""A JSON value as the one byte string that is hashed and signed (RFC 8785), and the strict way back.

Floats do not exist here, integers lie within 2^53 - 1, object members are
ordered by the UTF-16 code units of their names, and lone surrogates, duplicate
names and names that are not text are refused on both ways.
"""

import json
from collections.abc import Mapping, Sequence
from json.encoder import encode_basestring
from typing import Any, Final, TypeAlias

from dataspace.errors import Malformed, VerificationError

JSON: TypeAlias = "bool | int | str | Sequence[JSON] | Mapping[str, JSON] | None"

INTEGER: Final = 2**53 - 1  # RFC 8785 section 3.2.2.3: what every IEEE 754 reader holds exactly
DEPTH: Final = 32
LIMIT: Final = 1 << 20  # bytes of one document

_Order: TypeAlias = tuple[tuple[str, str], ...]

_ORDER_COUNT: Final = 1000
_ORDER_LENGTH: Final = 2000
_ORDERS: Final[dict[tuple[Any, ...], _Order]] = {}  # the few sets of names that most objects have


def canonical(value: JSON) -> bytes:
    """Return the canonical bytes of `value`.

    Raises:
        Malformed: `value` holds a float, an integer beyond 2^53 - 1, a lone
            surrogate, a name that is not text, or is nested deeper than 32.

    """
    try:
        return _text(value, DEPTH).encode()
    except UnicodeEncodeError as error:
        raise Malformed("not canonical: the text holds a lone surrogate") from error


def members(value: Mapping[Any, Any], depth: int = DEPTH) -> list[tuple[str, str]]:
    """Return name and value of each member as canonical texts, in canonical order; `canonical` joins them.

    Raises:
        Malformed: a name is not text, or a value has no canonical form.

    """
    # Most values are text, and a call of `_text` for each would take longer than the text itself.
    return [
        (text, encode_basestring(item) if type(item := value[name]) is str else _text(item, depth))
        for name, text in ordered(tuple(value))
    ]


def ordered(names: tuple[Any, ...]) -> _Order:
    """Return names and their canonical texts by the names' UTF-16 code units (RFC 8785 section 3.2.3).

    Raises:
        Malformed: one is not text.
        UnicodeEncodeError: one holds a lone surrogate.

    """
    found = _ORDERS.get(names)
    if found is None:
        if not all(isinstance(name, str) for name in names):
            raise Malformed("not canonical: a name that is not text")
        found = tuple((name, encode_basestring(name)) for name in sorted(names, key=_code_units))
        _remember(names, found)
    return found


def _remember(names: tuple[str, ...], found: _Order) -> None:
    # Strangers' documents come through here: neither many nor long names may fill the memory.
    if sum(map(len, names)) > _ORDER_LENGTH:
        return
    if len(_ORDERS) >= _ORDER_COUNT:
        _ORDERS.clear()
    _ORDERS[names] = found


def _code_units(name: str) -> bytes:
    return name.encode("utf-16-be")


def parse(data: bytes, *, limit: int = LIMIT) -> Any:
    """Return the JSON value that `data` holds; it need not be canonical, but it has a canonical form.

    Raises:
        VerificationError: `data` is larger than `limit` bytes, is not UTF-8 or
            JSON, repeats a name, or holds what `canonical` refuses.

    """
    if len(data) > limit:
        raise VerificationError(f"document of {len(data)} bytes, want at most {limit}")
    try:
        value = _READER.decode(data.decode())
        canonical(value)
    except (ValueError, RecursionError) as error:
        raise VerificationError("document is not strict JSON") from error
    except Malformed as error:
        raise VerificationError(str(error)) from error
    return value


def _text(value: Any, depth: int) -> str:
    # Ordered by how often ledger records hold them; bool before int, which it subclasses.
    if isinstance(value, str):
        return encode_basestring(value)
    if value is None or isinstance(value, bool):
        return "null" if value is None else "true" if value else "false"
    if isinstance(value, int):
        return _integer(value)
    if depth == 0:
        raise Malformed(f"not canonical: nested deeper than {DEPTH}")
    if isinstance(value, list | tuple):
        return f"[{','.join([_text(item, depth - 1) for item in value])}]"
    if isinstance(value, Mapping):
        return f"{{{','.join([f'{name}:{text}' for name, text in members(value, depth - 1)])}}}"
    raise Malformed(f"not canonical: a value of type {type(value).__name__}")


def _integer(value: int) -> str:
    if not -INTEGER <= value <= INTEGER:
        raise Malformed("not canonical: an integer beyond 2^53 - 1; carry it as text")
    return int.__repr__(value)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise VerificationError("document repeats a name")
    return members


def _no_float(_: str) -> Any:
    raise VerificationError("document holds a number that is not an integer")


_READER: Final = json.JSONDecoder(object_pairs_hook=_once, parse_float=_no_float, parse_constant=_no_float)
