"""Encrypted scores: one sample and whole batches, against the bare calls of SEAL that each query needs."""

from collections.abc import Iterator
from typing import Any, Final

import tenseal.sealapi as seal

from dataspace.bfv.ciphertext import read_vector
from dataspace.client.encrypted import Keys
from dataspace.client.scoring import encrypt_samples
from dataspace.privacy.score import Scorer
from dataspace.wire.model import Feature, LinearModel
from dataspace.wire.score import Layout, ScoreQuery
from tests.bench.timing import cpu_in_turn

_FEATURES: Final = 20
_MODEL: Final = "mo-00112233445566ff"
_AGREEMENT: Final = "ag-00112233445566ff"


def run() -> Iterator[tuple[str, float, float, str]]:
    """Yield what was measured: CPU seconds of ours and of the bare calls, best of 15 rounds in turn."""
    keys = Keys.create()
    for samples, layout in ((1, Layout.BLOCKS), (409, Layout.BLOCKS), (8192, Layout.COLUMNS)):
        yield _score(keys, samples, layout)
    yield _client(keys)


def _score(keys: Keys, samples: int, layout: Layout) -> tuple[str, float, float, str]:
    worker, query = Scorer(), _query(keys, samples, layout)
    request = {
        "query": query.encode(),
        "context": keys.public,
        "model_id": _MODEL,
        "model": _model().to_bytes(),
        "blurred": False,
    }
    worker.score(request)
    bare = _Bare(worker, keys, query)
    ours, theirs = cpu_in_turn(lambda: worker.score(request), bare.score)
    note = (
        f"{samples / ours:,.0f} scores/s; bare: load, NTT, products, flood, mask, switch, save; none checked"
    )
    return f"score {samples} samples of {_FEATURES} features, {layout}", ours, theirs, note


def _client(keys: Keys) -> tuple[str, float, float, str]:
    rows = [[1] * _FEATURES] * 409

    def ours() -> object:
        return encrypt_samples(_MODEL, rows, Layout.BLOCKS, keys, _AGREEMENT, pinned=True).encode()

    best, bare = cpu_in_turn(ours, lambda: keys.seal([1] * 8180))
    return "client: encrypt 409 samples of 20 features", best, bare, "bare: the ciphertext alone"


class _Bare:
    """The same products, flood and mask with SEAL alone: bytes are trusted, operand and key are at hand."""

    def __init__(self, worker: Scorer, keys: Keys, query: ScoreQuery) -> None:
        circuit: Any = worker._circuit
        self._circuit, self._scheme = circuit, circuit._scheme
        self._key = worker._key(keys.public)[1]
        self._operands = next(iter(worker._models.values()))
        self._streams = [read_vector(vector, circuit.parameters) for vector in query.vectors]

    def score(self) -> bytes:
        evaluator, circuit = self._scheme.evaluator, self._circuit
        total, product = circuit._flood(self._key), seal.Ciphertext()
        for stream, operand in zip(self._streams, self._operands, strict=True):
            cipher = self._scheme.load(seal.Ciphertext(), stream)
            evaluator.transform_to_ntt_inplace(cipher)
            evaluator.multiply_plain(cipher, operand, product)
            evaluator.add_inplace(total, product)
        evaluator.transform_from_ntt_inplace(total)
        evaluator.add_plain_inplace(total, self._scheme.zero_sum())
        for _ in range(2):
            evaluator.mod_switch_to_next_inplace(total)
        saved: bytes = self._scheme.save(total)
        return saved


def _model() -> LinearModel:
    features = tuple(Feature(f"f{place}", -10_000, 10_000, 2) for place in range(_FEATURES))
    return LinearModel(features, tuple(range(1, _FEATURES + 1)), 7, 3, subjects=100)


def _query(keys: Keys, samples: int, layout: Layout) -> ScoreQuery:
    rows = [[place % 100] * _FEATURES for place in range(samples)]
    return encrypt_samples(_MODEL, rows, layout, keys, _AGREEMENT, pinned=True)
