"""Bytes sealed to the holder of a key: HPKE (RFC 9180) over X25519 and ML-KEM-768 together.

What is recorded today stays closed to a quantum computer of tomorrow. `info`
binds what is sealed to its use: it opens under no other.

public key   1,216 bytes: ML-KEM-768 (FIPS 203), then X25519
private key     96 bytes: the seed of ML-KEM-768, then X25519
"""

import hashlib
from typing import Final, Self

from cryptography.exceptions import InvalidTag, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import (
    AEAD,
    KDF,
    KEM,
    MLKEM768X25519PrivateKey,
    MLKEM768X25519PublicKey,
    Suite,
)

from dataspace.errors import Malformed, Unavailable, VerificationError

PUBLIC_SIZE: Final = 1216
PRIVATE_SIZE: Final = 96
_SEED: Final = 64  # of ML-KEM-768, in a private key
_ENCAPSULATION: Final = 1184  # of ML-KEM-768, in a public key


class SealingKey:
    """A private key; `public` is what others seal to."""

    def __init__(self, private: bytes) -> None:
        if len(private) != PRIVATE_SIZE:
            raise Malformed(f"malformed key: {len(private)} bytes, want {PRIVATE_SIZE}")
        self._private = private
        try:
            first = MLKEM768PrivateKey.from_seed_bytes(private[:_SEED])
            second = X25519PrivateKey.from_private_bytes(private[_SEED:])
            self._key = MLKEM768X25519PrivateKey(first, second)
        except UnsupportedAlgorithm as error:
            raise Unavailable("the installed cryptography lacks ML-KEM-768") from error
        self.public = first.public_key().public_bytes_raw() + second.public_key().public_bytes_raw()

    def __repr__(self) -> str:
        return f"SealingKey(id={self.id!r})"

    @classmethod
    def create(cls) -> Self:
        """Make a new key.

        Raises:
            Unavailable: the installed cryptography lacks ML-KEM-768.

        """
        try:
            seed = MLKEM768PrivateKey.generate().private_bytes_raw()
        except UnsupportedAlgorithm as error:
            raise Unavailable("the installed cryptography lacks ML-KEM-768") from error
        return cls(seed + X25519PrivateKey.generate().private_bytes_raw())

    @property
    def id(self) -> str:
        """The SHA-256 of the public key, in hex."""
        return key_id(self.public)

    def to_bytes(self) -> bytes:
        """Return the private key: a secret."""
        return self._private

    def open(self, sealed: bytes, info: bytes) -> bytes:
        """Return what was sealed to this key under the same `info`.

        Raises:
            VerificationError: it was not, or it was changed.

        """
        try:
            return _suite().decrypt(sealed, self._key, info=info)
        except (InvalidTag, ValueError) as error:
            raise VerificationError("sealed bytes do not open: other bytes, use or key") from error


def seal_to(public: bytes, plain: bytes, info: bytes) -> bytes:
    """Return `plain`, sealed to the holder of a public key, for the use `info`.

    Raises:
        Malformed: `public` is no public key.
        Unavailable: the installed cryptography lacks ML-KEM-768.

    """
    if len(public) != PUBLIC_SIZE:
        raise Malformed(f"malformed key: {len(public)} bytes, want {PUBLIC_SIZE}")
    try:
        key = MLKEM768X25519PublicKey(
            MLKEM768PublicKey.from_public_bytes(public[:_ENCAPSULATION]),
            X25519PublicKey.from_public_bytes(public[_ENCAPSULATION:]),
        )
        return _suite().encrypt(plain, key, info=info)
    except UnsupportedAlgorithm as error:
        raise Unavailable("the installed cryptography lacks ML-KEM-768") from error
    except ValueError as error:
        raise Malformed("malformed key: no public key of ML-KEM-768 and X25519") from error


def check_public(public: bytes) -> None:
    """Let pass a public key that can be sealed to: some of the right size cannot.

    Raises:
        Malformed: it is none.
        Unavailable: the installed cryptography lacks ML-KEM-768.

    """
    seal_to(public, b"", b"")


def key_id(public: bytes) -> str:
    """Return the name of a public key: its SHA-256, in hex."""
    return hashlib.sha256(public).hexdigest()


def _suite() -> Suite:
    return Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
