"""Signatures of the anchor's key: the same each time, and what a contract recovers the owner from."""

import hashlib
import secrets

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from dataspace.errors import Unavailable, VerificationError
from dataspace.ledger.anchors.chain import account_of
from dataspace.ledger.anchors.ethereum import Account, HexBytes
from dataspace.ledger.anchors.signing import address_of, anchor_signature, public_key
from dataspace.proof.secp256k1 import digest

ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
ORIGIN, ROOT = "example.org/log", b"\1" * 32


def test_the_signed_digest_is_the_one_the_contract_makes() -> None:
    parts = [b"dataspace/ledger-anchor/v1".ljust(32, b"\0"), hashlib.sha256(ORIGIN.encode()).digest(),
             (7).to_bytes(8), ROOT]  # fmt: skip
    assert digest(ORIGIN, 7, ROOT) == hashlib.sha256(b"".join(parts)).digest()


@settings(max_examples=25)
@given(some.integers(1, ORDER - 1), some.integers(1, 2**63 - 1), some.binary(min_size=32, max_size=32))
def test_it_is_what_eth_account_signs(number: int, size: int, root: bytes) -> None:
    secret = number.to_bytes(32)
    signed = Account.unsafe_sign_hash(HexBytes(digest(ORIGIN, size, root)), secret)
    assert anchor_signature(secret, ORIGIN, size, root) == bytes(signed.signature)


def test_the_same_head_gives_the_same_signature() -> None:
    secret = secrets.token_bytes(31).rjust(32, b"\1")
    made = {anchor_signature(secret, ORIGIN, 7, ROOT) for _ in range(3)}
    assert len(made) == 1


def test_the_address_is_the_accounts() -> None:
    secret = secrets.token_bytes(31).rjust(32, b"\1")
    assert address_of(public_key(secret)) == account_of(secret).address


@pytest.mark.parametrize("secret", [b"", bytes(32), b"\xff" * 32, b"\1" * 31, b"\1" * 33, ORDER.to_bytes(32)])
def test_what_is_no_secret_signs_nothing_and_is_not_shown(secret: bytes) -> None:
    with pytest.raises(Unavailable) as caught:
        anchor_signature(secret, ORIGIN, 7, ROOT)
    assert caught.value.__cause__ is None
    assert not secret or secret.hex() not in str(caught.value)


@pytest.mark.parametrize("point", [b"", b"\2" * 32, b"\2" + b"\xff" * 32, b"\5" + b"\1" * 32])
def test_what_is_no_point_has_no_address(point: bytes) -> None:
    with pytest.raises(VerificationError):
        address_of(point)
