"""A chain in this process with the contract on it, and its owner."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from dataspace.ledger.anchors.chain import account_of, send
from dataspace.ledger.anchors.contract import artefact
from dataspace.ledger.anchors.ethereum import Web3
from dataspace.ledger.anchors.local import LocalChain, local_chain
from tests.ledger.anchors.conftest import need_evm

KEY = secrets.token_bytes(31).rjust(32, b"\1")
OWNER: str = account_of(KEY).address


def revert_data(signature: str, *words: int | bytes) -> str:
    """Return what a revert with a typed error holds, as eth-tester words it in its exception."""
    data = b"".join(word.to_bytes(32) if isinstance(word, int) else word.rjust(32, b"\0") for word in words)
    return repr(bytes(Web3.keccak(text=signature))[:4] + data)


@dataclass(frozen=True)
class Place:
    """The contract on a chain, called by its owner's account or another."""

    chain: LocalChain
    contract: Any

    def send(self, function: str, *arguments: Any, key: bytes = KEY) -> Any:
        """Send a transaction; return its receipt."""
        return send(self.chain.web3, account_of(key), getattr(self.contract.functions, function)(*arguments))

    def anchor(
        self, origin: bytes, size: int, head: bytes, proof: Sequence[bytes] = (), key: bytes = KEY
    ) -> Any:
        """Anchor a head of the log that KEY founds."""
        return self.send("anchor", OWNER, origin, size, head, list(proof), key=key)

    def head(self, origin: bytes) -> list[Any]:
        """Return size and root of the log."""
        size, _, _, kept, _, _ = self.contract.functions.head(OWNER, origin).call()
        return [size, kept]

    def account(self) -> bytes:
        """Return the key of a new account with funds."""
        key = secrets.token_bytes(31).rjust(32, b"\1")
        web3 = self.chain.web3
        paid = {"from": web3.eth.accounts[0], "to": account_of(key).address, "value": 10**18}
        web3.eth.wait_for_transaction_receipt(web3.eth.send_transaction(paid))  # type: ignore[arg-type]
        return key


@pytest.fixture(scope="session")
def place() -> Place:
    """A chain in this process with the contract on it."""
    need_evm()
    chain = local_chain(KEY)
    web3 = chain.web3
    return Place(chain, web3.eth.contract(web3.to_checksum_address(chain.pins.contract), abi=artefact().abi))
