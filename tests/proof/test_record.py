import json
from collections.abc import Iterator
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataspace.errors import Malformed, VerificationError
from dataspace.proof.canonical import INTEGER, LIMIT, canonical, parse
from dataspace.proof.record import Record, entry_of, seal, unseal

_text = st.text(st.characters(exclude_categories=["Cs"]))
_plain = st.sampled_from(
    ["kind", "time", "a", "dataset", "policy", "", " ", "~", ":", ",", "x" * 64, "x" * 65]
)
_scalars = (
    st.none()
    | st.booleans()
    | st.integers(-INTEGER, INTEGER)
    | st.integers(-3, 3)
    | _text
    | st.sampled_from(
        ["\0", "\b\t\n\f\r", "\x0b\x0e\x0f\x1f", '"', "\\", "\x7f\x85\u2028", 'a,"b":1', "é", "\U0001f600"]
    )
)
_values = _scalars | st.lists(_scalars) | st.dictionaries(_text, _scalars) | st.lists(st.lists(_scalars))


def record_fields() -> st.SearchStrategy[dict[str, Any]]:
    """Fields as records have them, and odder ones."""
    return st.dictionaries(_plain | _text, _values, min_size=1)


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


@given(record_fields())
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


ANSWERED = {
    "kind": "query.answered", "time": "2026-11-23T08:00:00.000000Z", "agreement": "ag-0123456789abcdef",
    "dataset": "ds-0123456789abcdef", "version": 1, "form": "aggregate", "query_sha256": "a" * 64,
    "answer_sha256": "b" * 64, "policy": "c" * 64, "input": "d" * 64, "units": 3, "epsilon": 0, "price": 300,
}  # fmt: skip
DOCUMENT, SALTS, ENTRY = seal(ANSWERED)


def _slow(document: bytes, salts: bytes) -> bytes | None:
    """The entry by the way of values: what a parser reads, canonical and hashed again."""
    try:
        fields = parse(document)
        if not isinstance(fields, dict) or canonical(fields) != document:
            return None
        return Record(fields, salts).entry()
    except VerificationError:
        return None


def _fast(document: str | bytes, salts: bytes) -> bytes | None:
    try:
        return entry_of(document, salts)
    except VerificationError:
        return None


@given(record_fields())
def test_a_sealed_record_is_unsealed_to_its_fields_and_its_entry(fields: dict[str, Any]) -> None:
    document, salts, entry = seal(fields)
    assert unseal(document, salts) == unseal(document.decode(), salts) == (Record(fields, salts), entry)
    assert _slow(document, salts) == entry
    assert document == canonical(fields)


@given(record_fields(), st.data())
def test_both_ways_agree_on_every_change_of_a_document(fields: dict[str, Any], data: st.DataObject) -> None:
    document, salts, entry = seal(fields)
    at = data.draw(st.integers(0, len(document)))
    cut = data.draw(st.integers(0, 3))
    put = data.draw(
        st.binary(max_size=3) | st.sampled_from([b',"a":1', b"{", b"}", b",", b":", b'"', b" ", b"0"])
    )
    changed = document[:at] + put + document[at + cut :]
    assert _fast(changed, salts) == _slow(changed, salts)
    assert changed == document or _fast(changed, salts) != entry


@pytest.mark.parametrize("document", [
    b'{"a":1,"a":1}', b'{"b":1,"a":1}', b'{"a":1, "b":1}', b' {"a":1,"b":1}', b'{"a":1,"b":1}\n',
    b'{"a":01}',    b'{"a":-0}', b'{"a":1.0}', b'{"a":1e2}', b'{"a":+1}', b'{"a":"\\u0061"}',
    b'{"a":"\\u001F"}', b'{"a":"\\/"}', b'{"a":"\\u0008"}', b'{"a":"\\u000a"}', b'{"a":"\x1f"}',
    b'{"a":"\xed\xa0\x80"}', b'{"a":"\xff"}', b'{"a":[1,]}', b'{"a":[1 ]}', b'{"a":1,}', b'{"a":1',
    b',"a":1}', b'{"a":1{"b":1}', b'{{"a":1}', b'{"a":1}}', b'["a",1]', b"{}", b"", b"1", b'{"a":True}',
    b'{"a":NaN}', b'{"a":9007199254740992}', b'{"a":x"b":1}', b'{"a":1x,"b":1}', b'{"\\u0061":1}',
    b'{"a":1,x"b":1}', b'{"a":{"b":1,"b":1}}', b'{"a":{"c":1,"b":1}}', b'{"a":"\\ud800"}',
])  # fmt: skip
def test_le_11_a_stored_record_that_is_not_canonical_has_no_entry(document: bytes) -> None:
    for count in range(3):
        assert _fast(document, bytes(32 * count)) is None
        assert _slow(document, bytes(32 * count)) is None


@pytest.mark.parametrize("document", [
    b'{"a":9007199254740991}', b'{"a":-9007199254740991}', b'{"a":999999999999999}',
    b'{"a":"\\u000b\\u001f\\f"}', b'{"a":[]}', b'{"a":[1,"b",null,true,-5]}', b'{"a":[[]]}', b'{"a":{}}',
    b'{"":0}', '{"é":1}'.encode(), '{"\U0001f600":1,"\ue000":1}'.encode(), b'{"a":"\x7f"}',
    b'{"a\x7f":0}', b'{"%b":0}' % (b"x" * 65),
])  # fmt: skip
def test_a_canonical_record_has_an_entry_on_both_ways(document: bytes) -> None:
    salts = bytes(32 * len(json.loads(document)))
    assert _fast(document, salts) == _slow(document, salts)
    assert _fast(document, salts) is not None


def _flips(data: bytes) -> Iterator[bytes]:
    """Each value that differs from `data` in one bit."""
    number = int.from_bytes(data)
    return ((number ^ 1 << bit).to_bytes(len(data)) for bit in range(len(data) * 8))


def test_le_02_every_flipped_bit_of_a_stored_record_leads_elsewhere() -> None:
    for document in _flips(DOCUMENT):
        assert _fast(document, SALTS) == _slow(document, SALTS) != ENTRY
    assert len({_fast(DOCUMENT, salts) for salts in _flips(SALTS)} - {ENTRY, None}) == len(SALTS) * 8


@pytest.mark.parametrize(
    "salts", [b"", SALTS[:-1], SALTS + b"\0", SALTS[32:], SALTS + bytes(32), SALTS[::-1]]
)
def test_other_salts_do_not_lead_to_the_entry(salts: bytes) -> None:
    assert _fast(DOCUMENT, salts) != ENTRY


def test_le_20_a_stored_record_over_the_limit_or_of_many_fields_is_read_as_any_other() -> None:
    large = b'{"a":"%b"}' % (b"x" * LIMIT)
    assert (_fast(large, bytes(32)), _slow(large, bytes(32))) == (None, None)
    many, salts, entry = seal({f"{number:04}": number for number in range(1000)})
    assert entry_of(many, salts) == entry
    assert _fast("\ud800", bytes(32)) is None


@given(st.binary() | st.text().map(lambda text: text.encode(errors="surrogatepass")), st.integers(0, 3))
def test_noise_is_refused_with_one_error(document: bytes, count: int) -> None:
    assert _fast(document, bytes(32 * count)) == _slow(document, bytes(32 * count))
