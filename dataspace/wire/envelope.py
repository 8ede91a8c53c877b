"""Envelopes of encrypted queries and answers: a head (JSON, compact, names sorted, ASCII), then bytes.

A query's bytes are its vector and, until the key is pinned to the agreement,
the public context; an answer's are one vector for each measure, in their order,
and zeros after them: answers to as many measures have one length.
"""

import hashlib
from dataclasses import dataclass, field
from typing import Any, Final, Self

from dataspace.errors import Malformed
from dataspace.wire.compact import compact, integer
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
from dataspace.wire.parameters import parameter_set
from dataspace.wire.protobuf import refuse_secret_key

# Of one cube, and so of one query: the normal equations of a regression on five columns take 28.
MEASURES_LIMIT: Final = 32
# So many names of two columns of 200 characters, none of them ASCII, take 78 kB.
HEAD_LIMIT: Final = 100_000
_QUERY: Final = b"DSHQ\x01"
_ANSWER: Final = b"DSHA\x01"
_BINDING: Final = b"dataspace encrypted query v1\n"
_NAMED: Final = ("parameters", "cube", "agreement", "key", "nonce")
_ANSWERED: Final = ("parameters", "cube", "key", "binding")


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
        """Return the digest that ties vector, key, cube, agreement and nonce together (`wire.head`)."""
        return bound(_BINDING, {**self._facts(), "vector": hashlib.sha256(self.vector).hexdigest()})

    @property
    def head(self) -> tuple[str, str, str, str, int]:
        """Return parameters, agreement, key, nonce and the second in which it expires."""
        return self.parameters, self.agreement, self.key, self.nonce, self.expires

    def encode(self) -> bytes:
        """Return the envelope."""
        head = compact({**self._facts(), "binding": self.binding})
        return join_parts(_QUERY, [head, self.vector, self.context])

    def _facts(self) -> dict[str, Any]:
        facts = {name: getattr(self, name) for name in _NAMED}
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
        facts = read_head(head, (*_NAMED, "binding"), ("expires", "measures"), limit=HEAD_LIMIT)
        limits = parameter_set(facts["parameters"])
        check_size(vector, "ciphertext", limits.vector_limit)
        check_size(context, "context", limits.context_limit)
        query = cls(
            **{name: facts[name] for name in _NAMED},
            measures=_measures(facts["measures"]),
            expires=integer(facts["expires"], "expires", 1, EXPIRES_LIMIT),
            vector=bytes(vector),
            context=bytes(context),
        )
        check_binding(query.binding, facts["binding"], key=query.key, context=query.context)
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
        facts = {name: getattr(self, name) for name in _ANSWERED}
        head = compact({**facts, "measures": list(self.measures)})
        return join_parts(_ANSWER, [head, *self.vectors, filling(*self.vectors)])

    @classmethod
    def decode(cls, body: bytes) -> Self:
        """Read an envelope.

        Raises:
            Malformed: it is not one, or a part passes its limit.

        """
        head, *parts = split_parts(body, _ANSWER)
        facts = read_head(head, _ANSWERED, ("measures",), limit=HEAD_LIMIT)
        limit, measures = parameter_set(facts["parameters"]).vector_limit, _measures(facts.pop("measures"))
        if len(parts) != len(measures) + 1:
            raise Malformed("malformed envelope: want one vector for each measure, and what fills it up")
        *vectors, rest = parts
        for vector in vectors:
            check_size(vector, "ciphertext", limit)
        check_filling(rest, *vectors)
        return cls(**facts, measures=measures, vectors=tuple(map(bytes, vectors)))


def _measures(names: Any) -> tuple[str, ...]:
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise Malformed("malformed envelope: measures is not a list of names")
    if not 0 < len(names) <= MEASURES_LIMIT or len(set(names)) != len(names):
        raise Malformed(f"malformed envelope: want one to {MEASURES_LIMIT} different measures")
    if any(0xD800 <= ord(letter) < 0xE000 for name in names for letter in name):
        raise Malformed("malformed envelope: a measure's name holds a lone surrogate")
    return tuple(names)
