"""Envelopes of encrypted queries and answers: a head (JSON, compact, names sorted, ASCII), then bytes.

A query's bytes are its vector and, until the key is pinned to the agreement,
the public context; an answer's are one vector for each measure, in their order,
and zeros after them: answers to as many measures have one length.
"""

import hashlib
import hmac
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Self

from dataspace.errors import Malformed, TooLarge
from dataspace.wire.frame import join_parts, split_parts
from dataspace.wire.parameters import parameter_set
from dataspace.wire.protobuf import refuse_secret_key

# Of one cube, and so of one query: the normal equations of a regression on five columns take 28.
MEASURES_LIMIT: Final = 32
# So many names of two columns of 200 characters, none of them ASCII, take 78 kB.
HEAD_LIMIT: Final = 100_000
# Bytes: each ciphertext of an answer, which compress a little differently, is filled up to a multiple.
BLOCK: Final = 4096
_QUERY: Final = b"DSHQ\x01"
_ANSWER: Final = b"DSHA\x01"
_BINDING: Final = b"dataspace encrypted query v1\n"
_TOKENS: Final = {
    "parameters": re.compile(r"[a-z0-9-]{1,32}"),
    "cube": re.compile(r"cb-[0-9a-f]{16}"),
    "agreement": re.compile(r"ag-[0-9a-f]{16}"),
    "key": re.compile(r"[0-9a-f]{64}"),
    "nonce": re.compile(r"[0-9a-f]{32}"),
    "binding": re.compile(r"[0-9a-f]{64}"),
}


@dataclass(frozen=True)
class EncryptedQuery:
    """Weights for the cells of a cube, encrypted under the consumer's key.

    `key` is the SHA-256 of the public context. `expires` is in seconds since
    1970. `context` is empty once the agreement has pinned the key.
    """

    parameters: str
    cube: str
    agreement: str
    key: str
    measures: tuple[str, ...]
    nonce: str
    expires: int
    vector: bytes = field(repr=False)
    context: bytes = field(default=b"", repr=False)

    @property
    def binding(self) -> str:
        """Return the digest that ties vector, key, cube, agreement and nonce together.

        It has no key of its own: the session says who sent it. What it does
        is to name the query in its ledger entry and in its answer, and to
        stop parts of two queries from being taken for one.
        """
        facts = {**self._facts(), "vector": hashlib.sha256(self.vector).hexdigest()}
        return hashlib.sha256(_BINDING + _compact(facts)).hexdigest()

    @property
    def head(self) -> tuple[str, str, str, str, int]:
        """Return parameters, agreement, key, nonce and the second in which it expires."""
        return self.parameters, self.agreement, self.key, self.nonce, self.expires

    def encode(self) -> bytes:
        """Return the envelope."""
        head = _compact({**self._facts(), "binding": self.binding})
        return join_parts(_QUERY, [head, self.vector, self.context])

    def _facts(self) -> dict[str, Any]:
        facts = {name: getattr(self, name) for name in ("parameters", "cube", "agreement", "key", "nonce")}
        return {**facts, "measures": list(self.measures), "expires": self.expires}

    @classmethod
    def decode(cls, body: bytes | bytearray) -> Self:
        """Read an envelope; a bytearray that holds a secret key is wiped where it lies.

        Raises:
            Malformed: it is not one, or says of itself what does not hold.
            TooLarge: a part passes the limit of its parameter set.
            Unprocessable: the parameter set is unknown, or a secret key is in it.

        """
        head, vector, context = split_parts(body, _QUERY, 3)
        # Before any limit: whoever sent a secret key must be told so, and nothing else.
        for part in (context, vector):
            refuse_secret_key(part)
        facts = _facts(head, ("parameters", "cube", "agreement", "key", "nonce", "binding"))
        limits = parameter_set(facts["parameters"])
        _within(vector, "ciphertext", limits.vector_limit)
        _within(context, "context", limits.context_limit)
        binding, expires = facts.pop("binding"), facts.get("expires")
        if type(expires) is not int or not 0 < expires < 1 << 53:
            raise Malformed("malformed envelope: expires is not a time in seconds")
        query = cls(**facts, vector=bytes(vector), context=bytes(context))
        if not hmac.compare_digest(query.binding, binding):
            raise Malformed("malformed envelope: the binding is not that of its parts")
        if context and not hmac.compare_digest(hashlib.sha256(context).hexdigest(), query.key):
            raise Malformed("malformed envelope: the key is not the digest of the context")
        return query


@dataclass(frozen=True)
class EncryptedAnswer:
    """One encrypted total for each measure; `binding` is that of the query it answers."""

    parameters: str
    cube: str
    key: str
    binding: str
    measures: tuple[str, ...]
    vectors: tuple[bytes, ...] = field(repr=False)

    def encode(self) -> bytes:
        """Return the envelope."""
        facts = {name: getattr(self, name) for name in ("parameters", "cube", "key", "binding")}
        head = _compact({**facts, "measures": list(self.measures)})
        return join_parts(_ANSWER, [head, *self.vectors, bytes(_filling(self.vectors))])

    @classmethod
    def decode(cls, body: bytes) -> Self:
        """Read an envelope.

        Raises:
            Malformed: it is not one, or a part passes its limit.

        """
        head, *vectors, filling = _answered(split_parts(body, _ANSWER))
        facts = _facts(head, ("parameters", "cube", "key", "binding"), also=())
        limit = parameter_set(facts["parameters"]).vector_limit
        for vector in vectors:
            _within(vector, "ciphertext", limit)
        if len(vectors) != len(facts["measures"]):
            raise Malformed("malformed envelope: want one vector for each measure")
        if bytes(filling) != bytes(_filling(vectors)):
            raise Malformed("malformed envelope: it is not filled up with zeros")
        return cls(**facts, vectors=tuple(bytes(vector) for vector in vectors))


def _answered(parts: list[memoryview]) -> list[memoryview]:
    if len(parts) < 3:
        raise Malformed("malformed envelope: want a head, vectors and what fills it up")
    return parts


def _filling(vectors: Sequence[bytes | memoryview]) -> int:
    return sum(-len(vector) % BLOCK for vector in vectors)


def _facts(head: memoryview, tokens: Sequence[str], also: Sequence[str] = ("expires",)) -> dict[str, Any]:
    """Return the head's members, each token checked; `measures` as a tuple of names."""
    _within(head, "head", HEAD_LIMIT)
    try:
        facts = json.loads(bytes(head))
        exact = isinstance(facts, dict) and _compact(facts) == bytes(head)
    except (ValueError, RecursionError) as error:
        raise Malformed("malformed envelope: the head is not JSON") from error
    if not exact or facts.keys() != {*tokens, *also, "measures"}:
        raise Malformed("malformed envelope: the head has other members, or is not written compactly")
    for name in tokens:
        if not isinstance(facts[name], str) or not _TOKENS[name].fullmatch(facts[name]):
            raise Malformed(f"malformed envelope: {name} is not one")
    return {**facts, "measures": _measures(facts["measures"])}


def _measures(names: Any) -> tuple[str, ...]:
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise Malformed("malformed envelope: measures is not a list of names")
    if not 0 < len(names) <= MEASURES_LIMIT or len(set(names)) != len(names):
        raise Malformed(f"malformed envelope: want one to {MEASURES_LIMIT} different measures")
    if any(0xD800 <= ord(letter) < 0xE000 for name in names for letter in name):
        raise Malformed("malformed envelope: a measure's name holds a lone surrogate")
    return tuple(names)


def _within(part: memoryview, what: str, limit: int) -> None:
    if len(part) > limit:
        raise TooLarge(f"{what} of {len(part)} bytes, want at most {limit}", limit=limit)


def _compact(facts: Mapping[str, Any]) -> bytes:
    return json.dumps(facts, sort_keys=True, separators=(",", ":")).encode()
