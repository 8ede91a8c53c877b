"""Envelopes of encrypted selectors of rows and of their answers: a head (compact JSON), then bytes.

A query's bytes are the public context, empty once the agreement has pinned the
key, and the vectors of `wire.threshold`; an answer's are two ciphertexts, of the
total and of the number of selected subjects, each times P.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self

from dataspace.errors import Malformed, Unprocessable
from dataspace.wire.compact import compact, integer, text
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
from dataspace.wire.parameters import PARAMETER_SETS, SELECTOR_PARAMETERS, ParameterSet
from dataspace.wire.protobuf import refuse_secret_key
from dataspace.wire.threshold import BATCHES_LIMIT

PARAMETERS: Final[ParameterSet] = PARAMETER_SETS[SELECTOR_PARAMETERS]
# Of a whole envelope: every part as large as it may be.
QUERY_LIMIT: Final = PARAMETERS.context_limit + (1 + BATCHES_LIMIT) * PARAMETERS.vector_limit + (1 << 16)
ROWS_LIMIT: Final = 1000  # of one subject
EPSILON_LIMIT: Final = 100_000_000
LEAST_EPSILON: Final = 17  # millionths, as of noised aggregates: below it all is noise
_PRECISION_LIMIT: Final = 6
_QUERY: Final = b"DSLQ\x01"
_ANSWER: Final = b"DSLA\x01"
_BINDING: Final = b"dataspace encrypted selector v1\n"
_FACTS: Final = ("layout", "agreement", "key", "nonce")


@dataclass(frozen=True)
class Operand:
    """What is summed of the selected subjects: a column, clamped to low..high, of `max_rows` rows at most.

    Totals are integers in units of 10^-precision.
    """

    column: str
    low: int
    high: int
    precision: int = 0
    max_rows: int = 1

    @property
    def bound(self) -> int:
        """Return the most that one subject changes a total by, in its units: the sensitivity."""
        unit: int = 10**self.precision
        return self.max_rows * max(abs(self.low), abs(self.high)) * unit

    def to_json(self) -> dict[str, Any]:
        """Return what `from_json` reads."""
        return dict(vars(self))

    @classmethod
    def from_json(cls, data: Any) -> Self:
        """Read an operand.

        Raises:
            Malformed: it is none, or one subject alone could pass the plain modulus.

        """
        names = ("column", "low", "high", "precision", "max_rows")
        if not isinstance(data, Mapping) or data.keys() != set(names):
            raise Malformed(f"malformed operand: want {', '.join(names)}")
        precision = integer(data["precision"], "precision", 0, _PRECISION_LIMIT)
        limit = (1 << 40) // 10**precision
        column = text(data["column"])
        low, high = (integer(data[name], f"{name} of {column}", -limit, limit) for name in ("low", "high"))
        found = cls(column, low, high, precision, integer(data["max_rows"], "max_rows", 1, ROWS_LIMIT))
        if low >= high or 2 * found.bound >= PARAMETERS.plain_modulus:
            raise Malformed("malformed operand: low is not below high, or the two are too large")
        return found


@dataclass(frozen=True)
class SelectorQuery:
    """Weights for the subjects of a layout, encrypted under the consumer's key, and what is to be summed.

    `key` is the SHA-256 of the public context, `epsilon` in millionths, `expires` in seconds since 1970.
    """

    layout: str
    agreement: str
    key: str
    nonce: str
    expires: int
    epsilon: int
    operand: Operand
    vectors: tuple[bytes, ...] = field(repr=False)
    context: bytes = field(default=b"", repr=False)

    @property
    def binding(self) -> str:
        """Return the digest that ties vectors, key, operand, layout, agreement and nonce together."""
        digests = [hashlib.sha256(vector).hexdigest() for vector in self.vectors]
        return bound(_BINDING, {**self._facts(), "vectors": digests})

    @property
    def head(self) -> tuple[str, str, str, str, int]:
        """Return parameters, agreement, key, nonce and the second in which it expires."""
        return PARAMETERS.id, self.agreement, self.key, self.nonce, self.expires

    def encode(self) -> bytes:
        """Return the envelope."""
        head = compact({**self._facts(), "binding": self.binding})
        return join_parts(_QUERY, [head, self.context, *self.vectors])

    def _facts(self) -> dict[str, Any]:
        facts = {name: getattr(self, name) for name in (*_FACTS, "expires", "epsilon")}
        return {**facts, "operand": self.operand.to_json(), "parameters": PARAMETERS.id}

    @classmethod
    def decode(cls, body: bytes | bytearray) -> Self:
        """Read an envelope; a bytearray that holds a secret key is wiped where it lies.

        Raises:
            Malformed: it is not one, or says of itself what does not hold.
            TooLarge: a part passes the limit of the parameter set.
            Unprocessable: it is under another parameter set, or a secret key is in it.

        """
        head, *parts = split_parts(body, _QUERY)
        # Before any limit: whoever sent a secret key must be told so, and nothing else.
        for part in parts:
            refuse_secret_key(part)
        if not 3 <= len(parts) <= 2 + BATCHES_LIMIT:
            raise Malformed(f"malformed envelope: want a context and 2 to {1 + BATCHES_LIMIT} vectors")
        check_size(parts[0], "context", PARAMETERS.context_limit)
        for part in parts[1:]:
            check_size(part, "ciphertext", PARAMETERS.vector_limit)
        facts = _read(head, (*_FACTS, "binding"), ("expires", "epsilon", "operand"))
        query = cls(
            **{name: facts[name] for name in _FACTS},
            expires=integer(facts["expires"], "expires", 1, EXPIRES_LIMIT),
            epsilon=integer(facts["epsilon"], "epsilon", LEAST_EPSILON, EPSILON_LIMIT),
            operand=Operand.from_json(facts["operand"]),
            context=bytes(parts[0]),
            vectors=tuple(map(bytes, parts[1:])),
        )
        check_binding(query.binding, facts["binding"], key=query.key, context=query.context)
        return query


@dataclass(frozen=True)
class SelectorAnswer:
    """Total and number of the selected subjects, each times P, encrypted; `binding` is the query's."""

    layout: str
    key: str
    binding: str
    total: bytes = field(repr=False)
    selected: bytes = field(repr=False)

    def encode(self) -> bytes:
        """Return the envelope."""
        facts = {name: getattr(self, name) for name in ("layout", "key", "binding")}
        head = compact({**facts, "parameters": PARAMETERS.id})
        return join_parts(_ANSWER, [head, self.total, self.selected, filling(self.total, self.selected)])

    @classmethod
    def decode(cls, body: bytes) -> Self:
        """Read an envelope.

        Raises:
            Malformed: it is not one.
            TooLarge: a ciphertext passes the limit of the parameter set.
            Unprocessable: it is under another parameter set.

        """
        head, *vectors, rest = split_parts(body, _ANSWER, 4)
        for vector in vectors:
            check_size(vector, "ciphertext", PARAMETERS.vector_limit)
        check_filling(rest, *vectors)
        facts = _read(head, ("layout", "key", "binding"))
        return cls(facts["layout"], facts["key"], facts["binding"], *map(bytes, vectors))


def _read(head: memoryview, tokens: tuple[str, ...], others: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return the head's members, which are exactly these and the one parameter set."""
    facts = read_head(head, tokens, {*others, "parameters"})
    if facts["parameters"] != PARAMETERS.id:
        raise Unprocessable(f"a selector is under the parameter set {PARAMETERS.id}")
    return facts
