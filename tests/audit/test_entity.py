"""What the accounts of one legal entity spent together, by the ledger alone."""

from datetime import timedelta

import pytest
from sqlmodel import Session

from dataspace.audit.audit import Means
from dataspace.audit.report import Stage
from dataspace.audit.sources import Home
from dataspace.participants.models import Participant
from tests.audit.conftest import failed, told
from tests.audit.decided import AGREEMENT, CONSUMER, DATASET, EPSILON, PRICE, PROVIDER, UNITS
from tests.audit.entries import TERMS
from tests.audit.rows import SHA
from tests.audit.scene import Scene

PUPPET, THEIRS = "pt-3", "ag-2"
OVER = f"epsilon spent by the entity of {PUPPET} on {DATASET} is {EPSILON + 1}, the most granted is {EPSILON}"


@pytest.fixture
def two(scene: Scene) -> Scene:
    """A scene with a second consumer."""
    join(scene)
    return scene


def join(scene: Scene) -> None:
    """Let a second consumer have an agreement in force on the same dataset."""
    scene.append("participant.admitted", participant=PUPPET, roles=["consumer"], by=PROVIDER)
    about = {**scene.moved(""), "negotiation": "ng-2", "consumer": PUPPET}
    moves = {"REQUESTED": PUPPET, "AGREED": PROVIDER, "VERIFIED": PUPPET, "FINALIZED": PROVIDER}
    for state, by in moves.items():
        if state == "AGREED":
            parties = {"agreement": THEIRS, "negotiation": "ng-2", "consumer": PUPPET, "provider": PROVIDER}
            scene.append(
                "agreement.concluded",
                **{
                    **TERMS,
                    **parties,
                    "units": UNITS,
                    "epsilon": EPSILON,
                    "price": PRICE,
                    "forms": ["aggregate"],
                },
            )
        scene.append("negotiation.changed", **{**about, "state": state, "by": by})


def name(scene: Scene, account: str, entity: str = SHA) -> int:
    return scene.append("participant.entity", participant=account, entity_sha256=entity, by=PROVIDER)


def meaning(scene: Scene) -> str:
    """Return what an audit says of the meaning of entries, empty when nothing is wrong."""
    report = scene.audit(Home.of(scene.database))
    return told(report) if Stage.MEANING in failed(report) else ""


def test_qy_08_an_entity_that_passed_its_cap_is_found(two: Scene) -> None:
    for account in (CONSUMER, PUPPET):
        name(two, account)
    two.clock.now += timedelta(minutes=6)
    two.answer(epsilon=EPSILON)
    assert meaning(two) == ""
    # The naive auditor adds up each account by itself: neither of the two passed its own cap.
    forged = two.answer(agreement=THEIRS, epsilon=1)
    assert f"entry {forged}: {OVER}" in meaning(two)


def test_accounts_of_different_entities_have_a_cap_each(two: Scene) -> None:
    name(two, CONSUMER)
    name(two, PUPPET, "11" * 32)
    two.clock.now += timedelta(minutes=6)
    for agreement in (AGREEMENT, THEIRS):
        two.answer(agreement=agreement, epsilon=EPSILON)
    assert meaning(two) == ""


def test_what_was_spent_before_an_entity_was_named_is_no_violation_and_counts(two: Scene) -> None:
    two.answer(epsilon=EPSILON)
    for account in (CONSUMER, PUPPET):
        name(two, account)
    # It was reserved before, under way when the second account was named.
    two.answer(agreement=THEIRS, epsilon=1)
    assert meaning(two) == ""
    two.clock.now += timedelta(minutes=6)
    late = two.answer(agreement=THEIRS, epsilon=1)
    assert f"entry {late}: " in meaning(two)


def test_a_cube_and_a_refusal_count_as_an_answer_does(two: Scene) -> None:
    for account in (CONSUMER, PUPPET):
        name(two, account)
    two.clock.now += timedelta(minutes=6)
    two.grant(epsilon=EPSILON)
    fields = {"form": "aggregate", "reasons": ["too-large"], "units": 0, "epsilon": 1}
    forged = two.append("query.refused", **{**TERMS, **fields, "agreement": THEIRS, "query_sha256": SHA})
    assert f"entry {forged}: {OVER}" in meaning(two)


def test_an_erased_naming_excuses_what_only_it_could_explain(two: Scene) -> None:
    for account in (CONSUMER, PUPPET):
        name(two, account)
    left = name(two, PUPPET, "11" * 32)
    two.clock.now += timedelta(minutes=6)
    for agreement in (AGREEMENT, THEIRS):
        two.answer(agreement=agreement, epsilon=EPSILON)
    two.erase(left)
    assert meaning(two) == ""


def test_an_audit_that_goes_on_knows_the_accounts_of_an_entity(scene: Scene) -> None:
    name(scene, CONSUMER)

    def named(session: Session) -> None:
        session.get_one(Participant, CONSUMER).entity = SHA

    scene.database.commit(named)
    first = scene.audit(Home.of(scene.database))
    assert first.memory
    join(scene)
    name(scene, PUPPET)
    scene.clock.now += timedelta(minutes=6)
    scene.answer(epsilon=EPSILON)
    forged = scene.answer(agreement=THEIRS, epsilon=1)
    means = Means(memory=first.memory)
    report = told(scene.audit(Home.of(scene.database), since=first.checkpoint, means=means))
    assert f"entry {forged}: {OVER}" in report
