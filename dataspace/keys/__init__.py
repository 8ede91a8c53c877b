"""Custody of the service's own secrets: a key is used by its name and never seen.

The names are `log` (Ed25519, signs the ledger's heads), `log-pq` (ML-DSA-44,
signs those that are published), `witness` and `witness-pq` (the same two, for
the heads of other logs), `anchor` (secp256k1, owns the log's place on a chain),
`entity` (Ed25519, makes digests of the identifiers of legal entities), `peer`
(Ed25519, signs parts of joint statistics), `peer-mask` (X25519, agrees
on their masks) and `zone/<zone>` (AES-256, wraps the keys of the zone's
datasets). A later key of one role has its version behind it: `log/v2`. What
wraps a dataset's key is the zone's, so that destroying one zone's key leaves the
other zones readable.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, runtime_checkable

from dataspace.errors import Malformed
from dataspace.keys.file import FileKeys

KEY_BYTES = 32


class SecretKey(Protocol):
    """A handle on a wrapping key; it MUST NOT show the key, not even in `repr`."""

    def wrap(self, key: bytes, context: bytes) -> bytes:
        """Encrypt `key`, bound to `context`; every call gives other bytes."""
        ...

    def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        """Return what was wrapped under the same context.

        Raises:
            VerificationError: the bytes, the context or the key are not those of `wrap`.

        """
        ...


@runtime_checkable
class KeyStore(Protocol):
    """Where keys live. Implementations MUST be safe to call from several threads.

    All three raise `Unavailable` when the key is not there or cannot be used,
    and `Malformed` when the name is not one, or is of a key of another kind.
    """

    def sign(self, name: str, message: bytes) -> bytes:
        """Return the signature of `message`: Ed25519, 64 bytes, or ML-DSA-44, 2,420."""
        ...

    def public_key(self, name: str) -> bytes:
        """Return the raw public key: Ed25519, 32 bytes, or ML-DSA-44, 1,312."""
        ...

    def secret(self, name: str) -> SecretKey:
        """Return a handle on the wrapping key of that name."""
        ...


def open_keys(url: str) -> KeyStore:
    """Return the store a setting names; its keys are made by `init`, never by opening it.

    Raises:
        Malformed: no store answers to the scheme, or the folder is not given.
        Unavailable: the store is there and cannot be used.

    """
    scheme, _, rest = url.partition(":")
    if scheme not in _STORES or not rest:
        raise Malformed(f"keys setting of scheme {scheme!r}: want {' or '.join(_STORES)} and a place")
    return _STORES[scheme](rest)


def fresh_key() -> bytes:
    """Return 32 random bytes: a dataset's key before it is wrapped."""
    return os.urandom(KEY_BYTES)


def _file(rest: str) -> KeyStore:
    return FileKeys(Path(rest))


_STORES: dict[str, Callable[[str], KeyStore]] = {"file": _file}
