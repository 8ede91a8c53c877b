"""The compiled contract: that it is its source's, and on which chains its code runs."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dataspace.ledger.anchors.build import SETTINGS, compile_contract, source_hash
from dataspace.ledger.anchors.contract import ARTEFACT
from tests.programs import need

CONTRACTS = Path(__file__).parents[2] / "contracts"
COMMITTED: dict[str, Any] = json.loads((CONTRACTS / ARTEFACT).read_text())


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
    assert opcodes.isdisjoint(
        {0xF0, 0xF1, 0xF2, 0xF4, 0xF5, 0xFF}
    )  # CREATE, CALL, DELEGATECALL, SELFDESTRUCT


def test_nothing_in_it_asks_for_the_contracts_own_owner() -> None:
    functions = {entry["name"] for entry in COMMITTED["abi"] if entry["type"] == "function"}
    assert functions == {"anchor", "rotate", "equivocate", "head", "equivocated", "retired"}


def _opcodes(code: bytes) -> Iterator[int]:
    position = 0
    while position < len(code):
        opcode = code[position]
        yield opcode
        position += 1 + (opcode - 0x5F if 0x60 <= opcode <= 0x7F else 0)  # PUSH1 to PUSH32 carry bytes
