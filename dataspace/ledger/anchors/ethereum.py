"""The Ethereum libraries, imported here and nowhere else: without what they do to the whole process.

py_ecc, which eth_account imports, raises the limit of recursion to 100,000, and
so does py-evm. Under that, a JSON document of brackets alone overruns the C
stack of whoever parses it and kills the service (attack LO-09).
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def recursion_limit_kept() -> Iterator[None]:
    """Put the limit of recursion back to what it was."""
    limit = sys.getrecursionlimit()
    try:
        yield
    finally:
        sys.setrecursionlimit(limit)


with recursion_limit_kept():
    from eth_account import Account
    from eth_account.signers.local import LocalAccount
    from eth_keys.datatypes import Signature
    from eth_keys.exceptions import BadSignature
    from eth_utils.exceptions import ValidationError
    from hexbytes import HexBytes
    from web3 import EthereumTesterProvider, HTTPProvider, Web3
    from web3.exceptions import (
        BadFunctionCallOutput,
        ContractLogicError,
        TransactionNotFound,
        Web3Exception,
        Web3RPCError,
    )
    from web3.types import RPCEndpoint, TxParams

__all__ = [
    "Account",
    "BadFunctionCallOutput",
    "BadSignature",
    "ContractLogicError",
    "EthereumTesterProvider",
    "HTTPProvider",
    "HexBytes",
    "LocalAccount",
    "RPCEndpoint",
    "Signature",
    "TransactionNotFound",
    "TxParams",
    "ValidationError",
    "Web3",
    "Web3Exception",
    "Web3RPCError",
    "recursion_limit_kept",
]
