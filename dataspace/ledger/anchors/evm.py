"""An anchor that is a contract on an EVM chain, through web3.

Which chain, which contract, which code and whose heads come from the operator's
URL, never from evidence. Before every use the chain's id and the contract's code
are held against the pins: an RPC that was pointed elsewhere is not believed.
"""

import hashlib
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from requests import RequestException

from dataspace.errors import Conflict, Unavailable, VerificationError
from dataspace.ledger.anchors import Head, Key
from dataspace.ledger.anchors.chain import Reverted, account_of, connect, send
from dataspace.ledger.anchors.contract import artefact, code_hash
from dataspace.ledger.anchors.ethereum import (
    ContractLogicError,
    HexBytes,
    LocalAccount,
    TransactionNotFound,
    ValidationError,
    Web3,
    Web3Exception,
)
from dataspace.ledger.anchors.pins import Pins, split
from dataspace.proof.checkpoint import Checkpoint
from dataspace.proof.receipt import AnchorEvidence

KIND: Final = "evm"
# What web3 lets through when a chain is away, or answers what it should not.
FAULTS: Final = (
    Web3Exception,
    RequestException,
    ValidationError,
    OSError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
)
_FACTS: Final = {
    "chain",
    "contract",
    "code",
    "sender",
    "transaction",
    "block",
    "block_hash",
    "block_time",
    "log",
    "size",
    "root",
}


class EvmAnchor:
    """The heads of one log in one contract; `reverts` are what a revert raises on this provider."""

    def __init__(
        self,
        web3: Web3,
        pins: Pins,
        origin: str,
        key: Key = b"",
        *,
        reverts: tuple[type[Exception], ...] = (),
    ) -> None:
        self._web3, self._pins, self._key = web3, pins, key
        self._origin = origin
        self._topic = hashlib.sha256(origin.encode()).digest()
        self._contract = web3.eth.contract(web3.to_checksum_address(pins.contract), abi=artefact().abi)
        self._signature = bytes(web3.keccak(text="Anchored(address,bytes32,uint64,bytes32)"))
        self._reverts: tuple[type[Exception], ...] = (Reverted, ContractLogicError, *reverts)
        # One thread at a time, or two transactions of this process would take the same nonce.
        self._lock = threading.Lock()

    def publish(self, size: int, root: bytes, note: str) -> AnchorEvidence:
        """Send the head, or find it on the chain; see `Anchor`."""
        with self._translated():
            self._ensure_pinned()
            if not self._holds(size, root):
                try:
                    self._send(size, root)
                except self._reverts as error:
                    # Another process, or this one before it died, may have been first.
                    if not self._holds(size, root):
                        raise Unavailable("the contract refuses the head") from error
            return AnchorEvidence(KIND, note, (), self._facts(self._find(size, root)))

    def latest(self) -> Head | None:
        """Return the contract's head; see `Anchor`."""
        with self._translated():
            self._ensure_pinned()
            return self._head()

    def check(self, evidence: AnchorEvidence, checkpoint: Checkpoint) -> str:
        """Ask the chain for the evidence's transaction; see `Anchor`."""
        facts = self._expected(evidence, checkpoint)
        with self._translated():
            self._ensure_pinned()
            try:
                receipt = self._web3.eth.get_transaction_receipt(HexBytes(facts["transaction"]))
            except TransactionNotFound as error:
                raise VerificationError("anchor: the chain does not know the transaction") from error
            event = self._event(receipt["logs"], facts["log"])
            if event is None or (event["args"]["size"], event["args"]["root"]) != (
                checkpoint.size,
                checkpoint.root,
            ):
                raise VerificationError("anchor: the transaction does not anchor this checkpoint")
            if self._facts(event) != dict(facts):
                raise VerificationError("anchor: the evidence names another block, or another size or root")
        return f"block {facts['block']} of chain {self._pins.chain}, transaction {facts['transaction']}"

    def _expected(self, evidence: AnchorEvidence, checkpoint: Checkpoint) -> Mapping[str, Any]:
        facts = evidence.facts
        if evidence.kind != KIND or facts.keys() != _FACTS or checkpoint.origin != self._origin:
            raise VerificationError(f"anchor: the evidence is not of kind {KIND!r}, or of another log")
        if not isinstance(facts["transaction"], str) or not _is_hash(facts["transaction"]):
            raise VerificationError("malformed anchor: want the hash of a transaction")
        pinned = {
            "chain": self._pins.chain,
            "contract": self._pins.contract.lower(),
            "code": self._pins.code,
            "sender": self._sender().lower(),
        }
        if {name: facts[name] for name in pinned} != pinned:
            raise VerificationError(
                "anchor: the evidence names another chain, contract or sender than is pinned"
            )
        return facts

    def _ensure_pinned(self) -> None:
        chain = self._web3.eth.chain_id
        if chain != self._pins.chain:
            raise Unavailable(f"the RPC serves chain {chain}, and {self._pins.chain} is pinned")
        if code_hash(bytes(self._web3.eth.get_code(self._contract.address))) != self._pins.code:
            raise Unavailable("the contract's code is not the one that is pinned")

    def _sender(self) -> str:
        if self._key and not self._pins.sender:
            return self._account().address
        if not self._pins.sender:
            raise Unavailable("whose heads count is not known: pin &sender=0x<address> in the anchor's URL")
        return str(self._web3.to_checksum_address(self._pins.sender))

    def _account(self) -> LocalAccount:
        account = account_of(self._key() if callable(self._key) else self._key)
        if self._pins.sender and account.address.lower() != self._pins.sender.lower():
            raise Unavailable("the anchor's key is not the sender's that is pinned")
        return account

    def _head(self) -> Head | None:
        size, _, root = self._contract.functions.head(self._sender(), self._topic).call()
        return Head(size, root) if size else None

    def _holds(self, size: int, root: bytes) -> bool:
        head = self._head()
        if head is None or head.size < size:
            return False
        if head.size > size:
            raise Conflict(f"the anchor holds {head.size} entries and the log {size}: it was rolled back")
        if head.root != root:
            raise VerificationError(f"the anchor holds another root of size {size}: the log was forked")
        return True

    def _send(self, size: int, root: bytes) -> None:
        call = self._contract.functions.anchor(self._topic, size, root)
        send(self._web3, self._account(), call, confirmations=self._pins.confirmations)

    def _find(self, size: int, root: bytes) -> Any:
        """Return the event of the newest head; a chain holds at most one of each size."""
        sent = self._contract.events.Anchored.get_logs(
            from_block=0, argument_filters={"sender": self._sender(), "origin": self._topic}
        )
        for event in reversed(list(sent)):
            if event["args"]["size"] == size and event["args"]["root"] == root:
                return event
        raise Unavailable("the chain holds the head and shows no event of it: its logs may be pruned")

    def _event(self, logs: list[Any], index: Any) -> Any:
        """Return the event that is number `index` of its block, if it is of this contract and log."""
        topics = (self._signature, bytes.fromhex(self._sender()[2:]).rjust(32, b"\0"), self._topic)
        for log in logs:
            found = (log["address"], log["logIndex"], *map(bytes, log["topics"]))
            if found == (self._contract.address, index, *topics):
                return self._contract.events.Anchored().process_log(log)
        return None

    def _facts(self, event: Any) -> dict[str, Any]:
        """Return what evidence says of an event, its block taken from the chain as it is now."""
        block = self._web3.eth.get_block(event["blockNumber"])
        if block["hash"] != event["blockHash"]:
            raise Unavailable("the chain was reorganised: the anchor's block is not in it any more")
        if self._web3.eth.block_number < block["number"] + self._pins.confirmations:
            raise Unavailable(f"the anchor's block has fewer than {self._pins.confirmations} confirmations")
        return {
            "chain": self._pins.chain,
            "contract": self._pins.contract.lower(),
            "code": self._pins.code,
            "sender": self._sender().lower(),
            "transaction": event["transactionHash"].to_0x_hex(),
            "block": block["number"],
            "block_hash": block["hash"].to_0x_hex(),
            "block_time": block["timestamp"],
            "log": event["logIndex"],
            "size": event["args"]["size"],
            "root": event["args"]["root"].hex(),
        }

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            with self._lock:
                yield
        except (*FAULTS, *self._reverts) as error:  # type: ignore[misc]  # a tuple, whatever mypy says
            raise Unavailable(f"the chain does not answer as it should: {type(error).__name__}") from error


def remote_anchor(address: str, origin: str, key: Key = b"") -> EvmAnchor:
    """Return the anchor at `http://host:port#<pins>`; nothing is asked of it yet.

    Raises:
        Malformed: the address or a pin is none.

    """
    rpc, pins = split(address)
    return EvmAnchor(connect(rpc), pins, origin, key)


def deploy(rpc: str, key: bytes) -> str:
    """Put a fresh contract on the chain at `rpc`, paid for by `key`; return its URL with everything pinned.

    Raises:
        Unavailable: the chain does not answer, or does not take the contract.

    """
    try:
        web3 = connect(rpc)
        pins = deployed(web3, account_of(key))
    except (*FAULTS, Reverted) as error:
        raise Unavailable(f"the contract cannot be deployed: {type(error).__name__}") from error
    return f"evm:{rpc}#{pins.text()}"


def deployed(web3: Web3, account: LocalAccount) -> Pins:
    """Put a fresh contract on the chain; return its pins."""
    contract = web3.eth.contract(abi=artefact().abi, bytecode=artefact().bytecode)
    receipt = send(web3, account, contract.constructor())
    address = receipt["contractAddress"]
    code = code_hash(bytes(web3.eth.get_code(address)))
    if code != artefact().code_hash:
        raise Unavailable("the chain holds other code than was sent: it is no EVM, or changes contracts")
    return Pins(address, web3.eth.chain_id, code, account.address)


def _is_hash(text: str) -> bool:
    return re.fullmatch("0x[0-9a-f]{64}", text) is not None
