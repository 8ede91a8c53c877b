"""JSON in the one way that is hashed and signed here, and its members from a stranger checked one by one.

Compact: names sorted, no blanks, ASCII. What was written in another way is refused.
"""

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from dataspace.errors import Malformed

TEXT_LIMIT: Final = 200  # characters
_SHORT: Final = 20  # characters of a text that an error shows
_BITS: Final = 64


def compact(facts: Mapping[str, Any]) -> bytes:
    """Return JSON in the one way it is written here: names sorted, no blanks, ASCII."""
    return json.dumps(facts, sort_keys=True, separators=(",", ":")).encode()


def read_compact(data: bytes | memoryview, what: str, limit: int) -> dict[str, Any]:
    """Return the object that `compact` wrote.

    Raises:
        Malformed: it is larger than `limit` bytes, no object, or written in another way.

    """
    if len(data) > limit:
        raise Malformed(f"malformed {what}: {len(data)} bytes, want at most {limit}")
    try:
        told = json.loads(bytes(data))
        exact = isinstance(told, dict) and compact(told) == bytes(data)
    except (ValueError, RecursionError) as error:
        raise Malformed(f"malformed {what}: it is not JSON") from error
    if not exact:
        raise Malformed(f"malformed {what}: it is no object, or not written compactly")
    return dict(told)


def text(value: Any, *, least: int = 1) -> str:
    """Return a name or a value.

    Raises:
        Malformed: it is no text of `least` to 200 characters, or holds a lone surrogate.

    """
    if not isinstance(value, str) or not least <= len(value) <= TEXT_LIMIT:
        raise Malformed(f"malformed JSON: a name or value is no text of {least} to {TEXT_LIMIT} characters")
    if any(0xD800 <= ord(letter) < 0xE000 for letter in value):
        raise Malformed("malformed JSON: a text holds a lone surrogate")
    return value


def token(value: Any, what: str, pattern: "re.Pattern[str]") -> str:
    """Return a text that `pattern` describes whole.

    Raises:
        Malformed: it is none.

    """
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise Malformed(f"malformed JSON: {what} is not one")
    return value


def integer(value: Any, what: str, low: int, high: int) -> int:
    """Return an integer from `low` to `high`.

    Raises:
        Malformed: it is none.

    """
    if type(value) is not int or not low <= value <= high:
        raise Malformed(f"malformed JSON: {what} is {_short(value)}, want an integer from {low} to {high}")
    return value


def _short(value: Any) -> str:
    """Return a value as it is written, or its type where that may be long."""
    if isinstance(value, int) and value.bit_length() > _BITS:
        return f"an integer of {value.bit_length()} bits"
    short = (
        value is None or isinstance(value, int | float) or (isinstance(value, str) and len(value) <= _SHORT)
    )
    return repr(value) if short else f"of type {type(value).__name__}"
