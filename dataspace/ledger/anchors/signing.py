"""Signatures of the anchor key: secp256k1 over the digest of one head, as a contract recovers them.

Without web3: every published checkpoint is signed here, and web3 takes two
seconds to import.
"""

from typing import Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from dataspace.errors import Unavailable, VerificationError
from dataspace.proof.checkpoint import Checkpoint
from dataspace.proof.note import split
from dataspace.proof.secp256k1 import SIGNATURE_SIZE, AnchorKey, digest

# SEC 2 section 2.4.1: the order of the group.
_ORDER: Final = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


def anchor_signature(secret: bytes, origin: str, size: int, root: bytes) -> bytes:
    """Return r || s || v, 65 bytes, of one head under a secret of 32 bytes; the same each time (RFC 6979).

    Raises:
        Unavailable: `secret` is no secret key of secp256k1.

    """
    private = _private(secret)
    scheme = ec.ECDSA(Prehashed(hashes.SHA256()), deterministic_signing=True)
    r, s = decode_dss_signature(private.sign(digest(origin, size, root), scheme))
    both = r.to_bytes(32) + min(s, _ORDER - s).to_bytes(32)  # contracts take the lower of s and -s
    key, text = AnchorKey(origin, public_key(secret)), Checkpoint(origin, size, root).text()
    for signature in (both + b"\x1b", both + b"\x1c"):
        try:
            key.verify(text, signature)
        except VerificationError:
            continue
        return signature
    raise Unavailable("the anchor's key signs what its public key does not verify")


def public_key(secret: bytes) -> bytes:
    """Return the compressed public key, 33 bytes, of a secret of 32.

    Raises:
        Unavailable: `secret` is no secret key of secp256k1.

    """
    return _private(secret).public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint)


def address_of(compressed: bytes) -> str:
    """Return the Ethereum address of a compressed public key of 33 bytes.

    Raises:
        VerificationError: it is no point of secp256k1.

    """
    from dataspace.ledger.anchors.ethereum import Web3  # noqa: PLC0415 - web3 is slow

    try:
        point = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256K1(), compressed)
    except ValueError as error:
        raise VerificationError("malformed key: no compressed point of secp256k1") from error
    whole = point.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return str(Web3.to_checksum_address(bytes(Web3.keccak(whole[1:]))[-20:]))


def signers(note: str, head: Checkpoint) -> list[str]:
    """Return the addresses whose anchor signatures of `head` stand below a note, none if it is no note.

    Recovered as the contract does, whatever key the line names.

    Raises:
        VerificationError: a line of the log's own name and of that length is no such signature.

    """
    try:
        lines = split(note)[1]
    except VerificationError:
        return []
    found = [data for name, _, data in lines if name == head.origin and len(data) == SIGNATURE_SIZE]
    return [_signer(digest(head.origin, head.size, head.root), signature) for signature in found]


def _signer(message: bytes, signature: bytes) -> str:
    from dataspace.ledger.anchors.ethereum import BadSignature, Signature, ValidationError  # noqa: PLC0415

    problem = "anchor: the checkpoint's signature of the anchor key is one that no contract takes"
    if signature[64] not in (27, 28) or int.from_bytes(signature[32:64]) > _ORDER // 2:
        raise VerificationError(problem)
    try:
        made = Signature(signature[:64] + bytes([signature[64] - 27]))
        return str(made.recover_public_key_from_msg_hash(message).to_checksum_address())
    except (BadSignature, ValidationError) as error:
        raise VerificationError(problem) from error


def _private(secret: bytes) -> ec.EllipticCurvePrivateKey:
    number = int.from_bytes(secret) if len(secret) == 32 else 0
    if not 0 < number < _ORDER:
        # Said without a cause: a library's own words might quote the key.
        raise Unavailable("the anchor's key is no secret key of secp256k1")
    return ec.derive_private_key(number, ec.SECP256K1())
