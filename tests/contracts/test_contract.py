"""The contract: that the artefact is its source's, and what it lets happen."""

import json
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from dataspace.ledger.anchors.build import SETTINGS, compile_contract, source_hash
from dataspace.ledger.anchors.chain import account_of, send
from dataspace.ledger.anchors.contract import ARTEFACT, artefact
from dataspace.ledger.anchors.ethereum import Web3
from dataspace.ledger.anchors.local import LocalChain, local_chain
from tests.ledger.anchors.conftest import need_evm
from tests.programs import need

CONTRACTS = Path(__file__).parents[2] / "contracts"
COMMITTED: dict[str, Any] = json.loads((CONTRACTS / ARTEFACT).read_text())
KEY = secrets.token_bytes(31).rjust(32, b"\1")
LARGEST = 2**64 - 1


@pytest.fixture(scope="module")
def chain() -> LocalChain:
    """A chain in this process with the contract on it."""
    need_evm()
    return local_chain(KEY)


def contract(chain: LocalChain) -> Any:
    return chain.web3.eth.contract(chain.web3.to_checksum_address(chain.pins.contract), abi=artefact().abi)


def anchor(chain: LocalChain, origin: bytes, size: int, root: bytes) -> Any:
    return send(chain.web3, account_of(KEY), contract(chain).functions.anchor(origin, size, root))


def head(chain: LocalChain, origin: bytes) -> Any:
    return contract(chain).functions.head(account_of(KEY).address, origin).call()


def kept(chain: LocalChain, origin: bytes) -> list[Any]:
    size, _, root = head(chain, origin)
    return [size, root]


def test_the_artefact_is_of_this_source() -> None:
    assert COMMITTED["sourceHash"] == source_hash(CONTRACTS)
    assert COMMITTED["settings"] == SETTINGS


def test_the_artefact_is_what_the_source_compiles_to() -> None:
    need("solc")
    made = compile_contract(CONTRACTS)
    assert made["compiler"].split("+")[0] == COMMITTED["compiler"].split("+")[0], "another version of solc"
    assert made | {"compiler": ""} == COMMITTED | {"compiler": ""}


def test_the_code_runs_on_a_chain_of_london() -> None:
    opcodes = set(_opcodes(bytes.fromhex(COMMITTED["deployedBytecode"][2:])))
    assert 0x5F not in opcodes  # PUSH0, of Shanghai
    assert opcodes.isdisjoint({0x5C, 0x5D, 0x5E})  # TLOAD, TSTORE, MCOPY, of Cancun


def test_the_code_can_neither_be_replaced_nor_destroyed() -> None:
    opcodes = set(_opcodes(bytes.fromhex(COMMITTED["deployedBytecode"][2:])))
    assert opcodes.isdisjoint({0xF0, 0xF1, 0xF2, 0xF4, 0xF5, 0xFA, 0xFF})  # CREATE, CALLs, SELFDESTRUCT


def test_a_head_is_kept_and_told(chain: LocalChain) -> None:
    origin, root = secrets.token_bytes(32), secrets.token_bytes(32)
    receipt = anchor(chain, origin, 7, root)
    size, time, newest = head(chain, origin)
    assert (size, newest) == (7, root)
    assert time == chain.web3.eth.get_block(receipt["blockNumber"])["timestamp"]
    told: list[Any] = list(contract(chain).events.Anchored().process_receipt(receipt))
    wanted = {"sender": account_of(KEY).address, "origin": origin, "size": 7, "root": root}
    assert [dict(event["args"]) for event in told] == [wanted]


@pytest.mark.parametrize(("first", "second"), [(7, 7), (7, 6), (7, 0), (LARGEST, LARGEST), (LARGEST, 1)])
def test_a_head_that_is_not_larger_reverts(chain: LocalChain, first: int, second: int) -> None:
    origin = secrets.token_bytes(32)
    anchor(chain, origin, first, b"\1" * 32)
    with pytest.raises(chain.reverts) as caught:
        anchor(chain, origin, second, b"\2" * 32)
    told = bytes(Web3.keccak(text="NotForward(uint64,uint64)"))[:4] + first.to_bytes(32) + second.to_bytes(32)
    assert repr(told) in str(caught.value)  # as eth-tester words the data of a revert
    assert kept(chain, origin) == [first, b"\1" * 32]


def test_an_empty_head_reverts(chain: LocalChain) -> None:
    with pytest.raises(chain.reverts):
        anchor(chain, secrets.token_bytes(32), 0, b"\0" * 32)


def test_a_stranger_cannot_move_the_head(chain: LocalChain) -> None:
    origin = secrets.token_bytes(32)
    anchor(chain, origin, 7, b"\1" * 32)
    stranger = list(chain.web3.eth.accounts)[1]
    sent = contract(chain).functions.anchor(origin, 99, b"\2" * 32).transact({"from": stranger})
    chain.web3.eth.wait_for_transaction_receipt(sent)
    assert kept(chain, origin) == [7, b"\1" * 32]


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(some.lists(some.integers(0, LARGEST) | some.integers(0, 4), min_size=1, max_size=5))
def test_whatever_is_sent_the_head_is_the_largest_that_was_a_step_forward(
    chain: LocalChain, sizes: list[int]
) -> None:
    origin, largest = secrets.token_bytes(32), 0
    for size in sizes:
        if size > largest:
            anchor(chain, origin, size, size.to_bytes(32))
            largest = size
        else:
            with pytest.raises(chain.reverts):
                anchor(chain, origin, size, size.to_bytes(32))
    assert kept(chain, origin) == [largest, largest.to_bytes(32)]


def _opcodes(code: bytes) -> Iterator[int]:
    position = 0
    while position < len(code):
        opcode = code[position]
        yield opcode
        position += 1 + (opcode - 0x5F if 0x60 <= opcode <= 0x7F else 0)  # PUSH1 to PUSH32 carry bytes
