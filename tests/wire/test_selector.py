import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataspace.errors import Malformed, TooLarge, Unprocessable
from dataspace.wire.frame import join_parts, split_parts
from dataspace.wire.selector import LEAST_EPSILON, PARAMETERS, Operand, SelectorAnswer, SelectorQuery

VECTOR = b"\x0a\x01\x01\x12\x03abc"
QUERY = SelectorQuery(
    layout="sl-" + "1" * 16,
    agreement="ag-" + "2" * 16,
    key="3" * 64,
    nonce="4" * 32,
    expires=2_000_000_000,
    epsilon=500_000,
    operand=Operand("收入", 0, 20_000, 2, 3),
    vectors=(VECTOR, VECTOR),
)
ANSWER = SelectorAnswer(QUERY.layout, QUERY.key, QUERY.binding, VECTOR, VECTOR)


def _with_head(**changes: Any) -> bytes:
    head, *rest = map(bytes, split_parts(QUERY.encode(), b"DSLQ\x01"))
    facts = {name: told for name, told in {**json.loads(head), **changes}.items() if told != "absent"}
    text = json.dumps(facts, sort_keys=True, separators=(",", ":"))
    return join_parts(b"DSLQ\x01", [text.encode(), *rest])


def test_what_was_written_is_read() -> None:
    assert SelectorQuery.decode(QUERY.encode()) == QUERY
    assert SelectorAnswer.decode(ANSWER.encode()) == ANSWER


@given(st.binary(max_size=300))
def test_noise_is_refused_with_one_error(noise: bytes) -> None:
    for start in (b"", b"DSLQ\x01", b"DSLA\x01"):
        for kind in (SelectorQuery, SelectorAnswer):
            with pytest.raises(Malformed):
                kind.decode(start + noise)


@given(st.integers(0, 10_000), st.integers(1, 255))
def test_he_04_a_query_with_other_bits_is_refused(place: int, flipped: int) -> None:
    body = bytearray(QUERY.encode())
    body[place % len(body)] ^= flipped
    with pytest.raises(Malformed):
        SelectorQuery.decode(body)


@given(st.integers(0, 10_000), st.integers(1, 255))
def test_he_04_an_answer_with_other_bits_is_refused_or_another(place: int, flipped: int) -> None:
    body = bytearray(ANSWER.encode())
    body[place % len(body)] ^= flipped
    try:
        assert SelectorAnswer.decode(bytes(body)) != ANSWER
    except Malformed:
        return


@pytest.mark.parametrize(
    "changed",
    [
        {"layout": "cb-" + "1" * 16},
        {"agreement": 5},
        {"key": "3" * 63},
        {"nonce": "absent"},
        {"expires": 0},
        {"expires": 1.5},
        {"expires": True},
        {"epsilon": 0},
        {"epsilon": LEAST_EPSILON - 1},
        {"epsilon": 10**9},
        {"epsilon": "1"},
        {"operand": {"column": "income"}},
        {"operand": []},
        {"operand": {**QUERY.operand.to_json(), "low": 1e300}},
        {"parameters": "bfv-8192-t40"},
        {"surprise": 1},
    ],
)
def test_a_head_that_says_anything_else_is_refused(changed: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        SelectorQuery.decode(_with_head(**changed))


def test_the_binding_ties_every_part() -> None:
    assert QUERY.binding != SelectorQuery.decode(QUERY.encode()).binding + "0"
    for changed in (
        {"epsilon": 18},
        {"nonce": "5" * 32},
        {"operand": {**QUERY.operand.to_json(), "high": 7}},
    ):
        with pytest.raises(Malformed, match="binding"):
            SelectorQuery.decode(_with_head(**changed))


def test_he_02_parts_have_limits_of_their_own() -> None:
    head, context, *vectors = map(bytes, split_parts(QUERY.encode(), b"DSLQ\x01"))
    large = b"\x0a" + b"\x80\x80\x7f" + bytes(PARAMETERS.vector_limit)
    for parts in (
        [head, context, large],
        [head, large, *vectors],
        [head, context, VECTOR],
        [head, context] + [VECTOR] * 11,
    ):
        with pytest.raises((TooLarge, Malformed)):
            SelectorQuery.decode(join_parts(b"DSLQ\x01", parts))


def test_another_parameter_set_is_named_as_such() -> None:
    with pytest.raises(Unprocessable, match=PARAMETERS.id):
        SelectorQuery.decode(_with_head(parameters="bfv-32768-t60"))
