"""Models and encrypted scores as a journey: registered, sealed, metered, withdrawn; and who may not."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import select

from dataspace.catalog.models import Form
from dataspace.client.encrypted import Keys
from dataspace.client.scoring import decrypt_scores, encrypt_samples
from dataspace.errors import Conflict, Malformed, NotFound, PolicyDenied, Unprocessable
from dataspace.negotiation.models import Agreement
from dataspace.participants.access import Caller
from dataspace.participants.models import Role
from dataspace.transfer.forms.modelled import ModelView
from dataspace.transfer.models import ScoreModel
from dataspace.wire.model import LinearModel
from dataspace.wire.score import Layout, ScoreQuery
from tests.postgres import postgres_server, postgres_url
from tests.privacy.scene import keys
from tests.privacy.scores import linear, plain
from tests.simulator import Simulator, people, simulated

__all__ = ["postgres_server", "postgres_url"]  # fixtures

MODEL = linear([311, -27])
ROWS = [[123, -456], [0, 1]]


def _provided(space: Simulator, rows: int, **offer: Any) -> tuple[Caller, str, str]:
    provider = space.provider()
    registered = space.registered(
        provider, people(rows), subjects=["number"], forms=("score",), units=100, **offer
    )
    return provider, registered.dataset, registered.offer


def _model(
    space: Simulator, provider: Caller, dataset: str, model: LinearModel = MODEL, *, releasable: bool = True
) -> ModelView:
    told = model.to_json()
    return space.service.models.register(provider, dataset, "late payment", told, releasable=releasable)


def _query(model: str, agreement: Agreement, rows: list[list[int]], *, by: Keys | None = None) -> ScoreQuery:
    return encrypt_samples(model, rows, Layout.BLOCKS, by or keys(), agreement.id, pinned=False)


def _score(space: Simulator, consumer: Caller, agreement: Agreement, model: str, rows: Any) -> list[int]:
    query = _query(model, agreement, rows)
    answer = space.service.scores.score(consumer, agreement.id, query.encode())
    return decrypt_scores(answer.content, query, len(rows[0]), keys())


def _used(space: Simulator, consumer: Caller, agreement: Agreement) -> int:
    return int(space.service.answers.usage(consumer, agreement.id)["units"]["spent"])


def test_a_score_is_exact_and_its_cost_is_in_the_ledger(space: Simulator) -> None:
    provider, dataset, offer = _provided(space, 300)
    model = _model(space, provider, dataset)
    consumer = space.consumer()
    agreement = space.agreed(consumer, offer)
    assert _score(space, consumer, agreement, model.id, ROWS) == plain(MODEL, ROWS)
    assert _used(space, consumer, agreement) == 1
    assert _score(space, consumer, agreement, model.id, [[1, 1]] * 101) == plain(MODEL, [[1, 1]] * 101)
    assert _used(space, consumer, agreement) == 3
    assert [kind for kind in space.kinds() if kind in {"model.registered", "query.answered"}][-3:] == [
        "model.registered",
        "query.answered",
        "query.answered",
    ]
    space.audit()


def test_the_weights_lie_sealed_and_are_shown_where_they_may_be_known(space: Simulator) -> None:
    provider, dataset, offer = _provided(space, 301)
    known, private = (_model(space, provider, dataset, releasable=flag) for flag in (True, False))
    consumer = space.consumer()
    agreement = space.agreed(consumer, offer)
    shown = {view.id: view.document for view in space.service.models.offered(consumer, agreement.id)}
    assert shown == {known.id: MODEL.to_json(), private.id: None}
    mine = {view.id: view.document for view in space.service.models.mine(provider, dataset)}
    assert mine[private.id] == {**MODEL.to_json(), "samples": 2}
    with space.service.space.database.reading() as session:
        stored = session.exec(select(ScoreModel).where(ScoreModel.dataset == dataset)).all()
    assert not any(b"311" in row.content for row in stored)
    space.audit()


def test_he_09_a_model_that_is_not_to_be_known_is_for_named_consumers(space: Simulator) -> None:
    consumer = space.consumer()
    provider, dataset, offer = _provided(space, 302)
    model = _model(space, provider, dataset, releasable=False)
    agreement = space.agreed(consumer, offer)
    with pytest.raises(PolicyDenied, match="consumer-not-semi-honest"):
        _score(space, consumer, agreement, model.id, [[1, 1]])
    assert space.kinds()[-1] == "query.refused"
    space.audit()


def test_a_named_consumer_gets_no_more_samples_than_do_not_tell_the_model(space: Simulator) -> None:
    consumer = space.consumer()
    provider, dataset, offer = _provided(space, 303, semi_honest=(consumer.id,))
    model = _model(space, provider, dataset, releasable=False)
    first, second = space.agreed(consumer, offer), space.agreed(consumer, offer)
    [score] = _score(space, consumer, first, model.id, [[1, 1]])
    assert abs(score - plain(MODEL, [[1, 1]])[0]) <= MODEL.unit // 2
    with pytest.raises(Conflict, match="1 are left"):
        _score(space, consumer, second, model.id, ROWS)
    _score(space, consumer, second, model.id, [[0, 1]])
    with pytest.raises(Conflict, match="0 are left"):
        _score(space, consumer, first, model.id, [[0, 0]])
    space.audit()


def test_samples_are_counted_on_postgresql_too(tmp_path: Path, postgres_url: str) -> None:
    with simulated(tmp_path / "home", database=postgres_url) as space:
        test_a_named_consumer_gets_no_more_samples_than_do_not_tell_the_model(space)


def test_a_provider_cannot_give_away_more_samples_than_tell_the_model(space: Simulator) -> None:
    provider, dataset, _ = _provided(space, 304)
    with pytest.raises(Unprocessable, match="at most 20"):
        _model(space, provider, dataset, replace(MODEL, samples=21), releasable=False)
    assert _model(space, provider, dataset, replace(MODEL, samples=20), releasable=False).samples == 20
    assert _model(space, provider, dataset).samples == 0


def test_a_model_of_too_few_subjects_is_refused_by_the_policy(space: Simulator) -> None:
    provider, dataset, _ = _provided(space, 305)
    with pytest.raises(PolicyDenied, match="group-limit-below-zone"):
        _model(space, provider, dataset, replace(MODEL, subjects=3))
    with pytest.raises(NotFound):
        _model(space, space.provider(), dataset)
    space.audit()


@pytest.mark.parametrize(
    "changed",
    [
        {"weights": [1]},
        {"weights": [1, 2.5]},
        {"weights": [1, True]},
        {"link": "probit"},
        {"output": 9},
        {"precision": -1},
        {"subjects": 0},
        {"more": 1},
        {"weights": [1 << 40, 1]},
        {"intercept": None},
    ],
)
def test_a_document_that_is_none_is_refused(space: Simulator, changed: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        space.service.models.register(
            space.provider(), "ds-0123456789abcdef", "x", {**MODEL.to_json(), **changed}, releasable=True
        )


def test_he_11_a_query_is_answered_once_and_not_after_its_time(space: Simulator) -> None:
    provider, dataset, offer = _provided(space, 306)
    model = _model(space, provider, dataset)
    consumer = space.consumer()
    agreement = space.agreed(consumer, offer)
    query = _query(model.id, agreement, ROWS)
    first = space.service.scores.score(consumer, agreement.id, query.encode())
    again = space.service.scores.score(consumer, agreement.id, query.encode())
    assert (again.content, again.entry) == (first.content, first.entry)
    other = replace(_query(model.id, agreement, ROWS), nonce=query.nonce)
    with pytest.raises(Conflict, match="answered already"):
        space.service.scores.score(consumer, agreement.id, other.encode())
    for expires in (query.expires - 7200, query.expires + 100_000):
        with pytest.raises(Unprocessable, match="expires"):
            space.service.scores.score(consumer, agreement.id, replace(query, expires=expires).encode())
    assert _used(space, consumer, agreement) == 1
    space.audit()


def test_he_05_an_agreement_has_one_key_and_a_query_one_agreement(space: Simulator) -> None:
    provider, dataset, offer = _provided(space, 307)
    model = _model(space, provider, dataset)
    consumer = space.consumer()
    agreement, second = space.agreed(consumer, offer), space.agreed(consumer, offer)
    _score(space, consumer, agreement, model.id, ROWS)
    stranger = _query(model.id, agreement, ROWS, by=Keys.create())
    with pytest.raises(Unprocessable, match="another key"):
        space.service.scores.score(consumer, agreement.id, stranger.encode())
    with pytest.raises(Unprocessable, match="another agreement"):
        space.service.scores.score(consumer, second.id, _query(model.id, agreement, ROWS).encode())
    with pytest.raises(NotFound):
        space.service.scores.score(space.consumer(), agreement.id, _query(model.id, agreement, ROWS).encode())
    space.audit()


def test_a_withdrawn_model_scores_nothing_and_its_weights_are_gone(space: Simulator) -> None:
    provider, dataset, offer = _provided(space, 308)
    model = _model(space, provider, dataset)
    consumer = space.consumer()
    agreement = space.agreed(consumer, offer)
    with pytest.raises(NotFound):
        space.service.models.withdraw(space.provider(), model.id)
    space.service.models.withdraw(provider, model.id)
    with pytest.raises(NotFound):
        _score(space, consumer, agreement, model.id, ROWS)
    with pytest.raises(Conflict):
        space.service.models.withdraw(provider, model.id)
    assert space.service.models.offered(consumer, agreement.id) == []
    [told] = space.service.models.mine(provider, dataset)
    assert told.withdrawn
    assert told.document is None
    with space.service.space.database.reading() as session:
        assert session.exec(select(ScoreModel.content).where(ScoreModel.id == model.id)).one() == b""
    space.audit()


def test_a_withdrawn_dataset_takes_its_models_along(space: Simulator) -> None:
    provider, dataset, offer = _provided(space, 309)
    model = _model(space, provider, dataset)
    consumer = space.consumer()
    agreement = space.agreed(consumer, offer)
    _score(space, consumer, agreement, model.id, ROWS)
    space.service.registrar.withdraw(Caller(provider.id, frozenset({Role.PROVIDER})), dataset)
    with pytest.raises((NotFound, PolicyDenied)):
        _score(space, consumer, agreement, model.id, ROWS)
    assert space.service.models.offered(consumer, agreement.id) == []
    assert space.service.models.mine(provider, dataset)[0].document is None
    space.audit()


def test_an_agreement_in_another_form_sees_no_model(space: Simulator) -> None:
    provider = space.provider()
    registered = space.registered(
        provider, people(310), subjects=["number"], forms=("aggregate", "score"), units=100
    )
    model = _model(space, provider, registered.dataset)
    consumer = space.consumer()
    agreement = space.agreed(consumer, registered.offer, forms=[Form.AGGREGATE])
    assert space.service.models.offered(consumer, agreement.id) == []
    with pytest.raises(PolicyDenied, match="form-not-agreed"):
        _score(space, consumer, agreement, model.id, ROWS)
    space.audit()
