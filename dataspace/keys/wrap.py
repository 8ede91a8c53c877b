"""A wrapping key held in memory: AES-256-GCM, nonce drawn anew for each wrap.

Wrapped bytes, version 1: `01 || nonce (12) || ciphertext || tag (16)`; the
associated data is the domain prefix and the caller's context, so that a key
wrapped for one dataset does not open as another's.
"""

import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from dataspace.errors import VerificationError

_VERSION = b"\x01"
_DOMAIN = b"dataspace/key-wrap/v1\x00"
_NONCE = 12  # 96 bits: at 2^32 random nonces a key the chance of a repeat is 2^-33 (NIST SP 800-38D, 8.3)
_TAG = 16


class AesKey:
    """A `SecretKey` whose bytes are in this process."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    def __repr__(self) -> str:
        return "AesKey(...)"

    def wrap(self, key: bytes, context: bytes) -> bytes:
        """Encrypt `key`, bound to `context`."""
        nonce = os.urandom(_NONCE)
        return _VERSION + nonce + self._cipher.encrypt(nonce, key, _DOMAIN + context)

    def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        """Return what was wrapped under the same context.

        Raises:
            VerificationError: whatever is wrong: one message, so that it tells nothing.

        """
        nonce, sealed = wrapped[1 : 1 + _NONCE], wrapped[1 + _NONCE :]
        if wrapped[:1] != _VERSION or len(sealed) < _TAG:
            raise VerificationError("a wrapped key does not open: other bytes, context or key")
        try:
            return self._cipher.decrypt(nonce, sealed, _DOMAIN + context)
        except InvalidTag as error:
            raise VerificationError("a wrapped key does not open: other bytes, context or key") from error
