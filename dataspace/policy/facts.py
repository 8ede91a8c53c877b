"""The input of a decision: checked at the edge, and as the one byte string that its digest is of.

The bytes are the facts as JSON, members in the order of their names, without
white space, in UTF-8. Names are lower-case ASCII and numbers are integers of 64
bits, so this is RFC 8785 but for one thing: integers beyond 2^53 - 1 stay
integers. Times are nanoseconds since 1970 and pass that bound; as text they
could not be compared in Rego, so the input is hashed and kept as it was decided
on, digits and all.
"""

import hashlib
import json
import re
import unicodedata
from collections.abc import Mapping
from functools import cached_property, lru_cache
from typing import Any, Final

from dataspace.errors import Malformed, TooLarge

LIMIT: Final = 1 << 20  # bytes of one input
_DEPTH: Final = 8
_INTEGER: Final = 2**63
_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,63}")
# Control and format characters (bidirectional marks, zero-width joins), lone surrogates, line and paragraph
# separators: what makes two texts look alike that are not.
_REFUSED: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_ENCODER: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


class Facts(dict[str, Any]):
    """Facts that nobody changes any more: their bytes are made once, for the decision and for keeping."""

    @cached_property
    def content(self) -> bytes:
        """The bytes of `canonical_input`."""
        return canonical_input(dict(self))


def check_facts(facts: Mapping[str, Any]) -> None:
    """Let facts pass that a policy can be asked about.

    Raises:
        Malformed: a float, an integer beyond 64 bits, a name that is not
            lower-case ASCII, a text with control or format characters or not
            in Unicode's NFC, another type, or deeper than 8.

    """
    _check_members(facts, "input", _DEPTH)


def canonical_input(facts: Mapping[str, Any]) -> bytes:
    """Return the bytes that are decided on, hashed and kept.

    Raises:
        Malformed: as `check_facts`.
        TooLarge: they are more than 1 MiB.

    """
    if isinstance(facts, Facts):
        return facts.content
    check_facts(facts)
    data = _ENCODER.encode(dict(facts)).encode()
    if len(data) > LIMIT:
        raise TooLarge(f"policy input of {len(data)} bytes, want at most {LIMIT}", limit=LIMIT)
    return data


def input_digest(data: bytes) -> str:
    """Return the digest by which entries name an input: SHA-256 in hex."""
    return hashlib.sha256(data).hexdigest()


def _check(value: Any, where: str, depth: int) -> None:
    # By exact type first: a query's facts are a hundred values, and this runs before every decision.
    kind = type(value)
    if kind is str or isinstance(value, str):
        _check_text(value, where)
    elif kind is int or isinstance(value, int):  # and bool
        if not -_INTEGER <= value < _INTEGER:
            raise Malformed(f"malformed fact {where}: an integer beyond 64 bits")
    elif kind is dict:
        _check_members(value, where, depth)
    elif isinstance(value, list | tuple):
        _check_depth(where, depth)
        for item in value:
            _check(item, where, depth - 1)
    elif value is not None:
        raise Malformed(f"malformed fact {where}: of type {kind.__name__}, want JSON without floats")


def _check_members(value: Mapping[Any, Any], where: str, depth: int) -> None:
    _check_depth(where, depth)
    for name, member in value.items():
        _check_name(name, where)
        _check(member, name, depth - 1)


@lru_cache(maxsize=1024)
def _check_name(name: Any, where: str) -> None:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise Malformed(f"malformed fact {where}: a name that is not lower-case ASCII")


def _check_depth(where: str, depth: int) -> None:
    if depth == 0:
        raise Malformed(f"malformed fact {where}: nested deeper than {_DEPTH}")


def _check_text(text: str, where: str) -> None:
    if text.isprintable() and text.isascii():
        return
    if any(unicodedata.category(character) in _REFUSED for character in text):
        raise Malformed(f"malformed fact {where}: a control or format character")
    if not unicodedata.is_normalized("NFC", text):
        raise Malformed(f"malformed fact {where}: not in Unicode normalization form C")
