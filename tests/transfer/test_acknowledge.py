"""Acknowledged answers: all of a list or none of it, each an entry with its own receipt, and once."""

import hashlib
import secrets
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from dataspace.errors import Conflict, NotFound, Unprocessable
from dataspace.negotiation.models import Agreement
from dataspace.participants.access import Caller
from dataspace.proof.receipt import InclusionProof, Receipt, decode_hashes
from dataspace.proof.record import Record
from dataspace.proof.verify import verify_receipt
from dataspace.transfer.acknowledge import MOST, Acknowledged, Received
from tests.postgres import postgres_server, postgres_url  # noqa: F401 - fixtures
from tests.simulator import Simulator, people, simulated
from tests.transfer.answers import answered

COUNT = "SELECT COUNT(*) FROM data"


@pytest.fixture(scope="module")
def consumer(space: Simulator) -> Caller:
    return space.consumer()


@pytest.fixture(scope="module")
def agreement(space: Simulator, consumer: Caller) -> Agreement:
    registered = space.registered(space.provider(), people(300), subjects=["number"], units=1000)
    return space.agreed(consumer, registered.offer)


def _received(space: Simulator, consumer: Caller, agreement: Agreement, count: int) -> list[Received]:
    # Not the same question twice: that has one answer.
    asked = [f"SELECT COUNT(*) AS n{secrets.token_hex(4)} FROM data" for _ in range(count)]
    answers = [space.query(consumer, agreement.id, sql) for sql in asked]
    return [Received(answer.entry, answer.sha256) for answer in answers]


def _size(space: Simulator) -> int:
    with space.service.space.database.reading() as session:
        return space.service.space.log.size(session)


def _receipts(found: Acknowledged) -> list[Receipt]:
    return [
        Receipt(
            Record.from_json({"record": one.fields(), "salts": one.salts}),
            InclusionProof(one.index, decode_hashes(one.hashes), found.checkpoint),
        )
        for one in found.proved
    ]


def _ok(space: Simulator, receipt: Receipt) -> bool:
    return verify_receipt(receipt.to_bytes(), space.service.space.log.vkey()).ok


def test_each_answer_becomes_an_entry_with_its_own_receipt(
    space: Simulator, agreement: Agreement, consumer: Caller
) -> None:
    received = _received(space, consumer, agreement, 3)
    start = _size(space)
    found = space.service.acknowledgements.acknowledge(consumer, received)
    assert [one.index for one in found.proved] == [start, start + 1, start + 2]
    for one, receipt in zip(received, _receipts(found), strict=True):
        told = {name: value for name, value in receipt.record.fields.items() if name != "time"}
        assert told == {
            "kind": "answer.acknowledged",
            "agreement": agreement.id,
            "answered": one.entry,
            "answer_sha256": one.answer_sha256,
            "by": consumer.id,
        }
        assert _ok(space, receipt)
    space.audit()


def test_cr_05_to_acknowledge_again_gives_the_entry_that_is_there(
    space: Simulator, agreement: Agreement, consumer: Caller
) -> None:
    first, second, third = _received(space, consumer, agreement, 3)
    act = space.service.acknowledgements
    before = [one.index for one in act.acknowledge(consumer, [first, second]).proved]
    size = _size(space)
    again = act.acknowledge(consumer, [second, third, first])
    assert [one.index for one in again.proved] == [before[1], size, before[0]]
    assert _size(space) == size + 1
    assert all(_ok(space, receipt) for receipt in _receipts(again))
    space.audit()


Spoil = Callable[[Simulator, list[Received]], Received]


def _digest(_: Simulator, received: list[Received]) -> Received:
    return Received(received[2].entry, hashlib.sha256(b"another").hexdigest())


def _unknown(_: Simulator, __: list[Received]) -> Received:
    return Received(10**9, "0" * 64)


def _no_answer(_: Simulator, __: list[Received]) -> Received:
    return Received(0, "0" * 64)


def _twice(_: Simulator, received: list[Received]) -> Received:
    return received[0]


def _foreign(space: Simulator, _: list[Received]) -> Received:
    other = space.consumer()
    offer = space.registered(space.provider(), people(301), subjects=["number"]).offer
    answer = space.query(other, space.agreed(other, offer).id, COUNT)
    return Received(answer.entry, answer.sha256)


def _erased(space: Simulator, received: list[Received]) -> Received:
    space.service.erasure.erase(space.operator, received[2].entry, "a test")
    return received[2]


@pytest.mark.parametrize(
    ("spoil", "error"),
    [
        (_digest, Unprocessable),
        (_unknown, NotFound),
        (_no_answer, NotFound),
        (_twice, Unprocessable),
        (_foreign, NotFound),
        (_erased, NotFound),
    ],
)
def test_one_wrong_item_leaves_nothing_of_the_list_and_is_named(
    space: Simulator, agreement: Agreement, consumer: Caller, spoil: Spoil, error: type[Exception]
) -> None:
    received = _received(space, consumer, agreement, 3)
    received[2] = spoil(space, received)
    size = _size(space)
    with pytest.raises(error, match=r"^item 2: ") as refused:
        space.service.acknowledgements.acknowledge(consumer, received)
    assert refused.value.facts["position"] == 2  # type: ignore[attr-defined]
    assert _size(space) == size
    assert len(space.service.acknowledgements.acknowledge(consumer, received[:2]).proved) == 2
    assert _size(space) == size + 2
    space.audit()


def test_au_09_anothers_answer_is_refused_like_one_that_is_not_there(
    space: Simulator, agreement: Agreement, consumer: Caller
) -> None:
    answer = _received(space, consumer, agreement, 1)[0]
    stranger, texts = space.consumer(), set()
    for entry in (answer.entry, 10**9):
        with pytest.raises(NotFound) as refused:
            space.service.acknowledgements.acknowledge(stranger, [Received(entry, answer.answer_sha256)])
        texts.add(str(refused.value).replace(str(entry), "N"))
    assert len(texts) == 1


@pytest.mark.parametrize("count", [0, MOST + 1])
def test_a_list_has_one_to_a_thousand_items(space: Simulator, consumer: Caller, count: int) -> None:
    with pytest.raises(Unprocessable, match="want 1 to 1000"):
        space.service.acknowledgements.acknowledge(consumer, [Received(index, "") for index in range(count)])


def test_an_acknowledgement_that_was_erased_is_not_made_again(
    space: Simulator, agreement: Agreement, consumer: Caller
) -> None:
    received = _received(space, consumer, agreement, 1)
    entry = space.service.acknowledgements.acknowledge(consumer, received).proved[0].index
    space.service.erasure.erase(space.operator, entry, "a test")
    size = _size(space)
    with pytest.raises(Conflict, match=f"acknowledged by entry {entry}, which is erased"):
        space.service.acknowledgements.acknowledge(consumer, received)
    assert _size(space) == size
    space.audit()


def test_an_answer_is_acknowledged_after_its_agreement_ended(space: Simulator) -> None:
    consumer = space.consumer()
    offer = space.registered(space.provider(), people(302), subjects=["number"]).offer
    agreement = space.agreed(consumer, offer)
    received = _received(space, consumer, agreement, 1)
    space.service.negotiator.end(consumer, agreement.id)
    assert space.service.acknowledgements.acknowledge(consumer, received).proved
    space.audit()


def _all_at_once(space: Simulator, consumer: Caller, lists: Sequence[list[Received]]) -> list[list[int]]:
    def act(received: list[Received]) -> list[int]:
        found = space.service.acknowledgements.acknowledge(consumer, received)
        return [one.index for one in found.proved]

    with ThreadPoolExecutor(len(lists)) as pool:
        return list(pool.map(act, lists))


def test_lists_that_overlap_at_the_same_time_acknowledge_each_answer_once(
    space: Simulator, agreement: Agreement, consumer: Caller
) -> None:
    received = [Received(*one) for one in answered(space, consumer, agreement, 60)]
    size = _size(space)
    found = _all_at_once(space, consumer, [received[at : at + 40] for at in (0, 10, 20)] * 2)
    by_answer: dict[int, set[int]] = {}
    for at, entries in zip((0, 10, 20) * 2, found, strict=True):
        for one, entry in zip(received[at : at + 40], entries, strict=True):
            by_answer.setdefault(one.entry, set()).add(entry)
    assert all(len(entries) == 1 for entries in by_answer.values())
    assert _size(space) == size + 60
    space.audit()


def test_on_postgres_too(postgres_url: str, tmp_path: Path) -> None:  # noqa: F811
    with simulated(tmp_path / "home", database=postgres_url) as space:
        consumer = space.consumer()
        offer = space.registered(space.provider(), people(100), subjects=["number"]).offer
        received = [Received(*one) for one in answered(space, consumer, space.agreed(consumer, offer), 20)]
        found = _all_at_once(space, consumer, [received[:15], received[5:], received])
        assert found[2] == [*found[0][:5], *found[1]]
        last = space.service.acknowledgements.acknowledge(consumer, received)
        assert all(_ok(space, receipt) for receipt in _receipts(last))
        space.audit()
