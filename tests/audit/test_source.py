"""Readers of untrusted evidence: noise is refused with one error."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataspace.audit.source import parse_record, record_from_json
from dataspace.errors import VerificationError
from dataspace.proof.record import Record

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.floats(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(text=st.text(), salts=st.binary(max_size=70))
def test_a_stored_text_is_a_record_or_its_one_error(text: str, salts: bytes) -> None:
    assert isinstance(parse_record(text, salts), Record | VerificationError)


@given(value=_JSON, salts=st.binary(max_size=70))
def test_stored_json_is_a_record_or_its_one_error(value: Any, salts: bytes) -> None:
    assert isinstance(parse_record(json.dumps(value), salts), Record | VerificationError)


@given(value=_JSON | st.fixed_dictionaries({"index": _JSON, "record": _JSON, "salts": _JSON}))
def test_a_line_of_records_is_one_or_raises_the_one_error(value: Any) -> None:
    try:
        index, record = record_from_json(value)
    except VerificationError:
        return
    assert index >= 0
    assert isinstance(record, Record | VerificationError)


@pytest.mark.parametrize("index", [True, -1, "0", None, 1.0])
def test_an_index_is_a_whole_number(index: Any) -> None:
    with pytest.raises(VerificationError):
        record_from_json({"index": index, "record": {"a": 1}, "salts": "A" * 43 + "="})
