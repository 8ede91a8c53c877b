"""A consumer, a model and a worker that scores, and the way of a query between them."""

from collections.abc import Sequence
from functools import cache
from typing import Any

from dataspace.client.encrypted import Keys
from dataspace.client.scoring import decrypt_scores, encrypt_samples
from dataspace.privacy.score import Scorer
from dataspace.wire.model import Feature, LinearModel, Link
from dataspace.wire.score import Layout, ScoreQuery
from tests.privacy.scene import AGREEMENT, keys

MODEL = "mo-00112233445566ff"
__all__ = ["MODEL", "keys", "linear", "plain", "prepare", "request", "score", "scorer"]


@cache
def scorer() -> Scorer:
    return Scorer()


def linear(weights: Sequence[int], **changed: Any) -> LinearModel:
    """Return a model of features from -1000 to 1000 with one digit, and weights of two."""
    features = tuple(Feature(f"f{place}", -10_000, 10_000, 1) for place in range(len(weights)))
    told = {"intercept": 37, "precision": 2, "link": Link.IDENTITY, "output": 2, "subjects": 100, **changed}
    return LinearModel(features, tuple(weights), **told)


def prepare(rows: Sequence[list[int]], layout: Layout = Layout.BLOCKS, by: Keys | None = None) -> ScoreQuery:
    return encrypt_samples(MODEL, rows, layout, by or keys(), AGREEMENT, pinned=False)


def request(query: ScoreQuery, model: LinearModel, **changed: Any) -> dict[str, Any]:
    told = {"query": query.encode(), "context": b"", "model_id": MODEL, "model": model.to_bytes()}
    return {**told, "blurred": False, **changed}


def score(
    model: LinearModel, rows: Sequence[list[int]], layout: Layout = Layout.BLOCKS, **changed: Any
) -> list[int]:
    """Return the sums that the consumer decrypts."""
    query = prepare(rows, layout)
    answer = scorer().score(request(query, model, **changed))["answer"]
    return decrypt_scores(answer, query, len(model.features), keys())


def plain(model: LinearModel, rows: Sequence[list[int]]) -> list[int]:
    """Return the sums in the clear."""
    return [model.constant + sum(map(int.__mul__, model.operand, row)) for row in rows]
