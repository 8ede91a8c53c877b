"""The messages of a private set intersection, as octets.

    1. opening    consumer -> zone   A = a * generator, x(a P_i) rising, terms
    2. blinded    zone -> consumer   job, x(b Q_j) and canaries, rising
    3. returned   consumer -> zone   x(a * each of them): rising, or in the order of 2 where the terms reveal

`a` and `b` are fresh for each job, P and Q the points of the consumer's and the
zone's items (`oprf.hashed`).

A canary is r * generator with a fresh r: among the zone's own points, which are
multiples by b of hashes, nobody who has not r or b can tell which it is
(decisional Diffie-Hellman). Raised to `a` it is r * A, which the zone knows.
So if all canaries come back, then but for a chance that `canaries` bounds all
points were raised to the one exponent of A, and none was left out or replaced:
every item of the zone is then counted once at most, and the noise of the answer
is that of a sensitivity of one.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self

from dataspace.errors import Malformed
from dataspace.wire.frame import join_parts, split_parts
from dataspace.wire.oprf import POINT, pack, unpack

ITEMS_LIMIT: Final = 100_000  # of a consumer, in one job
ZONE_LIMIT: Final = 250_000  # of a zone
MOST_CANARIES: Final = ZONE_LIMIT // 16
_OPENING: Final = b"DSPO\x01"
_BLINDED: Final = b"DSPB\x01"
_TERMS_LIMIT: Final = 16 << 10
OPENING_LIMIT: Final = POINT * (ITEMS_LIMIT + 1) + _TERMS_LIMIT + 64  # bytes
RETURNED_LIMIT: Final = POINT * (ZONE_LIMIT + MOST_CANARIES)  # bytes


def canaries(items: int) -> int:
    """Return how many canaries go with so many items of a zone: one in sixteen, and at least 128.

    Whoever wants one item to count L times leaves out t others to make room,
    and chooses at most t/(L-1) items without knowing which they are. That the
    item it aims at is among them has a chance of t/((L-1) items), that no
    canary is among those left out one of at most (1 - c/(items + c))^t < e^(-t/17)
    with these c. The product is greatest at t = 17: below 6.3/((L-1) items), for
    each time that epsilon is paid, for who is found out pays it too.
    """
    return max(128, -(-items // 16))


@dataclass(frozen=True)
class Opening:
    """The consumer's set, blinded; `terms` are JSON: identifier, epsilon, reveal, and perhaps a cube."""

    public: bytes
    points: list[bytes] = field(repr=False)
    terms: Mapping[str, Any]

    def encode(self) -> bytes:
        """Return it as octets."""
        terms = json.dumps(dict(self.terms), ensure_ascii=False, separators=(",", ":")).encode()
        return join_parts(_OPENING, [self.public, pack(self.points), terms])

    @classmethod
    def decode(cls, body: bytes) -> Self:
        """Read it from octets; its points are not decoded yet.

        Raises:
            Malformed: it is none.
            TooLarge: it has more items than a job may.

        """
        public, points, terms = split_parts(body, _OPENING, 3)
        if len(public) != POINT:
            raise Malformed(f"malformed opening: the public point has {len(public)} bytes, want {POINT}")
        return cls(bytes(public), unpack(points, ITEMS_LIMIT, rising=True), _terms(bytes(terms)))


@dataclass(frozen=True)
class Blinded:
    """The zone's set, blinded, with its canaries."""

    job: str
    points: list[bytes] = field(repr=False)

    def encode(self) -> bytes:
        """Return it as octets."""
        return join_parts(_BLINDED, [self.job.encode(), pack(self.points)])

    @classmethod
    def decode(cls, body: bytes) -> Self:
        """Read it from octets; Malformed when it is none."""
        job, points = split_parts(body, _BLINDED, 2)
        try:
            name = bytes(job).decode("ascii")
        except UnicodeDecodeError as error:
            raise Malformed("malformed blinded set: the job's name is not ASCII") from error
        return cls(name, unpack(points, RETURNED_LIMIT // POINT, rising=True))


def _terms(data: bytes) -> dict[str, Any]:
    if len(data) > _TERMS_LIMIT:
        raise Malformed(f"malformed opening: terms of {len(data)} bytes, want at most {_TERMS_LIMIT}")
    try:
        found = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise Malformed("malformed opening: its terms are not JSON") from error
    if not isinstance(found, dict):
        raise Malformed("malformed opening: its terms are no object")
    return found
