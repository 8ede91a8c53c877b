"""Tables of sealed records: one length, one label and key each, and buckets of a thousand."""

import json
import os
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from dataspace.errors import Malformed, TooLarge, Unprocessable
from dataspace.privacy import lookup
from dataspace.privacy.lookup import BUCKET, Head, Lookup, bucketed
from dataspace.wire.oprf import LOOKUP, Scalar, hashed, record_keys

_COLUMNS = [{"name": name, "type": "text"} for name in ("number", "city", "amount")]
_ROWS: list[list[Any]] = [
    ["a", "上海", 1.5],
    ["b", None, 2],
    ["a", "北京", 3],
    ["é", "x" * 90, 4],
    [None, "nobody", 5],
]


def _built(rows: list[list[Any]], scalar: Scalar) -> tuple[Head, bytes]:
    answer = json.dumps({"columns": _COLUMNS, "rows": rows, "withheld": False}).encode()
    request = {"table": "lt-1", "scalar": scalar.to_bytes(), "rows": answer, "identifier": "number"}
    table = Lookup().build(request)["table"]
    head, end = Head.decode(table)
    return head, table[end:]


def _open(head: Head, records: bytes, item: str, scalar: Scalar) -> list[list[Any]] | None:
    label, key = record_keys("lt-1", item, scalar.of(hashed(item, LOOKUP)))
    for at in range(0, len(records), head.stride):
        if records[at : at + 16] == label:
            plain = AESGCM(key).decrypt(bytes(12), records[at + 16 : at + head.stride], b"lt-1" + label)
            rows: list[list[Any]] = json.loads(plain)
            return rows
    return None


def test_a_record_holds_all_rows_of_its_subject_and_no_other_opens() -> None:
    scalar = Scalar.fresh()
    head, records = _built(_ROWS, scalar)
    assert _open(head, records, "a", scalar) == [["上海", 1.5], ["北京", 3]]
    assert _open(head, records, "b", scalar) == [[None, 2]]
    assert _open(head, records, "e\u0301", scalar) == [["x" * 90, 4]], "NFC on both sides"
    assert _open(head, records, "None", scalar) is None
    assert _open(head, records, "a", Scalar.fresh()) is None


def test_records_are_of_one_length_and_in_the_order_of_their_labels() -> None:
    head, records = _built(_ROWS, Scalar.fresh())
    assert (head.records, head.length, head.counts) == (3, 128, (3,))
    assert len(records) == 3 * head.stride == 3 * (16 + 128 + 16)
    labels = [records[at : at + 16] for at in range(0, len(records), head.stride)]
    assert labels == sorted(labels)
    assert [field["name"] for field in head.fields] == ["city", "amount"]


def test_an_integer_is_looked_up_by_its_digits_and_what_cannot_be_asked_has_no_record() -> None:
    scalar = Scalar.fresh()
    head, records = _built([[7, "x", 1], ["", "y", 2], ["z" * 300, "w", 3]], scalar)
    assert head.records == 1
    assert _open(head, records, "7", scalar) == [["x", 1]]


def test_a_column_without_an_identifier_makes_no_table() -> None:
    with pytest.raises(Unprocessable, match="no row"):
        _built([[None, "x", 1]], Scalar.fresh())


def test_a_table_that_is_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookup, "TABLE_LIMIT", 400)
    with pytest.raises(TooLarge, match="3 records of 128 bytes"):
        _built(_ROWS, Scalar.fresh())


@pytest.mark.parametrize(("records", "buckets"), [(0, 1), (1, 1), (1999, 1), (2500, 2), (9000, 8)])
def test_every_bucket_has_a_thousand_records_or_there_is_one(records: int, buckets: int) -> None:
    # Even labels, so that the number of buckets does not depend on luck.
    labels = [(number * 2**16 // max(records, 1)).to_bytes(2) + os.urandom(14) for number in range(records)]
    counts = bucketed(labels)
    assert (len(counts), sum(counts)) == (buckets, records)
    assert buckets == 1 or min(counts) >= BUCKET


def test_evaluation_is_of_points_alone() -> None:
    scalar, point = Scalar.fresh(), Scalar.fresh().of(hashed("x", LOOKUP))
    request = {"scalar": scalar.to_bytes(), "points": point}
    assert Lookup().evaluate(request) == scalar.of_all([point])[0]
    with pytest.raises(Malformed):
        Lookup().evaluate({**request, "points": b"\xff" * 32})


@given(st.binary(max_size=60))
def test_a_head_of_noise_is_refused_with_one_error(data: bytes) -> None:
    with pytest.raises(Malformed):
        Head.decode(data)
