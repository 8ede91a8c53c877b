from base64 import b64decode
from hashlib import sha256

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from eth_keys.datatypes import PrivateKey, Signature
from hypothesis import given
from hypothesis import strategies as st

from dataspace.errors import VerificationError
from dataspace.proof.checkpoint import Checkpoint
from dataspace.proof.key import NoteKey
from dataspace.proof.note import open_note
from dataspace.proof.secp256k1 import SIGNATURE_SIZE, AnchorKey, digest
from tests.proof.test_checkpoint import HEAD
from tests.proof.test_note import KEY, VERIFIER

ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
SECRET = bytes(range(1, 33))
PRIVATE = ec.derive_private_key(int.from_bytes(SECRET), ec.SECP256K1())
ANCHOR = AnchorKey(
    HEAD.origin, PRIVATE.public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
)


def sign_head(head: Checkpoint, secret: bytes = SECRET) -> bytes:
    """Sign as wallets do, by another library: r, s of the lower half, and 27 or 28."""
    made = PrivateKey(secret).sign_msg_hash(digest(head.origin, head.size, head.root)).to_bytes()
    return made[:64] + bytes([27 + made[64]])


SIGNATURE = sign_head(HEAD)


def test_the_digest_is_what_it_was_when_it_was_fixed() -> None:
    domain = b"dataspace/ledger-anchor/v1\0\0\0\0\0\0"
    assert len(domain) == 32
    origin = sha256(b"example.com/log").digest()
    message = domain + origin + bytes.fromhex("000000000000002a") + bytes(range(32))
    assert digest("example.com/log", 42, bytes(range(32))) == sha256(message).digest()


def test_the_verifier_key_is_what_it_was_when_it_was_fixed() -> None:
    name, key_id, key = str(ANCHOR).split("+", 2)
    material = b"\xffdataspace/secp256k1-anchor/v1" + ANCHOR.public_key
    assert (name, b64decode(key)) == ("example.com/log", material)
    assert key_id == sha256(b"example.com/log\n" + material).hexdigest()[:8]


def test_a_note_opens_under_the_keys_of_one_name() -> None:
    note = HEAD.sign(VERIFIER, KEY.sign) + ANCHOR.line(HEAD.text(), SIGNATURE)
    keys: list[NoteKey] = [VERIFIER, ANCHOR]
    assert [key for key, _ in open_note(note, keys).signed] == keys


@given(st.integers(1, 2**63 - 1), st.binary(min_size=32, max_size=32), st.integers(1, ORDER - 1))
def test_what_verifies_is_what_a_contract_recovers(size: int, root: bytes, secret: int) -> None:
    head = Checkpoint(HEAD.origin, size, root)
    signature = sign_head(head, secret.to_bytes(32))
    message = digest(head.origin, size, root)
    key = AnchorKey(HEAD.origin, PrivateKey(secret.to_bytes(32)).public_key.to_compressed_bytes())
    key.verify(head.text(), signature)
    recovered = Signature(signature[:64] + bytes([signature[64] - 27])).recover_public_key_from_msg_hash(
        message
    )
    assert recovered.to_compressed_bytes() == key.public_key
    with pytest.raises(VerificationError):
        key.verify(head.text(), signature[:64] + bytes([55 - signature[64]]))


def test_a_signature_of_this_library_verifies_with_one_of_both_marks() -> None:
    r, s = decode_dss_signature(
        PRIVATE.sign(digest(HEAD.origin, HEAD.size, HEAD.root), ec.ECDSA(Prehashed(SHA256())))
    )
    s = min(s, ORDER - s)
    data = r.to_bytes(32) + s.to_bytes(32)
    assert sum(_verifies(data + bytes([mark])) for mark in range(256)) == 1


def test_le_07_a_head_of_another_origin_size_or_root_fails() -> None:
    ANCHOR.verify(HEAD.text(), SIGNATURE)
    for head in (
        Checkpoint("example.com/other", HEAD.size, HEAD.root),
        Checkpoint(HEAD.origin, HEAD.size + 1, HEAD.root),
        Checkpoint(HEAD.origin, HEAD.size, bytes(32)),
    ):
        with pytest.raises(VerificationError):
            ANCHOR.verify(head.text(), SIGNATURE)
        with pytest.raises(VerificationError):
            AnchorKey("example.com/third", ANCHOR.public_key).verify(head.text(), sign_head(head))


def test_extension_lines_are_not_signed() -> None:
    ANCHOR.verify(Checkpoint(HEAD.origin, HEAD.size, HEAD.root, ("more",)).text(), SIGNATURE)


def test_a_signature_has_one_spelling() -> None:
    s = int.from_bytes(SIGNATURE[32:64])
    high = SIGNATURE[:32] + (ORDER - s).to_bytes(32) + bytes([55 - SIGNATURE[64]])
    zero, order = bytes(32), ORDER.to_bytes(32)
    assert not any(
        _verifies(data)
        for data in (
            high, SIGNATURE[:64], SIGNATURE + b"\0", SIGNATURE[:64] + b"\0", SIGNATURE[:64] + b"\x1d", b"",
            zero + SIGNATURE[32:], SIGNATURE[:32] + zero + SIGNATURE[64:],
            order + SIGNATURE[32:], SIGNATURE[:32] + order + SIGNATURE[64:],
        )
    )  # fmt: skip


def test_a_line_of_another_key_is_not_made() -> None:
    with pytest.raises(VerificationError):
        ANCHOR.line(HEAD.text(), sign_head(HEAD, bytes(31) + b"\7"))


@pytest.mark.parametrize(
    "key", [b"", bytes(33), b"\4" + bytes(32), b"\2" + b"\xff" * 32, ANCHOR.public_key[:32], bytes(65)]
)
def test_what_is_no_compressed_point_is_refused(key: bytes) -> None:
    with pytest.raises(VerificationError):
        AnchorKey(HEAD.origin, key)


@given(st.integers(0, SIGNATURE_SIZE * 8 - 1))
def test_a_flipped_bit_is_refused(bit: int) -> None:
    changed = bytearray(SIGNATURE)
    changed[bit // 8] ^= 1 << bit % 8
    assert not _verifies(bytes(changed))


@given(st.binary() | st.binary(min_size=65, max_size=65), st.text() | st.just(HEAD.text()))
def test_noise_is_refused_with_one_error(signature: bytes, text: str) -> None:
    with pytest.raises(VerificationError):
        ANCHOR.verify(text, signature)


def _verifies(signature: bytes) -> bool:
    try:
        ANCHOR.verify(HEAD.text(), signature)
    except VerificationError:
        return False
    return True


@pytest.mark.parametrize("v", [27, 28])
def test_le_20_a_key_made_for_its_signature_does_not_verify(v: int) -> None:
    # Q = -2 (m / r) G and R = k G: what is left of R without u1 G is -u2 Q again, and their sum has no slope.
    message = int.from_bytes(digest(HEAD.origin, HEAD.size, HEAD.root))
    for k in range(8, 40):
        point = ec.derive_private_key(k, ec.SECP256K1()).public_key().public_numbers()
        s = message * pow(k, -1, ORDER) % ORDER
        if s > ORDER // 2:
            continue
        secret = -2 * message * pow(point.x, -1, ORDER) % ORDER
        public = ec.derive_private_key(secret, ec.SECP256K1()).public_key()
        key = AnchorKey(HEAD.origin, public.public_bytes(Encoding.X962, PublicFormat.CompressedPoint))
        made = point.x.to_bytes(32) + s.to_bytes(32) + bytes([v])
        with pytest.raises(VerificationError, match="does not verify"):
            key.verify(HEAD.text(), made)
