"""A JSON value as the one byte string that is hashed and signed (RFC 8785), and the strict way back.

Floats do not exist here, integers lie within 2^53 - 1, object members are
ordered by the UTF-16 code units of their names, and lone surrogates, duplicate
names and names that are not text are refused on both ways.
"""

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from json.encoder import encode_basestring
from typing import Any, Final, TypeAlias

from dataspace.errors import Malformed, VerificationError

JSON: TypeAlias = "bool | int | str | Sequence[JSON] | Mapping[str, JSON] | None"

INTEGER: Final = 2**53 - 1  # RFC 8785 section 3.2.2.3: what every IEEE 754 reader holds exactly
DEPTH: Final = 32
LIMIT: Final = 1 << 20  # bytes of one document


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
    return [(text, _text(value[name], depth)) for name, text in _ordered(tuple(value))]


@lru_cache(maxsize=1024)
def _ordered(names: tuple[Any, ...]) -> tuple[tuple[str, str], ...]:
    """Return names and their texts by the names' UTF-16 code units (RFC 8785 section 3.2.3)."""
    if not all(isinstance(name, str) for name in names):
        raise Malformed("not canonical: a name that is not text")
    return tuple((name, encode_basestring(name)) for name in sorted(names, key=_code_units))


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
