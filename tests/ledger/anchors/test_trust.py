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
from dataspace.ledger.anchors.signing import public_key
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
