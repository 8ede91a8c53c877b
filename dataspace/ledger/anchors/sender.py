"""One account's transactions, one at a time: sent, looked after, and replaced when they are stuck.

A transaction takes the number (nonce) after the newest that was mined, also
when another waits under that number: at most one of the two is ever mined. So
what a process sent before it died, and what it sends when it is back, never
both take effect (attacks CH-02, CH-03).
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from dataspace.errors import Unavailable
from dataspace.ledger.anchors.chain import refusal
from dataspace.ledger.anchors.ethereum import LocalAccount, TransactionNotFound, Web3, Web3RPCError

PATIENCE_SECONDS: Final = 180.0
_KNOWN: Final = "already"  # "already known", "already imported": the node has this very transaction


@dataclass(frozen=True)
class Sent:
    """A transaction under way; without `hash`, one that somebody else or an earlier run sent."""

    nonce: int
    price: int
    hash: bytes | None
    at: float


class Sender:
    """Sends for one account through one RPC; the caller holds a lock around it.

    `ceiling` is the most wei that a unit of gas may cost, None: whatever the
    chain asks. After `patience` seconds a transaction is stuck.
    """

    def __init__(
        self,
        web3: Web3,
        *,
        ceiling: int | None = None,
        patience: float = PATIENCE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._web3, self._ceiling, self._patience, self._clock = web3, ceiling, patience, clock
        self._sent: Sent | None = None

    def under_way(self, address: str) -> bool:
        """Tell whether a transaction of the account waits to be mined, and is not stuck yet."""
        sender = self._web3.to_checksum_address(address)
        mined = self._web3.eth.get_transaction_count(sender, "latest")
        queued = self._web3.eth.get_transaction_count(sender, "pending") > mined
        if self._sent and (self._sent.nonce != mined or self._is_lost(self._sent, queued=queued)):
            self._sent = None
        if self._sent is None and queued:
            self._sent = Sent(mined, 0, None, self._clock())
        return self._sent is not None and self._clock() - self._sent.at < self._patience

    def send(self, account: LocalAccount, call: Any) -> None:
        """Sign and send a contract call, in the place of what is stuck; nobody waits for it.

        Raises:
            Unavailable: the chain asks too much, or does not take it; what
                web3 raises when the call would revert.

        """
        nonce, price = self._web3.eth.get_transaction_count(account.address, "latest"), self._price()
        terms: Any = {
            "from": account.address,
            "nonce": nonce,
            "gasPrice": price,
            "chainId": self._web3.eth.chain_id,
        }
        signed = account.sign_transaction(call.build_transaction(terms))
        try:
            self._web3.eth.send_raw_transaction(signed.raw_transaction)
        except Web3RPCError as error:
            # Remembered with what was offered: the next try, which need not wait, offers more.
            self._sent = Sent(nonce, price, None, self._sent.at if self._sent else self._clock())
            if _KNOWN not in error.message.lower():
                raise Unavailable(f"the chain does not take the transaction: {refusal(error)}") from error
        self._sent = Sent(nonce, price, bytes(signed.hash), self._clock())

    def _price(self) -> int:
        """Return what the chain asks for a unit of gas, or a quarter more than what is stuck offered."""
        price = int(self._web3.eth.gas_price)
        if self._sent:
            # Nodes want at least a tenth more of a replacement.
            price = max(price, self._sent.price or price) * 5 // 4
        if self._ceiling is not None and price > self._ceiling:
            raise Unavailable(f"a unit of gas costs {price} wei, and at most {self._ceiling} are to be paid")
        return price

    def _is_lost(self, sent: Sent, *, queued: bool) -> bool:
        """Tell whether the node does not hold, or not any more, what was sent to it."""
        if sent.hash is None:
            return not queued
        try:
            self._web3.eth.get_transaction(sent.hash)  # type: ignore[arg-type]  # bytes are fine
        except TransactionNotFound:
            return True
        return False
