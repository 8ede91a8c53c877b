"""Verifier keys of every type that is verified here (C2SP signed-note, "Verifier keys").

    0x01  Ed25519 over the text                   key.Verifier
    0x02  ECDSA over the text                     EcdsaKey
    0x04  Ed25519 cosignature with its time       cosignature.Cosigner
    0x05  RFC 6962 tree head signature            TreeHeadKey
    0x06  ML-DSA-44 cosignature with its time     cosignature.PostQuantumCosigner
    0xff  "dataspace/secp256k1-anchor/v1"         secp256k1.AnchorKey

The id that a key states is compared with the one its name and key give, always.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from types import MappingProxyType
from typing import Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from dataspace.errors import VerificationError
from dataspace.proof import cosignature, secp256k1
from dataspace.proof.checkpoint import Checkpoint
from dataspace.proof.cosignature import Cosigner, PostQuantumCosigner
from dataspace.proof.key import (
    ED25519,
    NoteKey,
    Verifier,
    check_name,
    check_vkey,
    join_vkey,
    make_key_id,
    split_vkey,
)
from dataspace.proof.note import open_note
from dataspace.proof.secp256k1 import AnchorKey

__all__ = ["EcdsaKey", "NoteKey", "TreeHeadKey", "open_note", "parse_vkey"]

ECDSA: Final = b"\x02"
TREE_HEAD: Final = b"\x05"
CURVES: Final = ("secp256r1", "secp384r1", "secp521r1")


@dataclass(frozen=True)
class EcdsaKey:
    """A public ECDSA key that signs texts (type 0x02); `public_key` is its DER SubjectPublicKeyInfo."""

    name: str
    public_key: bytes

    def __post_init__(self) -> None:
        check_name(self.name)
        _ecdsa(self.public_key, CURVES)

    @property
    def key_id(self) -> bytes:
        """The first four bytes of the key's hash; the name has no part in it."""
        return sha256(self.public_key).digest()[:4]

    def __str__(self) -> str:
        return join_vkey(self.name, self.key_id, ECDSA + self.public_key)

    def verify(self, text: str, signature: bytes) -> None:
        """Check one signature.

        Raises:
            VerificationError: it is not this key's signature of `text`.

        """
        _check_ecdsa(self, text.encode(), signature)


@dataclass(frozen=True)
class TreeHeadKey:
    """The ECDSA P-256 key of a Certificate Transparency log (type 0x05, C2SP static-ct-api).

    It signs time, size and root as in RFC 6962 section 3.5, and neither origin
    nor extension lines: the origin must be the key's name, and there is no other line.
    """

    name: str
    public_key: bytes

    def __post_init__(self) -> None:
        check_name(self.name)
        _ecdsa(self.public_key, CURVES[:1])

    @property
    def key_id(self) -> bytes:
        """The first four bytes of the hash over name, type and the log's id, itself a hash of the key."""
        return make_key_id(self.name, TREE_HEAD + sha256(self.public_key).digest())

    def __str__(self) -> str:
        return join_vkey(self.name, self.key_id, TREE_HEAD + self.public_key)

    def verify(self, text: str, signature: bytes) -> None:
        """Check one tree head signature: milliseconds, SHA-256 and ECDSA (4, 3), length, signature.

        Raises:
            VerificationError: `text` is no checkpoint of the key's log, or the
                signature is not this key's.

        """
        head = Checkpoint.parse(text)
        if head.origin != self.name or head.extensions:
            raise VerificationError(f"note: {self.name} signs no head of another log, and no further line")
        time, kind, rest = signature[:8], signature[8:10], signature[12:]
        if kind != b"\4\3" or signature[10:12] != len(rest).to_bytes(2):
            raise VerificationError(f"malformed signature of {self.name}: want ECDSA with SHA-256")
        _check_ecdsa(self, b"\0\1" + time + head.size.to_bytes(8) + head.root, rest)


_TYPES: Final[Mapping[bytes, Callable[[str, bytes], NoteKey]]] = MappingProxyType(
    {
        ED25519: Verifier,
        ECDSA: EcdsaKey,
        cosignature.ED25519: Cosigner,
        TREE_HEAD: TreeHeadKey,
        cosignature.ML_DSA_44: PostQuantumCosigner,
        secp256k1.TYPE: AnchorKey,
    }
)


def parse_vkey(text: str) -> NoteKey:
    """Read a verifier key of any type.

    Raises:
        VerificationError: it is malformed, of an unknown type, or its id is
            not the one its name and key give.
        Unavailable: the installed cryptography lacks the key's curve.

    """
    name, key = split_vkey(text)
    for prefix, make in _TYPES.items():
        if key.startswith(prefix):
            verifier = make(name, key.removeprefix(prefix))
            check_vkey(verifier, text)
            return verifier
    raise VerificationError(f"verifier key: of type 0x{key[:1].hex()}, which is not known here")


def _check_ecdsa(key: NoteKey, message: bytes, signature: bytes) -> None:
    try:
        _ecdsa(key.public_key, CURVES).verify(signature, message, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature as error:
        raise VerificationError(f"note: the signature of {key.name} does not verify") from error


def _ecdsa(der: bytes, curves: tuple[str, ...]) -> ec.EllipticCurvePublicKey:
    try:
        key = serialization.load_der_public_key(der)
    except (UnsupportedAlgorithm, ValueError) as error:
        raise VerificationError("malformed key: no SubjectPublicKeyInfo of a known algorithm") from error
    if not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name not in curves:
        raise VerificationError(f"malformed key: want a point of {' or '.join(curves)}")
    return key
