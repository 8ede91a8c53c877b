"""The strict reading of what an engine answers."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from dataspace.policy.decision import Question

QUESTION = Question(policy="p", revision="r", input="i")
ALLOWED: dict[str, Any] = {"allow": True, "reasons": [], "obligations": [], "revision": "r"}
DENIED: dict[str, Any] = {
    **ALLOWED,
    "allow": False,
    "reasons": [{"code": "role-missing", "needed": "provider"}],
}

scalars = (
    some.none() | some.booleans() | some.integers() | some.text(max_size=5) | some.floats(allow_nan=False)
)
documents = some.recursive(
    scalars,
    lambda inner: (
        some.lists(inner, max_size=3)
        | some.dictionaries(
            some.sampled_from(["allow", "reasons", "obligations", "revision", "code", "kind", "value"]), inner
        )
    ),
)


def code(document: Any) -> str:
    decision = QUESTION.read(document)
    assert not decision.allow
    assert decision.obligations == ()
    return decision.reasons[0].code


def test_a_decision_is_read_as_it_is() -> None:
    allowed = QUESTION.read({**ALLOWED, "obligations": [{"kind": "min_group", "value": 10}]})
    assert allowed.allow
    assert (allowed.obligation("min_group"), allowed.policy, allowed.input) == (10, "p", "i")
    assert QUESTION.read(DENIED).reasons[0].facts == {"needed": "provider"}


def test_po_02_undefined_is_a_denial() -> None:
    assert code(None) == "policy-undefined"


@pytest.mark.parametrize(
    "document",
    [
        {},
        [],
        "allow",
        True,
        {**ALLOWED, "allow": 1},
        {**ALLOWED, "allow": "true"},
        {**ALLOWED, "extra": 1},
        {**ALLOWED, "reasons": [{"code": "role-missing"}]},
        {**DENIED, "reasons": []},
        {**DENIED, "reasons": [{"code": "Not A Code"}]},
        {**DENIED, "reasons": [{"code": 7}]},
        {**DENIED, "reasons": ["role-missing"]},
        {**DENIED, "reasons": [{"code": "role-missing", "needed": {"deep": 1}}]},
        {**ALLOWED, "obligations": [{"kind": "min_group"}]},
        {**ALLOWED, "obligations": [{"kind": "min_group", "value": True}]},
        {**ALLOWED, "obligations": [{"kind": "min_group", "value": "10"}]},
        {**ALLOWED, "obligations": [{"kind": "mask", "value": [1]}]},
        {**ALLOWED, "obligations": [{"kind": "mask", "value": []}, {"kind": "mask", "value": ["a"]}]},
    ],
)
def test_what_is_no_decision_is_a_denial(document: Any) -> None:
    assert code(document) == "policy-malformed"


def test_po_08_another_revision_is_a_denial() -> None:
    assert code({**ALLOWED, "revision": "other"}) == "policy-mismatch"


def test_po_10_an_obligation_nobody_can_keep_is_a_denial() -> None:
    decision = QUESTION.read({**ALLOWED, "obligations": [{"kind": "delete_after", "value": 30}]})
    assert not decision.allow
    assert decision.reasons[0].facts == {"kind": "delete_after"}
    assert decision.reasons[0].code == "unknown-obligation"


def test_what_a_denial_obliges_to_is_void() -> None:
    decision = QUESTION.read({**DENIED, "obligations": [{"kind": "min_group", "value": 10}]})
    assert decision.obligations == ()


@given(documents)
def test_reading_never_raises_and_never_allows_what_it_does_not_know(document: Any) -> None:
    assert not QUESTION.read(document).allow
