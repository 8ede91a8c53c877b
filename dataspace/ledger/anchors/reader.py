"""What one RPC shows of a log in its contract, held against the pins before every use.

An RPC that was pointed elsewhere is not believed; what one shows can be held
against what another does (`Reader.agrees`).
"""

import hashlib
from dataclasses import dataclass
from typing import Any, Final

from dataspace.errors import Unavailable, VerificationError
from dataspace.ledger.anchors.contract import artefact, code_hash
from dataspace.ledger.anchors.ethereum import (
    BadFunctionCallOutput,
    HexBytes,
    TransactionNotFound,
    Web3,
    Web3Exception,
)
from dataspace.ledger.anchors.pins import Pins

_ANCHORED: Final = "Anchored(address,bytes32,uint64,bytes32)"
_FINALIZED: Final = "finalized"


@dataclass(frozen=True)
class State:
    """A log in the contract: its newest head, the block of it, the owner, and whether it is marked."""

    size: int
    time: int
    number: int
    root: bytes
    owner: str
    marked: bool


class Reader:
    """Reads one log of the contract through one RPC; the caller holds a lock around it."""

    def __init__(self, web3: Web3, pins: Pins, origin: str) -> None:
        self.web3, self._pins = web3, pins
        self.origin = hashlib.sha256(origin.encode()).digest()
        self.founder: str = web3.to_checksum_address(pins.founder)
        self.contract = web3.eth.contract(web3.to_checksum_address(pins.contract), abi=artefact().abi)
        self._topics = (bytes(web3.keccak(text=_ANCHORED)), bytes.fromhex(pins.founder[2:]).rjust(32, b"\0"),
                        self.origin)  # fmt: skip

    def ensure_pinned(self) -> None:
        """Let pass the chain and the code that are pinned.

        Raises:
            Unavailable: it is another chain, or another contract.

        """
        chain = self.web3.eth.chain_id
        if chain != self._pins.chain:
            raise Unavailable(f"the RPC serves chain {chain}, and {self._pins.chain} is pinned")
        if code_hash(bytes(self.web3.eth.get_code(self.contract.address))) != self._pins.code:
            raise Unavailable("the contract's code is not the one that is pinned")

    def state(self, block: int | None = None) -> State | None:
        """Return the log as of now, or as of a block; None when nobody had anchored it.

        Raises:
            VerificationError: the log is marked: two signed heads contradict one another.

        """
        call = self.contract.functions.head(self.founder, self.origin)
        try:
            state = State(*call.call(block_identifier="latest" if block is None else block))
        except BadFunctionCallOutput:
            if block is None:
                raise
            return None  # the contract is younger than the block
        if state.marked:
            raise VerificationError(
                "anchor: the log is marked as equivocated in the contract: its operator signed two "
                "different histories of it, and nothing that it anchored can be relied on"
            )
        return state if state.size else None

    def final_state(self) -> State | None:
        """Return the log with the newest head that counts, or None."""
        state, final = self.state(), self.final()
        if state is None or state.number <= final:
            return state
        return self.state(final) if final >= 0 else None

    def owner(self, block: int | None = None) -> str:
        """Return the address that owns the log, the founder's while nobody anchored it; see `state`."""
        state = self.state(block)
        return self.web3.to_checksum_address(state.owner if state else self.founder)

    def owned(self, address: str) -> bool:
        """Tell whether the log is, or ever was, of the key with this address."""
        if self.owner() == self.web3.to_checksum_address(address):
            return True
        return bool(self.contract.functions.retired(self.founder, self.origin, address).call())

    def final(self) -> int:
        """Return the number of the newest block that counts.

        Raises:
            Unavailable: the chain names no finalized block.

        """
        if self._pins.confirmations is not None:
            return self.web3.eth.block_number - self._pins.confirmations
        try:
            return int(self.web3.eth.get_block(_FINALIZED)["number"])
        except (Web3Exception, LookupError) as error:
            raise Unavailable(
                "the chain names no finalized block: where a block is final at once, pin confirmations=0"
            ) from error

    def anchored(self, state: State) -> dict[str, Any] | None:
        """Return the facts of the event of a head, or None while the RPC does not show its block.

        Raises:
            Unavailable: it shows the block without the event.

        """
        # In the one block that the contract names: providers limit how many they search.
        events = self.contract.events.Anchored().get_logs(
            from_block=state.number,
            to_block=state.number,
            argument_filters={"founder": self.founder, "origin": self.origin},
        )
        for event in events:
            if (event["args"]["size"], event["args"]["root"]) == (state.size, state.root):
                return self._facts(event)
        raise Unavailable("the chain holds the head and shows no event of it: its logs may be pruned")

    def in_transaction(self, transaction: str, index: Any) -> dict[str, Any]:
        """Return the facts of the event that is number `index` of its block, by its transaction.

        Raises:
            VerificationError: there is no such transaction, or it anchors nothing of this log.

        """
        try:
            receipt = self.web3.eth.get_transaction_receipt(HexBytes(transaction))
        except TransactionNotFound as error:
            raise VerificationError("anchor: the chain does not know the transaction") from error
        wanted = (self.contract.address, index, *self._topics)
        for log in receipt["logs"]:
            if (log["address"], log["logIndex"], *map(bytes, log["topics"])) == wanted:
                facts = self._facts(self.contract.events.Anchored().process_log(log))
                if facts is None:
                    raise Unavailable("the chain was reorganised while it was asked")
                return facts
        raise VerificationError("anchor: the transaction does not anchor this checkpoint")

    def _facts(self, event: Any) -> dict[str, Any] | None:
        """Return what evidence says of an event, its block as the chain is now; None: it is in it no more."""
        block = self.web3.eth.get_block(event["blockNumber"])
        if block["hash"] != event["blockHash"]:
            return None
        return {
            "chain": self._pins.chain,
            "contract": self._pins.contract.lower(),
            "code": self._pins.code,
            "founder": self._pins.founder.lower(),
            "transaction": event["transactionHash"].to_0x_hex(),
            "block": block["number"],
            "block_hash": block["hash"].to_0x_hex(),
            "block_time": block["timestamp"],
            "log": event["logIndex"],
            "size": event["args"]["size"],
            "root": event["args"]["root"].hex(),
        }
