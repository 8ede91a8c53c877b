"""An EVM in this process (eth-tester with py-evm), to try an anchor where there is no node; gone with it."""

import logging
from dataclasses import dataclass

from dataspace.errors import Unavailable
from dataspace.ledger.anchors import Key
from dataspace.ledger.anchors.chain import account_of
from dataspace.ledger.anchors.ethereum import EthereumTesterProvider, TxParams, Web3, recursion_limit_kept
from dataspace.ledger.anchors.evm import EvmAnchor, deployed
from dataspace.ledger.anchors.pins import Pins

_LOG = logging.getLogger("dataspace")


@dataclass(frozen=True)
class LocalChain:
    """A fresh chain with the contract on it; `reverts` are what a revert raises there."""

    web3: Web3
    pins: Pins
    reverts: tuple[type[Exception], ...]


def local_anchor(origin: str, key: Key = b"") -> EvmAnchor:
    """Return an anchor in a fresh chain of its own, with the contract deployed and `key` funded.

    Raises:
        Unavailable: the extra `evm` is not installed, or `key` is no key.

    """
    _LOG.warning("the anchor evm:local is a chain in this process: it proves nothing and ends with it")
    chain = local_chain(key() if callable(key) else key)
    return EvmAnchor(chain.web3, chain.pins, origin, key, reverts=chain.reverts)


def local_chain(key: bytes) -> LocalChain:
    """Return a fresh chain, with the contract deployed and paid for by `key`, which is funded.

    Raises:
        Unavailable: the extra `evm` is not installed, or `key` is no key.

    """
    with recursion_limit_kept():
        try:
            from eth_tester.exceptions import TransactionFailed  # noqa: PLC0415 - an extra

            web3 = Web3(EthereumTesterProvider())
        except ImportError as error:
            raise Unavailable("evm:local needs the extra evm: pip install 'dataspace[evm]'") from error
    account = account_of(key)
    funded: TxParams = {"from": web3.eth.accounts[0], "to": account.address, "value": web3.to_wei(1, "ether")}
    web3.eth.wait_for_transaction_receipt(web3.eth.send_transaction(funded))
    # Every block of it is final.
    return LocalChain(web3, deployed(web3, account, 0), (TransactionFailed,))
