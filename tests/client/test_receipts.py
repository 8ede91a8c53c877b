"""Receipts that the SDK puts together or shows in part: verified as files, and wrong ones told apart."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataspace.cli import app
from dataspace.client import Answer, DataSpace
from dataspace.client.receipts import acknowledged, disclosed
from dataspace.errors import Conflict, Malformed, NotFound, Unprocessable, VerificationError
from dataspace.proof.receipt import Receipt
from dataspace.proof.verify import verify_receipt
from tests.simulator import Simulator, people

COUNT = "SELECT COUNT(*) FROM data"


@pytest.fixture(scope="module")
def agreement(space: Simulator) -> tuple[str, str]:
    """A consumer's token and its agreement."""
    consumer = space.consumer()
    offer = space.registered(space.provider(), people(520), subjects=["number"]).offer
    return space.tokens[consumer.id], space.agreed(consumer, offer).id


def test_acknowledged_answers_come_back_as_receipts_that_verify(
    space: Simulator, url: str, agreement: tuple[str, str]
) -> None:
    with DataSpace(url, agreement[0]) as consumer:
        asked = [COUNT, "SELECT AVG(income) FROM data", COUNT]
        answers = [consumer.query(agreement[1], sql) for sql in asked]
        receipts = consumer.acknowledge(answers)
        assert consumer.acknowledge([]) == []
        again = consumer.acknowledge(answers[:1])
    key = space.service.space.log.vkey()
    assert all(verify_receipt(receipt, key).ok for receipt in receipts)
    read = [Receipt.parse(receipt) for receipt in receipts]
    assert [one.record.fields["answered"] for one in read] == [answer.entry for answer in answers]
    assert Receipt.parse(again[0]).proof.index == read[0].proof.index
    space.audit()


def test_an_answer_with_a_changed_byte_is_not_acknowledged(url: str, agreement: tuple[str, str]) -> None:
    with DataSpace(url, agreement[0]) as consumer:
        answer = consumer.query(agreement[1], COUNT)
        wrong = _answer(answer.entry, answer.content + b" ")
        with pytest.raises(Unprocessable, match="item 1") as refused:
            consumer.acknowledge([consumer.query(agreement[1], "SELECT AVG(age) FROM data"), wrong])
    assert refused.value.facts["position"] == 1


def test_fields_are_asked_for_and_hidden_offline_with_the_same_meaning(
    space: Simulator, url: str, agreement: tuple[str, str]
) -> None:
    key, names = space.service.space.log.vkey(), ["kind", "form"]
    with DataSpace(url, agreement[0]) as consumer:
        entry = consumer.query(agreement[1], COUNT).entry
        whole, part = consumer.receipt(entry), consumer.receipt(entry, names)
        with pytest.raises(Malformed, match="no field colour"):
            consumer.receipt(entry, ["colour"])
    for receipt in (part, disclosed(whole, names)):
        assert verify_receipt(receipt, key).ok
        assert Receipt.parse(receipt).record.fields == {"kind": "query.answered", "form": "aggregate"}
        assert agreement[1].encode() not in receipt
    with pytest.raises(Malformed, match="no field colour"):
        disclosed(whole, ["colour"])
    with pytest.raises(Malformed, match="no field to show, want one of agreement, "):
        disclosed(whole, [])
    with pytest.raises(Malformed, match="in part already"):
        disclosed(part, ["kind"])
    with pytest.raises(VerificationError):
        disclosed(whole[:-1], ["kind"])


def test_what_is_shown_of_a_receipt_does_not_take_its_place(
    url: str, agreement: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, shown = tmp_path / "receipt", tmp_path / "shown"
    with DataSpace(url, agreement[0]) as consumer:
        whole.write_bytes(content := consumer.query(agreement[1], COUNT).receipt())
    monkeypatch.chdir(tmp_path)
    for same in (str(whole), "receipt", "./receipt"):
        with pytest.raises(Conflict, match="is the whole receipt"):
            app(["disclose", str(whole), "--field", "kind", "--output", same], standalone_mode=False)
    assert whole.read_bytes() == content
    app(["disclose", str(whole), "--field", "kind", "--output", str(shown)], standalone_mode=False)
    assert Receipt.parse(shown.read_bytes()).record.fields == {"kind": "query.answered"}


def test_an_operator_erases_and_bounds_an_auditor_over_the_sdk(
    space: Simulator, url: str, tmp_path: Path
) -> None:
    del tmp_path
    entry = space.registered(space.provider(), people(521), subjects=["number"]).entry
    with DataSpace(url, space.operator_token) as operator:
        admitted = operator.admit("x", "bound-auditor", ["auditor"], zones=["finance"])
        assert operator.erase(entry, "PIPL article 47") > entry
        with pytest.raises(NotFound, match="erased by entry"):
            operator.receipt(entry)
        operator.change(admitted["participant"]["id"], zones=[])
    with DataSpace(url, admitted["token"]) as auditor:
        assert auditor.me()["zones"] == []
    space.audit()


def _answer(entry: int, content: bytes) -> Answer:
    return Answer(content, "application/json", entry, 1, 0, lambda _: b"")


def _document(**changed: Any) -> dict[str, Any]:
    record = {"kind": "answer.acknowledged", "answered": 7, "answer_sha256": _answer(7, b"x").sha256}
    one = {"entry": 9, "record": record, "salts": "A" * 128, "proof": []}
    return {"checkpoint": "note", "acknowledgements": [{**one, **changed}]}


def test_what_acknowledges_another_answer_is_told_apart() -> None:
    answer = _answer(7, b"x")
    assert len(acknowledged([answer], _document())) == 1
    for wrong in (_answer(8, b"x"), _answer(7, b"y")):
        with pytest.raises(VerificationError, match="something else"):
            acknowledged([wrong], _document())
    refused = {**_document()["acknowledgements"][0]["record"], "kind": "query.refused"}
    with pytest.raises(VerificationError, match="something else"):
        acknowledged([answer], _document(record=refused))


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(st.sampled_from(["entry", "record", "salts", "proof"]), _JSON)
def test_a_service_that_answers_nonsense_is_refused_with_one_error(name: str, value: Any) -> None:
    for document in (_document(**{name: value}), {**_document(), "acknowledgements": value}, value):
        try:
            receipts = acknowledged([_answer(7, b"x")], document)
        except VerificationError:
            continue
        assert json.loads(receipts[0])
