"""Answers to encrypted queries: the class that lives in a worker process with TenSEAL's SEAL.

Whatever comes in is a consumer's, and hostile; `ciphertext` reads it. What is
kept between requests are encoded cubes and public keys, by digest, the least
recently used first to go.
"""

import hashlib
import hmac
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, Final, Generic, TypeVar

from dataspace.bfv.ciphertext import read_context, read_vector, write_vector
from dataspace.errors import Malformed, NotFound, Unprocessable
from dataspace.privacy.circuit import Circuit
from dataspace.privacy.cube import Cube
from dataspace.wire.envelope import EncryptedAnswer, EncryptedQuery
from dataspace.wire.parameters import PARAMETER_SETS, ParameterSet, parameter_set

_CUBES: Final = 32  # 256 kB for each measure of each
_KEYS: Final = 32  # 0.7 MB each

T = TypeVar("T")


class Evaluator:
    """Answers encrypted queries over cubes; the target of a `dataspace.sandbox.Pool`."""

    def __init__(self) -> None:
        self._circuits = {name: Circuit(parameters) for name, parameters in PARAMETER_SETS.items()}
        self._cubes: _Recent[dict[str, Any]] = _Recent(_CUBES)
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
            Unprocessable: the query is under another key, another parameter
                set or for another cube.
            NotFound: the cube has no such measure.

        """
        query = EncryptedQuery.decode(request["query"])
        operands = self._operands(request["cube_id"], request["cube"], query)
        parameters, circuit = parameter_set(query.parameters), self._circuits[query.parameters]
        key, encryptor = self._key(request["context"] or query.context, parameters)
        if not hmac.compare_digest(key, query.key):
            raise Unprocessable("the query is not under the key of its agreement")
        weights = circuit.query(read_vector(query.vector, parameters))
        streams = [circuit.answer(weights, operands[name], encryptor) for name in query.measures]
        vectors = tuple(write_vector(stream, parameters.slots) for stream in streams)
        facts = query.parameters, query.cube, query.key, query.binding, query.measures
        return {"answer": EncryptedAnswer(*facts, vectors).encode()}

    def evict(self, request: Mapping[str, Any]) -> None:
        """Forget the cube of `{"cube_id"}`."""
        self._cubes.drop(lambda name: name[0] == request["cube_id"])

    def _operands(self, cube_id: str, data: bytes, query: EncryptedQuery) -> dict[str, Any]:
        if query.cube != cube_id:
            raise Unprocessable("the query is for another cube")
        operands = self._cubes.get((cube_id, _digest(data)), lambda: self._encode(Cube.from_bytes(data)))
        if operands["parameters"] != query.parameters:
            raise Unprocessable("the query is under another parameter set than the cube")
        missing = [name for name in query.measures if name not in operands["measures"]]
        if missing:
            raise NotFound("the cube has no such measure")
        return dict(operands["measures"])

    def _encode(self, cube: Cube) -> dict[str, Any]:
        circuit = self._circuits[cube.spec.parameters]
        measures = {name: circuit.operand(values) for name, values in cube.values.items()}
        return {"parameters": cube.spec.parameters, "measures": measures}

    def _key(self, context: bytes, parameters: ParameterSet) -> tuple[str, Any]:
        if not context:
            raise Malformed("no public context came with the query, and none is pinned")
        digest = _digest(context)
        circuit = self._circuits[parameters.id]
        # The digest is of all bytes, so that what is found was checked when it was put there.
        return digest, self._keys.get(
            (parameters.id, digest), lambda: circuit.key(read_context(context, parameters))
        )


class _Recent(Generic[T]):
    """The values used last, by name."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held: OrderedDict[tuple[str, str], T] = OrderedDict()

    def get(self, name: tuple[str, str], make: Callable[[], T]) -> T:
        if name not in self._held:
            self._held[name] = make()
        self._held.move_to_end(name)
        if len(self._held) > self._limit:
            self._held.popitem(last=False)
        return self._held[name]

    def drop(self, chosen: Callable[[tuple[str, str]], bool]) -> None:
        for name in [name for name in self._held if chosen(name)]:
            del self._held[name]


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
