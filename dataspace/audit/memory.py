"""What an auditor keeps of a right audit, beside its checkpoint, so that the next one goes on from there.

    a line: dataspace-audit-memory@v1
    SHA-256 over the checkpoint's note and all that follows
    MessagePack of `Memory`

It is the auditor's own file, of no use but with the very checkpoint it was
saved with. Whoever can write it can make the next audit blind, as by writing
the checkpoint itself.
"""

import hashlib
import hmac
from typing import Final

import msgspec

from dataspace.audit.told import Saved
from dataspace.errors import Malformed, TooLarge

HEAD: Final = b"dataspace-audit-memory@v1\n"
LIMIT: Final = 1 << 32  # bytes

_BODY: Final = len(HEAD) + hashlib.sha256().digest_size


class Kept(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the records before the checkpoint told: last time, erasures, first gap, and their meaning."""

    last: str
    erased: bytes
    named: list[tuple[int, int]]
    gap: int | None
    saved: Saved


class Memory(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The state of an audit at the end of a checkpoint; without `kept` the source showed no records."""

    kept: Kept | None


def save(note: str, kept: Kept | None) -> bytes:
    """Return the memory of an audit that ended with the checkpoint in `note`."""
    body = msgspec.msgpack.encode(Memory(kept))
    return HEAD + _digest(note, body) + body


def load(data: bytes, note: str) -> Memory:
    """Return the memory that was saved with the checkpoint in `note`.

    Raises:
        Malformed: it is none, or was saved with another checkpoint.

    """
    if len(data) > LIMIT:
        raise TooLarge(f"the memory of {len(data)} bytes, an audit reads at most {LIMIT}")
    body = data[_BODY:]
    if not data.startswith(HEAD) or not hmac.compare_digest(data[len(HEAD) : _BODY], _digest(note, body)):
        raise Malformed("what is saved beside the checkpoint does not belong to it")
    try:
        return msgspec.msgpack.decode(body, type=Memory)
    except (msgspec.MsgspecError, ValueError, RecursionError, OverflowError) as error:
        raise Malformed("what is saved beside the checkpoint cannot be read") from error


def _digest(note: str, body: bytes) -> bytes:
    return hashlib.sha256(note.encode(errors="surrogatepass") + body).digest()
