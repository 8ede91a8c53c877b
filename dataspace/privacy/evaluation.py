"""Answers to encrypted selectors: the class that lives in a worker process of its own, with TenSEAL's SEAL.

Whatever comes in is a consumer's, and hostile; `bfv.ciphertext` reads it.
"""

import hashlib
import hmac
from collections.abc import Mapping
from typing import Any

from dataspace.bfv.ciphertext import read_context, read_vector
from dataspace.errors import Malformed, Unprocessable
from dataspace.privacy.noise import add_noise
from dataspace.privacy.threshold import ThresholdCircuit
from dataspace.wire.selector import PARAMETERS, SelectorAnswer, SelectorQuery
from dataspace.wire.threshold import Threshold


class SelectorEvaluator:
    """Answers encrypted selectors; the target of a `dataspace.sandbox.Pool`. It keeps nothing of them."""

    def __init__(self) -> None:
        self._circuit = ThresholdCircuit(PARAMETERS)

    def answer(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Return `{"answer": envelope}` for `{"query", "context", "minimum", "values"}`.

        `query` is the consumer's envelope, `context` the public context of its agreement's key,
        `values` the operand's of each subject, in the order of the layout.

        Raises:
            Malformed: the envelope, the context or a ciphertext is.
            Unprocessable: the query is under another key, or has another number of vectors than the layout.

        """
        query = SelectorQuery.decode(request["query"])
        context: bytes = request["context"]
        if not hmac.compare_digest(hashlib.sha256(context).hexdigest(), query.key):
            raise Unprocessable("the query is not under the key of its agreement")
        values: list[int] = request["values"]
        threshold = Threshold(request["minimum"], len(values), PARAMETERS)
        if len(query.vectors) != 1 + threshold.batches:
            raise Unprocessable(f"the layout takes {1 + threshold.batches} vectors")
        if any(abs(value) > query.operand.bound for value in values):
            raise Malformed("malformed operand: a value passes the bound that the noise is for")
        key = self._circuit.key(read_context(context, PARAMETERS))
        selector = self._circuit.selector([read_vector(vector, PARAMETERS) for vector in query.vectors])
        (noise,) = add_noise([0], sensitivity=query.operand.bound, epsilon=query.epsilon)
        total = self._circuit.answer(selector, threshold, values, key, noise=noise)
        # The consumer knows how many it selected: that it finds so many again is its proof of the circuit.
        selected = self._circuit.answer(selector, threshold, [1] * len(values), key)
        return {"answer": SelectorAnswer(query.layout, query.key, query.binding, total, selected).encode()}
