"""Envelopes of encrypted scoring: a head (JSON, compact, names sorted, ASCII), then bytes.

A query's bytes are the public context, empty once its key is pinned to the
agreement, and its vectors. There are two layouts. `blocks`: one vector, of
which each run of d slots holds the d features of one sample. `columns`: d
vectors, one for each feature, of which slot i holds sample i. An answer's bytes
are one vector.
"""

import hashlib
import hmac
import json
import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, Self

from dataspace.errors import Malformed, TooLarge
from dataspace.wire.envelope import BLOCK
from dataspace.wire.frame import join_parts, split_parts
from dataspace.wire.parameters import ParameterSet, parameter_set
from dataspace.wire.protobuf import refuse_secret_key

COLUMNS_LIMIT: Final = 32  # vectors of one query: 14 MB
HEAD_LIMIT: Final = 4096
QUERY_LIMIT: Final = 17 << 20  # bytes of an envelope: all vectors of the most columns, and a context
_QUERY: Final = b"DSSQ\x01"
_ANSWER: Final = b"DSSA\x01"
_BINDING: Final = b"dataspace encrypted score v1\n"
_TOKENS: Final = {
    "parameters": re.compile(r"[a-z0-9-]{1,32}"),
    "model": re.compile(r"mo-[0-9a-f]{16}"),
    "agreement": re.compile(r"ag-[0-9a-f]{16}"),
    "key": re.compile(r"[0-9a-f]{64}"),
    "nonce": re.compile(r"[0-9a-f]{32}"),
    "binding": re.compile(r"[0-9a-f]{64}"),
    "layout": re.compile(r"blocks|columns"),
}
_NAMED: Final = ("parameters", "model", "agreement", "key", "nonce", "layout")


class Layout(StrEnum):
    """Which slot of which vector holds which feature of which sample."""

    BLOCKS = "blocks"
    COLUMNS = "columns"


@dataclass(frozen=True)
class ScoreQuery:
    """The features of `samples` samples, encrypted under the consumer's key, for one model.

    `key` is the SHA-256 of the public context. `expires` is in seconds since
    1970. `context` is empty once the agreement has pinned the key. Slots
    beyond the samples are answered with randomness.
    """

    parameters: str
    model: str
    agreement: str
    key: str
    nonce: str
    layout: Layout
    samples: int
    expires: int
    vectors: tuple[bytes, ...] = field(repr=False)
    context: bytes = field(default=b"", repr=False)

    @property
    def binding(self) -> str:
        """Return the digest that ties vectors, key, model, agreement and nonce together."""
        digests = [hashlib.sha256(vector).hexdigest() for vector in self.vectors]
        return hashlib.sha256(_BINDING + _compact({**self._facts(), "vectors": digests})).hexdigest()

    @property
    def head(self) -> tuple[str, str, str, str, int]:
        """Return parameters, agreement, key, nonce and the second in which it expires."""
        return self.parameters, self.agreement, self.key, self.nonce, self.expires

    def encode(self) -> bytes:
        """Return the envelope."""
        head = _compact({**self._facts(), "binding": self.binding})
        return join_parts(_QUERY, [head, self.context, *self.vectors])

    def _facts(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in (*_NAMED, "samples", "expires")}

    @classmethod
    def decode(cls, body: bytes | bytearray) -> Self:
        """Read an envelope; a bytearray that holds a secret key is wiped where it lies.

        Raises:
            Malformed: it is not one, or says of itself what does not hold.
            TooLarge: a part passes the limit of its parameter set.
            Unprocessable: the parameter set is unknown, or a secret key is in it.

        """
        head, *parts = split_parts(body, _QUERY)
        # Before any limit: whoever sent a secret key must be told so, and nothing else.
        for part in parts:
            refuse_secret_key(part)
        facts = _facts(head, (*_NAMED, "binding"), ("samples", "expires"))
        layout, limits = Layout(facts.pop("layout")), parameter_set(facts["parameters"])
        context, vectors = _parts(parts, layout, limits)
        binding = facts.pop("binding")
        query = cls(layout=layout, vectors=vectors, context=context, **facts)
        if not 0 < query.samples <= limits.slots or not 0 < query.expires < 1 << 53:
            raise Malformed("malformed envelope: samples or expires is out of its range")
        if not hmac.compare_digest(query.binding, binding):
            raise Malformed("malformed envelope: the binding is not that of its parts")
        if context and not hmac.compare_digest(hashlib.sha256(context).hexdigest(), query.key):
            raise Malformed("malformed envelope: the key is not the digest of the context")
        return query


@dataclass(frozen=True)
class ScoreAnswer:
    """The encrypted scores; `binding` is that of the query they answer."""

    parameters: str
    model: str
    key: str
    binding: str
    vector: bytes = field(repr=False)

    def encode(self) -> bytes:
        """Return the envelope."""
        facts = {name: getattr(self, name) for name in ("parameters", "model", "key", "binding")}
        return join_parts(_ANSWER, [_compact(facts), self.vector, _filling(self.vector)])

    @classmethod
    def decode(cls, body: bytes) -> Self:
        """Read an envelope.

        Raises:
            Malformed: it is not one, or its vector passes its limit.

        """
        head, vector, filling = split_parts(body, _ANSWER, 3)
        facts = _facts(head, ("parameters", "model", "key", "binding"), ())
        _within(vector, "ciphertext", parameter_set(facts["parameters"]).vector_limit)
        if bytes(filling) != _filling(vector):
            raise Malformed("malformed envelope: it is not filled up with zeros")
        return cls(**facts, vector=bytes(vector))


def _parts(parts: list[memoryview], layout: Layout, limits: ParameterSet) -> tuple[bytes, tuple[bytes, ...]]:
    """Return context and vectors, as many as the layout allows and none too large."""
    most = 1 if layout is Layout.BLOCKS else COLUMNS_LIMIT
    if not 2 <= len(parts) <= 1 + most:
        raise Malformed(f"malformed envelope: want a context, and one to {most} vectors")
    context, *vectors = parts
    _within(context, "context", limits.context_limit)
    for vector in vectors:
        _within(vector, "ciphertext", limits.vector_limit)
    return bytes(context), tuple(bytes(vector) for vector in vectors)


def _facts(head: memoryview, tokens: tuple[str, ...], counts: tuple[str, ...]) -> dict[str, Any]:
    """Return the head's members: exactly these, each checked."""
    _within(head, "head", HEAD_LIMIT)
    try:
        facts = json.loads(bytes(head))
        exact = isinstance(facts, dict) and _compact(facts) == bytes(head)
    except (ValueError, RecursionError) as error:
        raise Malformed("malformed envelope: the head is not JSON") from error
    if not exact or facts.keys() != {*tokens, *counts}:
        raise Malformed("malformed envelope: the head has other members, or is not written compactly")
    for name in tokens:
        if not isinstance(facts[name], str) or not _TOKENS[name].fullmatch(facts[name]):
            raise Malformed(f"malformed envelope: {name} is not one")
    for name in counts:
        if type(facts[name]) is not int:
            raise Malformed(f"malformed envelope: {name} is not a whole number")
    return dict(facts)


def _filling(vector: bytes | memoryview) -> bytes:
    """Return what makes answers of one size: compression finds a few bytes more here and a few less there."""
    return bytes(-len(vector) % BLOCK)


def _within(part: memoryview, what: str, limit: int) -> None:
    if len(part) > limit:
        raise TooLarge(f"{what} of {len(part)} bytes, want at most {limit}")


def _compact(facts: Any) -> bytes:
    return json.dumps(facts, sort_keys=True, separators=(",", ":")).encode()
