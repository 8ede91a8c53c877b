"""The home of a key service: its keys, the platform it serves, its database.

keys/            a folder of keys, as a space has one: `zone/keyservice` wraps the identity
identity         the signing key and the private HPKE key, wrapped
platform.vkey    the verifier key of the one platform's log
keyservice.db    what is remembered (`store.py`)
"""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from dataspace.errors import Conflict, NotFound
from dataspace.keys.file import FileKeys
from dataspace.proof.key import Verifier
from dataspace.wire.hpke import SealingKey
from dataspace.wire.keyservice import ServiceKey

_WRAPPING: Final = "zone/keyservice"
_CONTEXT: Final = b"dataspace-keyservice-identity@v1"
_SEED: Final = 32  # of Ed25519


@dataclass(frozen=True)
class Identity:
    """The two private keys of a key service."""

    signing: Ed25519PrivateKey = field(repr=False)
    sealing: SealingKey = field(repr=False)

    @property
    def public(self) -> ServiceKey:
        """What platforms and providers pin."""
        return ServiceKey(self.signing.public_key().public_bytes_raw(), self.sealing.public)

    def to_bytes(self) -> bytes:
        """Return both: a secret."""
        return self.signing.private_bytes_raw() + self.sealing.to_bytes()

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read what `to_bytes` wrote."""
        return cls(Ed25519PrivateKey.from_private_bytes(data[:_SEED]), SealingKey(data[_SEED:]))


@dataclass(frozen=True)
class Home:
    """An opened home."""

    folder: Path
    identity: Identity
    platform: Verifier

    @property
    def database(self) -> Path:
        """Where the database lies."""
        return self.folder / "keyservice.db"

    @classmethod
    def create(cls, folder: Path, platform: str) -> Self:
        """Make a home for the key service of one platform.

        Raises:
            Conflict: there is one already.
            VerificationError: `platform` is no verifier key of a log.

        """
        verifier = Verifier.parse(platform)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        identity = Identity(Ed25519PrivateKey.generate(), SealingKey.create())
        keys = FileKeys(folder / "keys")
        if (folder / "identity").exists() or keys.has(_WRAPPING):
            raise Conflict(f"there is a key service already in {folder}")
        keys.create(_WRAPPING)
        _write(folder / "platform.vkey", f"{verifier}\n".encode())
        _write(folder / "identity", keys.secret(_WRAPPING).wrap(identity.to_bytes(), _CONTEXT))
        return cls(folder, identity, verifier)

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Open a home.

        Raises:
            NotFound: there is none.
            VerificationError: the keys are not those that it was made with.

        """
        try:
            wrapped = (folder / "identity").read_bytes()
            platform = (folder / "platform.vkey").read_text().strip()
        except FileNotFoundError as error:
            raise NotFound(f"there is no key service in {folder}: make it with `keyservice init`") from error
        secret = FileKeys(folder / "keys").secret(_WRAPPING).unwrap(wrapped, _CONTEXT)
        return cls(folder, Identity.from_bytes(secret), Verifier.parse(platform))


def _write(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
