"""Envelopes of encrypted scoring: a head (JSON, compact, names sorted, ASCII), then bytes.

A query's bytes are the public context, empty once its key is pinned to the
agreement, and its vectors. There are two layouts. `blocks`: one vector, of
which each run of d slots holds the d features of one sample. `columns`: d
vectors, one for each feature, of which slot i holds sample i. An answer's bytes
are one vector.
"""

import hashlib
import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, Self

from dataspace.errors import Malformed
from dataspace.wire.compact import compact, integer, token
from dataspace.wire.frame import join_parts, split_parts
from dataspace.wire.head import (
    EXPIRES_LIMIT,
    bound,
    check_binding,
    check_filling,
    check_size,
    filling,
    read_head,
)
from dataspace.wire.parameters import ParameterSet, parameter_set
from dataspace.wire.protobuf import refuse_secret_key

COLUMNS_LIMIT: Final = 32  # vectors of one query: 14 MB
QUERY_LIMIT: Final = 17 << 20  # bytes of an envelope: all vectors of the most columns, and a context
_QUERY: Final = b"DSSQ\x01"
_ANSWER: Final = b"DSSA\x01"
_BINDING: Final = b"dataspace encrypted score v1\n"
_NAMED: Final = ("parameters", "model", "agreement", "key", "nonce")
_ANSWERED: Final = ("parameters", "model", "key", "binding")
_LAYOUTS: Final = re.compile(r"blocks|columns")


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
        return bound(_BINDING, {**self._facts(), "vectors": digests})

    @property
    def head(self) -> tuple[str, str, str, str, int]:
        """Return parameters, agreement, key, nonce and the second in which it expires."""
        return self.parameters, self.agreement, self.key, self.nonce, self.expires

    def encode(self) -> bytes:
        """Return the envelope."""
        head = compact({**self._facts(), "binding": self.binding})
        return join_parts(_QUERY, [head, self.context, *self.vectors])

    def _facts(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in (*_NAMED, "layout", "samples", "expires")}

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
        facts = read_head(head, (*_NAMED, "binding"), ("layout", "samples", "expires"))
        layout, limits = (
            Layout(token(facts["layout"], "layout", _LAYOUTS)),
            parameter_set(facts["parameters"]),
        )
        context, vectors = _parts(parts, layout, limits)
        query = cls(
            **{name: facts[name] for name in _NAMED},
            layout=layout,
            samples=integer(facts["samples"], "samples", 1, limits.slots),
            expires=integer(facts["expires"], "expires", 1, EXPIRES_LIMIT),
            vectors=vectors,
            context=context,
        )
        check_binding(query.binding, facts["binding"], key=query.key, context=query.context)
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
        facts = {name: getattr(self, name) for name in _ANSWERED}
        return join_parts(_ANSWER, [compact(facts), self.vector, filling(self.vector)])

    @classmethod
    def decode(cls, body: bytes) -> Self:
        """Read an envelope.

        Raises:
            Malformed: it is not one, or its vector passes its limit.

        """
        head, vector, rest = split_parts(body, _ANSWER, 3)
        facts = read_head(head, _ANSWERED)
        check_size(vector, "ciphertext", parameter_set(facts["parameters"]).vector_limit)
        check_filling(rest, vector)
        return cls(**facts, vector=bytes(vector))


def _parts(parts: list[memoryview], layout: Layout, limits: ParameterSet) -> tuple[bytes, tuple[bytes, ...]]:
    """Return context and vectors, as many as the layout allows and none too large."""
    most = 1 if layout is Layout.BLOCKS else COLUMNS_LIMIT
    if not 2 <= len(parts) <= 1 + most:
        raise Malformed(f"malformed envelope: want a context, and one to {most} vectors")
    context, *vectors = parts
    check_size(context, "context", limits.context_limit)
    for vector in vectors:
        check_size(vector, "ciphertext", limits.vector_limit)
    return bytes(context), tuple(bytes(vector) for vector in vectors)
