import json
from base64 import b64decode
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataspace.errors import VerificationError
from dataspace.proof import merkle
from dataspace.proof.canonical import canonical
from dataspace.proof.checkpoint import Checkpoint
from dataspace.proof.disclosure import Disclosure, disclose
from dataspace.proof.receipt import AnchorEvidence, InclusionProof, Receipt
from dataspace.proof.record import Record, seal
from tests.programs import shared
from tests.proof.test_note import KEY, VERIFIER


def _tree(size: int) -> tuple[list[Record], list[bytes]]:
    records, leaves = [], []
    for number in range(size):
        fields = {"kind": "a.test", "number": number, "time": "2026-11-23T08:00:00.000000Z"}
        _, salts, entry = seal(fields)
        records.append(Record(fields, salts))
        leaves.append(merkle.leaf_hash(entry))
    return records, leaves


RECORDS, LEAVES = _tree(9)


def head(size: int, leaves: list[bytes] = LEAVES) -> str:
    """The signed checkpoint of the first `size` leaves."""
    return Checkpoint(VERIFIER.name, size, merkle.root(leaves[:size])).sign(VERIFIER, KEY.sign)


def make_receipt(index: int, size: int, anchored: int | None = None) -> Receipt:
    """The receipt of an entry against the head of `size`, with an anchor at `anchored`."""
    nodes = merkle.nodes_of(LEAVES)
    proof = InclusionProof(index, tuple(merkle.inclusion_proof(index, size, nodes)), head(size))
    if anchored is None:
        return Receipt(RECORDS[index], proof)
    path = tuple(merkle.consistency_proof(min(size, anchored), max(size, anchored), nodes))
    return Receipt(RECORDS[index], proof, AnchorEvidence("file", head(anchored), path, {"line": 3}))


RECEIPT = make_receipt(5, 9, 7).to_bytes()
PART = replace(make_receipt(5, 9, 7), record=disclose(RECORDS[5], ["kind"])).to_bytes()


def test_the_published_tlog_proofs() -> None:
    # https://github.com/transparency-dev/formats, proof/tlog_proof_test.go
    vectors = json.loads((shared() / "vectors" / "tlog-proof.json").read_text())
    for case in vectors["marshal"]:
        hashes = tuple(map(b64decode, case["hashes_b64"]))
        proof = InclusionProof(
            case["index"], hashes, case["checkpoint"], b64decode(case.get("extra_b64", ""))
        )
        assert proof.text() == case["want"]
        assert InclusionProof.parse(case["want"]) == proof
    for case in vectors["unmarshal_bad"]:
        with pytest.raises(VerificationError):
            InclusionProof.parse(case["proof"])


@pytest.mark.parametrize("anchored", [None, 7, 9])
def test_a_receipt_comes_back_from_its_bytes(anchored: int | None) -> None:
    receipt = make_receipt(5, 9, anchored)
    assert Receipt.parse(receipt.to_bytes()) == receipt


def test_a_receipt_may_hold_a_part_of_its_record() -> None:
    receipt = Receipt.parse(PART)
    assert receipt.to_bytes() == PART
    assert isinstance(receipt.record, Disclosure)
    assert receipt.record.fields == {"kind": "a.test"}
    assert json.loads(PART).keys() == {"format", "disclosure", "proof", "anchor"}


def test_a_receipt_writes_the_proof_that_other_programs_read() -> None:
    receipt = make_receipt(5, 9)
    extra = replace(receipt, proof=replace(receipt.proof, extra=b"of ours"))
    assert extra.tlog_proof() == receipt.tlog_proof() == receipt.proof.text()
    assert receipt.tlog_proof().startswith("c2sp.org/tlog-proof@v1\nindex 5\n")
    assert receipt.tlog_proof().endswith(f"\n\n{head(9)}")


@pytest.mark.parametrize(("name", "value"), [
    ("disclosure", []), ("disclosure", {}), ("disclosure", ["AAAA"]), ("disclosure", [1]),
    ("record", {"kind": "a.test"}), ("salts", ""), ("format", "dataspace-receipt@v2"), ("more", 1),
])  # fmt: skip
def test_a_receipt_of_a_part_in_another_shape_is_refused(name: str, value: Any) -> None:
    with pytest.raises(VerificationError):
        Receipt.parse(canonical({**json.loads(PART), name: value}))


def test_size_and_root_stand_nowhere_but_in_the_signed_checkpoint() -> None:
    assert json.loads(RECEIPT).keys() == {"format", "record", "salts", "proof", "anchor"}
    assert json.loads(RECEIPT)["anchor"].keys() == {"kind", "checkpoint", "consistency", "facts"}


@pytest.mark.parametrize(("path", "value"), [
    (("format",), "dataspace-receipt@v2"), (("format",), None), (("record",), []), (("record",), {}),
    (("salts",), ""), (("salts",), "AAAA"), (("proof",), ""), (("proof",), 1), (("anchor",), None),
    (("more",), 1), (("anchor", "kind"), 1),
    (("anchor", "more"), 1), (("anchor", "consistency"), [1]), (("anchor", "consistency"), [""] * 65),
])  # fmt: skip
def test_a_receipt_of_another_shape_is_refused(path: tuple[str, ...], value: Any) -> None:
    data = json.loads(RECEIPT)
    inner = data[path[0]] if len(path) == 2 else data
    inner[path[-1]] = value
    with pytest.raises(VerificationError):
        Receipt.parse(canonical(data))


def _changes(receipt: bytes) -> st.SearchStrategy[bytes]:
    return st.tuples(st.integers(0, len(receipt) - 1), st.binary(max_size=3)).map(
        lambda change: receipt[: change[0]] + change[1] + receipt[change[0] + 1 :]
    )


@given(st.binary() | _changes(RECEIPT) | _changes(PART))
def test_noise_is_refused_with_one_error(data: bytes) -> None:
    try:
        receipt = Receipt.parse(data)
    except VerificationError:
        return
    assert Receipt.parse(receipt.to_bytes()) == receipt


@given(st.text() | st.text().map(lambda text: f"c2sp.org/tlog-proof@v1\nindex 1\n{text}\n\n{text}"))
def test_noise_is_no_proof(text: str) -> None:
    try:
        proof = InclusionProof.parse(text)
    except VerificationError:
        return
    assert InclusionProof.parse(proof.text()) == proof
