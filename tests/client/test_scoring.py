"""Scores over HTTP, from Python: what a consumer calls, against the model in doubles."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from dataspace.client import DataSpace
from dataspace.client.scoring import Scoreable, batches
from dataspace.errors import Malformed, NotFound, PolicyDenied, Unprocessable
from dataspace.wire.model import Feature, Link
from dataspace.wire.score import Layout
from tests.privacy.scene import keys
from tests.simulator import Simulator, people

FEATURES = [
    {"name": "age", "low": 18, "high": 120},
    {"name": "income", "low": 0, "high": 50_000},
    {"name": "late", "low": 0, "high": 10, "precision": 1},
]
WEIGHTS = np.array([-0.03, 0.00007, 0.81])
SAMPLE = {"age": 41, "income": 5200, "late": 1.5}


@dataclass
class Parties:
    provider: DataSpace
    consumer: DataSpace
    dataset: str
    agreement: str


@pytest.fixture(scope="module")
def parties(space: Simulator, url: str) -> Any:
    provider, consumer = space.provider(), space.consumer()
    registered = space.registered(
        provider, people(200), subjects=["number"], forms=("score",), units=1000, price=3
    )
    agreement = space.agreed(consumer, registered.offer)
    with (
        DataSpace(url, space.tokens[provider.id]) as one,
        DataSpace(url, space.tokens[consumer.id]) as other,
    ):
        yield Parties(one, other, registered.dataset, agreement.id)
    space.audit()


def _model(parties: Parties, link: str = "identity", **form: Any) -> str:
    weights = {"weights": WEIGHTS.tolist(), "intercept": 0.25, "link": link}
    registered = parties.provider.register_model(
        parties.dataset, weights, FEATURES, name="late payment", subjects=4100, **form
    )
    return str(registered["id"])


def _samples(count: int) -> list[dict[str, float]]:
    chance = np.random.default_rng(count)
    return [
        {"age": int(age), "income": int(income), "late": round(float(late), 1)}
        for age, income, late in zip(
            chance.integers(18, 120, count), chance.integers(0, 50_000, count), chance.uniform(0, 10, count),
            strict=True,
        )
    ]  # fmt: skip


def _true(samples: list[dict[str, float]]) -> Any:
    return np.array([list(sample.values()) for sample in samples]) @ WEIGHTS + 0.25


@pytest.mark.parametrize(("count", "units"), [(1, 1), (2731, 28 + 1), (8200, 82 + 1)])
def test_linear_scores_agree_with_numpy_within_the_declared_precision(
    parties: Parties, count: int, units: int
) -> None:
    model, samples = _model(parties), _samples(count)
    scored = parties.consumer.score(parties.agreement, model, samples, keys=keys())
    assert np.abs(np.array(scored.values) - _true(samples)).max() <= 0.01
    assert scored.within == 0.005
    assert sum(answer.units for answer in scored.answers) == units


def test_logistic_scores_agree_with_numpy_within_the_declared_precision(parties: Parties) -> None:
    model, samples = _model(parties, "logistic", output=4), _samples(300)
    scored = parties.consumer.score(parties.agreement, model, samples, keys=keys())
    true = 1 / (1 + np.exp(-_true(samples)))
    assert np.abs(np.array(scored.values) - true).max() <= 1e-4


def test_a_dataframe_is_scored_row_by_row(parties: Parties) -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(_samples(5), index=list("abcde"))
    series = parties.consumer.score(parties.agreement, _model(parties), frame, keys=keys()).series()
    assert list(series.index) == list("abcde")
    assert series.name == "score"


def test_one_sample_has_one_score(parties: Parties) -> None:
    scored = parties.consumer.score(parties.agreement, _model(parties), SAMPLE, keys=keys())
    assert scored.value == round(float(_true([SAMPLE])[0]), 2)
    with pytest.raises(Unprocessable, match="2 scores"):
        _ = parties.consumer.score(parties.agreement, _model(parties), [SAMPLE, SAMPLE], keys=keys()).value


def test_a_feature_beyond_its_bounds_is_refused_or_clipped(parties: Parties) -> None:
    model, beyond = _model(parties), {**SAMPLE, "late": 11}
    with pytest.raises(Unprocessable, match=r"'late' is beyond its bounds, 0\.0 to 10\.0"):
        parties.consumer.score(parties.agreement, model, beyond, keys=keys())
    scored = parties.consumer.score(parties.agreement, model, beyond, keys=keys(), clip=True)
    assert scored.value == round(float(_true([{**SAMPLE, "late": 10}])[0]), 2)


@pytest.mark.parametrize("sample", [{"age": 41}, {**SAMPLE, "age": float("nan")}, {**SAMPLE, "age": "old"}])
def test_a_sample_that_is_none_is_refused(parties: Parties, sample: Any) -> None:
    with pytest.raises(Malformed):
        parties.consumer.score(parties.agreement, _model(parties), sample, keys=keys())


def test_models_are_listed_and_withdrawn(parties: Parties) -> None:
    model = _model(parties)
    assert parties.consumer.score_models(parties.agreement)[0]["id"] == model
    assert parties.consumer.score_models(parties.agreement)[0]["model"]["subjects"] == 4100
    parties.provider.withdraw_model(model)
    assert model not in {one["id"] for one in parties.consumer.score_models(parties.agreement)}
    assert parties.provider.models(parties.dataset)[0]["withdrawn"]
    with pytest.raises(NotFound):
        parties.consumer.score(parties.agreement, model, SAMPLE, keys=keys())


def test_he_09_a_model_that_is_not_to_be_known_is_refused_to_who_is_not_named(parties: Parties) -> None:
    model = _model(parties, releasable=False)
    with pytest.raises(PolicyDenied, match="consumer-not-semi-honest"):
        parties.consumer.score(parties.agreement, model, SAMPLE, keys=keys())


def test_qy_20_what_is_scored_is_kept_by_no_cache(parties: Parties) -> None:
    http = parties.consumer._http._client
    for path in ("models", "../../me"):
        answer = http.get(f"/api/agreements/{parties.agreement}/{path}")
        assert "no-store" in answer.headers["cache-control"]
        assert "etag" not in answer.headers


def test_the_layout_with_fewer_ciphertexts_is_taken() -> None:
    def chosen(count: int, width: int) -> list[tuple[Layout, int]]:
        return [(layout, len(rows)) for layout, rows in batches([[0] * width] * count, 8192)]

    assert chosen(2730, 3) == [(Layout.BLOCKS, 2730)]
    assert chosen(2731, 3) == [(Layout.BLOCKS, 2730), (Layout.BLOCKS, 1)]
    assert chosen(9000, 3) == [(Layout.COLUMNS, 8192), (Layout.BLOCKS, 808)]
    assert chosen(100, 256) == [(Layout.BLOCKS, 32)] * 3 + [(Layout.BLOCKS, 4)]


def test_an_extreme_logistic_score_does_not_overflow() -> None:
    model = Scoreable("mo-0", (Feature("x", 0, 1),), Link.LOGISTIC, 0, 3, blurred=False)
    assert [model.read(total) for total in (-100_000, 0, 100_000)] == [0.0, 0.5, 1.0]
    assert math.isclose(model.read(2), 1 / (1 + math.exp(-2)), abs_tol=5e-4)


def test_the_link_of_a_model_that_is_none_is_refused() -> None:
    with pytest.raises(Malformed):
        Scoreable.from_json({"id": "mo-0", "features": [], "link": "probit", "digits": 1, "output": 1})
