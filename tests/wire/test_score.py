"""Models and envelopes of scoring as bytes: what is written is read, and all else is one error."""

import json
import random
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataspace.errors import Malformed, TooLarge, Unprocessable
from dataspace.wire.model import Feature, LinearModel, Link
from dataspace.wire.score import COLUMNS_LIMIT, Layout, ScoreAnswer, ScoreQuery

QUERY = ScoreQuery(
    parameters="bfv-8192-t40",
    model="mo-00112233445566ff",
    agreement="ag-00112233445566ff",
    key="0" * 64,
    nonce="1" * 32,
    layout=Layout.COLUMNS,
    samples=3,
    expires=2_000_000_000,
    vectors=(b"\x0a\x01\x01\x12\x00", b"\x0a\x01\x02\x12\x00"),
)
ANSWER = ScoreAnswer("bfv-8192-t40", "mo-00112233445566ff", "0" * 64, "2" * 64, b"\x0a\x01\x01")
MODEL = LinearModel(
    (Feature("age", 0, 1200, 1), Feature("收入", -5, 5)), (-37, 4), 105, 3, Link.LOGISTIC, 2, 4100
)


def test_what_is_written_is_read() -> None:
    assert ScoreQuery.decode(QUERY.encode()) == QUERY
    assert ScoreAnswer.decode(ANSWER.encode()) == ANSWER
    assert LinearModel.from_bytes(MODEL.to_bytes()) == MODEL


@given(st.binary(max_size=400))
def test_noise_is_refused_with_one_error(noise: bytes) -> None:
    for read in (ScoreQuery.decode, ScoreAnswer.decode, LinearModel.from_bytes):
        with pytest.raises(Malformed):
            read(noise)


_JSON: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@given(st.sampled_from(sorted(MODEL.to_json())), _JSON)
def test_another_value_of_any_member_is_refused_or_a_model(name: str, value: Any) -> None:
    told = {**MODEL.to_json(), name: value}
    try:
        found = LinearModel.from_json(told)
    except Malformed:
        return
    assert found.to_json() == told
    assert 2 * found.bound < 1099511480321


@given(st.data())
def test_a_changed_bit_is_refused_or_changes_no_meaning(data: Any) -> None:
    body = bytearray(QUERY.encode())
    place = data.draw(st.integers(0, len(body) * 8 - 1))
    body[place // 8] ^= 1 << place % 8
    with pytest.raises(Malformed):
        ScoreQuery.decode(body)


@pytest.mark.parametrize(
    "changed",
    [
        {"layout": Layout.BLOCKS},
        {"samples": 0},
        {"samples": 8193},
        {"samples": True},
        {"expires": 0},
        {"vectors": ()},
        {"vectors": (b"\x0a\x00",) * (COLUMNS_LIMIT + 1)},
        {"context": b"\x0a\x01\x01"},
        {"parameters": "bfv-32768-t60"},
        {"model": "mo-1"},
    ],
)
def test_a_query_that_says_what_cannot_be_is_refused(changed: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        ScoreQuery.decode(replace(QUERY, **changed).encode())


def test_a_vector_beyond_its_limit_is_too_large() -> None:
    vector = b"\x12\xa0\xc2\x1e" + bytes(500_000)
    with pytest.raises(TooLarge):
        ScoreQuery.decode(replace(QUERY, vectors=(vector,)).encode())


@pytest.mark.parametrize("head", [b"[" * 4000, b'{"a":1e999}', b"\xff", b"{}", b"0" * 5000])
def test_a_head_that_is_none_is_refused(head: bytes) -> None:
    from dataspace.wire.frame import join_parts  # noqa: PLC0415

    with pytest.raises(Malformed):
        ScoreQuery.decode(join_parts(b"DSSQ\x01", [head, b"", b"\x0a\x00"]))


def test_the_bound_holds_for_every_corner() -> None:
    chance = random.Random(5)
    for _ in range(200):
        features = tuple(
            Feature(f"f{place}", low := chance.randint(-99, 99), low + chance.randint(0, 99), place)
            for place in range(3)
        )
        model = LinearModel(
            features, tuple(chance.randint(-99, 99) for _ in range(3)), chance.randint(-99, 99), 1, output=1
        )
        for _ in range(8):
            corner = [chance.choice([one.low, one.high]) for one in features]
            total = model.constant + sum(map(int.__mul__, model.operand, corner))
            assert abs(total) <= model.bound - model.unit


def test_a_model_with_fewer_digits_than_it_promises_is_refused() -> None:
    with pytest.raises(Unprocessable, match="4 digits, and 9 are promised"):
        LinearModel.from_json({**MODEL.to_json(), "output": 9})


def test_a_document_is_one_line_of_sorted_json() -> None:
    told = json.loads(MODEL.to_bytes())
    assert list(told) == sorted(told)
    assert MODEL.to_bytes().count(b"\n") == 0
