"""What entries may not say after those before them."""

from typing import Any

import pytest

from dataspace.audit.report import Stage
from dataspace.audit.sources import Home
from tests.audit.conftest import failed, told
from tests.audit.scene import AGREEMENT, CONSUMER, DATASET, DECIDED, NEGOTIATION, SHA, UNITS, Scene, played

ANSWER = {
    "agreement": AGREEMENT,
    "dataset": DATASET,
    "version": 1,
    "form": "aggregate",
    "query_sha256": SHA,
    "answer_sha256": SHA,
    "units": 1,
    "epsilon": 0,
    "price": 100,
    **DECIDED,
}
MOVED = {
    "negotiation": NEGOTIATION,
    "offer": "of-1",
    "provider": "pt-1",
    "consumer": CONSUMER,
    "by": CONSUMER,
}

WRONG: dict[str, tuple[str, dict[str, Any], str]] = {
    "an answer without an agreement": (
        "query.answered",
        {**ANSWER, "agreement": "ag-9"},
        "entry 30: ag-9 was not concluded before",
    ),
    "an answer about another dataset": (
        "query.answered",
        {**ANSWER, "dataset": "ds-9"},
        "entry 30: ag-1 does not cover version 1 of ds-9",
    ),
    "an answer about a later version": (
        "query.answered",
        {**ANSWER, "version": 2},
        "entry 30: ag-1 does not cover version 2 of ds-1",
    ),
    "an answer in a form not agreed": (
        "query.answered",
        {**ANSWER, "form": "copy"},
        "entry 30: ag-1 does not cover the form copy",
    ),
    "more units than granted": (
        "query.answered",
        {**ANSWER, "units": UNITS, "price": UNITS * 100},
        f"entry 30: units spent under ag-1 are {UNITS + 20}, granted {UNITS}",
    ),
    "a wrong price": (
        "query.answered",
        {**ANSWER, "price": 99},
        "entry 30: its price is 99, want 1 units at 100",
    ),
    "an unknown policy": ("query.answered", {**ANSWER, "policy": SHA}, "no entry before it adopts"),
    "a second creation": ("log.created", {"origin": "o", "vkey": "v"}, "entry 30: log.created at index 30"),
    "a stranger's change": (
        "participant.changed",
        {"participant": "pt-9", "roles": ["auditor"], "status": "active", "by": "pt-1"},
        "entry 30: pt-9 was not admitted before",
    ),
    "a second admission": (
        "participant.admitted",
        {"participant": "pt-1", "roles": ["auditor"], "by": "pt-1"},
        "entry 30: pt-1 was admitted before",
    ),
    "a withdrawal of nothing": (
        "dataset.withdrawn",
        {"dataset": "ds-9", "versions": [1], "by": "pt-1", **DECIDED},
        "entry 30: ds-9 was not registered before",
    ),
    "a negotiation that goes back": (
        "negotiation.changed",
        {**MOVED, "state": "REQUESTED"},
        "entry 30: ng-1 goes from FINALIZED to REQUESTED",
    ),
    "a negotiation in no state": (
        "negotiation.changed",
        {**MOVED, "negotiation": "ng-9", "state": "DREAMING"},
        "entry 30: ng-9 goes from nothing to DREAMING",
    ),
    "an end of nothing": (
        "agreement.terminated",
        {"agreement": "ag-9", "by": "pt-1", "reason": "r"},
        "entry 30: ag-9 was not concluded before",
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_an_entry_that_contradicts_those_before_it_is_named(scene: Scene, what: str) -> None:
    kind, fields, named = WRONG[what]
    scene.append(kind, **fields)
    report = scene.audit(Home.of(scene.database))
    assert Stage.MEANING in failed(report)
    assert named in told(report)


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
