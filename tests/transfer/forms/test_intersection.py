"""Intersections as a journey: what a size tells, what tampering comes to, and what may be asked again."""

import statistics
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from dataspace.errors import (
    Conflict,
    DataSpaceError,
    Malformed,
    NotFound,
    PolicyDenied,
    TooMany,
    Unprocessable,
)
from dataspace.participants.access import Caller
from dataspace.participants.models import Role
from dataspace.wire.oprf import Scalar
from tests.simulator import Simulator
from tests.transfer.blinding import EPSILON, Consumer, blinds, consumer_of, numbers

_AGE = {"kind": "sum", "column": "age", "low": 0, "high": 100, "precision": 0}


def _of(space: Simulator, rows: int, **offer: Any) -> Consumer:
    return consumer_of(space, rows, "intersection", **offer)


def test_a_size_is_near_the_true_one_and_its_cost_is_in_the_ledger(space: Simulator) -> None:
    consumer = _of(space, 600)
    told = consumer.intersect(numbers(range(300, 1500)))
    assert abs(told["size"] - 300) < 30
    assert told["expected_error"] == 3
    assert consumer.usage["units"]["spent"] == 1 + 2
    assert consumer.usage["epsilon"]["spent"] == EPSILON
    assert space.kinds()[-2:] == ["query.answered"] * 2
    space.audit()


def test_fewer_than_the_minimum_is_one_answer_whatever_the_number(space: Simulator) -> None:
    consumer = _of(space, 600)
    few, none = (consumer.intersect(numbers(range(start, start + 200))) for start in (597, 600))
    assert few == none
    assert (few["size"], few["fewer_than"]) == (None, 10 + 14)
    space.audit()


@pytest.mark.parametrize("count", [1, 99])
def test_a_set_of_few_is_refused(space: Simulator, count: int) -> None:
    consumer = _of(space, 600)
    with pytest.raises(Unprocessable, match="at least 100"):
        consumer.intersect(numbers(range(count)))
    assert consumer.usage["units"]["spent"] == 0
    space.audit()


def test_a_zone_with_a_larger_minimum_wants_larger_sets(space: Simulator) -> None:
    consumer = _of(space, 602, min_group=30)
    with pytest.raises(Unprocessable, match="at least 150"):
        consumer.intersect(numbers(range(149)))
    space.audit()


def _naive_size(zone: set[str], items: set[str]) -> int:
    """The naive answer: the exact size, whatever the sets."""
    return len(zone & items)


def test_membership_by_a_set_of_known_members_and_one_more_drowns_in_noise(space: Simulator) -> None:
    """A naive size tells of a target for certain: k known members, padding, and it."""
    zone, known = set(numbers(range(600))), set(numbers(range(100)))
    padding = {f"nobody {number}" for number in range(100)}
    inside, outside = {"P000500"}, {"P999999"}
    assert _naive_size(zone, known | padding | inside) - len(known) == 1
    assert _naive_size(zone, known | padding | outside) - len(known) == 0
    told = dict[str, list[int]](inside=[], outside=[])
    for _ in range(4):
        consumer = _of(space, 600)
        for name, target in (("inside", inside), ("outside", outside)):
            told[name].append(consumer.intersect(known | padding | target)["size"])
    # Eight draws of noise of scale 1 about 101 and 100: nothing is certain, and each draw costs epsilon.
    assert all(abs(size - 100) < 30 for sizes in told.values() for size in sizes)
    assert abs(statistics.mean(told["inside"]) - statistics.mean(told["outside"]) - 1) < 8
    assert len(set(told["inside"] + told["outside"])) > 1
    space.audit()


def test_averaging_costs_epsilon_until_there_is_none(space: Simulator) -> None:
    consumer = _of(space, 600, epsilon=3 * EPSILON)
    for _ in range(3):
        consumer.intersect(numbers(range(300)))
    with pytest.raises(PolicyDenied):
        consumer.intersect(numbers(range(300)))
    space.audit()


def _naive_count(theirs: list[bytes], returned: list[bytes]) -> int:
    """The naive second step: no canaries, any points."""
    return len(set(theirs) & set(returned))


def test_a_target_counted_with_many_exponents_is_caught_by_the_canaries(space: Simulator) -> None:
    """One target, blinded with m exponents, against a zone that counts whatever comes back."""
    exponents = [Scalar.fresh() for _ in range(120)]
    (target,) = numbers(range(5, 6))
    asked = [point for one in exponents for point in blinds(one, [target])]
    zone = Scalar.fresh()
    theirs, (sent,) = zone.of_all(asked), blinds(zone, [target])
    # Whoever guesses which point is the target's raises it to all of them, in place of all others.
    returned = [one.of_all([sent])[0] for one in exponents]
    assert _naive_count(theirs, returned) == 120, "the naive zone tells of one target 120-fold"

    consumer = _of(space, 600)
    blinded = consumer.begin(asked, exponents[0].public)
    guessed = blinded.points[0]
    tampered = [one.of_all([guessed])[0] for one in exponents]
    tampered += exponents[0].of_all(blinded.points[len(tampered) :])
    with pytest.raises(Unprocessable, match="exponent of step one"):
        consumer.finish(blinded.job, sorted(tampered))
    # Honest from here on, the target counts once: fewer than anything is told of.
    assert consumer.usage["epsilon"]["spent"] == EPSILON, "being found out costs as much as an answer"
    told = _answer_to(consumer, asked, exponents[0])
    assert told["size"] is None
    space.audit()


def _answer_to(consumer: Consumer, asked: list[bytes], exponent: Scalar) -> dict[str, Any]:
    blinded = consumer.begin(asked, exponent.public)
    return consumer.finish(blinded.job, sorted(exponent.of_all(blinded.points)))


@pytest.mark.parametrize("share", [2, 4])
def test_two_exponents_are_caught_by_the_canaries(space: Simulator, share: int) -> None:
    def tampered(exponent: Scalar, points: list[bytes]) -> list[bytes]:
        other, cut = Scalar.fresh(), len(points) // share
        return other.of_all(points[:cut]) + exponent.of_all(points[cut:])

    consumer = _of(space, 600)
    for terms in ({}, {"reveal": True}):
        with pytest.raises(Unprocessable, match="exponent of step one"):
            consumer.intersect(numbers(range(300)), tampered, **terms)
    space.audit()


def test_another_exponent_than_that_of_the_first_step_is_caught(space: Simulator) -> None:
    consumer = _of(space, 600)
    with pytest.raises(Unprocessable, match="exponent of step one"):
        consumer.intersect(numbers(range(300)), lambda _, points: Scalar.fresh().of_all(points))
    space.audit()


def test_points_given_back_in_another_order_are_caught_where_the_order_matters(space: Simulator) -> None:
    consumer = _of(space, 600)

    def turned(exponent: Scalar, points: list[bytes]) -> list[bytes]:
        returned = exponent.of_all(points)
        return returned[1:] + returned[:1]

    with pytest.raises(Unprocessable, match="exponent of step one"):
        consumer.intersect(numbers(range(300)), turned, reveal=True)
    space.audit()


def test_a_job_is_answered_once_and_the_same_body_gets_the_same_answer(space: Simulator) -> None:
    consumer, exponent = _of(space, 600), Scalar.fresh()
    blinded = consumer.begin(blinds(exponent, numbers(range(300))), exponent.public)
    points = sorted(exponent.of_all(blinded.points))
    first = consumer.finish(blinded.job, points)
    assert consumer.finish(blinded.job, points) == first, "cr_05: what was lost on its way is told again"
    other = Scalar.fresh()
    with pytest.raises(Conflict, match="answered"):
        consumer.finish(blinded.job, sorted(other.of_all(blinded.points)))
    assert consumer.usage["epsilon"] == {"granted": 9_000_000, "spent": EPSILON, "reserved": 0}
    space.audit()


def test_of_two_second_steps_at_once_one_is_answered(space: Simulator) -> None:
    consumer, exponent = _of(space, 600), Scalar.fresh()
    blinded = consumer.begin(blinds(exponent, numbers(range(300))), exponent.public)
    points = sorted(exponent.of_all(blinded.points))

    def finish(_: int) -> str:
        try:
            return str(consumer.finish(blinded.job, points))
        except DataSpaceError as error:
            return error.code

    with ThreadPoolExecutor(4) as threads:
        told = list(threads.map(finish, range(4)))
    assert len({one for one in told if one.startswith("{")}) == 1
    assert {one for one in told if not one.startswith("{")} <= {"conflict"}
    assert consumer.usage["epsilon"]["spent"] == EPSILON
    space.audit()


def test_another_agreements_job_does_not_exist(space: Simulator) -> None:
    consumer, exponent = _of(space, 600), Scalar.fresh()
    blinded = consumer.begin(blinds(exponent, numbers(range(300))), exponent.public)
    caller = space.consumer()
    theirs = Consumer(space, caller, space.agreed(caller, consumer.agreement.offer), consumer.dataset)
    for job in (blinded.job, "is-0123456789abcdef"):
        with pytest.raises(NotFound):
            theirs.finish(job, sorted(exponent.of_all(blinded.points)))
    space.audit()


def test_garbage_is_malformed(space: Simulator) -> None:
    consumer, exponent = _of(space, 600), Scalar.fresh()
    points = blinds(exponent, numbers(range(300)))
    begin = space.service.intersections.begin
    for body in (b"", b"x" * 100, b"DSPO\x01\x03"):
        with pytest.raises(Malformed):
            begin(consumer.caller, consumer.agreement.id, body)
    with pytest.raises(Malformed, match="point"):
        consumer.begin([*points, b"\xff" * 32], exponent.public)
    with pytest.raises(Malformed, match="point"):
        consumer.begin(points, b"\xff" * 32)
    blinded = consumer.begin(points, exponent.public)
    returned = sorted(exponent.of_all(blinded.points))
    for bad in (returned[:-1], [*returned, b"\xff" * 32], returned[::-1], [returned[0], *returned[:-1]]):
        with pytest.raises(Malformed):
            consumer.finish(blinded.job, bad)
    assert "size" in consumer.finish(blinded.job, returned), "what was not looked at may be sent again"
    space.audit()


@pytest.mark.parametrize(
    "terms",
    [
        {"epsilon": 0},
        {"epsilon": 1.5},
        {"epsilon": True},
        {"reveal": 1},
        {"identifier": 7},
        {"more": 1},
        {"cube": {"dimensions": [], "measures": [{"kind": "count"}], "max_rows": 1}},
        {"cube": {"dimensions": []}, "reveal": True},
    ],
)
def test_terms_that_are_none_are_malformed(space: Simulator, terms: dict[str, Any]) -> None:
    consumer = _of(space, 600)
    with pytest.raises(Malformed):
        consumer.begin(blinds(Scalar.fresh(), numbers(range(100))), Scalar.fresh().public, **terms)


def test_a_column_that_names_no_subject_is_refused_and_the_refusal_is_an_entry(space: Simulator) -> None:
    consumer = _of(space, 600)
    with pytest.raises(PolicyDenied, match="no identifier"):
        consumer.intersect(numbers(range(300)), identifier="income")
    assert space.kinds()[-1] == "query.refused"
    space.audit()


def test_a_job_expires_and_its_file_goes(space: Simulator) -> None:
    consumer, exponent = _of(space, 638), Scalar.fresh()
    points = blinds(exponent, numbers(range(300)))
    blinded = consumer.begin(points, exponent.public)
    path = space.settings.home / "intersections" / f"{blinded.job}.sealed"
    assert path.is_file()
    space.clock.forward(minutes=61)
    with pytest.raises(Conflict, match="time is over"):
        consumer.finish(blinded.job, sorted(exponent.of_all(blinded.points)))
    consumer.begin(points, exponent.public)
    assert not path.exists()
    with pytest.raises(NotFound):
        consumer.finish(blinded.job, sorted(exponent.of_all(blinded.points)))
    space.audit()


def test_jobs_that_wait_are_bounded_and_so_are_those_of_a_minute(space: Simulator) -> None:
    consumer, account, exponent = _of(space, 600), _of(space, 600), Scalar.fresh()
    for member in (consumer, account):
        space.service.membership.change(space.operator, member.caller.id, entity="one entity")
    points = blinds(exponent, numbers(range(100)))
    for _ in range(4):
        consumer.begin(points, exponent.public)
    # Another account of the legal entity has no places of its own.
    with pytest.raises(TooMany, match="wait"):
        account.begin(points, exponent.public)
    for reason in ("wait", "minute"):
        with pytest.raises(TooMany, match=reason):
            consumer.begin(points, exponent.public)
    assert consumer.usage["units"]["spent"] == 4
    space.audit()


def test_a_withdrawn_datasets_intersections_are_gone(space: Simulator) -> None:
    consumer, exponent = _of(space, 640), Scalar.fresh()
    blinded = consumer.begin(blinds(exponent, numbers(range(300))), exponent.public)
    provider = Caller(consumer.agreement.provider, frozenset({Role.PROVIDER}))
    space.service.registrar.withdraw(provider, consumer.dataset)
    assert not (space.settings.home / "intersections" / f"{blinded.job}.sealed").exists()
    with pytest.raises((NotFound, PolicyDenied)):
        consumer.finish(blinded.job, sorted(exponent.of_all(blinded.points)))
    space.audit()


def test_cr_02_what_a_crash_left_is_swept(space: Simulator) -> None:
    consumer, exponent = _of(space, 641), Scalar.fresh()
    blinded = consumer.begin(blinds(exponent, numbers(range(300))), exponent.public)
    folder = space.settings.home / "intersections"
    (folder / "is-orphan.sealed").write_bytes(b"x")
    space.service.intersections.sweep()
    assert not (folder / "is-orphan.sealed").exists()
    assert "size" in consumer.finish(blinded.job, sorted(exponent.of_all(blinded.points)))


def test_statistics_over_the_rows_of_both_sets(space: Simulator) -> None:
    consumer = _of(space, 3000)
    cube = {"dimensions": ["district"], "measures": [{"kind": "count"}, _AGE], "max_rows": 1}
    told = consumer.intersect(numbers(range(1500, 4000)), reveal=True, cube=cube, epsilon=3 * EPSILON)
    assert told["cells"] == [["district 0"], ["district 1"], ["district 2"]]
    assert all(abs(count - 500) < 60 for count in told["values"]["count"])
    assert all(abs(total - 24_750) < 5_000 for total in told["values"]["sum(age)"])
    assert consumer.usage["epsilon"]["spent"] == 3 * EPSILON
    space.audit()


def test_statistics_over_too_few_tell_nothing_and_cost_what_their_noise_does(space: Simulator) -> None:
    consumer = _of(space, 642)
    cube = {"dimensions": [], "measures": [{"kind": "count"}], "max_rows": 1}
    with pytest.raises(Unprocessable, match="no cell"):
        consumer.intersect(numbers(range(635, 900)), reveal=True, cube=cube)
    assert consumer.usage["epsilon"]["spent"] == EPSILON
    space.audit()


def test_statistics_of_a_hidden_column_are_refused(space: Simulator) -> None:
    consumer = _of(space, 600)
    cube = {"dimensions": ["number"], "measures": [{"kind": "count"}], "max_rows": 1}
    with pytest.raises(PolicyDenied):
        consumer.intersect(numbers(range(300)), reveal=True, cube=cube)
    space.audit()


def test_what_a_zone_sends_twice_has_no_point_in_common(space: Simulator) -> None:
    consumer, exponent = _of(space, 600), Scalar.fresh()
    points = blinds(exponent, numbers(range(300)))
    one, other = (consumer.begin(points, exponent.public) for _ in range(2))
    assert not {*one.points} & {*other.points}
    assert one.points == sorted(one.points), "in no order of the file's, canaries among the others"
    space.audit()
