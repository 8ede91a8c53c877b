"""An EVM chain through web3: connections, accounts, and transactions that somebody waits for."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from requests import RequestException

from dataspace.errors import Unavailable
from dataspace.ledger.anchors.bounded import bounded_session
from dataspace.ledger.anchors.ethereum import (
    Account,
    ContractLogicError,
    HTTPProvider,
    LocalAccount,
    ValidationError,
    Web3,
    Web3Exception,
    Web3RPCError,
)

RPC_SECONDS: Final = 10.0
WAIT_SECONDS: Final = 60.0
_POLL_SECONDS: Final = 0.1


class Reverted(Exception):
    """A transaction was mined and undone; never seen outside of this folder."""


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
REVERTS: Final[tuple[type[Exception], ...]] = (Reverted, ContractLogicError)


@contextmanager
def translated(reverts: tuple[type[Exception], ...] = REVERTS) -> Iterator[None]:
    """Turn every fault of a chain into `Unavailable`, without its own words: they may quote the address."""
    try:
        yield
    except (*FAULTS, *reverts) as error:  # type: ignore[misc]  # a tuple, whatever mypy says
        raise Unavailable(f"the chain does not answer as it should: {refusal(error)}") from error


def refusal(error: Exception) -> str:
    """Return why a chain refused, in words of ours where the reason is a known one."""
    said = error.message.lower() if isinstance(error, Web3RPCError) else ""
    known = {
        "insufficient funds": "the anchor's account has too little to pay for gas",
        "nonce too low": "another transaction of the anchor's account came first",
        "underpriced": "it asks for a higher price of gas",
        "already": "it has this transaction already",
    }
    return next((ours for theirs, ours in known.items() if theirs in said), type(error).__name__)


def connect(rpc: str) -> Web3:
    """Return a connection to the RPC at `rpc`; nothing is sent yet."""
    # Whoever calls decides about trying again: a retry in here would hide how long a chain is away.
    provider = HTTPProvider(
        rpc, {"timeout": RPC_SECONDS}, session=bounded_session(), exception_retry_configuration=None
    )
    return Web3(provider)


def account_of(secret: bytes) -> LocalAccount:
    """Return the account of a secret key of secp256k1, 32 bytes.

    Raises:
        Unavailable: it is none.

    """
    try:
        account: LocalAccount = Account.from_key(secret)
    except Exception:  # noqa: BLE001 - of whatever kind, it may quote the key
        raise Unavailable("the anchor's key is no secret key of secp256k1") from None
    return account


def send(web3: Web3, account: LocalAccount, call: Any) -> Any:
    """Sign and send the contract call or construction `call`; return its receipt once it is mined.

    Raises:
        Reverted: it was mined and undone; what web3 raises when it would be,
            or when it was not mined within a minute.

    """
    return _submit(web3, account, call.build_transaction(_terms(web3, account)))


def transfer(web3: Web3, account: LocalAccount, to: str, wei: int) -> Any:
    """Send `wei` to an address; return the receipt."""
    terms = _terms(web3, account)
    return _submit(web3, account, {**terms, "to": web3.to_checksum_address(to), "value": wei, "gas": 21_000})


def _terms(web3: Web3, account: LocalAccount) -> dict[str, Any]:
    # "pending" counts what this sender sent and nobody mined yet.
    return {
        "from": account.address,
        "nonce": web3.eth.get_transaction_count(account.address, "pending"),
        "gasPrice": web3.eth.gas_price,
        "chainId": web3.eth.chain_id,
    }


def _submit(web3: Web3, account: LocalAccount, transaction: dict[str, Any]) -> Any:
    signed = account.sign_transaction(transaction)
    sent = web3.eth.send_raw_transaction(signed.raw_transaction)
    receipt = web3.eth.wait_for_transaction_receipt(sent, timeout=WAIT_SECONDS, poll_latency=_POLL_SECONDS)
    if receipt["status"] != 1:
        raise Reverted
    return receipt
