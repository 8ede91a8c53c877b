"""The key that owns a log's place on a chain, and its signatures of checkpoints (note type 0xff).

    verifier key   name+id+base64(0xff || "dataspace/secp256k1-anchor/v1" || 33 bytes, the compressed point)
    signature      65 bytes, r || s || v: s in the lower half, v 27 or 28
    signed digest  SHA-256("dataspace/ledger-anchor/v1", filled to 32 bytes with zeros
                           || SHA-256(origin) || size in 8 bytes, the highest first || root)

A contract recovers the signer from digest and signature, so whoever holds two
such notes of one size and two roots can prove there that the log was forked.
Therefore `v` is checked here too: a signature that only verifies, and does not
recover, would be of no use as that proof. Extension lines are not signed.
"""

from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, encode_dss_signature

from dataspace.errors import Unavailable, VerificationError
from dataspace.proof.checkpoint import Checkpoint
from dataspace.proof.key import PublicKey
from dataspace.proof.note import signature_line

TYPE: Final = b"\xffdataspace/secp256k1-anchor/v1"
DOMAIN: Final = b"dataspace/ledger-anchor/v1".ljust(32, b"\0")
SIGNATURE_SIZE: Final = 65

# SEC 2 section 2.4.1: y^2 = x^3 + 7 over the field of _FIELD, in the group of order _ORDER.
_FIELD: Final = 2**256 - 2**32 - 977
_ORDER: Final = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141

_Point = tuple[int, int]


@dataclass(frozen=True)
class AnchorKey(PublicKey):
    """A public secp256k1 key, compressed to 33 bytes, under the name it signs as: the log's origin."""

    TYPE = TYPE
    SIZE = 33

    def __post_init__(self) -> None:
        super().__post_init__()
        _public(self.public_key)

    def verify(self, text: str, signature: bytes) -> None:
        """Check one signature, and that a contract recovers this key from it.

        Raises:
            VerificationError: `text` is no checkpoint of this key's log, or
                the signature is not this key's.
            Unavailable: the installed cryptography lacks the curve.

        """
        head = Checkpoint.parse(text)
        if head.origin != self.name:
            raise VerificationError(f"note: {self.name} signs no head of another log")
        if not _recovers(self.public_key, digest(head.origin, head.size, head.root), signature):
            raise VerificationError(f"note: the signature of {self.name} does not verify")

    def line(self, text: str, signature: bytes) -> str:
        """Return the signature line of a checkpoint's text, whose 65 bytes were made over `digest`.

        Raises:
            VerificationError: as `verify` does.

        """
        self.verify(text, signature)
        return signature_line(self, signature)


def digest(origin: str, size: int, root: bytes) -> bytes:
    """Return the 32 bytes that the anchor key signs for one head."""
    return sha256(DOMAIN + sha256(origin.encode()).digest() + size.to_bytes(8) + root).digest()


def _recovers(public_key: bytes, message: bytes, signature: bytes) -> bool:
    if len(signature) != SIGNATURE_SIZE or signature[64] not in (27, 28):
        return False
    r, s = int.from_bytes(signature[:32]), int.from_bytes(signature[32:64])
    if not (0 < r < _ORDER and 0 < s <= _ORDER // 2):
        return False
    key = _public(public_key)
    try:
        key.verify(encode_dss_signature(r, s), message, ec.ECDSA(Prehashed(hashes.SHA256())))
        odd = _is_odd(key, int.from_bytes(message), r, s)
    except (InvalidSignature, ValueError):
        # ValueError: one of the sums is the point at infinity, as only who chose key or number for it meets.
        return False
    return odd == (signature[64] == 28)


def _is_odd(key: ec.EllipticCurvePublicKey, message: int, r: int, s: int) -> bool:
    """Tell the parity of y of the point R = u1 G + u2 Q, whose x is r, of a signature that verifies.

    Its two candidates are R and -R. The right one leads to u2 Q once u1 G is
    taken away; a key exchange gives the x of u2 Q.
    """
    inverse = pow(s, -1, _ORDER)
    u1, u2 = message * inverse % _ORDER, r * inverse % _ORDER
    y = pow(pow(r, 3, _FIELD) + 7, (_FIELD + 1) // 4, _FIELD)
    step = _private(u1).public_key().public_numbers()
    shared = _private(u2).exchange(ec.ECDH(), key)
    leads = _x_of_sum((r, y), (step.x, -step.y % _FIELD)) == int.from_bytes(shared)
    return bool(y % 2) == leads


def _x_of_sum(one: _Point, other: _Point) -> int:
    slope = (other[1] - one[1]) * pow(other[0] - one[0], -1, _FIELD)
    return (slope * slope - one[0] - other[0]) % _FIELD


def _private(number: int) -> ec.EllipticCurvePrivateKey:
    return ec.derive_private_key(number, ec.SECP256K1())


def _public(point: bytes) -> ec.EllipticCurvePublicKey:
    try:
        return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256K1(), point)
    except UnsupportedAlgorithm as error:
        raise Unavailable("the installed cryptography lacks the curve secp256k1") from error
    except ValueError as error:
        raise VerificationError("malformed key: no compressed point of secp256k1") from error
