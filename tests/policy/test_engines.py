"""What both engines must do; each test runs in each."""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from dataspace.errors import Malformed
from dataspace.policy import PolicyEngine, canonical_input
from tests.policy.cases import NOW, every_act, query, replaced


def codes(engine: PolicyEngine, facts: dict[str, Any]) -> list[str]:
    decision = engine.decide(facts)
    assert decision.allow is (not decision.reasons)
    return [reason.code for reason in decision.reasons]


@pytest.mark.parametrize("facts", every_act(), ids=lambda facts: str(facts.get("stage", facts["action"])))
def test_an_act_that_breaks_no_rule_is_allowed(engine: PolicyEngine, facts: dict[str, Any]) -> None:
    assert codes(engine, facts) == []


def test_a_query_obliges_to_group_mask_and_limit(engine: PolicyEngine) -> None:
    decision = engine.decide(query())
    found = {one.kind: one.value for one in decision.obligations}
    assert found == {"min_group": 10, "mask": ["name"], "row_limit": 20000}
    assert decision.obligation("mask") == ["name"]
    assert decision.obligation("embargo") is None


def test_a_denial_says_what_was_asked_and_what_was_agreed(engine: PolicyEngine) -> None:
    reason = engine.decide(query(query__purpose="广告")).reasons[0]
    assert (reason.code, reason.facts) == ("purpose-not-agreed", {"asked": "广告", "agreed": "statistics"})


def test_an_aggregate_without_noise_needs_an_offer_that_is_exact(engine: PolicyEngine) -> None:
    asked: dict[str, Any] = {"query__form": "aggregate", "offer__exact": False}
    assert codes(engine, query(**asked, query__epsilon=1000)) == ["noise-required"]
    # Somebody else of the legal entity has paid for it.
    assert codes(engine, query(**asked, query__noised=True)) == []
    assert codes(engine, query(query__form="aggregate")) == []


def test_a_decision_names_its_bundle_and_its_input(engine: PolicyEngine) -> None:
    decision = engine.decide(query())
    assert decision.policy == hashlib.sha256(engine.bundle()).hexdigest() == engine.digest
    assert decision.input == hashlib.sha256(canonical_input(query())).hexdigest()


def test_po_02_what_is_not_decided_is_denied(engine: PolicyEngine) -> None:
    assert "action-unknown" in codes(engine, {})
    assert codes(engine, replaced(query(), action="query.after")) == ["action-unknown"]


@pytest.mark.parametrize("facts", every_act(), ids=lambda facts: str(facts.get("stage", facts["action"])))
def test_po_02_a_fact_that_is_missing_is_a_denial(engine: PolicyEngine, facts: dict[str, Any]) -> None:
    for part in facts.keys() - {"action", "stage"}:
        left = {name: value for name, value in facts.items() if name != part}
        assert set(codes(engine, left)) <= {"fact-missing"} or part == "zone", part
        assert codes(engine, left) or (part == "zone" and facts["action"] == "withdraw")


@pytest.mark.parametrize(
    "text", ["consumer\0evil", "consumer\n", "con\u200bsumer", "e\u0301", "\u202eadmin", "\ud800"]
)
def test_po_03_a_text_that_looks_like_another_is_refused(engine: PolicyEngine, text: str) -> None:
    for path in ("participant__id", "query__purpose", "participant__roles", "stage"):
        changed: dict[str, Any] = {path: [text] if path.endswith("roles") else text}
        with pytest.raises(Malformed):
            engine.decide(query(**changed))


def test_po_07_an_agreement_ends_to_the_nanosecond(engine: PolicyEngine) -> None:
    assert codes(engine, query(now=NOW)) == []
    assert codes(engine, query(now=NOW + 1)) == ["agreement-expired"]


def test_numbers_stay_exact_above_two_to_the_53(engine: PolicyEngine) -> None:
    budget = {"granted": 2**62 + 1, "spent": 2**62, "reserved": 0}
    assert codes(engine, query(agreement__units=budget, query__units=1)) == []
    reason = engine.decide(query(agreement__units=budget, query__units=2)).reasons[0]
    assert reason.facts == {"needed": 2, "left": 1}


def test_threads_get_their_own_decisions(engine: PolicyEngine) -> None:
    def ask(number: int) -> bool:
        decision = engine.decide(query(query__purpose=f"p{number}"))
        return bool(decision.reasons[0].facts["asked"] == f"p{number}")

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(ask, range(160)))


def test_a_long_input_does_not_reach_into_the_next_decision(engine: PolicyEngine) -> None:
    column = {"name": "x" * 60, "level": 1, "method": "mask", "use": "filter"}
    many = [column | {"name": f"column-{number}"} for number in range(200)]
    assert len(codes(engine, query(query__columns=many))) == 200
    assert codes(engine, query()) == []
