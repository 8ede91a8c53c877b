import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataspace.errors import Malformed, TooLarge, Unprocessable
from dataspace.wire.envelope import EncryptedAnswer, EncryptedQuery
from dataspace.wire.frame import join_parts, split_parts
from dataspace.wire.parameters import DEFAULT_PARAMETERS

VECTOR = b"\x0a\x01\x01\x12\x03abc"
QUERY = EncryptedQuery(
    parameters=DEFAULT_PARAMETERS,
    cube="cb-" + "1" * 16,
    agreement="ag-" + "2" * 16,
    key="3" * 64,
    measures=("count", "sum(金额)"),
    nonce="4" * 32,
    expires=2_000_000_000,
    vector=VECTOR,
)
ANSWER = EncryptedAnswer(DEFAULT_PARAMETERS, QUERY.cube, QUERY.key, QUERY.binding, ("count",), (VECTOR,))


def with_head(**changes: Any) -> bytes:
    """Return the query's envelope with members of its head changed."""
    head, *rest = map(bytes, split_parts(QUERY.encode(), b"DSHQ\x01", 3))
    facts = {**json.loads(head), **changes}
    text = json.dumps(
        {name: value for name, value in facts.items() if value != "absent"},
        sort_keys=True,
        separators=(",", ":"),
    )
    return join_parts(b"DSHQ\x01", [text.encode(), *rest])


def test_a_query_is_read_as_it_was_written() -> None:
    assert EncryptedQuery.decode(QUERY.encode()) == QUERY


def test_an_answer_is_read_as_it_was_written() -> None:
    assert EncryptedAnswer.decode(ANSWER.encode()) == ANSWER


def test_the_bytes_of_a_query_stay_out_of_its_repr() -> None:
    assert "abc" not in repr(QUERY)


@pytest.mark.parametrize(
    "change",
    [
        {"cube": "cb-" + "f" * 16},
        {"agreement": "ag-" + "f" * 16},
        {"key": "f" * 64},
        {"nonce": "f" * 32},
        {"measures": ["count"]},
        {"expires": 2_000_000_001},
        {"binding": "f" * 64},
    ],
)
def test_he_05_the_binding_covers_every_member(change: dict[str, Any]) -> None:
    with pytest.raises(Malformed, match="binding"):
        EncryptedQuery.decode(with_head(**change))


def test_he_05_the_binding_covers_the_ciphertext() -> None:
    with pytest.raises(Malformed, match="binding"):
        EncryptedQuery.decode(QUERY.encode().replace(b"abc", b"abd"))


def test_he_05_the_key_is_the_digest_of_the_context() -> None:
    with pytest.raises(Malformed, match="key is not the digest"):
        EncryptedQuery.decode(replace(QUERY, context=b"\x0a\x01\x01").encode())


@pytest.mark.parametrize(
    "change",
    [
        {"measures": []},
        {"measures": ["count", "count"]},
        {"measures": [f"m{number}" for number in range(9)]},
        {"measures": ["\ud800"]},
        {"measures": "count"},
        {"expires": True},
        {"expires": 1.5},
        {"expires": -1},
        {"expires": "absent"},
        {"key": "absent"},
        {"key": 7},
        {"cube": "cb-../../etc/passwd"},
        {"more": 1},
    ],
)
def test_a_head_with_other_members_or_values_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        EncryptedQuery.decode(with_head(**change))


def test_he_02_a_parameter_set_that_is_not_listed_is_refused() -> None:
    with pytest.raises(Unprocessable, match="unknown parameter set"):
        EncryptedQuery.decode(with_head(parameters="bfv-32768-t60"))


def test_he_02_a_part_beyond_its_limit_is_refused() -> None:
    with pytest.raises(TooLarge, match="want at most 500000"):
        EncryptedQuery.decode(
            replace(QUERY, vector=b"\x0a\x01\x01\x12\xa0\xc2\x1e" + bytes(500_000)).encode()
        )


@pytest.mark.parametrize(
    "head", [b"", b"{}", b"[1]", b"{" * 4000, b"[" * 10_000, b'{"a":NaN}', b"\xff", b" " * 20_000]
)
def test_a_head_that_is_none_is_refused(head: bytes) -> None:
    with pytest.raises(Malformed):
        EncryptedQuery.decode(join_parts(b"DSHQ\x01", [head, VECTOR, b""]))


def test_a_head_written_in_another_way_is_refused() -> None:
    with pytest.raises(Malformed):
        EncryptedQuery.decode(
            QUERY.encode().replace(b'"cube":"', b'"cube" :"').replace(b"\x00\x00\x01", b"\x00\x00\x02", 1)
        )


def test_an_answer_needs_a_vector_for_each_measure() -> None:
    with pytest.raises(Malformed, match="one vector for each measure"):
        EncryptedAnswer.decode(replace(ANSWER, vectors=(VECTOR, VECTOR)).encode())


@given(st.binary(max_size=300), st.sampled_from([b"", b"DSHQ\x01\x03", b"DSHA\x01\x02", b"DSHQ\x02"]))
def test_he_04_noise_is_refused_with_one_error(noise: bytes, start: bytes) -> None:
    for kind in (EncryptedQuery, EncryptedAnswer):
        with pytest.raises(Malformed):
            kind.decode(start + noise)


@given(st.lists(st.binary(max_size=20), min_size=1, max_size=9))
def test_parts_are_split_as_they_were_joined(parts: list[bytes]) -> None:
    assert [bytes(part) for part in split_parts(join_parts(b"M", parts), b"M")] == parts


@given(st.integers(0, 200), st.integers(1, 255))
def test_he_04_a_changed_byte_of_a_query_is_noticed(at: int, change: int) -> None:
    changed = bytearray(QUERY.encode())
    changed[at % len(changed)] ^= change
    with pytest.raises(Malformed):
        EncryptedQuery.decode(changed)


def test_qy_21_answers_to_as_many_measures_have_one_size() -> None:
    lengths = {
        len(replace(ANSWER, vectors=(bytes(size),)).encode()) for size in (1, 213_900, 4096, 214_500, 212_993)
    }
    assert len(lengths) == 2  # up to 4,096 bytes, and from 212,993 to 217,088
    assert len(replace(ANSWER, vectors=(bytes(213_900),)).encode()) == len(
        replace(ANSWER, vectors=(bytes(214_500),)).encode()
    )


def test_an_answer_that_is_filled_with_anything_but_zeros_is_refused() -> None:
    head, vector, filling = map(bytes, split_parts(ANSWER.encode(), b"DSHA\x01"))
    assert EncryptedAnswer.decode(join_parts(b"DSHA\x01", [head, vector, filling])) == ANSWER
    for other in (filling[:-1], filling + b"\x00", b"\x01" + filling[1:]):
        with pytest.raises(Malformed):
            EncryptedAnswer.decode(join_parts(b"DSHA\x01", [head, vector, other]))
    with pytest.raises(Malformed):
        EncryptedAnswer.decode(join_parts(b"DSHA\x01", [head, vector]))
