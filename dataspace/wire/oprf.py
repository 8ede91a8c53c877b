"""An oblivious pseudorandom function and its exponents, on P-256 with x-coordinates alone.

    item       UTF-8 of a text in NFC, 1 to 256 bytes
    point      the first x = SHA-256("dataspace oprf v1" 00 || kind 00 || counter (1 byte) || item) that is
               the x-coordinate of a point of P-256 (SEC 1, 2.3.4); its sign is nobody's business
    x * s      the x-coordinate of s times the point: what ECDH computes (SP 800-56A, 5.7.1.2)
    F_k(item)  point(item) * k: asked for as point * r, answered as * k, opened as * 1/r mod n

P-256 has prime order, so every x that decodes is of a generator: there is no small
subgroup, and s times a point is on the curve again. What does not decode is refused.
On a curve that takes every x, X25519 say, half of the hashes fall on its twist, and
no scalar moves them off it: one bit of each item stays readable in what was blinded.
Since points are hashed, nobody knows one as a multiple or a sum of others, and an
evaluation of one tells nothing of another's (one-more Diffie-Hellman). `record_keys`
hashes the item in once more (2HashDH, eprint 2014/650).

A batch is packed: 32 bytes a point and nothing between. Every function raises
Malformed, or TooLarge, at bytes that it does not take.
"""

import hashlib
import unicodedata
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Final, Self

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from dataspace.errors import Malformed, TooLarge

POINT: Final = 32  # bytes of an x-coordinate
LABEL: Final = 16  # bytes of a record's label
ITEM_LIMIT: Final = 256  # bytes
LOOKUP: Final = b"lookup"
INTERSECTION: Final = b"intersection"

# SEC 2, 2.4.2: the order of the group.
ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_DOMAIN: Final = b"dataspace oprf v1\x00"
_CURVE: Final = ec.SECP256R1()
_EXCHANGE: Final = ec.ECDH()
_EVEN: Final = b"\x02"  # either sign does: they have one x

Point = ec.EllipticCurvePublicKey


class Scalar:
    """A secret exponent; its bytes come out by `to_bytes` alone."""

    def __init__(self, key: ec.EllipticCurvePrivateKey) -> None:
        self._key = key

    def __repr__(self) -> str:
        return "Scalar(...)"

    @classmethod
    def fresh(cls) -> Self:
        """Return a random one."""
        return cls(ec.generate_private_key(_CURVE))

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read what `to_bytes` wrote; Malformed when it is no exponent."""
        number = int.from_bytes(data)
        if len(data) != POINT or not 0 < number < ORDER:
            raise Malformed("malformed scalar: want 32 bytes, from 1 to the order of the group")
        return cls(ec.derive_private_key(number, _CURVE))

    def to_bytes(self) -> bytes:
        """Return it as 32 bytes, which are a secret."""
        return self._number.to_bytes(POINT)

    @property
    def inverse(self) -> "Scalar":
        """The exponent that undoes this one."""
        return Scalar(ec.derive_private_key(pow(self._number, -1, ORDER), _CURVE))

    @property
    def public(self) -> bytes:
        """The generator times this exponent."""
        return self._key.public_key().public_numbers().x.to_bytes(POINT)

    def of(self, point: Point) -> bytes:
        """Return a point times this exponent."""
        return self._key.exchange(_EXCHANGE, point)

    def of_all(self, points: Iterable[bytes]) -> list[bytes]:
        """Return points times this exponent, in their order; Malformed when one of them is none."""
        exchange, decoded = self._key.exchange, map(decode, points)
        return [exchange(_EXCHANGE, point) for point in decoded]

    @property
    def _number(self) -> int:
        return self._key.private_numbers().private_value


def decode(x: bytes) -> Point:
    """Return the point of an x-coordinate; Malformed when no point has it."""
    try:
        return ec.EllipticCurvePublicKey.from_encoded_point(_CURVE, _EVEN + x)
    except ValueError as error:
        raise Malformed("malformed point: no point of P-256 has this x-coordinate") from error


def encoded(item: str) -> bytes:
    """Return an item as it is hashed; Malformed when it is empty, too long, or no text."""
    try:
        data = unicodedata.normalize("NFC", item).encode()
    except (UnicodeEncodeError, TypeError) as error:
        raise Malformed("malformed item: it is no text") from error
    if not 0 < len(data) <= ITEM_LIMIT:
        raise Malformed(f"malformed item: {len(data)} bytes, want 1 to {ITEM_LIMIT}")
    return data


def hashed(item: str, kind: bytes) -> Point:
    """Return an item's point; `kind` is `LOOKUP` or `INTERSECTION`: a point of one is none of the other."""
    data, prefix = encoded(item), _DOMAIN + kind + b"\x00"
    decoding = ec.EllipticCurvePublicKey.from_encoded_point
    for counter in range(256):
        x = hashlib.sha256(b"%b%c%b" % (prefix, counter, data)).digest()
        try:
            return decoding(_CURVE, _EVEN + x)
        except ValueError:
            # Half of all numbers are no x-coordinate: two tries are the mean.
            continue
    raise Malformed("malformed item: it has no point")


def record_keys(table: str, item: str, evaluated: bytes) -> tuple[bytes, bytes]:
    """Return label (16 bytes) and key (32 bytes) of an item's record in a table; `evaluated` is F_k."""
    expand = HKDF(hashes.SHA256(), LABEL + 32, salt=table.encode(), info=b"dataspace lookup v1\x00record")
    both = expand.derive(evaluated + encoded(item))
    return both[:LABEL], both[LABEL:]


def pack(points: Iterable[bytes]) -> bytes:
    """Return a batch of points."""
    return b"".join(points)


def unpack(body: bytes | memoryview, limit: int, *, rising: bool = False) -> list[bytes]:
    """Return the points of a batch, at most `limit`, no two of them equal; they are not decoded yet.

    `rising`: want them in the order of their bytes, which tells nothing of the
    order of the items.
    """
    count, rest = divmod(len(body), POINT)
    if rest or not count:
        raise Malformed(f"malformed batch: {len(body)} bytes, want {POINT} for each of at least one point")
    if count > limit:
        raise TooLarge(f"a batch of {count} points, want at most {limit}", limit=limit)
    data = bytes(body)
    points = [data[start : start + POINT] for start in range(0, len(data), POINT)]
    _check_distinct(points, rising=rising)
    return points


def _check_distinct(points: Sequence[bytes], *, rising: bool) -> None:
    if rising and any(low >= high for low, high in pairwise(points)):
        raise Malformed("malformed batch: want each point once, in rising order")
    if not rising and len(set(points)) < len(points):
        raise Malformed("malformed batch: a point is there twice")
