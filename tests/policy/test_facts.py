"""The input at the edge."""

import json
from enum import StrEnum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from dataspace.errors import Malformed, TooLarge
from dataspace.policy import Facts, canonical_input, check_facts
from dataspace.proof.canonical import canonical

names = some.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True)
values = some.recursive(
    some.none()
    | some.booleans()
    | some.integers(-(2**53) + 1, 2**53 - 1)
    | some.text(some.characters(codec="ascii")),
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(names, inner, max_size=3),
    max_leaves=10,
)
anything = some.recursive(
    some.none() | some.floats() | some.integers() | some.text() | some.binary(),
    lambda inner: some.lists(inner) | some.dictionaries(some.text() | some.integers(), inner),
    max_leaves=10,
)


def test_the_order_of_members_does_not_matter() -> None:
    assert canonical_input({"b": 1, "a": {"d": 2, "c": 3}}) == b'{"a":{"c":3,"d":2},"b":1}'
    assert canonical_input({"a": "数据"}) == '{"a":"数据"}'.encode()


@given(some.dictionaries(names, values, max_size=4))
def test_below_two_to_the_53_the_bytes_are_those_of_rfc_8785(facts: dict[str, Any]) -> None:
    try:
        found = canonical_input(facts)
    except Malformed:
        return
    assert found == canonical(facts)


def test_nanoseconds_stay_integers() -> None:
    assert canonical_input({"now": 1795395973000000001}) == b'{"now":1795395973000000001}'


def test_a_word_of_a_closed_set_is_its_text() -> None:
    class Status(StrEnum):
        ACTIVE = "active"

    assert canonical_input({"status": Status.ACTIVE}) == b'{"status":"active"}'


@pytest.mark.parametrize(
    "value",
    [
        1.0,
        float("nan"),
        2**63,
        -(2**63) - 1,
        b"x",
        {1: 2},
        {"A": 1},
        {"a b": 1},
        {"": 1},
        {1, 2},
        [[[[[[[[[1]]]]]]]]],
    ],
)
def test_what_is_no_fact_is_refused(value: Any) -> None:
    with pytest.raises(Malformed):
        check_facts({"a": value})


@pytest.mark.parametrize(
    "text", ["a\0b", "a\x7f", "a\u0085", "\ufeffa", "a\u2028", "cafe\u0301", "\u212b", "\ud83d"]
)
def test_po_03_control_characters_and_other_spellings_are_refused(text: str) -> None:
    with pytest.raises(Malformed):
        check_facts({"a": [{"b": text}]})


def test_an_input_has_a_limit() -> None:
    with pytest.raises(TooLarge):
        canonical_input({"a": "x" * (1 << 20)})


@given(some.dictionaries(some.text(), anything, max_size=3))
def test_whatever_is_refused_is_refused_with_one_error(facts: dict[str, Any]) -> None:
    try:
        found = canonical_input(facts)
    except Malformed:
        return
    assert json.loads(found) == facts


def test_facts_that_stay_as_they_are_have_the_same_bytes() -> None:
    facts = {"b": [1, True], "a": "政务"}
    assert canonical_input(Facts(facts)) == canonical_input(facts)
    with pytest.raises(Malformed):
        canonical_input(Facts({"a": 0.5}))
