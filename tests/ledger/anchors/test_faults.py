"""Chains that are away, busy, slow to finalize, reorganised or expensive: rows CH-01 to CH-05.

What the service's own bookkeeping does about them is in `test_anchored`.
"""

import socket
from dataclasses import replace
from typing import Any

import pytest

from dataspace.errors import Unavailable, VerificationError
from dataspace.ledger.anchors import Head, open_anchor
from dataspace.ledger.anchors.chain import account_of
from dataspace.ledger.anchors.sender import Sender
from dataspace.proof.checkpoint import Checkpoint
from tests.contracts.trees import root
from tests.ledger.anchors.conftest import KEY, Place, Prompt, final, head, publish, through
from tests.ledger.anchors.rpc import lying, nonsense

NOBODY = b"\7" * 32


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def impatient(place: Place) -> Sender:
    """Return a sender that takes what is not mined at once for stuck."""
    return Sender(place.web3, patience=0.0)


def test_ch_01_a_chain_that_is_down_is_unavailable(remote: Place) -> None:
    anchor = through(f"http://127.0.0.1:{closed_port()}", remote, "example.org/log")
    with pytest.raises(Unavailable):
        publish(anchor, 5)
    with pytest.raises(Unavailable):
        anchor.latest()


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b"<html>"), (200, b"{}"), (200, b"[]"), (200, b"null"), (429, b"{}"), (500, b""), (302, b""),
        (200, b'{"jsonrpc": "2.0", "id": 0, "result": null}'),
        (200, b'{"jsonrpc": "2.0", "id": 0, "result": "0xzz"}'),
        (200, b'{"jsonrpc": "2.0", "id": 0, "result": {"a": []}}'),
        (200, b'{"jsonrpc": "2.0", "id": 0, "error": {"code": -32000, "message": "no"}}'),
    ],
)  # fmt: skip
def test_ch_01_an_rpc_that_answers_nonsense_is_unavailable(local: Place, status: int, body: bytes) -> None:
    with nonsense(status, body) as rpc:
        anchor = open_anchor(f"evm:{rpc}#{local.pins.text()}", "example.org/log", KEY)
        with pytest.raises(Unavailable):
            anchor.latest()
        with pytest.raises(Unavailable):
            anchor.publish(Checkpoint("example.org/log", 5, root(5)), "note", lambda _: [])


@pytest.mark.parametrize(
    "method", ["eth_call", "eth_getLogs", "eth_getBlockByNumber", "eth_blockNumber", "eth_gasPrice",
               "eth_getTransactionCount", "eth_sendRawTransaction", "eth_estimateGas"],
)  # fmt: skip
@pytest.mark.parametrize("garbage", [None, "0x", "x", 7, [], {}, [[]], {"number": "0x1"}])
def test_ch_01_garbage_in_one_answer_is_unavailable(remote: Place, method: str, garbage: Any) -> None:
    origin = remote.open()._origin
    with lying(remote.rpc, lambda called, result: garbage if called == method else result) as rpc:
        try:
            publish(through(rpc, remote, origin), 5)
        except Unavailable:
            return
    # Where the answer is not needed, or says what it should by chance, nothing wrong may have come of it.
    assert remote.open(origin).latest() in {None, Head(5, root(5))}


def test_ch_02_what_is_on_the_chain_already_is_not_sent_again(place: Place) -> None:
    anchor = place.open()
    first = final(anchor, 5)
    height = place.web3.eth.block_number
    assert publish(place.open(anchor._origin), 5) == first
    assert place.web3.eth.block_number == height


def test_ch_02_what_a_dead_process_sent_is_waited_for_and_not_sent_twice(remote: Place) -> None:
    remote.ask("evm_setAutomine", False)
    origin = remote.open()._origin
    assert publish(remote.open(origin), 5) is None
    again = remote.open(origin)  # of a process that knows nothing of the transaction
    assert publish(again, 5) is None
    assert publish(again, 6) is None
    remote.ask("anvil_mine", 1)
    assert again.check(final(again, 5), head(again, 5))
    assert remote.anchored(again) == 1


def test_ch_03_a_stuck_transaction_is_replaced_for_more_and_never_doubled(remote: Place) -> None:
    remote.ask("evm_setAutomine", False)
    origin = remote.open()._origin
    assert publish(remote.open(origin), 5) is None
    mined = remote.web3.eth.get_transaction_count(account_of(KEY).address, "latest")
    other = remote.open(origin, sender=impatient(remote))
    for size in (6, 7, 8):
        assert publish(other, size) is None
    assert remote.web3.eth.get_transaction_count(account_of(KEY).address, "pending") == mined + 1
    remote.ask("anvil_mine", 1)
    assert other.latest() == Head(8, root(8))
    assert remote.anchored(other) == 1


def test_ch_03_another_transaction_of_the_account_is_waited_for(remote: Place) -> None:
    remote.ask("evm_setAutomine", False)
    anchor = remote.open()
    web3, account = remote.web3, account_of(KEY)
    paid: Any = {"nonce": web3.eth.get_transaction_count(account.address), "gasPrice": web3.eth.gas_price,
            "to": account.address, "value": 1, "gas": 21_000, "chainId": remote.pins.chain}  # fmt: skip
    web3.eth.send_raw_transaction(account.sign_transaction(paid).raw_transaction)
    assert publish(anchor, 5) is None
    remote.ask("anvil_mine", 1)
    assert publish(anchor, 5) is None
    remote.ask("anvil_mine", 1)
    assert anchor.check(final(anchor, 5), head(anchor, 5))


def test_ch_03_a_transaction_that_the_node_forgot_is_sent_again(remote: Place) -> None:
    remote.ask("evm_setAutomine", False)
    anchor = remote.open()
    assert publish(anchor, 5) is None
    remote.ask("anvil_dropAllTransactions")
    remote.ask("evm_setAutomine", True)
    assert anchor.check(final(anchor, 5), head(anchor, 5))


def test_ch_03_a_number_that_is_too_low_is_told_and_found_anew(remote: Place) -> None:
    anchor = remote.open()

    def stale(method: str, result: Any) -> Any:
        return hex(int(result, 16) - 1) if method == "eth_getTransactionCount" else result

    with lying(remote.rpc, stale) as rpc, pytest.raises(Unavailable, match="came first"):
        publish(through(rpc, remote, anchor._origin), 5)
    assert final(anchor, 5)


def test_ch_04_an_anchor_is_not_told_before_its_block_is_finalized(remote: Place) -> None:
    anchor = remote.open(pins=replace(remote.pins, confirmations=None))
    assert publish(anchor, 5) is None
    assert publish(anchor, 5) is None
    assert anchor.latest() is None
    assert anchor.latest(final=False) == Head(5, root(5))
    early = final(remote.open(anchor._origin), 5)
    with pytest.raises(Unavailable, match="not final"):
        anchor.check(early, head(anchor, 5))
    remote.ask("anvil_mine", 64)  # anvil finalizes two epochs of 32 slots behind the newest block
    assert anchor.check(final(anchor, 5), head(anchor, 5))
    assert anchor.latest() == Head(5, root(5))
    assert remote.anchored(anchor) == 1


def test_ch_04_an_anchor_is_not_told_before_it_is_confirmed(remote: Place) -> None:
    anchor = remote.open(pins=replace(remote.pins, confirmations=2))
    for _ in range(2):
        assert publish(anchor, 5) is None
        remote.ask("anvil_mine", 1)
    assert anchor.check(final(anchor, 5), head(anchor, 5))


def test_ch_04_the_newest_final_head_is_told_while_a_newer_one_waits(remote: Place) -> None:
    anchor = remote.open(pins=replace(remote.pins, confirmations=3))
    publish(anchor, 5)
    remote.ask("anvil_mine", 3)
    publish(anchor, 6)
    assert anchor.latest() == Head(5, root(5))
    assert anchor.latest(final=False) == Head(6, root(6))


def test_ch_04_a_reorganisation_takes_the_anchor_and_it_is_made_again(remote: Place) -> None:
    anchor = remote.open()
    evidence = final(anchor, 5)
    remote.ask("anvil_reorg", 1, [])
    assert anchor.latest() is None
    with pytest.raises(VerificationError):
        anchor.check(evidence, head(anchor, 5))
    again = final(anchor, 5)
    assert anchor.check(again, head(anchor, 5))


def test_ch_05_an_account_without_funds_is_told(place: Place) -> None:
    pins = replace(place.pins, founder=account_of(NOBODY).address)
    with pytest.raises(Unavailable):
        publish(place.open(key=NOBODY, pins=pins), 5)


def test_ch_05_a_price_above_the_pinned_one_is_not_paid(remote: Place) -> None:
    price = int(remote.web3.eth.gas_price)
    anchor = remote.open(sender=Prompt(remote.web3, ceiling=price // 2))
    with pytest.raises(Unavailable, match="gas costs"):
        publish(anchor, 5)
    assert remote.anchored(anchor) == 0
    assert final(remote.open(anchor._origin, sender=Prompt(remote.web3, ceiling=price * 2)), 5)


def test_ch_05_a_head_that_another_process_overtook_is_a_rollback_or_found(remote: Place) -> None:
    anchor = remote.open()
    final(anchor, 5)
    other = remote.open(anchor._origin)

    def overtaken(method: str, result: Any) -> Any:
        if method == "eth_gasPrice":  # between the look at the contract and the transaction
            final(other, 7)
        return result

    with lying(remote.rpc, overtaken) as rpc, pytest.raises(Exception, match="rolled back"):
        publish(through(rpc, remote, anchor._origin), 6)
    assert anchor.latest() == Head(7, root(7))
