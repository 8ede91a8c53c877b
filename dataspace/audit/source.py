"""Where a ledger is read from; what is read is evidence, of which nothing is believed.

Two kinds of failure are kept apart. What cannot be read (no such folder, no
answer, more bytes than an audit reads) is Unavailable or Malformed: the audit
could not be made. What can be read and is not what a log must hold, or is not
there, is a VerificationError: the evidence is wrong.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Any, Final, Protocol, runtime_checkable

from sqlmodel import Session

from dataspace.errors import TooLarge, VerificationError
from dataspace.proof import note
from dataspace.proof.merkle import HASH_SIZE
from dataspace.proof.receipt import AnchorEvidence
from dataspace.proof.record import Record
from dataspace.proof.tiles import ENTRY_LIMIT, Tile

LARGEST_LOG: Final = 1 << 30  # entries; a day's audit
NOTE_LIMIT: Final = note.LIMIT
LINE_LIMIT: Final = 1 << 18  # bytes of a record or an anchor in a file, salts included

Records = Mapping[int, Record | VerificationError]


class Source(AbstractContextManager[Any], Protocol):
    """A ledger to be audited: one thread opens it, reads it from first entry to last, closes it.

    Nothing is read before it is entered. An implementation MUST bound what it
    reads for one call, MUST NOT change the evidence, and MUST raise
    VerificationError for what the log should hold and does not, Unavailable or
    Malformed when it cannot tell.
    """

    def checkpoint(self) -> str:
        """Return the newest signed note."""
        ...

    def tile(self, tile: Tile) -> bytes:
        """Return the content of a tile of hashes, or of a bundle of entries."""
        ...

    def records(self, start: int, end: int) -> Records:
        """Return the records from `start` to before `end` that are there.

        One that cannot be read is its error. Calls come in ascending order.

        Raises:
            NotFound: this source shows no records; the message says why.
            Unauthenticated: it would, but not for the token it was given.

        """
        ...


@runtime_checkable
class AtRest(Protocol):
    """What a copy holds besides the log; nothing is added to it while it is read."""

    def anchors(self) -> Iterator[AnchorEvidence]:
        """Return the anchor evidence that was kept.

        Raises:
            VerificationError: some of it cannot be read.

        """
        ...

    def database(self) -> Session:
        """Return a session that reads the tables of the service.

        Raises:
            NotFound: this source has no database.

        """
        ...


def tile_limit(tile: Tile) -> int:
    """Return how many bytes a tile can have at most."""
    return tile.width * (HASH_SIZE if tile.level is not None else ENTRY_LIMIT + 2)


def decode(text: str) -> Any:
    """Return the JSON value in a stored text; that it has a canonical form is seen when a record is hashed.

    Raises:
        VerificationError: it is longer than an audit reads, not JSON, repeats
            a name, or holds a number that is not an integer.

    """
    if len(text) > LINE_LIMIT:
        raise VerificationError(f"malformed record: {len(text)} characters, want at most {LINE_LIMIT}")
    try:
        return _READER.decode(text)
    except (ValueError, RecursionError) as error:
        raise VerificationError("malformed record: not strict JSON") from error


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise VerificationError("malformed record: it repeats a name")
    return members


def _no_float(_: str) -> Any:
    raise VerificationError("malformed record: a number that is not an integer")


_READER: Final = json.JSONDecoder(object_pairs_hook=_once, parse_float=_no_float, parse_constant=_no_float)


def read_record(value: Mapping[str, Any]) -> Record | VerificationError:
    """Return the record in the members `record` and `salts`, or why there is none."""
    try:
        return Record.from_json(value)
    except VerificationError as error:
        return error


def parse_record(text: str, salts: bytes) -> Record | VerificationError:
    """Return a record from its stored JSON, or why it is none."""
    try:
        fields = decode(text)
        if isinstance(fields, dict):
            return Record(fields, salts)
    except VerificationError as error:
        return error
    return VerificationError("malformed record: want an object of fields")


def record_from_json(value: Any) -> tuple[int, Record | VerificationError]:
    """Read a record beside the index of its entry, as services and evidence folders write it.

    Raises:
        VerificationError: it does not even say which entry it is the record of.

    """
    index = value.get("index") if isinstance(value, dict) else None
    if not isinstance(index, int) or isinstance(index, bool) or index < 0:
        raise VerificationError("malformed record: want an object with the index of its entry")
    return index, read_record(value)


def ensure_size(what: str, size: int, limit: int) -> None:
    """Let what is not too large pass.

    Raises:
        TooLarge: it is; an audit does not read it.

    """
    if size > limit:
        raise TooLarge(f"{what}: {size} bytes, an audit reads at most {limit}")
