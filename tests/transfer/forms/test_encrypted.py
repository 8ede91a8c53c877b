"""Cubes and encrypted answers as a journey: charged once, one key, one answer to one query."""

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import select

from dataspace.client.encrypted import Keys
from dataspace.client.layout import Layout
from dataspace.errors import Conflict, Malformed, NotFound, PolicyDenied, Unprocessable
from dataspace.negotiation.models import Agreement
from dataspace.participants.access import Caller
from dataspace.participants.models import Role
from dataspace.privacy.encrypted import Evaluator
from dataspace.transfer.case import read_case
from dataspace.transfer.forms.cubes import BUCKET, CubeView
from dataspace.transfer.forms.encrypted import EncryptedAnswers
from dataspace.transfer.models import ConsumerKey, Cube, Released
from dataspace.transfer.pace import Pace
from dataspace.wire.envelope import EncryptedQuery
from dataspace.wire.parameters import CUBE_SETS
from tests.simulator import Simulator, people, simulated

SPEC = {"dimensions": ["district"], "measures": [{"kind": "count"}], "max_rows": 1, "epsilon": 4_000_000}


@pytest.fixture(scope="module")
def keys() -> Keys:
    return Keys.create()


def _agreed(space: Simulator, rows: int, **offer: Any) -> tuple[Caller, Agreement, str]:
    registered = space.registered(
        space.provider(), people(rows), subjects=["number"], forms=("encrypted",), epsilon=9_000_000, **offer
    )
    consumer = space.consumer()
    return consumer, space.agreed(consumer, registered.offer), registered.dataset


def _cube(space: Simulator, consumer: Caller, agreement: Agreement, **changed: Any) -> CubeView:
    return space.service.encrypted.cube(consumer, agreement.id, {**SPEC, **changed})


def _body(keys: Keys, view: CubeView, agreement: Agreement, seconds: int = 600) -> Any:
    layout = Layout.from_json(view.layout)
    expires = int(time.time()) + seconds
    return keys.encrypt(layout, [1] * len(layout.cells), agreement=agreement.id, expires=expires)


def _usage(space: Simulator, consumer: Caller, agreement: Agreement) -> dict[str, Any]:
    return space.service.answers.usage(consumer, agreement.id)


def test_an_encrypted_total_is_near_the_true_one_and_its_cost_is_in_the_ledger(
    space: Simulator, keys: Keys
) -> None:
    consumer, agreement, _ = _agreed(space, 900)
    view = _cube(space, consumer, agreement)
    query = _body(keys, view, agreement)
    answer = space.service.encrypted.answer(consumer, agreement.id, query.body)
    assert abs(keys.decrypt(answer.content, query)["count"] - 900) < 60
    assert space.kinds()[-2:] == ["cube.granted", "query.answered"]
    assert _usage(space, consumer, agreement)["epsilon"]["spent"] == SPEC["epsilon"]
    space.audit()


def test_a_cube_is_charged_once_to_an_agreement_and_shared_by_two(space: Simulator) -> None:
    consumer, agreement, _ = _agreed(space, 901)
    first, again = _cube(space, consumer, agreement), _cube(space, consumer, agreement)
    assert (again.id, again.entry, again.epsilon) == (first.id, first.entry, 0)
    other = space.consumer()
    theirs = space.agreed(other, agreement.offer)
    shared = _cube(space, other, theirs)
    assert (shared.id, shared.layout, shared.epsilon) == (first.id, first.layout, SPEC["epsilon"])
    with space.service.space.database.reading() as session:
        released = session.exec(select(Released).where(Released.dataset == agreement.dataset)).all()
    assert [one.entry for one in released] == [first.entry]  # whole, from its first grant
    assert _usage(space, consumer, agreement)["epsilon"]["spent"] == SPEC["epsilon"]
    space.audit()


def test_the_same_cube_asked_for_at_once_is_built_once(space: Simulator) -> None:
    consumer, agreement, _ = _agreed(space, 902)

    def ask(_: int) -> str:
        try:
            return _cube(space, consumer, agreement).id
        except (Conflict, PolicyDenied):
            return ""

    with ThreadPoolExecutor(4) as threads:
        built = set(threads.map(ask, range(4))) - {""}
    usage = _usage(space, consumer, agreement)["epsilon"]
    assert len(built) == 1
    kept = {path.stem for path in (space.settings.home / "cubes").iterdir()}
    with space.service.space.database.reading() as session:
        assert kept == set(session.exec(select(Cube.id)).all())
    assert usage["spent"] + usage["reserved"] <= usage["granted"]
    space.audit()


def test_epsilon_runs_out(space: Simulator) -> None:
    consumer, agreement, _ = _agreed(space, 903)
    _cube(space, consumer, agreement)
    _cube(space, consumer, agreement, max_rows=2)
    with pytest.raises(PolicyDenied, match="epsilon-exhausted"):
        _cube(space, consumer, agreement, max_rows=3)
    space.audit()


def test_a_cube_that_failed_after_its_noise_was_drawn_costs(space: Simulator) -> None:
    consumer, agreement, _ = _agreed(space, 12)
    with pytest.raises(Unprocessable, match="no cell"):
        _cube(space, consumer, agreement)
    assert _usage(space, consumer, agreement)["epsilon"]["spent"] == SPEC["epsilon"]
    space.audit()


def test_exact_presence_is_not_for_consumers_to_choose(space: Simulator) -> None:
    consumer, agreement, _ = _agreed(space, 904)
    with pytest.raises(Unprocessable, match="presence"):
        _cube(space, consumer, agreement, presence="exact")


def test_cr_05_the_same_envelope_again_is_given_the_same_answer_at_no_cost(
    space: Simulator, keys: Keys
) -> None:
    consumer, agreement, _ = _agreed(space, 911)
    body = _body(keys, _cube(space, consumer, agreement), agreement).body
    with ThreadPoolExecutor(3) as threads:
        answers = list(
            threads.map(lambda _: space.service.encrypted.answer(consumer, agreement.id, body), range(3))
        )
    again = space.service.encrypted.answer(consumer, agreement.id, body)
    assert {(one.content, one.entry) for one in answers} == {(again.content, again.entry)}
    assert _usage(space, consumer, agreement)["units"]["spent"] == 2  # the cube, and one answer
    space.audit()


def test_he_11_a_nonce_is_answered_once_and_nothing_after_its_time(space: Simulator, keys: Keys) -> None:
    consumer, agreement, _ = _agreed(space, 905)
    view = _cube(space, consumer, agreement)
    query = EncryptedQuery.decode(_body(keys, view, agreement).body)
    space.service.encrypted.answer(consumer, agreement.id, query.encode())
    other = replace(query, vector=keys.seal([2] * 3)).encode()
    # The worker alone, as a naive service, answers whatever comes, as often as it comes.
    naive = Evaluator()
    table = space.service.encrypted._cubes
    with space.service.space.database.reading() as session:
        case = read_case(session, space.service.space, consumer, agreement.id)
        found = table.granted(session, case, view.id)
    request = {"context": keys.public, "cube_id": view.id, "cube": table.content(case, found)}
    assert all(naive.answer({**request, "query": body}) for body in (query.encode(), other, other))
    with pytest.raises(Conflict, match="answered already"):
        space.service.encrypted.answer(consumer, agreement.id, other)
    for seconds in (-7200, 100_000):
        with pytest.raises(Unprocessable, match="expires"):
            space.service.encrypted.answer(consumer, agreement.id, _body(keys, view, agreement, seconds).body)
    space.audit()


def test_he_11_what_was_answered_is_not_given_again_after_its_time(tmp_path: Path, keys: Keys) -> None:
    with simulated(tmp_path / "home") as space:
        consumer, agreement, _ = _agreed(space, 914)
        body = _body(keys, _cube(space, consumer, agreement), agreement).body
        given = space.service.encrypted.answer(consumer, agreement.id, body)
        space.clock.forward(seconds=500)
        assert space.service.encrypted.answer(consumer, agreement.id, body) == given
        space.clock.forward(seconds=200)
        with pytest.raises(Unprocessable, match="expires"):
            space.service.encrypted.answer(consumer, agreement.id, body)
        space.audit()


def test_an_agreement_has_a_key_of_each_parameter_set(space: Simulator, keys: Keys) -> None:
    consumer, agreement, _ = _agreed(space, 912)
    view = _cube(space, consumer, agreement)
    second = Keys.create(CUBE_SETS[1])
    totals = []
    for pair in (keys, second):
        query = _body(pair, view, agreement)
        answer = space.service.encrypted.answer(consumer, agreement.id, query.body)
        totals.append(pair.decrypt(answer.content, query))
    assert totals[0] == totals[1]
    with space.service.space.database.reading() as session:
        pinned = session.exec(select(ConsumerKey).where(ConsumerKey.agreement == agreement.id)).all()
    assert {one.parameters: one.key_id for one in pinned} == dict(
        zip(CUBE_SETS, (keys.id, second.id), strict=True)
    )
    space.audit()


def test_qy_21_answers_and_cubes_take_a_multiple_of_one_time(space: Simulator, keys: Keys) -> None:
    consumer, agreement, _ = _agreed(space, 913)
    slept: list[float] = []
    times = iter(value / 100 for value in range(1, 1000))
    service = space.service.encrypted
    pools = service._engine, service._cubes._builder, service._evaluator
    paced = EncryptedAnswers(service._space, *pools, pace=Pace(lambda: next(times), slept.append))
    # The clock goes on by 10 ms at each look: between receipt and end there is one.
    view = paced.cube(consumer, agreement.id, SPEC)
    query = _body(keys, view, agreement)
    paced.answer(consumer, agreement.id, query.body)
    late = replace(EncryptedQuery.decode(query.body), expires=1 << 40)
    with pytest.raises(Unprocessable):
        paced.answer(consumer, agreement.id, late.encode())
    assert [round(1000 * seconds) for seconds in slept] == [BUCKET - 10, 90, 90]


def test_he_05_an_agreement_has_one_key(space: Simulator, keys: Keys) -> None:
    consumer, agreement, _ = _agreed(space, 906)
    view = _cube(space, consumer, agreement)
    space.service.encrypted.answer(consumer, agreement.id, _body(keys, view, agreement).body)
    with pytest.raises(Unprocessable, match="another key"):
        space.service.encrypted.answer(consumer, agreement.id, _body(Keys.create(), view, agreement).body)
    space.audit()


def test_a_cube_of_another_agreement_is_not_found(space: Simulator, keys: Keys) -> None:
    consumer, agreement, _ = _agreed(space, 907)
    view = _cube(space, consumer, agreement)
    other = space.consumer()
    theirs = space.agreed(other, agreement.offer)
    with pytest.raises(NotFound):
        space.service.encrypted.answer(other, theirs.id, _body(keys, view, theirs).body)
    with pytest.raises(Unprocessable, match="another agreement"):
        space.service.encrypted.answer(other, theirs.id, _body(keys, view, agreement).body)
    with pytest.raises(Malformed):
        space.service.encrypted.answer(other, theirs.id, b"DSHQ\x01nothing")
    space.audit()


def test_a_withdrawn_datasets_cubes_are_gone(space: Simulator, keys: Keys) -> None:
    consumer, agreement, dataset = _agreed(space, 908)
    view = _cube(space, consumer, agreement)
    body = _body(keys, view, agreement).body
    space.service.registrar.withdraw(Caller(agreement.provider, frozenset({Role.PROVIDER})), dataset)
    assert not list((space.settings.home / "cubes").glob(f"{view.id}*"))
    with pytest.raises((PolicyDenied, NotFound)):
        space.service.encrypted.answer(consumer, agreement.id, body)
    space.audit()


def test_a_cube_over_a_hidden_column_is_refused_and_the_refusal_is_an_entry(space: Simulator) -> None:
    consumer, agreement, _ = _agreed(space, 909)
    with pytest.raises(PolicyDenied) as refused:
        _cube(space, consumer, agreement, dimensions=["number"])
    assert refused.value.facts["reasons"][0]["code"] == "column-forbids-use"
    assert space.kinds()[-1] == "query.refused"
    space.audit()


def test_epsilon_is_lost_once_however_many_agreements_share_it(space: Simulator) -> None:
    consumer, agreement, _ = _agreed(space, 910)
    second = space.agreed(consumer, agreement.offer)
    _cube(space, consumer, agreement)
    _cube(space, consumer, second, max_rows=2)
    for spent in (agreement, second):
        with pytest.raises((PolicyDenied, Conflict)):
            _cube(space, consumer, spent, max_rows=3)
    space.audit()
