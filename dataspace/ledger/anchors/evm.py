"""An anchor that is a contract on an EVM chain, through web3.

Which chain, which contract, which code, whose log and when a head counts come
from the operator's URL, never from evidence. A head is submitted with the proof
that it extends the contract's, and tried here first: a fork costs no gas.
"""

import math
import re
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Final

from dataspace.errors import Conflict, Unavailable, VerificationError
from dataspace.ledger.anchors import Growth, Head, Key
from dataspace.ledger.anchors.chain import REVERTS, account_of, connect, send, translated
from dataspace.ledger.anchors.contract import artefact, code_hash
from dataspace.ledger.anchors.ethereum import LocalAccount, Web3
from dataspace.ledger.anchors.pins import Pins, split
from dataspace.ledger.anchors.reader import Reader, State
from dataspace.ledger.anchors.sender import Sender
from dataspace.ledger.anchors.signing import signers
from dataspace.proof.checkpoint import Checkpoint
from dataspace.proof.merkle import verify_consistency
from dataspace.proof.receipt import AnchorEvidence

KIND: Final = "evm"
_PINNED: Final = ("chain", "contract", "code", "founder")
_FACTS: Final = {
    *_PINNED, "transaction", "block", "block_hash", "block_time", "log", "size", "root"
}  # fmt: skip
# Some chains count milliseconds since 1970. In seconds, this is the year 5138.
_MILLISECONDS: Final = 10**11
_GLANCE_SECONDS: Final = 1.0


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
        sender: Sender | None = None,
    ) -> None:
        self._pins, self._origin, self._key = pins, origin, key
        self._reader = Reader(web3, pins, origin)
        self._second = Reader(connect(pins.second), pins, origin) if pins.second else None
        self._sender = sender or Sender(web3, ceiling=pins.price)
        self._reverts = (*REVERTS, *reverts)
        self._final, self._seen = 0, -math.inf
        self._owners: set[str] = set()  # who owned the log once is never forgotten by the contract
        # One thread at a time, or two transactions of this process would take the same nonce.
        self._lock = threading.Lock()

    def publish(self, head: Checkpoint, note: str, growth: Growth) -> AnchorEvidence | None:
        """Send the head, or find it on the chain; see `Anchor`."""
        with self._asking():
            state = self._reader.state()
            if state is None or state.size < head.size:
                self._submit(state, head, growth)
                state = self._reader.state()
                if state is None or state.size < head.size:
                    return None
            _ensure_same(state, head)
            facts = self._reader.anchored(state)
            if facts is None or facts["block"] > self._reader.final():
                return None
            self._ensure_agreed(facts)
            return AnchorEvidence(KIND, note, (), facts)

    def latest(self, *, final: bool = True) -> Head | None:
        """Return the contract's head; see `Anchor`."""
        with self._asking():
            shown = [
                Head(state.size, state.root)
                for reader in self._readers()
                if (state := reader.final_state() if final else reader.state())
            ]
        if len({head.root for head in shown}) > len({head.size for head in shown}):
            raise VerificationError("anchor: the two RPCs show different roots of one size: one of them lies")
        # One that lags behind shows a smaller head.
        return max(shown, key=lambda head: head.size, default=None)

    def check(self, evidence: AnchorEvidence, checkpoint: Checkpoint) -> str:
        """Ask the chain for the evidence's transaction; see `Anchor`."""
        expected = self._expected(evidence, checkpoint)
        with self._lock, translated(self._reverts):
            self._glance()
            facts = self._reader.in_transaction(expected["transaction"], expected["log"])
            if (facts["size"], facts["root"]) != (checkpoint.size, checkpoint.root.hex()):
                raise VerificationError("anchor: the transaction does not anchor this checkpoint")
            if facts != dict(expected):
                raise VerificationError("anchor: the evidence names another block, or another size or root")
            if facts["block"] > self._final and facts["block"] > self._reader.final():
                raise Unavailable(f"the anchor is in block {facts['block']}, which is not final yet")
            self._ensure_agreed(facts)
            self._ensure_accountable(evidence.checkpoint, checkpoint)
        when = _moment(facts["block_time"])
        return (
            f"block {facts['block']} of chain {self._pins.chain} ({when}), transaction {facts['transaction']}"
        )

    def owner(self, *, final: bool = True) -> str:
        """Return the address that owns the log; `final` leaves out a rotation that may still vanish.

        Raises:
            VerificationError: the log is marked.
            Unavailable: the chain does not answer, is not the one that was
                pinned, or the second RPC shows another owner.

        """
        with self._asking():
            shown = {reader.owner(max(reader.final(), 0) if final else None) for reader in self._readers()}
        if len(shown) > 1:
            raise Unavailable("the two RPCs show different owners of the log: one lags behind, or lies")
        return shown.pop()

    def rotate(self, owner: str) -> str:
        """Give the log in the contract to another key's address; return the transaction's hash.

        What the key before it signed counts up to the head that is anchored now.

        Raises:
            Unavailable: the chain does not answer, or this key does not own the log.

        """
        with self._asking():
            account = self._owner(self._reader.state())
            to = self._reader.web3.to_checksum_address(owner)
            call = self._reader.contract.functions.rotate(self._reader.founder, self._reader.origin, to)
            return str(send(self._reader.web3, account, call)["transactionHash"].to_0x_hex())

    def _submit(self, state: State | None, head: Checkpoint, growth: Growth) -> None:
        account = self._owner(state)
        if self._sender.under_way(account.address):
            return
        proof = _proof(state, head, growth) if state else []
        to = self._reader.founder, self._reader.origin
        try:
            call = self._reader.contract.functions.anchor(*to, head.size, head.root, proof)
            self._sender.send(account, call)
        except self._reverts as error:
            # Another process, or this one before it died, may have been first.
            if self._reader.state() == state:
                raise Unavailable("the contract refuses the head") from error

    def _expected(self, evidence: AnchorEvidence, checkpoint: Checkpoint) -> Mapping[str, Any]:
        facts = evidence.facts
        if evidence.kind != KIND or facts.keys() != _FACTS or checkpoint.origin != self._origin:
            raise VerificationError(f"anchor: the evidence is not of kind {KIND!r}, or of another log")
        if not isinstance(facts["transaction"], str) or not _is_hash(facts["transaction"]):
            raise VerificationError("malformed anchor: want the hash of a transaction")
        pinned = (
            self._pins.chain, self._pins.contract.lower(), self._pins.code, self._pins.founder.lower()
        )  # fmt: skip
        if tuple(facts[name] for name in _PINNED) != pinned:
            raise VerificationError(
                "anchor: the evidence names another chain, contract or founder than is pinned"
            )
        return facts

    def _ensure_agreed(self, facts: Mapping[str, Any]) -> None:
        """Let the other RPC, where one is pinned, show the same event in the same block."""
        if self._second is None:
            return
        if self._second.final() < facts["block"]:
            raise Unavailable(f"for the second RPC, block {facts['block']} is not final yet")
        if self._second.in_transaction(facts["transaction"], facts["log"]) != facts:
            raise VerificationError(
                f"anchor: the two RPCs show different blocks {facts['block']}: one of them lies"
            )

    def _ensure_accountable(self, note: str, head: Checkpoint) -> None:
        """Let pass a checkpoint whose anchor signatures could mark the log, if it were forked (LE-06)."""
        for address in signers(note, head):
            if address in self._owners:
                continue
            if not all(reader.owned(address) for reader in self._readers()):
                raise VerificationError(
                    "anchor: the checkpoint is signed by an anchor key that does not own the log on its chain"
                )
            self._owners.add(address)

    def _owner(self, state: State | None) -> LocalAccount:
        """Return the account of the key, if it owns the log."""
        account = account_of(self._key() if callable(self._key) else self._key)
        owner = state.owner if state else self._pins.founder
        if account.address.lower() != owner.lower():
            raise Unavailable("the anchor's key is not the one that owns this log in the contract")
        return account

    def _readers(self) -> list[Reader]:
        return [self._reader, *([self._second] if self._second else [])]

    def _glance(self) -> None:
        """Let pass the pinned chain and a log that is not marked.

        An audit checks thousands of anchors in a row: what it saw a second ago still counts.
        """
        if time.monotonic() - self._seen > _GLANCE_SECONDS:
            self._ensure_pinned()
            self._reader.state()
            self._final, self._seen = self._reader.final(), time.monotonic()

    def _ensure_pinned(self) -> None:
        for reader in self._readers():
            reader.ensure_pinned()

    @contextmanager
    def _asking(self) -> Iterator[None]:
        with self._lock, translated(self._reverts):
            self._ensure_pinned()
            yield


def remote_anchor(address: str, origin: str, key: Key = b"") -> EvmAnchor:
    """Return the anchor at `http://host:port#<pins>`; nothing is asked of it yet.

    Raises:
        Malformed: the address or a pin is none.

    """
    rpc, pins = split(address)
    return EvmAnchor(connect(rpc), pins, origin, key)


def deploy(rpc: str, key: bytes, *, confirmations: int | None = None) -> str:
    """Put a fresh contract on the chain at `rpc`, paid for by `key`; return its URL with everything pinned.

    Raises:
        Unavailable: the chain does not answer, or does not take the contract.

    """
    with translated():
        pins = deployed(connect(rpc), account_of(key), confirmations)
    return f"evm:{rpc}#{pins.text()}"


def deployed(web3: Web3, account: LocalAccount, confirmations: int | None) -> Pins:
    """Put a fresh contract on the chain; return its pins, with the account as founder."""
    contract = web3.eth.contract(abi=artefact().abi, bytecode=artefact().bytecode)
    address = send(web3, account, contract.constructor())["contractAddress"]
    code = code_hash(bytes(web3.eth.get_code(address)))
    if code != artefact().code_hash:
        raise Unavailable("the chain holds other code than was sent: it is no EVM, or changes contracts")
    return Pins(address, web3.eth.chain_id, code, account.address, confirmations)


def _proof(state: State, head: Checkpoint, growth: Growth) -> list[bytes]:
    """Return the proof that `head` extends the contract's head, verified as the contract will."""
    proof = list(growth(state.size))
    try:
        verify_consistency(state.size, head.size, proof, old_root=state.root, new_root=head.root)
    except VerificationError as error:
        raise VerificationError(
            f"the anchor holds another history: its head of {state.size} entries is none of this log's: "
            "the log was forked"
        ) from error
    return proof


def _ensure_same(state: State, head: Checkpoint) -> None:
    if state.size > head.size:
        raise Conflict(f"the anchor holds {state.size} entries and the log {head.size}: it was rolled back")
    if state.root != head.root:
        raise VerificationError(f"the anchor holds another root of size {head.size}: the log was forked")


def _moment(stamp: int) -> str:
    """Return a block's time, in seconds or milliseconds, as UTC; nobody vouches for it but the chain."""
    seconds = stamp / 1000 if stamp >= _MILLISECONDS else stamp
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    except (OverflowError, ValueError, OSError):
        return f"time {stamp}"


def _is_hash(text: str) -> bool:
    return re.fullmatch("0x[0-9a-f]{64}", text) is not None
