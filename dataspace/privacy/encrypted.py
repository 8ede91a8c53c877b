"""Answers to encrypted queries: the class that lives in a worker process with TenSEAL's SEAL.

Whatever comes in is a consumer's, and hostile; `ciphertext` reads it. What is
kept between requests are encoded measures of cubes and public keys, by digest,
the least recently used first to go. A measure is encoded at its first query
under a parameter set: one whose values pass the plain modulus leaves what is
left modulo it, and the consumer puts the answers of two sets together.
"""

import hashlib
import hmac
from collections import OrderedDict
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final, Generic, TypeVar

from dataspace.bfv.ciphertext import read_context, read_vector, write_vector
from dataspace.errors import Malformed, NotFound, Unprocessable
from dataspace.privacy.circuit import Circuit
from dataspace.privacy.cube import Cube
from dataspace.wire.envelope import EncryptedAnswer, EncryptedQuery
from dataspace.wire.parameters import CUBE_SETS, ParameterSet, parameter_set

_OPERANDS: Final = 96  # 262 kB each: a worker stays far below 200 MB
_KEYS: Final = 16  # 0.7 MB each
_Name = tuple[str, ...]

T = TypeVar("T")


class Evaluator:
    """Answers encrypted queries over cubes; the target of a `dataspace.sandbox.Pool`."""

    def __init__(self) -> None:
        self._circuits: dict[str, Circuit] = {}
        # The one of most queries at once, while nobody waits: it takes a while.
        self._circuit(CUBE_SETS[0])
        self._operands: _Recent[Any] = _Recent(_OPERANDS)
        self._keys: _Recent[Any] = _Recent(_KEYS)

    def admit(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Check `{"parameters", "context"}` before its key is pinned; return `{"key": SHA-256 in hex}`.

        Raises:
            Malformed: as `read_context`, or SEAL refuses the key.

        """
        parameters = parameter_set(request["parameters"])
        return {"key": self._key(request["context"], parameters)[0]}

    def answer(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Return `{"answer": envelope}` for `{"query", "context", "cube_id", "cube"}`.

        `query` is the consumer's envelope; `context` the public context that
        the agreement pinned, or empty to take the one in the envelope, which
        is then to be pinned; `cube` the bytes of the cube `cube_id`. The
        answer's shape depends on how many measures are asked for alone.

        Raises:
            Malformed: the envelope, the context or the ciphertext is.
            Unprocessable: the query is under another key, under a parameter
                set that is not for cubes, or for another cube.
            NotFound: the cube has no such measure.

        """
        query = EncryptedQuery.decode(request["query"])
        circuit, parameters = self._circuit(query.parameters), parameter_set(query.parameters)
        operands = self._encoded(request["cube_id"], request["cube"], query)
        key, encryptor = self._key(request["context"] or query.context, parameters)
        if not hmac.compare_digest(key, query.key):
            raise Unprocessable("the query is not under the key of its agreement")
        weights = circuit.query(read_vector(query.vector, parameters))
        streams = [circuit.answer(weights, operand, encryptor) for operand in operands]
        vectors = tuple(write_vector(stream, parameters.slots) for stream in streams)
        facts = query.parameters, query.cube, query.key, query.binding, query.measures
        return {"answer": EncryptedAnswer(*facts, vectors).encode()}

    def evict(self, request: Mapping[str, Any]) -> None:
        """Forget the cube of `{"cube_id"}`."""
        self._operands.drop(lambda name: name[0] == request["cube_id"])

    def _encoded(self, cube_id: str, data: bytes, query: EncryptedQuery) -> list[Any]:
        """Return the operands of the query's measures; the cube is read only where one is not at hand."""
        if query.cube != cube_id:
            raise Unprocessable("the query is for another cube")
        names = [(cube_id, _digest(data), query.parameters, measure) for measure in query.measures]
        if all(name in self._operands for name in names):
            return [self._operands.get(name, dict) for name in names]
        cube, circuit = Cube.from_bytes(data), self._circuit(query.parameters)
        if not cube.values.keys() >= set(query.measures):
            raise NotFound("the cube has no such measure")
        return [
            self._operands.get(name, partial(circuit.operand, cube.values[measure]))
            for name, measure in zip(names, query.measures, strict=True)
        ]

    def _circuit(self, name: str) -> Circuit:
        if name not in CUBE_SETS:
            raise Unprocessable(f"a cube is not asked under this parameter set, but {' or '.join(CUBE_SETS)}")
        if name not in self._circuits:
            self._circuits[name] = Circuit(parameter_set(name))
        return self._circuits[name]

    def _key(self, context: bytes, parameters: ParameterSet) -> tuple[str, Any]:
        if not context:
            raise Malformed("no public context came with the query, and none is pinned")
        digest = _digest(context)
        circuit = self._circuit(parameters.id)
        # The digest is of all bytes, so that what is found was checked when it was put there.
        return digest, self._keys.get(
            (parameters.id, digest), lambda: circuit.key(read_context(context, parameters))
        )


class _Recent(Generic[T]):
    """The values used last, by name."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held: OrderedDict[_Name, T] = OrderedDict()

    def __contains__(self, name: _Name) -> bool:
        return name in self._held

    def get(self, name: _Name, make: Callable[[], T]) -> T:
        if name not in self._held:
            self._held[name] = make()
        self._held.move_to_end(name)
        if len(self._held) > self._limit:
            self._held.popitem(last=False)
        return self._held[name]

    def drop(self, chosen: Callable[[_Name], bool]) -> None:
        for name in [name for name in self._held if chosen(name)]:
            del self._held[name]


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
