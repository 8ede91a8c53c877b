"""Transactions on an EVM chain through web3: legacy gas price, one sender, an end to every wait."""

import time
from typing import Any, Final

from requests import Session

from dataspace.errors import Unavailable
from dataspace.ledger.anchors.ethereum import Account, HTTPProvider, LocalAccount, Web3

RPC_SECONDS: Final = 10.0
WAIT_SECONDS: Final = 60.0
_POLL_SECONDS: Final = 0.1


class Reverted(Exception):
    """A transaction was mined and undone; never seen outside of this folder."""


def connect(rpc: str) -> Web3:
    """Return a connection to the RPC at `rpc`; nothing is sent yet."""
    session = Session()
    session.trust_env = False  # no proxy and no .netrc stands between us and the chain
    session.max_redirects = 0
    # Whoever calls decides about trying again: a retry in here would hide how long a chain is away.
    provider = HTTPProvider(
        rpc, {"timeout": RPC_SECONDS}, session=session, exception_retry_configuration=None
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


def send(web3: Web3, account: LocalAccount, call: Any, *, confirmations: int = 0) -> Any:
    """Sign and send the contract call or construction `call`; return its receipt once it is confirmed.

    Raises:
        Reverted: it was mined and undone; what web3 raises when it would be.
        Unavailable: it was not mined and confirmed within a minute.

    """
    transaction = call.build_transaction(_terms(web3, account))
    return _submit(web3, account, transaction, confirmations)


def transfer(web3: Web3, account: LocalAccount, to: str, wei: int) -> Any:
    """Send `wei` to an address; return the receipt."""
    transaction = {**_terms(web3, account), "to": web3.to_checksum_address(to), "value": wei, "gas": 21_000}
    return _submit(web3, account, transaction, 0)


def _terms(web3: Web3, account: LocalAccount) -> dict[str, Any]:
    # "pending" counts what this sender sent and nobody mined yet.
    return {
        "from": account.address,
        "nonce": web3.eth.get_transaction_count(account.address, "pending"),
        "gasPrice": web3.eth.gas_price,
        "chainId": web3.eth.chain_id,
    }


def _submit(web3: Web3, account: LocalAccount, transaction: dict[str, Any], confirmations: int) -> Any:
    signed = account.sign_transaction(transaction)
    sent = web3.eth.send_raw_transaction(signed.raw_transaction)
    receipt = web3.eth.wait_for_transaction_receipt(sent, timeout=WAIT_SECONDS, poll_latency=_POLL_SECONDS)
    if receipt["status"] != 1:
        raise Reverted
    deadline = time.monotonic() + WAIT_SECONDS
    while web3.eth.block_number < receipt["blockNumber"] + confirmations:
        if time.monotonic() > deadline:
            raise Unavailable(
                f"the transaction did not get {confirmations} confirmations in {WAIT_SECONDS:.0f} s"
            )
        time.sleep(_POLL_SECONDS)
    return receipt
