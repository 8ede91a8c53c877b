"""Estimates: right about what is charged, in words, and made of nothing but public facts."""

import shutil
from typing import Any

import pytest

from dataspace.errors import Malformed, NotFound, PolicyDenied, Refused, Unprocessable
from dataspace.negotiation.models import Agreement
from dataspace.participants.access import Caller
from dataspace.participants.models import Role
from dataspace.transfer.burndown import burndowns
from dataspace.transfer.forms.estimate import Estimated, Hint
from tests.simulator import Simulator, people
from tests.transfer.noised import COUNTS, agreed, ask, spent, told

NOISE = {"epsilon": 1_000_000}


def _estimate(
    space: Simulator, consumer: Caller, agreement: Agreement, sql: str = COUNTS, **asked: Any
) -> Estimated:
    hint = Hint(asked.pop("rows", None), asked.pop("points", None))
    noise = asked.pop("noise", NOISE)
    return space.service.estimates.estimate(consumer, agreement.id, sql, noise, hint)


def test_what_is_estimated_is_what_is_charged_and_told(space: Simulator) -> None:
    consumer, agreement = agreed(space, 1000)
    before = _estimate(space, consumer, agreement)
    answer = ask(space, consumer, agreement)
    assert (before.units, before.price) == (answer.units, answer.price)
    assert spent(space, consumer, agreement) == (before.units, before.epsilon)
    measures = told(answer)["noise"]["measures"]
    assert [{name: one[name] for name in measures[0]} for one in before.measures] == measures
    after = _estimate(space, consumer, agreement)
    assert (before.left["epsilon"], after.left["epsilon"]) == (9_000_000, 8_000_000)
    assert (before.more, after.more, before.again, after.again) == (9, 8, False, True)


def test_it_is_said_in_words_how_many_more_there_are_and_how_exact(space: Simulator) -> None:
    consumer, agreement = agreed(space, 1001)
    found = _estimate(space, consumer, agreement, rows=120)
    assert found.words["en"] == "about 9 more counts at +-5 % in a group of 120 rows"
    assert found.words["zh"] == "还可查询约 9 次计数，120 行的组误差约 ±5%"
    assert found.measures[0]["points"] == 500
    exact = _estimate(space, consumer, agreement, noise=None)
    assert (exact.epsilon, exact.words["en"]) == (0, "about 1000 more aggregates, exact")


def test_the_epsilon_for_a_wanted_exactness_is_told_and_meets_it(space: Simulator) -> None:
    consumer, agreement = agreed(space, 1002)
    found = _estimate(space, consumer, agreement, rows=500, points=200)
    assert found.needed
    again = _estimate(space, consumer, agreement, rows=500, points=200, noise={"epsilon": found.needed})
    assert again.measures[0]["points"] <= 200
    assert _estimate(space, consumer, agreement, rows=1, points=1).needed is None


def test_no_data_is_read_nothing_is_charged_and_nothing_is_an_entry(space: Simulator) -> None:
    consumer, agreement = agreed(space, 1003)
    before, kinds = _estimate(space, consumer, agreement, rows=100), space.kinds()
    folder = space.settings.home / "payloads"
    shutil.move(folder, folder.with_name("elsewhere"))
    try:
        assert _estimate(space, consumer, agreement, rows=100) == before
    finally:
        shutil.move(folder.with_name("elsewhere"), folder)
    assert space.kinds() == kinds
    assert spent(space, consumer, agreement) == (0, 0)


def test_a_neighbouring_dataset_has_the_same_estimate(space: Simulator) -> None:
    provider, consumer = space.provider(), space.consumer()
    content = people(1004)
    other = content.replace(b"P000003,district 0,23,3003", b"P000003,harbour,99,9999")
    assert other != content
    found = []
    for one in (content, other):
        registered = space.registered(
            provider, one, subjects=["number"], forms=("aggregate",), epsilon=9_000_000
        )
        agreement = space.agreed(consumer, registered.offer)
        sql = "SELECT district, AVG(income) FROM data WHERE age >= 30 GROUP BY district"
        found.append(
            _estimate(
                space, consumer, agreement, sql, noise={**NOISE, "bounds": {"income": [0, 9000]}}, points=300
            )
        )
    assert found[0] == found[1]


def test_what_cannot_be_asked_has_no_estimate(space: Simulator) -> None:
    consumer, agreement = agreed(space, 1005)
    for sql, asked, error in (
        ("DROP TABLE data", {}, Malformed),
        ("SELECT nothing, COUNT(*) FROM data GROUP BY nothing", {}, NotFound),
        ("SELECT number, COUNT(*) FROM data GROUP BY number", {}, Refused),
        ("SELECT SUM(income) FROM data", {}, Unprocessable),
        (COUNTS, {"rows": 0}, Unprocessable),
        (COUNTS, {"rows": 1006}, Unprocessable),
        (COUNTS, {"points": 0}, Unprocessable),
        (COUNTS, {"points": 10_001}, Unprocessable),
        (COUNTS, {"noise": None, "points": 5}, Unprocessable),
        (COUNTS, {"noise": {"epsilon": 0}}, Malformed),
    ):
        with pytest.raises(error):
            _estimate(space, consumer, agreement, sql, **asked)
    with pytest.raises(NotFound):
        _estimate(space, space.consumer(), agreement)


def test_an_entity_is_told_what_all_its_accounts_have_left(space: Simulator) -> None:
    consumer, agreement = agreed(space, 1006)
    puppet = space.consumer()
    theirs = space.agreed(puppet, agreement.offer)
    for one in (consumer, puppet):
        space.service.membership.change(space.operator, one.id, entity="91310000MA1FL0000Q")
    assert _estimate(space, puppet, theirs).epsilon == 1_000_000
    ask(space, consumer, agreement)
    estimated = _estimate(space, puppet, theirs)
    assert estimated.left["epsilon"] == 8_000_000
    # What the other account paid for costs this one a unit.
    assert (estimated.units, estimated.epsilon, estimated.again) == (1, 0, False)
    ask(space, puppet, theirs)
    assert spent(space, puppet, theirs) == (1, 0)


SUMS = [{"kind": "count"}, {"kind": "sum", "column": "income", "low": 0, "high": 5000, "precision": 1}]
CUBE = {"dimensions": ["district"], "measures": SUMS, "max_rows": 2, "epsilon": 3_000_000, "complete": True}


def _cube(space: Simulator, consumer: Caller, agreement: Agreement, **asked: Any) -> Estimated:
    hint = Hint(asked.pop("rows", None), asked.pop("points", None))
    return space.service.estimates.cube(consumer, agreement.id, {**CUBE, **asked}, hint)


def test_a_cubes_estimate_is_what_its_layout_tells_and_its_grant_costs(space: Simulator) -> None:
    consumer, agreement = agreed(space, 1008, forms=("encrypted",))
    before = _cube(space, consumer, agreement, rows=300)
    view = space.service.encrypted.cube(consumer, agreement.id, CUBE)
    assert spent(space, consumer, agreement) == (1, before.epsilon)
    told = {measure["name"]: measure for measure in view.layout["measures"]}
    for measure in before.measures[:2]:
        exact = told[measure["name"]]["scale"] / 1_000_000 / 10 ** told[measure["name"]]["precision"]
        assert exact <= measure["scale"] < exact * 1.1  # rounded up to two digits
    assert [measure["name"] for measure in before.measures] == ["count", "sum(income)", "mean(income)"]
    assert (before.units, before.more, before.again, before.rows) == (2, 3, False, 300)
    after = _cube(space, consumer, agreement)
    # The cube is there: an encrypted query over it is a unit, and no more epsilon.
    assert (after.units, after.epsilon, after.more, after.again) == (1, 0, after.left["units"], True)
    assert after.left["epsilon"] == 6_000_000
    assert before.words["en"] == "about 3 more aggregates at +-4 % in a group of 300 rows"
    space.audit()


def test_the_epsilon_of_a_cube_that_is_exact_enough_is_told(space: Simulator) -> None:
    consumer, agreement = agreed(space, 1009, forms=("encrypted",))
    found = _cube(space, consumer, agreement, rows=100, points=1000)
    assert found.needed
    again = _cube(space, consumer, agreement, rows=100, epsilon=found.needed)
    assert max(measure["points"] for measure in again.measures) == 1000


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"dimensions": ["number"]}, Refused),
        ({"dimensions": ["nowhere"]}, NotFound),
        ({"measures": []}, Malformed),
        ({"presence": "exact"}, Unprocessable),
        ({"rows": 0}, Unprocessable),
        ({"points": 10_001}, Unprocessable),
    ],
)
def test_a_cube_that_cannot_be_asked_has_no_estimate(
    space: Simulator, change: dict[str, Any], error: type[Exception]
) -> None:
    consumer, agreement = agreed(space, 1010, forms=("encrypted",))
    with pytest.raises(error):
        _cube(space, consumer, agreement, **change)
    with pytest.raises(NotFound):
        _cube(space, space.consumer(), agreement)
    assert spent(space, consumer, agreement) == (0, 0)


def test_a_provider_sees_who_was_promised_what_and_is_warned_at_four_fifths(space: Simulator) -> None:
    consumer, agreement = agreed(space, 1007, epsilon=2_000_000, dataset_epsilon=5_000_000)
    provider = Caller(agreement.provider, frozenset({Role.PROVIDER}))
    ask(space, consumer, agreement)
    [one] = burndowns(space.service.space, provider)
    assert (one.granted, one.promised, one.spent, one.percent, one.alert) == (
        5_000_000,
        2_000_000,
        1_000_000,
        40,
        False,
    )
    other = space.consumer()
    space.agreed(other, agreement.offer)
    [one] = burndowns(space.service.space, provider)
    assert (one.percent, one.alert) == (80, True)
    assert [share.consumers for share in one.shares] == [(consumer.id,), (other.id,)]
    with pytest.raises(PolicyDenied):
        space.agreed(space.consumer(), agreement.offer)
    for account in (consumer, other):
        space.service.membership.change(space.operator, account.id, entity="one and the same")
    [one] = burndowns(space.service.space, provider)
    assert (one.promised, len(one.shares)) == (2_000_000, 1)
    assert burndowns(space.service.space, consumer) == []
