"""Where a ledger is read from; what is read is evidence, of which nothing is believed.

Three kinds of failure are kept apart. What cannot be read (no such folder, no
answer, more bytes than an audit reads) is Unavailable or Malformed: the audit
could not be made. What can be read and is not what a log must hold, or is not
there, is a VerificationError: the evidence is wrong. What a source does not
show to this auditor is NotFound, and the message says why: not checked.
"""

import json
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol, Self, runtime_checkable

from dataspace.errors import TooLarge, VerificationError
from dataspace.policy import facts
from dataspace.proof import note
from dataspace.proof.checkpoint import Checkpoint
from dataspace.proof.disclosure import Disclosure
from dataspace.proof.encoding import decode_base64
from dataspace.proof.merkle import HASH_SIZE
from dataspace.proof.receipt import AnchorEvidence
from dataspace.proof.record import Record
from dataspace.proof.tiles import ENTRY_LIMIT, Tile

if TYPE_CHECKING:
    # A worker process that reads files needs no database library, which takes a second to load.
    from sqlmodel import Session

LARGEST_LOG: Final = 1 << 30  # entries; a day's audit
NOTE_LIMIT: Final = note.LIMIT
LINE_LIMIT: Final = 1 << 18  # bytes of a record or an anchor in a file, salts included

TOKEN_LIMIT: Final = 1 << 16  # bytes of one time-stamp token, its certificates included
TOKENS: Final = 16  # time-stamp tokens of one checkpoint
ROTATIONS: Final = 1000  # rotations of the log's key
BUNDLE_LIMIT: Final = 1 << 24  # bytes of one policy bundle
INPUT_LIMIT: Final = facts.LIMIT  # bytes of one decision's input
RANGE_LIMIT: Final = 1 << 26  # characters of all inputs that one call returns
LISTED: Final = 1 << 22  # published checkpoints that one listing has
PUBLISHED_LIMIT: Final = 3 * NOTE_LIMIT  # bytes of one published checkpoint as JSON, its tokens included

Records = Mapping[int, Record | Disclosure | VerificationError]


@dataclass(frozen=True)
class TimeToken:
    """A time-stamp token (RFC 3161, DER) over a checkpoint's text, and who is said to have given it."""

    authority: str
    token: bytes

    def to_json(self) -> dict[str, str]:
        """Return the token as JSON-ready data."""
        return {"authority": self.authority, "token": b64encode(self.token).decode()}


@dataclass(frozen=True)
class Published:
    """A published checkpoint, none of it checked: the note with every signature line, and its tokens."""

    note: str
    timestamps: tuple[TimeToken, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the checkpoint as evidence folders and services write it."""
        return {"checkpoint": self.note, "timestamps": [token.to_json() for token in self.timestamps]}

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """Read what `to_json` wrote; other members are the caller's business.

        Raises:
            VerificationError: it is anything else.

        """
        tokens = value.get("timestamps") if isinstance(value, dict) else None
        if not isinstance(tokens, list) or not isinstance(value.get("checkpoint"), str):
            raise VerificationError("malformed published checkpoint: want a checkpoint and its timestamps")
        if len(tokens) > TOKENS:
            raise VerificationError(f"malformed published checkpoint: want at most {TOKENS} timestamps")
        return cls(value["checkpoint"], tuple(map(_token, tokens)))


class Log(Protocol):
    """The log itself: what every service publishes."""

    def checkpoint(self) -> str:
        """Return the newest signed note."""
        ...

    def tile(self, tile: Tile) -> bytes:
        """Return the content of a tile of hashes, or of a bundle of entries."""
        ...

    def records(self, start: int, end: int) -> Records:
        """Return the records from `start` to before `end` that are there.

        One that cannot be read is its error. Ascending calls are the fast ones.

        Raises:
            NotFound: this source shows no records; the message says why.
            Unauthenticated: it would, but not for the token it was given.

        """
        ...


class Publications(Protocol):
    """What was said of the log to the world; each streams, and may be read again from its beginning.

    All three raise VerificationError for what cannot be read as what it should
    be, and NotFound when this source shows none.
    """

    def published(self) -> Iterator[Published]:
        """Return the published checkpoints, none smaller than the one before it."""
        ...

    def rotations(self) -> list[str]:
        """Return the notes by which one key of the log handed over to the next, oldest first."""
        ...

    def anchors(self) -> Iterator[AnchorEvidence]:
        """Return the anchor evidence that was kept."""
        ...


class Decisions(Protocol):
    """What the policy decided on, and by which bundle.

    Both raise NotFound when this source shows none, Unauthenticated as `records`.
    """

    def policy(self, digest: str) -> bytes | None:
        """Return the bundle of this digest, which nobody has checked; None when it is not there."""
        ...

    def decision_inputs(self, start: int, end: int) -> Mapping[int, str]:
        """Return the inputs of the decisions of entries from `start` to before `end`, by entry.

        An entry whose input is not there is absent.
        """
        ...


class Source(Log, Publications, Decisions, AbstractContextManager[Any], Protocol):
    """A ledger to be audited: one thread opens it, reads it, closes it.

    Nothing is read before it is entered. An implementation MUST bound what it
    reads for one call, MUST NOT change the evidence, and MUST raise
    VerificationError for what the log should hold and does not, Unavailable or
    Malformed when it cannot tell.
    """

    def again(self) -> tuple["Callable[..., Source]", tuple[str, ...]] | None:
        """Return what makes such a source of which texts, closed, in a worker process; None: nothing does."""
        ...


@runtime_checkable
class AtRest(Protocol):
    """A copy: nothing is added to it while it is read, so nothing in it may be larger than its head."""

    def database(self) -> "Session":
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


def record_from_json(value: Any) -> tuple[int, Record | Disclosure | VerificationError]:
    """Read a record beside the index of its entry, as services and evidence folders write it.

    To an auditor of some zones a service shows records of others in part.

    Raises:
        VerificationError: it does not even say which entry it is the record of.

    """
    index = value.get("index") if isinstance(value, dict) else None
    if not isinstance(index, int) or isinstance(index, bool) or index < 0:
        raise VerificationError("malformed record: want an object with the index of its entry")
    return index, _read_disclosure(value) if "disclosure" in value else read_record(value)


def _read_disclosure(value: Mapping[str, Any]) -> Disclosure | VerificationError:
    try:
        return Disclosure.from_json(value)
    except VerificationError as error:
        return error


def published_size(published: Published) -> int:
    """Return the size that a checkpoint states, for paging and for order alone: nothing is believed.

    Raises:
        VerificationError: it is no checkpoint.

    """
    return Checkpoint.parse(note.split(published.note)[0]).size


def in_order(published: Iterator[Published]) -> Iterator[Published]:
    """Pass published checkpoints on while each is at least as large as the one before it.

    Raises:
        VerificationError: one is smaller, or no checkpoint.

    """
    last = 0
    for one in published:
        size = published_size(one)
        if size < last:
            raise VerificationError(f"the published size {size} comes after the size {last}")
        last = size
        yield one


def ensure_size(what: str, size: int, limit: int) -> None:
    """Let what is not too large pass.

    Raises:
        TooLarge: it is; an audit does not read it.

    """
    if size > limit:
        raise TooLarge(f"{what}: {size} bytes, an audit reads at most {limit}")


def _token(value: Any) -> TimeToken:
    authority = value.get("authority") if isinstance(value, dict) else None
    encoded = value.get("token") if isinstance(value, dict) else None
    if not isinstance(authority, str) or not isinstance(encoded, str):
        raise VerificationError("malformed timestamp: want an authority and a token")
    if len(encoded) > TOKEN_LIMIT * 2:
        raise VerificationError(f"malformed timestamp: {len(encoded)} characters, want {TOKEN_LIMIT} bytes")
    return TimeToken(authority, decode_base64(encoded, "timestamp"))
