"""What a joint statistic is made of: the request, each zone's part, and the sum (`joint` has the job).

The request is the job and the public context. A part is a head, the Ed25519
signature of the peer that made it over the head, and ciphertexts, whose
digests are in the head. The sum names the digest of each part in it: each zone
has the same digest in its ledger's entry.
"""

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Self

from dataspace.errors import DataSpaceError, Malformed, TooLarge
from dataspace.wire.compact import compact, integer, read_compact, token
from dataspace.wire.frame import join_parts, split_parts
from dataspace.wire.joint import JOB_LIMIT, MEASURES_LIMIT, NAME, Job
from dataspace.wire.parameters import DEFAULT_PARAMETERS, parameter_set
from dataspace.wire.protobuf import refuse_secret_key

PART_LIMIT: Final = 5 << 20  # bytes: eight ciphertexts and the head
REQUEST_LIMIT: Final = 2 << 20
_HEAD_LIMIT: Final = 16_384
_SIGNATURE: Final = 64
_REQUEST: Final = b"DSJJ\x01"
_PART: Final = b"DSJP\x01"
_SUM: Final = b"DSJS\x01"
_SIGNED: Final = b"dataspace joint part v1\n"
_ID: Final = re.compile(r"[0-9a-f]{32}")
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_NO_PART: Final = "malformed part: it is none of this job by this peer"


@dataclass(frozen=True)
class Request:
    """A job with the public context that its parts are encrypted under."""

    job: Job
    context: bytes = field(repr=False)

    def encode(self) -> bytes:
        """Return the envelope."""
        return join_parts(_REQUEST, [self.job.encode(), self.context])

    @classmethod
    def decode(cls, body: bytes | bytearray) -> Self:
        """Read an envelope; a bytearray that holds a secret key is wiped where it lies.

        Raises:
            Malformed: it is none, or the job's key is not the digest of the context.
            TooLarge: a part passes its limit.
            Unprocessable: there is a secret key in it, or the job asks for what cannot be.

        """
        told, context = split_parts(body, _REQUEST, 2)
        # Before any limit: whoever sent a secret key must be told so, and nothing else.
        refuse_secret_key(context)
        if len(told) > JOB_LIMIT:
            raise TooLarge(f"job of {len(told)} bytes, want at most {JOB_LIMIT}", limit=JOB_LIMIT)
        job = Job.decode(told)
        if len(context) > (limit := job.limits.context_limit):
            raise TooLarge(f"context of {len(context)} bytes, want at most {limit}", limit=limit)
        if not hmac.compare_digest(hashlib.sha256(context).hexdigest(), job.key):
            raise Malformed("malformed job: its key is not the digest of the context")
        return cls(job, bytes(context))


@dataclass(frozen=True)
class Part:
    """A zone's part of a joint statistic: masked, encrypted, signed; `vectors` are streams of SEAL's.

    `peers_sha256` is of the public keys that the zone has of all peers: with
    those of another the masks would not add up to zero.
    """

    job: str
    job_sha256: str
    peer: str
    peers: tuple[str, ...]
    peers_sha256: str
    coordinator: str
    key: str
    length: int
    expires: int
    vectors: tuple[bytes, ...] = field(repr=False)
    signature: bytes = field(default=b"", repr=False)

    @property
    def statement(self) -> bytes:
        """Return what the peer signs."""
        return _SIGNED + self._head()

    def encode(self) -> bytes:
        """Return the envelope."""
        return join_parts(_PART, [self._head(), self.signature, *self.vectors])

    def _head(self) -> bytes:
        told = {name: getattr(self, name) for name in _TOLD}
        return compact({**told, "vectors": [hashlib.sha256(vector).hexdigest() for vector in self.vectors]})

    @classmethod
    def of(cls, job: Job, peer: str, peers_sha256: str, vectors: tuple[bytes, ...]) -> Self:
        """Return a part of `job`, not yet signed."""
        return cls(
            job=job.id,
            job_sha256=job.sha256,
            peer=peer,
            peers=job.peers,
            peers_sha256=peers_sha256,
            coordinator=job.coordinator,
            key=job.key,
            length=job.length,
            expires=job.expires,
            vectors=vectors,
        )

    def fits(self, other: "Part") -> bool:
        """Return whether two parts are of one job, by all they say of it."""
        return all(getattr(self, name) == getattr(other, name) for name in _TOLD if name != "peer")

    @classmethod
    def decode(cls, body: bytes) -> Self:
        """Read an envelope; the signature is not verified here.

        Raises:
            Malformed: it is none: one message, whatever is wrong.

        """
        try:
            return cls._read(body)
        except DataSpaceError as error:
            raise Malformed(_NO_PART) from error

    @classmethod
    def _read(cls, body: bytes) -> Self:
        head, signature, *vectors = _split(body, _PART)
        told = read_compact(head, "part", _HEAD_LIMIT)
        if told.keys() != {*_TOLD, "vectors"} or not isinstance(told["peers"], list):
            raise Malformed("malformed part: want " + ", ".join(_TOLD))
        part = cls(
            job=token(told["job"], "job", _ID),
            job_sha256=token(told["job_sha256"], "job_sha256", _DIGEST),
            peer=token(told["peer"], "peer", NAME),
            peers=tuple(token(name, "peer", NAME) for name in told["peers"]),
            peers_sha256=token(told["peers_sha256"], "peers_sha256", _DIGEST),
            coordinator=token(told["coordinator"], "coordinator", NAME),
            key=token(told["key"], "key", _DIGEST),
            length=integer(
                told["length"], "length", 1, len(vectors) * parameter_set(DEFAULT_PARAMETERS).slots
            ),
            expires=integer(told["expires"], "expires", 1, 1 << 53),
            vectors=tuple(map(bytes, vectors)),
            signature=bytes(signature),
        )
        limits = parameter_set(DEFAULT_PARAMETERS)
        few = len(vectors) == -(-part.length // limits.slots) <= MEASURES_LIMIT
        if not few or any(len(vector) > limits.vector_limit for vector in vectors):
            raise Malformed("malformed part: another number of ciphertexts, or too large ones")
        # The digests of the ciphertexts among it: the head is what this part would write.
        if part._head() != bytes(head) or len(part.signature) != _SIGNATURE:
            raise Malformed("malformed part: the head is not that of its ciphertexts")
        return part


@dataclass(frozen=True)
class Sum:
    """The sum of all parts; `parts` are their SHA-256 by peer, `vectors` TenSEAL's."""

    job: str
    job_sha256: str
    key: str
    parts: Mapping[str, str]
    vectors: tuple[bytes, ...] = field(repr=False)

    def encode(self) -> bytes:
        """Return the envelope."""
        told = {name: getattr(self, name) for name in ("job", "job_sha256", "key")}
        return join_parts(_SUM, [compact({**told, "parts": dict(self.parts)}), *self.vectors])

    @classmethod
    def decode(cls, body: bytes) -> Self:
        """Read an envelope.

        Raises:
            Malformed: it is none.

        """
        head, *vectors = split_parts(body, _SUM)
        told = read_compact(head, "sum", _HEAD_LIMIT)
        if told.keys() != {"job", "job_sha256", "key", "parts"} or not isinstance(told["parts"], dict):
            raise Malformed("malformed sum: want job, job_sha256, key and parts")
        parts = {token(peer, "peer", NAME): token(d, "digest", _DIGEST) for peer, d in told["parts"].items()}
        return cls(
            token(told["job"], "job", _ID),
            token(told["job_sha256"], "job_sha256", _DIGEST),
            token(told["key"], "key", _DIGEST),
            parts,
            tuple(map(bytes, vectors)),
        )


_TOLD: Final = (
    *("job", "job_sha256", "peer", "peers", "peers_sha256", "coordinator", "key", "length", "expires"),
)


def _split(body: bytes, magic: bytes) -> list[memoryview]:
    found = split_parts(body, magic)
    if not 3 <= len(found) <= 2 + MEASURES_LIMIT:
        raise Malformed("malformed part: want a head, a signature and ciphertexts")
    return found


def digest(body: bytes) -> str:
    """Return the SHA-256 of an envelope, in hex."""
    return hashlib.sha256(body).hexdigest()
