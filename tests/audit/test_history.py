"""What entries may not say after those before them."""

import hashlib
from datetime import timedelta
from typing import Any

import pytest

from dataspace.audit.audit import Means
from dataspace.audit.report import Stage
from dataspace.audit.sources import Home
from dataspace.audit.told import later
from dataspace.policy.models import PolicyBundle
from tests.audit.conftest import failed, told
from tests.audit.contradictions import WRONG
from tests.audit.decided import AGREEMENT, CONSUMER, DATASET
from tests.audit.entries import ANSWER
from tests.audit.rows import SHA
from tests.audit.scene import DECIDED, Scene, played

_LAST = "9999-12-31T23:59:59.999999Z"


@pytest.mark.parametrize("what", WRONG)
def test_an_entry_that_contradicts_those_before_it_is_named(scene: Scene, what: str) -> None:
    kind, fields, named = WRONG[what]
    scene.append(kind, **fields)
    report = scene.audit(Home.of(scene.database))
    assert Stage.MEANING in failed(report)
    assert named in told(report)


def _changed(scene: Scene, participant: str, roles: list[str], status: str) -> None:
    fields = {"participant": participant, "roles": roles, "status": status, "by": "pt-1"}
    scene.append("participant.changed", **fields)


def test_a_suspended_consumer_is_answered_no_more_from_that_moment_on(scene: Scene) -> None:
    _changed(scene, CONSUMER, ["consumer"], "suspended")
    scene.answer()
    report = scene.audit(Home.of(scene.database))
    assert "entry 31: its consumer pt-2 was suspended by entry 30" in told(report)


def test_an_act_that_was_under_way_when_a_right_ended_is_no_violation(scene: Scene) -> None:
    _changed(scene, CONSUMER, ["auditor"], "active")
    scene.answer()
    report = scene.audit(Home.of(scene.database))
    assert "pt-2 is no consumer" not in told(report)


def test_a_suspension_that_is_told_again_gives_no_more_time(scene: Scene) -> None:
    _changed(scene, CONSUMER, ["consumer"], "suspended")
    for _ in range(3):
        scene.clock.now += timedelta(minutes=4)
        _changed(scene, CONSUMER, ["consumer"], "suspended")
    scene.acknowledge(17)
    assert "entry 34: who did it pt-2 was suspended by" in told(scene.audit(Home.of(scene.database)))


def test_what_an_erased_record_may_have_given_back_is_not_judged(scene: Scene) -> None:
    _changed(scene, CONSUMER, ["consumer"], "suspended")
    scene.clock.now += timedelta(hours=1)
    _changed(scene, CONSUMER, ["consumer"], "active")
    scene.answer()
    scene.erase(31)
    report = scene.audit(Home.of(scene.database))
    assert Stage.MEANING not in failed(report), told(report)
    assert "1 entry not judged" in report.steps[Stage.MEANING - 1].detail


def test_a_record_erased_before_a_suspension_excuses_nothing_after_it(scene: Scene) -> None:
    scene.erase(18)
    _changed(scene, CONSUMER, ["consumer"], "suspended")
    scene.answer()
    assert "entry 32: its consumer pt-2 was suspended by" in told(scene.audit(Home.of(scene.database)))


def test_an_act_long_after_a_right_ended_is_one(scene: Scene) -> None:
    _changed(scene, CONSUMER, ["auditor"], "active")
    scene.clock.now += timedelta(minutes=6)
    scene.answer()
    report = scene.audit(Home.of(scene.database))
    assert "entry 31: its consumer pt-2 is no consumer: its roles are auditor" in told(report)


def test_a_suspended_participant_does_nothing_until_it_is_back(scene: Scene) -> None:
    _changed(scene, CONSUMER, ["consumer"], "suspended")
    scene.clock.now += timedelta(minutes=6)
    scene.acknowledge(17)
    _changed(scene, CONSUMER, ["consumer"], "active")
    scene.acknowledge(18)
    report = told(scene.audit(Home.of(scene.database)))
    assert "entry 31: who did it pt-2 was suspended by entry 30" in report
    assert "entry 33" not in report


def test_an_answer_after_its_agreement_expired_is_wrong(scene: Scene) -> None:
    scene.clock.now += timedelta(days=301)
    scene.answer()
    assert "entry 30: ag-1 expired at 2026-12-26T" in told(scene.audit(Home.of(scene.database)))


def test_a_right_acknowledgement_is_right_once(scene: Scene) -> None:
    scene.acknowledge(17)
    assert scene.audit(Home.of(scene.database)).ok
    scene.acknowledge(17)
    assert "entry 31: entry 17 was acknowledged before" in told(scene.audit(Home.of(scene.database)))


def test_an_acknowledged_answer_that_was_erased_is_not_judged(scene: Scene) -> None:
    scene.acknowledge(17)
    scene.erase(17)
    report = scene.audit(Home.of(scene.database))
    assert report.ok, told(report)
    assert report.verdict == (
        "RIGHT as far as checked: 32 entries; 1 entry not judged: records before them are missing; "
        "not checked: remembered checkpoint, published checkpoints, cosignatures, anchored checkpoints, "
        "anchors, time tokens, state"
    )


def test_an_answer_after_the_end_of_its_agreement_is_wrong(scene: Scene) -> None:
    scene.append("agreement.terminated", agreement=AGREEMENT, by=CONSUMER, reason="ended by a party")
    scene.answer()
    assert "entry 31: ag-1 was ended by entry 30" in told(scene.audit(Home.of(scene.database)))


def test_an_answer_on_a_withdrawn_dataset_is_wrong(scene: Scene) -> None:
    scene.withdraw()
    scene.answer()
    assert "entry 31: ds-1 was withdrawn by entry 30" in told(scene.audit(Home.of(scene.database)))


def test_an_answer_before_its_agreement_is_finalized_is_wrong(tmp_path: Any) -> None:
    scene = Scene(tmp_path / "home")
    scene.found()
    scene.register()
    scene.negotiate()
    index = scene.append("query.answered", **ANSWER)
    report = scene.audit(Home.of(scene.database))
    scene.database.close()
    assert f"entry {index}: ag-1 was not finalized before" in told(report)


def test_a_spent_unit_of_a_refused_query_counts(scene: Scene) -> None:
    scene.append(
        "query.refused",
        agreement=AGREEMENT,
        dataset=DATASET,
        form="rows",
        query_sha256=SHA,
        reasons=["too-costly"],
        units=5,
        epsilon=0,
        **DECIDED,
    )
    report = scene.audit(Home.of(scene.database))
    assert "budget ag-1: units_spent is 20, the entries imply 25" in told(report)


def test_values_of_a_wrong_type_are_named_and_harm_nothing(scene: Scene) -> None:
    scene.append("query.answered", **{**ANSWER, "units": "many"})
    report = scene.audit(Home.of(scene.database))
    assert "entry 30: its field units is of a wrong type" in told(report)


def test_le_16_a_time_before_the_entry_before_it_is_wrong(tmp_path: Any) -> None:
    scene = played(tmp_path / "home", 1)
    scene.log._last = scene.log._last.replace(year=2025)
    scene.clock.now = scene.log._last
    index = scene.append("policy.adopted", digest=SHA, revision="2")
    report = scene.audit(Home.of(scene.database))
    scene.database.close()
    assert Stage.FORM in failed(report)
    assert f"entry {index}: its time 2025-" in told(report)


def test_a_granted_cube_is_charged_and_right(scene: Scene) -> None:
    scene.grant()
    report = scene.audit(Home.of(scene.database))
    assert report.ok, told(report)


def test_a_cube_granted_twice_is_wrong(scene: Scene) -> None:
    scene.grant()
    scene.grant(cells_sha256="cd" * 32)
    report = told(scene.audit(Home.of(scene.database)))
    assert "entry 31: cb-1 was granted before with other contents" in report
    assert "entry 31: cb-1 was granted to ag-1 before" in report


def test_more_epsilon_than_granted_is_wrong(scene: Scene) -> None:
    scene.grant(epsilon=4_000_001)
    report = told(scene.audit(Home.of(scene.database)))
    assert "entry 30: epsilon spent under ag-1 are 4000001, granted 4000000" in report


def test_a_cube_that_costs_nothing_is_wrong(scene: Scene) -> None:
    scene.grant(units=0, epsilon=0, price=0)
    report = told(scene.audit(Home.of(scene.database)))
    assert "entry 30: it costs no unit, and nothing is answered for less than one" in report
    assert "entry 30: it costs no epsilon, and every cube does" in report


def test_a_right_that_changes_at_the_end_of_time_harms_nothing(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scene.log, "_now", lambda: _LAST)
    _changed(scene, CONSUMER, ["auditor"], "active")
    scene.append("policy.adopted", digest=SHA, revision="2")
    assert Stage.MEANING not in failed(scene.audit(Home.of(scene.database)))


@pytest.mark.parametrize(
    ("time", "until"),
    [
        (_LAST, "9999-12-31T23:59:59.999999Z"),
        ("9999-12-31T23:59:59-05:00", "9999-12-31T23:59:59.999999Z"),
        ("0001-01-01T00:00:00+05:00", "0001-01-01T00:00:00.000000Z"),
        ("2026-01-01T00:00:00Z", "2026-01-01T00:05:00.000000Z"),
    ],
)
def test_what_is_under_way_ends_with_time_itself(time: str, until: str) -> None:
    assert later(time) == until


def test_an_erased_record_excuses_one_unknown_name_and_no_more(scene: Scene) -> None:
    scene.erase(18)
    for name in ("ag-7", "ag-7", "ag-8", "ag-9"):
        scene.append("query.answered", **{**ANSWER, "agreement": name})
    report = scene.audit(Home.of(scene.database))
    assert "ag-7 was not" not in told(report)
    assert "entry 33: ag-8 was not concluded before" in told(report)
    assert "entry 34: ag-9 was not concluded before" in told(report)


def test_a_record_erased_afterwards_excuses_nothing_before_it(scene: Scene) -> None:
    scene.append("query.answered", **{**ANSWER, "agreement": "ag-9"})
    scene.erase(scene.answer())
    assert "entry 30: ag-9 was not concluded before" in told(scene.audit(Home.of(scene.database)))


def test_an_erased_registration_excuses_its_dataset_and_its_offer(scene: Scene) -> None:
    scene.erase(4)
    report = scene.audit(Home.of(scene.database))
    assert Stage.MEANING not in failed(report), told(report)


def test_an_erased_record_never_excuses_an_unknown_policy(scene: Scene) -> None:
    scene.erase(18)
    scene.append("query.answered", **{**ANSWER, "policy": SHA})
    report = told(scene.audit(Home.of(scene.database)))
    assert "entry 31: it was decided by a policy that no entry before it adopts" in report


def test_what_created_the_log_may_not_be_erased(scene: Scene) -> None:
    scene.erase(0)
    report = told(scene.audit(Home.of(scene.database)))
    assert "entry 0: what it says is not shown: log.created, which nobody may erase" in report


def test_a_policy_that_was_replaced_decides_no_more_but_what_was_under_way(scene: Scene) -> None:
    scene.append("policy.adopted", digest=SHA, revision="2")
    scene.answer()
    scene.clock.now += timedelta(minutes=6)
    scene.answer()
    report = told(scene.audit(Home.of(scene.database)))
    assert "entry 31: it was decided" not in report
    assert "entry 32: it was decided by a policy that was replaced by another before" in report


def test_a_policy_that_is_adopted_again_is_in_force_again(scene: Scene) -> None:
    scene.append("policy.adopted", digest=SHA, revision="2")
    scene.clock.now += timedelta(minutes=6)
    scene.append("policy.adopted", digest=DECIDED["policy"], revision="1")
    scene.clock.now += timedelta(minutes=6)
    scene.answer()
    assert Stage.MEANING not in failed(scene.audit(Home.of(scene.database)))


def test_an_audit_that_goes_on_knows_what_was_excused_and_which_policy_holds(scene: Scene) -> None:
    scene.erase(18)
    scene.append("credential.revoked", participant="pt-7", by="pt-7")
    bundle = PolicyBundle(digest=hashlib.sha256(b"new").hexdigest(), content=b"new", adopted=scene.clock())
    scene.append("policy.adopted", bundle, digest=bundle.digest, revision="2")
    first = scene.audit(Home.of(scene.database))
    assert first.ok, told(first)
    scene.clock.now += timedelta(minutes=6)
    scene.answer()
    scene.append("credential.revoked", participant="pt-8", by="pt-8")
    means = Means(memory=first.memory)
    report = told(scene.audit(Home.of(scene.database), since=first.checkpoint, means=means))
    assert "entry 33: it was decided by a policy that was replaced" in report
    assert "entry 34: who revoked it pt-8 was not admitted before" in report
