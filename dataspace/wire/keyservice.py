"""What platform, key service and consumer say to each other, each statement signed by who makes it.

A message is a frame: the statement (JSON; its very bytes are signed), its Ed25519
signature, and attachments, whose sizes and SHA-256 the statement lists: who sends how much
is known before any attachment is read. A request is signed with the key of the platform's
log, an answer with the key service's own.
"""

import base64
import hashlib
import hmac
import json
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Self

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from dataspace.errors import Malformed, VerificationError
from dataspace.wire.frame import join_parts, split_parts
from dataspace.wire.hpke import PUBLIC_SIZE

KEEP: Final = "keep"  # a manifest
LAYOUT: Final = "layout"  # which labels the cells have
OPEN: Final = "open"  # a result that the ledger has
FORGET: Final = "forget"  # a manifest: its dataset was withdrawn
REQUEST: Final = "dataspace-keyservice-request@v1"
ANSWER: Final = "dataspace-keyservice-answer@v1"
MEDIA_TYPE: Final = "application/vnd.dataspace.keyservice"
LIFETIME: Final = 300  # seconds that a request counts

_MAGIC: Final = b"DSKS\x01"
_VERIFY_SIZE: Final = 32
_SIGNATURE_SIZE: Final = 64
_STATEMENT_LIMIT: Final = 1 << 20  # a plan that names every cell, and the notes of many rotations


@dataclass(frozen=True)
class ServiceKey:
    """A key service's public keys: the one it signs with, and the one that others seal to.

    `id`, the SHA-256 of both in hex, is what platforms and providers pin.
    """

    verify: bytes
    seal: bytes

    @property
    def id(self) -> str:
        """The name that is pinned."""
        return hashlib.sha256(self.verify + self.seal).hexdigest()

    def __str__(self) -> str:
        return base64.b64encode(self.verify + self.seal).decode()

    @classmethod
    def parse(cls, text: str, pinned: str = "") -> Self:
        """Read the text of a key; `pinned` is the id that it must have, if any.

        Raises:
            Malformed: it is none.
            VerificationError: it is not the pinned one.

        """
        try:
            data = base64.b64decode(text.strip(), validate=True)
        except ValueError as error:
            raise Malformed("malformed key of a key service: not base64") from error
        if len(data) != _VERIFY_SIZE + PUBLIC_SIZE:
            raise Malformed(f"malformed key of a key service: {len(data)} bytes")
        found = cls(data[:_VERIFY_SIZE], data[_VERIFY_SIZE:])
        if pinned and not hmac.compare_digest(found.id, pinned):
            raise VerificationError("the key service has another key than the pinned one")
        return found


@dataclass(frozen=True)
class Message:
    """A statement with what is attached to it, as it came: `check` says who made it."""

    content: bytes
    statement: Mapping[str, Any]
    signature: bytes
    attachments: tuple[bytes, ...] = field(repr=False)

    @classmethod
    def sign(
        cls, statement: Mapping[str, Any], attachments: Sequence[bytes], sign: Callable[[bytes], bytes]
    ) -> Self:
        """Make a message; `statement` names its format."""
        told = {**statement, "attachments": [_named(part) for part in attachments]}
        content = _json(told)
        return cls(content, told, sign(_signed(told["format"], content)), tuple(attachments))

    def encode(self) -> bytes:
        """Return the message as it crosses."""
        return join_parts(_MAGIC, [self.content, self.signature, *self.attachments])

    @classmethod
    def begin(cls, data: bytes | bytearray) -> Self | None:
        """Read a message without its attachments; None while more bytes of it are wanted.

        Raises:
            Malformed: it does not begin as one, or has attachments of other sizes than it lists.

        """
        lengths = _lengths(data)
        if not lengths:
            return None
        if len(lengths) < 2 or lengths[0] > _STATEMENT_LIMIT or lengths[1] != _SIGNATURE_SIZE:
            raise Malformed("malformed message: want a statement and its signature")
        start = len(_MAGIC) + 1 + 4 * len(lengths)
        middle = start + lengths[0]
        if len(data) < middle + _SIGNATURE_SIZE:
            return None
        content = bytes(data[start:middle])
        statement = _object(content)
        listed = statement.get("attachments")
        if not isinstance(listed, list) or [_size(one) for one in listed] != [*map(str, lengths[2:])]:
            raise Malformed("malformed message: its attachments have not the sizes it lists")
        return cls(content, statement, bytes(data[middle : middle + _SIGNATURE_SIZE]), ())

    @classmethod
    def decode(cls, data: bytes | bytearray) -> Self:
        """Read a message.

        Raises:
            Malformed: it is none, or an attachment is not the one that it lists.

        """
        begun = cls.begin(data)
        if begun is None:
            raise Malformed("malformed message: it is cut off")
        attachments = tuple(bytes(part) for part in split_parts(data, _MAGIC)[2:])
        if begun.statement["attachments"] != [_named(part) for part in attachments]:
            raise Malformed("malformed message: its attachments are not those it lists")
        return replace(begun, attachments=attachments)

    def check(self, key: bytes, kind: str) -> None:
        """Let pass what the holder of an Ed25519 key said, in a statement of this format.

        Raises:
            VerificationError: it did not.

        """
        if self.statement.get("format") != kind:
            raise VerificationError(f"the statement is no {kind}")
        try:
            Ed25519PublicKey.from_public_bytes(key).verify(self.signature, _signed(kind, self.content))
        except (InvalidSignature, ValueError) as error:
            raise VerificationError("the statement is not signed by the pinned key") from error


def answer_info(job: str, agreement: str, plan_sha256: str) -> bytes:
    """Return what an answer is sealed for: it opens as the answer to nothing else."""
    return _json({"format": ANSWER, "job": job, "agreement": agreement, "plan": plan_sha256})


def layout_info(agreement: str, container: str) -> bytes:
    """Return what a layout is sealed for."""
    return _json({"format": ANSWER, "agreement": agreement, "container": container})


def _json(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def _signed(kind: str, content: bytes) -> bytes:
    return f"{kind}\n".encode() + content


def _lengths(data: bytes | bytearray) -> tuple[int, ...]:
    """Return how long the parts of a frame are; none while it is not told."""
    start = len(_MAGIC) + 1
    if not _MAGIC.startswith(data[: len(_MAGIC)]) or data[start - 1 : start] == b"\0":
        raise Malformed("malformed message: it does not start as one of this kind and version")
    if len(data) < start or len(data) < start + 4 * data[start - 1]:
        return ()
    return struct.unpack_from(f">{data[start - 1]}I", data, start)


def _object(content: bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(content, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed("malformed message: its statement is no JSON object") from error


def _named(part: bytes) -> str:
    return f"{len(part)}:{hashlib.sha256(part).hexdigest()}"


def _size(named: object) -> str:
    return str(named).partition(":")[0]
