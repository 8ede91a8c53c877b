"""Accusing a log of equivocation: the contract marks it, given two published heads of one size and two roots.

Whoever holds the two notes can do it, with an account of its own that pays for
the gas: both carry the signature of the key that owns the log in the contract.
The contract alone decides; it is asked first, so a wrong accusation costs nothing.
"""

import hashlib
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, Final

from dataspace.errors import Malformed, VerificationError
from dataspace.ledger.anchors.chain import REVERTS, account_of, connect, send, translated
from dataspace.ledger.anchors.pins import split
from dataspace.ledger.anchors.reader import Reader
from dataspace.proof.checkpoint import Checkpoint
from dataspace.proof.note import split as split_note
from dataspace.proof.secp256k1 import SIGNATURE_SIZE

_SCHEME: Final = "evm:"


@dataclass(frozen=True)
class Signed:
    """A checkpoint, and the signatures below it that may be the owner's in the contract, none checked."""

    head: Checkpoint
    signatures: tuple[bytes, ...]


def accuse(anchor: str, note_a: str, note_b: str, key: bytes) -> str:
    """Mark the log in the contract at `anchor`, an `evm:http` URL with pins; return the transaction's hash.

    `key` is the accuser's secret, 32 bytes; its account pays for the gas.

    Raises:
        VerificationError: the notes do not contradict one another, are not
            signed by keys that owned the log, or it is marked already.
        Malformed: `anchor` is no such URL.
        Unavailable: the chain does not answer, or does not take the transaction.

    """
    one, other = contradiction(note_a, note_b)
    if not anchor.startswith(_SCHEME):
        raise Malformed("malformed anchor: want evm:http://host:port#<contract>?<pins>")
    rpc, pins = split(anchor.removeprefix(_SCHEME))
    reader = Reader(connect(rpc), pins, one.head.origin)
    with translated():
        reader.ensure_pinned()
        if reader.state() is None:
            raise VerificationError("the accusation does not hold: nobody anchored this log in the contract")
        account = account_of(key)
        call = _accepted(reader, one, other, account.address)
        return str(send(reader.web3, account, call)["transactionHash"].to_0x_hex())


def contradiction(note_a: str, note_b: str) -> tuple[Signed, Signed]:
    """Return the two heads, if they are of one log and size and have two roots; no signature is checked.

    Raises:
        VerificationError: a note is malformed, or they contradict nothing.

    """
    one, other = _signed(note_a), _signed(note_b)
    if one.head.origin != other.head.origin:
        raise VerificationError("the notes do not contradict one another: they are of two logs")
    if one.head.size != other.head.size:
        raise VerificationError(
            f"the notes do not contradict one another: their sizes are {one.head.size} and {other.head.size}"
        )
    if one.head.root == other.head.root:
        raise VerificationError("the notes do not contradict one another: their roots are equal")
    return one, other


def read_key(path: Path) -> bytes:
    """Return the secret of 32 bytes in an account's key file.

    It holds 64 hexadecimal digits, `0x` before them or not, or is a key store's file.

    Raises:
        Malformed: it is neither, or cannot be read.

    """
    try:
        words = path.read_text(encoding="ascii").split()
        secret = b64decode(words[2], validate=True) if len(words) == 3 else bytes.fromhex(
            words[0].removeprefix("0x"))  # fmt: skip
    except (OSError, ValueError, IndexError, Base64Error):
        # Said without a cause, which would quote the file.
        raise Malformed("the key file holds no secret key: want 64 hexadecimal digits") from None
    if len(secret) != 32:
        raise Malformed(f"the key file holds {len(secret)} bytes, want 32")
    return secret


def _signed(note: str) -> Signed:
    text, lines = split_note(note)
    head = Checkpoint.parse(text)
    found = tuple(data for name, _, data in lines if name == head.origin and len(data) == SIGNATURE_SIZE)
    if not found:
        raise VerificationError("the note is not signed by an anchor's key: a published checkpoint is needed")
    return Signed(head, found)


def _accepted(reader: Reader, one: Signed, other: Signed, accuser: str) -> Any:
    """Return the first call that the contract would accept."""
    for call in _calls(reader, one, other):
        try:
            call.call({"from": accuser})
        except REVERTS:
            continue
        return call
    raise VerificationError("the accusation does not hold: the contract does not know the keys that signed")


def _calls(reader: Reader, one: Signed, other: Signed) -> Iterator[Any]:
    log = reader.founder, hashlib.sha256(one.head.origin.encode()).digest(), one.head.size
    for first, second in product(one.signatures, other.signatures):
        yield reader.contract.functions.equivocate(*log, one.head.root, first, other.head.root, second)
