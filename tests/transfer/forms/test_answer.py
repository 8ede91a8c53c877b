"""The consumer's journey: a query, its answer or its refusal, and what each costs."""

import hashlib
import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from dataspace.catalog.models import Form
from dataspace.errors import Conflict, Malformed, NotFound, PolicyDenied, Unavailable
from dataspace.negotiation.models import Agreement
from dataspace.participants.access import Caller
from dataspace.policy import Decision, PolicyEngine, open_policy
from dataspace.policy.models import PolicyInput
from dataspace.transfer.forms.answer import Answers
from tests.running import free_port
from tests.simulator import Simulator, people


def _agreed(space: Simulator, rows: int, **offer: Any) -> tuple[Caller, Agreement]:
    consumer = space.consumer()
    registered = space.registered(space.provider(), people(rows), subjects=["number"], **offer)
    return consumer, space.agreed(consumer, registered.offer)


def _last(space: Simulator) -> dict[str, Any]:
    return dict(space.service.receipts.entries(space.operator, len(space.kinds()) - 1, 1)[0]["record"])


def test_an_aggregate_is_right_and_its_digest_is_in_the_entry(space: Simulator) -> None:
    consumer, agreement = _agreed(space, 300)
    answer = space.query(consumer, agreement.id, "SELECT district, COUNT(*) AS n FROM data GROUP BY district")
    found = json.loads(answer.content)
    assert sorted(found["rows"]) == [[f"district {n}", 100] for n in range(3)]
    assert _last(space)["answer_sha256"] == hashlib.sha256(answer.content).hexdigest()
    assert (answer.units, answer.price) == (1, 100)
    space.audit()


def test_a_group_of_too_few_is_not_in_the_answer(space: Simulator) -> None:
    consumer = space.consumer()
    content = people(100) + b"".join(b"Q%06d,harbour,40,5000\n" % n for n in range(3))
    agreement = space.agreed(consumer, space.registered(space.provider(), content, subjects=["number"]).offer)
    answer = space.query(consumer, agreement.id, "SELECT district, COUNT(*) FROM data GROUP BY district")
    assert b"harbour" not in answer.content
    assert json.loads(answer.content)["suppressed"] is True
    space.audit()


def test_a_refusal_is_itself_an_entry_and_costs_nothing(space: Simulator) -> None:
    consumer = space.consumer()
    registered = space.registered(space.provider(), people(301), subjects=["number"])
    agreement = space.agreed(consumer, registered.offer, forms=(Form.AGGREGATE,))
    with pytest.raises(PolicyDenied) as refused:
        space.query(consumer, agreement.id, "SELECT district FROM data", Form.ROWS)
    assert "form-not-agreed" in {reason["code"] for reason in refused.value.facts["reasons"]}
    last = _last(space)
    assert (last["kind"], last["units"]) == ("query.refused", 0)
    assert space.service.answers.usage(consumer, agreement.id)["units"]["spent"] == 0
    space.audit()


def test_an_expired_agreement_answers_no_more(space: Simulator) -> None:
    consumer, agreement = _agreed(space, 302, days=1)
    space.clock.forward(hours=25)
    with pytest.raises(PolicyDenied, match="agreement-expired"):
        space.query(consumer, agreement.id, "SELECT COUNT(*) FROM data")
    space.audit()


def test_units_run_out(space: Simulator) -> None:
    consumer, agreement = _agreed(space, 303, units=2)
    for name in ("first", "second"):
        space.query(consumer, agreement.id, f"SELECT COUNT(*) AS {name} FROM data")
    with pytest.raises(PolicyDenied, match="units-exhausted"):
        space.query(consumer, agreement.id, "SELECT COUNT(*) AS third FROM data")
    space.audit()


def test_qy_09_many_at_once_never_spend_more_than_was_granted(space: Simulator) -> None:
    consumer, agreement = _agreed(space, 304, units=5)

    def ask(number: int) -> bool:
        try:
            space.query(consumer, agreement.id, f"SELECT COUNT(*) AS n{number} FROM data")
        except (PolicyDenied, Conflict):
            return False
        return True

    with ThreadPoolExecutor(16) as threads:
        answered = sum(threads.map(ask, range(16)))
    usage = space.service.answers.usage(consumer, agreement.id)["units"]
    assert answered == usage["spent"] == 5
    assert usage["reserved"] == 0
    space.audit()


def test_rows_cost_a_unit_for_each_thousand_begun(space: Simulator) -> None:
    consumer, agreement = _agreed(space, 1500)
    answer = space.query(consumer, agreement.id, "SELECT district, age FROM data", Form.ROWS)
    assert (len(json.loads(answer.content)["rows"]), answer.units) == (1500, 2)
    space.audit()


def test_all_but_one_subject_is_an_answer_about_that_one(space: Simulator) -> None:
    consumer, agreement = _agreed(space, 305)
    with pytest.raises(PolicyDenied, match="group-too-small"):
        space.query(consumer, agreement.id, "SELECT COUNT(*), SUM(income) FROM data WHERE income <> 3000")
    space.audit()


def test_a_query_that_is_no_query_is_malformed_and_no_entry(space: Simulator) -> None:
    consumer, agreement = _agreed(space, 306)
    before = len(space.kinds())
    with pytest.raises(Malformed):
        space.query(consumer, agreement.id, "DROP TABLE data")
    assert len(space.kinds()) == before


def test_anothers_agreement_is_not_found(space: Simulator) -> None:
    _, agreement = _agreed(space, 307)
    with pytest.raises(NotFound):
        space.query(space.consumer(), agreement.id, "SELECT COUNT(*) FROM data")


def test_the_digest_of_a_decision_does_not_tell_what_was_decided_on(space: Simulator) -> None:
    consumer, agreement = _agreed(space, 308)
    digests = set()
    for _ in range(2):
        with pytest.raises(PolicyDenied, match="group-too-small"):
            space.query(consumer, agreement.id, "SELECT COUNT(*) FROM data WHERE income < 3005")
        last = _last(space)
        digests.add(last["input"])
        with space.service.space.database.reading() as session:
            kept = json.loads(session.get_one(PolicyInput, last["input"]).content)
        assert len(bytes.fromhex(kept["nonce"])) == 16
    assert len(digests) == 2
    space.audit()


def test_whether_a_condition_leaves_out_one_or_nobody_looks_the_same_and_costs(space: Simulator) -> None:
    consumer, agreement = _agreed(space, 309)
    texts = set()
    for condition in ("income <> 3000", "income <> 1"):
        with pytest.raises(PolicyDenied) as refused:
            space.query(consumer, agreement.id, f"SELECT COUNT(*) FROM data WHERE {condition}")
        texts.add((str(refused.value), str(refused.value.facts["reasons"])))
    assert len(texts) == 1
    assert space.service.answers.usage(consumer, agreement.id)["units"]["spent"] == 2
    space.audit()


def test_pseudonyms_of_two_agreements_do_not_link_by_the_order_of_rows(space: Simulator) -> None:
    consumer, first = _agreed(space, 400)
    second = space.agreed(consumer, first.offer)
    answers = [
        json.loads(space.query(consumer, one.id, "SELECT number, income FROM data", Form.ROWS).content)[
            "rows"
        ]
        for one in (first, second)
    ]
    assert sorted(row[1] for row in answers[0]) == sorted(row[1] for row in answers[1])
    same_place = sum(a[1] == b[1] for a, b in zip(*answers, strict=True))
    assert same_place < 20
    assert not {row[0] for row in answers[0]} & {row[0] for row in answers[1]}
    space.audit()


class _Dying:
    """A policy that answers until the work is done, and is an OPA server nobody listens as after it."""

    def __init__(self, policy: PolicyEngine) -> None:
        self._alive, self._dead = policy, open_policy(f"opa:http://127.0.0.1:{free_port()}")
        self.digest, self.revision, self.bundle = policy.digest, policy.revision, policy.bundle

    def decide(self, facts: Mapping[str, Any]) -> Decision:
        return (self._dead if facts.get("stage") == "after" else self._alive).decide(facts)


def test_po_01_a_policy_engine_that_dies_during_a_query_costs_the_consumer_nothing(space: Simulator) -> None:
    consumer, agreement = _agreed(space, 310)
    dying = replace(space.service.space, policy=_Dying(space.service.space.policy))
    answers = Answers(dying, space.service.answers._engine)
    with pytest.raises(Unavailable, match="policy engine does not answer"):
        answers.query(consumer, agreement.id, "SELECT COUNT(*) FROM data", Form.AGGREGATE)
    units = space.service.answers.usage(consumer, agreement.id)["units"]
    assert (units["spent"], units["reserved"], _last(space)["kind"]) == (0, 0, "query.refused")
    space.audit()
