"""What the envelopes of encrypted queries and answers share: their heads, and what is bound to what.

A head is compact JSON; the parts after it are ciphertexts and, in a query whose
key is not pinned yet, the public context. The binding is the digest of the head
and of all ciphertexts: it names the query in its ledger entry and in its answer,
and stops parts of two queries from being taken for one. It has no key of its
own, for the session says who sent it.
"""

import hashlib
import hmac
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from dataspace.errors import Malformed, TooLarge
from dataspace.wire.compact import compact, read_compact, token

EXPIRES_LIMIT: Final = (1 << 53) - 1  # seconds since 1970 that JSON's readers hold exactly
# Bytes: the ciphertexts of an answer, which compress a little differently, are filled up to a multiple.
_BLOCK: Final = 4096
_TOKENS: Final = {
    "parameters": re.compile(r"[a-z0-9-]{1,32}"),
    "cube": re.compile(r"cb-[0-9a-f]{16}"),
    "model": re.compile(r"mo-[0-9a-f]{16}"),
    "layout": re.compile(r"sl-[0-9a-f]{16}"),
    "agreement": re.compile(r"ag-[0-9a-f]{16}"),
    "key": re.compile(r"[0-9a-f]{64}"),
    "nonce": re.compile(r"[0-9a-f]{32}"),
    "binding": re.compile(r"[0-9a-f]{64}"),
}


def read_head(
    head: memoryview, tokens: Sequence[str], others: Collection[str] = (), *, limit: int = 4096
) -> dict[str, Any]:
    """Return the head's members, which are exactly these; the tokens among them are checked.

    Raises:
        Malformed: it is no such head, or larger than `limit` bytes.

    """
    facts = read_compact(head, "envelope", limit)
    if facts.keys() != {*tokens, *others}:
        raise Malformed("malformed envelope: the head has other members")
    for name in tokens:
        token(facts[name], name, _TOKENS[name])
    return facts


def bound(purpose: bytes, facts: Mapping[str, Any]) -> str:
    """Return the binding, in hex: the digest of what it is for and of these facts."""
    return hashlib.sha256(purpose + compact(facts)).hexdigest()


def check_binding(binding: str, told: str, *, key: str, context: bytes) -> None:
    """Check what a query says of itself; `key` is of its `context`, where that is not empty.

    Raises:
        Malformed: the binding is not that of its parts, or the key not that of its context.

    """
    if not hmac.compare_digest(binding, told):
        raise Malformed("malformed envelope: the binding is not that of its parts")
    if context and not hmac.compare_digest(hashlib.sha256(context).hexdigest(), key):
        raise Malformed("malformed envelope: the key is not the digest of the context")


def check_size(part: memoryview, what: str, limit: int) -> None:
    """Check that a part is not larger than `limit` bytes.

    Raises:
        TooLarge: it is.

    """
    if len(part) > limit:
        raise TooLarge(f"{what} of {len(part)} bytes, want at most {limit}", limit=limit)


def filling(*vectors: bytes | memoryview) -> bytes:
    """Return the zeros that give answers of as many ciphertexts one length."""
    return bytes(sum(-len(vector) % _BLOCK for vector in vectors))


def check_filling(found: memoryview, *vectors: memoryview) -> None:
    """Check what an answer ends with.

    Raises:
        Malformed: it is not `filling`.

    """
    if bytes(found) != filling(*vectors):
        raise Malformed("malformed envelope: it is not filled up with zeros")
