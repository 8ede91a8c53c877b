"""Encrypted scores of a linear model: the class that lives in a worker process with TenSEAL's SEAL.

The consumer's ciphertexts go through the circuit of `circuit.py`, with the
model's weights as operand and another mask. In `blocks`, the mask of each block
of d slots is uniform modulo t but for its sum, which is the intercept: the
consumer, who adds up the block, gets the score of that sample and no product of
its own. In `columns` each slot is a score already, and the mask is the
intercept alone. Slots beyond the samples that were paid for get uniform masks:
they tell nothing.

A malicious consumer reads the weights whatever the mask (`circuit.py` says
how), so a model is either for it to know, or the consumer is one that the offer
names semi-honest. To the scores of a model that is not to be known, one draw of
as many integers as make a unit of its output is added: what comes after the
last digit is uniform, and tells of the score no more than that digit does.
"""

import hashlib
import hmac
import secrets
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeVar

import numpy as np

from dataspace.bfv.ciphertext import read_context, read_vector, write_vector
from dataspace.errors import Malformed, Unprocessable
from dataspace.privacy.circuit import Circuit
from dataspace.wire.model import LinearModel
from dataspace.wire.parameters import DEFAULT_PARAMETERS, ParameterSet, parameter_set
from dataspace.wire.score import Layout, ScoreAnswer, ScoreQuery

_MODELS: Final = 16  # 8 MB each, at most
_KEYS: Final = 32  # 0.7 MB each

N = TypeVar("N")
T = TypeVar("T")


class ScoreCircuit(Circuit):
    """The circuit with several ciphertexts and a mask of the caller's."""

    def __init__(self, parameters: ParameterSet) -> None:
        super().__init__(parameters)
        self.parameters = parameters

    def scores(self, queries: Sequence[Any], operands: Sequence[Any], mask: Any, key: Any) -> bytes:
        """Return SEAL's stream of the sum of the products, flooded, masked and switched down."""
        total = self._flood(key)
        for query, operand in zip(queries, operands, strict=True):
            if operand is not None:
                self._evaluator.add_inplace(total, self._product(query, operand))
        self._evaluator.transform_from_ntt_inplace(total)
        self._evaluator.add_plain_inplace(total, mask)
        for _ in range(len(self.parameters.coefficient_moduli) - 1 - self.parameters.answer_moduli):
            self._evaluator.mod_switch_to_next_inplace(total)
        return self._scheme.save(total)

    def mask(self, layout: Layout, width: int, constants: Sequence[int]) -> Any:
        """Return the plaintext that turns the sums of the first samples into scores, and hides all else.

        `constants` has one integer for each sample; `width` is the slots of a block.
        """
        modulus, slots = self.parameters.plain_modulus, self._scheme.uniform(self.parameters.slots)
        chosen = np.array([constant % modulus for constant in constants], np.uint64)
        if layout is Layout.COLUMNS:
            slots[: len(chosen)] = chosen
        else:
            blocks = slots[: len(chosen) * width].reshape(len(chosen), width)
            # 256 numbers of 40 bits stay far below 64.
            others = blocks[:, 1:].sum(axis=1, dtype=np.uint64) % np.uint64(modulus)
            blocks[:, 0] = (chosen + np.uint64(modulus) - others) % np.uint64(modulus)
        return self._scheme.encode(slots.tolist())


class Scorer:
    """Answers encrypted queries for scores; the target of a `dataspace.sandbox.Pool`."""

    def __init__(self) -> None:
        self._circuit = ScoreCircuit(parameter_set(DEFAULT_PARAMETERS))
        self._models: OrderedDict[tuple[str, str, str], list[Any]] = OrderedDict()
        self._keys: OrderedDict[str, Any] = OrderedDict()

    def admit(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Check `{"context"}` before its key is pinned; return `{"key": SHA-256 in hex}`.

        Raises:
            Malformed: as `read_context`, or SEAL refuses the key.

        """
        return {"key": self._key(request["context"])[0]}

    def score(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Return `{"answer": envelope}` for `{"query", "context", "model_id", "model", "blurred"}`.

        `query` is the consumer's envelope; `context` the public context that
        the agreement pinned, or empty to take the one in the envelope; `model`
        the document; `blurred` whether its weights are not for the consumer.

        Raises:
            Malformed: the envelope, the context or a ciphertext is.
            Unprocessable: the query is under another key or parameter set, for
                another model, or of more samples or vectors than fit.

        """
        query, model = ScoreQuery.decode(request["query"]), LinearModel.from_bytes(request["model"])
        width = len(model.features)
        self._check(query, request["model_id"], width)
        key, encryptor = self._key(request["context"] or query.context)
        if not hmac.compare_digest(key, query.key):
            raise Unprocessable("the query is not under the key of its agreement")
        parameters = self._circuit.parameters
        ciphers = [self._circuit.query(read_vector(vector, parameters)) for vector in query.vectors]
        constants = [
            model.constant + (_blur(model.unit) if request["blurred"] else 0) for _ in range(query.samples)
        ]
        mask = self._circuit.mask(query.layout, width, constants)
        stream = self._circuit.scores(ciphers, self._operands(request, model, query.layout), mask, encryptor)
        facts = query.parameters, query.model, query.key, query.binding
        return {"answer": ScoreAnswer(*facts, write_vector(stream, parameters.slots)).encode()}

    def evict(self, request: Mapping[str, Any]) -> None:
        """Forget the model of `{"model_id"}`."""
        for name in [name for name in self._models if name[0] == request["model_id"]]:
            del self._models[name]

    def _check(self, query: ScoreQuery, model: str, width: int) -> None:
        if query.parameters != self._circuit.parameters.id:
            raise Unprocessable(f"scores are computed under {self._circuit.parameters.id}")
        if query.model != model:
            raise Unprocessable("the query is for another model")
        slots = self._circuit.parameters.slots
        most = slots // width if query.layout is Layout.BLOCKS else slots
        vectors = 1 if query.layout is Layout.BLOCKS else width
        if query.samples > most or len(query.vectors) != vectors:
            raise Unprocessable(f"in {query.layout} {vectors} vectors hold at most {most} samples")

    def _operands(self, request: Mapping[str, Any], model: LinearModel, layout: Layout) -> list[Any]:
        name = request["model_id"], _digest(request["model"]), str(layout)
        if name not in self._models:
            slots, weights = self._circuit.parameters.slots, list(model.operand)
            columns = (
                [weights * (slots // len(weights))]
                if layout is Layout.BLOCKS
                else [[weight] * slots for weight in weights]
            )
            self._models[name] = [self._circuit.operand(column) for column in columns]
        return _recent(self._models, name, _MODELS)

    def _key(self, context: bytes) -> tuple[str, Any]:
        if not context:
            raise Malformed("no public context came with the query, and none is pinned")
        digest = _digest(context)
        # The digest is of all bytes, so that what is found was checked when it was put there.
        if digest not in self._keys:
            self._keys[digest] = self._circuit.key(read_context(context, self._circuit.parameters))
        return digest, _recent(self._keys, digest, _KEYS)


def _recent(held: OrderedDict[N, T], name: N, limit: int) -> T:
    """Return what is held under a name, and forget what was not asked for longest."""
    held.move_to_end(name)
    if len(held) > limit:
        held.popitem(last=False)
    return held[name]


def _blur(unit: int) -> int:
    return secrets.randbelow(unit) - unit // 2


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
