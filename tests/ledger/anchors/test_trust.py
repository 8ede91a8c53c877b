"""RPCs that lie, keys that leak, and clocks of another time: rows CH-06, CH-07 and CH-09."""

from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from dataspace.errors import Malformed, Unavailable, VerificationError
from dataspace.ledger.anchors import Head, anvil, open_anchor
from dataspace.ledger.anchors.chain import account_of, connect, transfer
from dataspace.ledger.anchors.evm import deploy
from dataspace.ledger.anchors.ownership import hand_over
from dataspace.ledger.anchors.pins import split
from dataspace.ledger.anchors.signing import address_of, anchor_signature, public_key
from dataspace.proof.checkpoint import Checkpoint
from dataspace.proof.key import Verifier
from dataspace.proof.secp256k1 import AnchorKey
from tests.contracts.trees import root
from tests.ledger.anchors.conftest import KEY, Place, final, head, publish, through
from tests.ledger.anchors.rpc import lying
from tests.programs import need


def altered(method: str, change: Any) -> Any:
    """Return what alters the results of one method."""
    return lambda called, result: change(result) if called == method and result else result


LIES = [
    altered("eth_chainId", lambda _: "0x1"),
    altered("eth_getCode", lambda _: "0x6000"),
    altered("eth_getTransactionReceipt", lambda receipt: {**receipt, "logs": []}),
    altered(
        "eth_getTransactionReceipt",
        lambda receipt: {**receipt, "logs": [{**log, "data": "0x" + "00" * 64} for log in receipt["logs"]]},
    ),
    altered(
        "eth_getTransactionReceipt",
        lambda receipt: {
            **receipt,
            "logs": [{**log, "address": "0x" + "11" * 20} for log in receipt["logs"]],
        },
    ),
    altered("eth_getBlockByNumber", lambda block: {**block, "hash": "0x" + "22" * 32}),
    altered("eth_getBlockByNumber", lambda block: {**block, "timestamp": "0x1"}),
]


@pytest.mark.parametrize("lie", LIES)
def test_ch_06_an_rpc_that_lies_about_chain_code_event_or_block_convinces_nobody(
    remote: Place, lie: Any
) -> None:
    anchor = remote.open()
    evidence = final(anchor, 5)
    with lying(remote.rpc, lie) as rpc, pytest.raises((Unavailable, VerificationError)):
        through(rpc, remote, anchor._origin).check(evidence, head(anchor, 5))


def test_ch_06_a_whole_invented_block_shows_at_a_second_rpc(remote: Place) -> None:
    anchor = remote.open()
    invented = "0x" + "22" * 32

    def invent(method: str, result: Any) -> Any:
        if method == "eth_getBlockByNumber" and result:
            return {**result, "hash": invented}
        if method == "eth_getTransactionReceipt" and result:
            return {**result, "blockHash": invented,
                    "logs": [{**log, "blockHash": invented} for log in result["logs"]]}  # fmt: skip
        if method == "eth_getLogs":
            return [{**log, "blockHash": invented} for log in result]
        return result

    with lying(remote.rpc, invent) as rpc:
        alone = through(rpc, remote, anchor._origin)
        evidence = final(alone, 5)
        assert alone.check(evidence, head(alone, 5))  # a chain that one RPC invents, nobody can see through
        pair = through(rpc, remote, anchor._origin, second=remote.rpc)
        with pytest.raises(VerificationError, match="one of them lies"):
            pair.check(evidence, head(pair, 5))
        with pytest.raises(VerificationError, match="one of them lies"):
            publish(pair, 5)


def test_ch_06_two_rpcs_that_agree_are_believed(remote: Place) -> None:
    anchor = remote.open()
    url = f"evm:{remote.rpc}#{remote.pins.text()}&second={quote(remote.rpc, safe='')}"
    pair = open_anchor(url, anchor._origin, KEY)
    evidence = final(pair, 5)  # type: ignore[arg-type]
    assert pair.check(evidence, head(anchor, 5))
    assert pair.latest() == Head(5, root(5))


def test_ch_06_a_second_rpc_that_lags_behind_is_waited_for(remote: Place) -> None:
    anchor = remote.open()

    def lag(method: str, result: Any) -> Any:
        return "0x1" if method == "eth_blockNumber" else result

    with lying(remote.rpc, lag) as slow:
        pair = through(remote.rpc, remote, anchor._origin, second=slow)
        with pytest.raises(Unavailable, match="second"):
            publish(pair, 5)
    assert final(anchor, 5)
    assert remote.anchored(anchor) == 1


def test_ch_06_two_rpcs_with_two_roots_of_one_size_are_not_believed(remote: Place) -> None:
    anchor = remote.open()
    final(anchor, 5)

    def invent(method: str, result: Any) -> Any:
        return result.replace(root(5).hex(), "33" * 32) if method == "eth_call" else result

    with lying(remote.rpc, invent) as rpc, pytest.raises(VerificationError, match="one of them lies"):
        through(remote.rpc, remote, anchor._origin, second=rpc).latest()


def test_ch_07_a_leaked_key_is_rotated_out_and_what_it_anchored_cannot_be_taken_back(remote: Place) -> None:
    heir = bytes([9]) * 32
    transfer(remote.web3, account_of(KEY), account_of(heir).address, 10**17)
    anchor = remote.open()
    evidence = final(anchor, 5)
    url = f"evm:{remote.rpc}#{remote.pins.text()}"
    assert hand_over(url, anchor._origin, KEY, public_key(heir)).startswith("0x")
    with pytest.raises(Unavailable, match="owns"):
        publish(anchor, 6)
    after = remote.open(anchor._origin, key=heir)
    final(after, 6)
    assert after.latest() == Head(6, root(6))
    assert after.check(evidence, head(anchor, 5))
    with pytest.raises(Unavailable, match="owns"):
        hand_over(url, anchor._origin, KEY, public_key(KEY))


def signed(checkpoint: Checkpoint, secret: bytes) -> str:
    """Return the head with an anchor key's line; the log's own is the caller's to check."""
    key = AnchorKey(checkpoint.origin, public_key(secret))
    signature = anchor_signature(secret, checkpoint.origin, checkpoint.size, checkpoint.root)
    log = Verifier(checkpoint.origin, bytes(32))
    return checkpoint.sign(log, lambda _: bytes(64)) + key.line(checkpoint.text(), signature)


def test_le_06_a_checkpoint_signed_by_a_key_that_never_owned_the_log_does_not_hold(place: Place) -> None:
    anchor = place.open()
    with pytest.raises(VerificationError, match="does not own"):
        anchor.check(final(anchor, 5, signed(head(anchor, 5), bytes([9]) * 32)), head(anchor, 5))
    assert anchor.check(final(anchor, 6, signed(head(anchor, 6), KEY)), head(anchor, 6))
    # A line over another head recovers somebody, who owns nothing.
    with pytest.raises(VerificationError, match="does not own"):
        anchor.check(final(anchor, 7, signed(head(anchor, 6), KEY)), head(anchor, 7))


def test_le_06_an_anchor_signature_that_the_contract_would_not_take_does_not_hold(place: Place) -> None:
    anchor = place.open()
    checkpoint, key = head(anchor, 5), AnchorKey(anchor._origin, public_key(KEY))
    for broken in (bytes(64) + b"\x1b", b"\1" * 64 + b"\0", b"\xff" * 64 + b"\x1b"):
        note = checkpoint.sign(key, lambda _, made=broken: made)  # type: ignore[misc]
        with pytest.raises(VerificationError, match="no contract takes"):
            anchor.check(final(anchor, 5, note), checkpoint)


def test_ch_07_what_an_owner_before_signed_still_holds_after_a_rotation(remote: Place) -> None:
    heir = bytes([9]) * 32
    anchor = remote.open()
    assert anchor.owner() == address_of(public_key(KEY))
    evidence = final(anchor, 5, signed(head(anchor, 5), KEY))
    anchor.rotate(address_of(public_key(heir)))
    auditor = remote.open(anchor._origin, key=b"")
    assert auditor.owner() == auditor.owner(final=False) == address_of(public_key(heir))
    assert auditor.check(evidence, head(anchor, 5))


def test_ch_07_a_handover_to_the_owner_sends_nothing(remote: Place) -> None:
    anchor = remote.open()
    final(anchor, 5)
    url, height = f"evm:{remote.rpc}#{remote.pins.text()}", remote.web3.eth.block_number
    assert hand_over(url, anchor._origin, KEY, public_key(KEY)) == ""
    assert remote.web3.eth.block_number == height


@pytest.mark.parametrize("url", ["file:anchors.jsonl", "ftp:x", "evm:http://127.0.0.1:1"])
def test_ch_07_only_a_log_in_a_contract_is_handed_over(url: str) -> None:
    with pytest.raises(Malformed):
        hand_over(url, "example.org/log", KEY, public_key(KEY))


@pytest.mark.parametrize(
    ("time", "told"),
    [
        (1_800_000_000_000, "2027-01-15T08:00:0"),  # milliseconds, as some FISCO BCOS count
        (32_503_680_000, "3000-01-01T00:00:0"),  # a chain whose clock is a thousand years ahead
        (1 << 62, "time 4611686018427387"),  # no time at all
    ],
)
def test_ch_09_blocks_may_count_milliseconds_or_live_in_another_time(
    tmp_path: Path, time: int, told: str
) -> None:
    chain = anvil.start(tmp_path / "state.json", command=[need("anvil")], seconds=30)
    assert chain
    with chain:
        chain.fund(KEY)
        _, pins = split(deploy(chain.rpc, KEY, confirmations=0).removeprefix("evm:"))
        place = Place(connect(chain.rpc), pins, rpc=chain.rpc)
        anchor = place.open()
        place.ask("evm_setNextBlockTimestamp", time)
        for size in (5, 6):
            evidence = final(anchor, size)
        recorded = evidence.facts["block_time"]
        assert isinstance(recorded, int)
        assert recorded - time in range(60)
        assert told in anchor.check(evidence, head(anchor, 6))
