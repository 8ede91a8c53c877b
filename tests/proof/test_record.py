from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataspace.errors import Malformed, VerificationError
from dataspace.proof.canonical import INTEGER
from dataspace.proof.record import Record, seal

_fields = st.dictionaries(
    st.text(st.characters(exclude_categories=["Cs"])),
    st.integers(-INTEGER, INTEGER)
    | st.text(st.characters(exclude_categories=["Cs"]))
    | st.lists(st.booleans()),
    min_size=1,
)


def test_leaf_v1_is_what_it_was_when_it_was_fixed() -> None:
    fields = {"time": "2026-11-23T08:00:00.000000Z", "kind": "log.created", "origin": "é", "rows": 3}
    salts = bytes(range(128))
    leaves = [
        sha256(b"\x00" + salts[at * 32 : at * 32 + 32] + data.encode()).digest()
        for at, data in enumerate(
            [
                '["kind","log.created"]',
                '["origin","é"]',
                '["rows",3]',
                '["time","2026-11-23T08:00:00.000000Z"]',
            ]
        )
    ]
    left, right = (sha256(b"\x01" + leaves[at] + leaves[at + 1]).digest() for at in (0, 2))
    assert Record(fields, salts).entry() == b"\x01" + sha256(b"\x01" + left + right).digest()


@given(_fields)
def test_a_sealed_record_verifies_and_no_other_does(fields: dict[str, Any]) -> None:
    _, salts, entry = seal(fields)
    Record(fields, salts).verify(entry)
    name = next(iter(fields))
    for other in (Record({**fields, name: False}, salts), Record(fields, salts[::-1])):
        if other != Record(fields, salts):
            with pytest.raises(VerificationError):
                other.verify(entry)


def test_le_18_two_equal_records_have_entries_that_tell_nothing() -> None:
    assert seal({"dataset": "ds-1"})[2] != seal({"dataset": "ds-1"})[2]


@pytest.mark.parametrize("salts", [b"", bytes(31), bytes(33), bytes(64)])
def test_salts_that_do_not_fit_the_fields_are_refused(salts: bytes) -> None:
    with pytest.raises(VerificationError):
        Record({"a": 1}, salts)


@pytest.mark.parametrize("value", [1.5, 2**53, "\ud800", object()])
def test_a_value_without_canonical_form_is_refused(value: Any) -> None:
    with pytest.raises(Malformed):
        seal({"a": value})
    with pytest.raises(VerificationError):
        Record({"a": value}, bytes(32)).entry()
