"""Handing a log in the contract over to another key: planned, or because the one before it leaked."""

from dataspace.errors import Malformed
from dataspace.ledger.anchors import Key, open_anchor
from dataspace.ledger.anchors.evm import EvmAnchor
from dataspace.ledger.anchors.signing import address_of


def hand_over(anchor: str, origin: str, key: Key, heir: bytes) -> str:
    """Let the key whose public key is `heir` own the log; return the transaction's hash, or nothing: it does.

    `heir` has 33 bytes, the compressed point. `key` is the owner's until now,
    and pays. Signatures it made count as evidence of a fork up to the head that
    is anchored now. The founder stays who it was, and with it the anchor's URL.

    Raises:
        Malformed: `anchor` is no contract's URL.
        VerificationError: `heir` is no public key, or the log is marked.
        Unavailable: the chain does not answer, or `key` does not own the log.

    """
    opened = open_anchor(anchor, origin, key)
    if not isinstance(opened, EvmAnchor):
        raise Malformed("only a log in a contract can be handed over: want evm:http://...")
    to = address_of(heir)
    # Of an earlier call that was mined, and whose caller did not live to see it.
    return "" if opened.owner(final=False) == to else opened.rotate(to)
