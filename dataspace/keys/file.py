"""Keys in a folder: mode 0700, one file of mode 0600 a key, written once and never changed.

A key file is one line, `dataspace-key/v1 <kind> <base64 of 32 bytes>`. Whoever
can read the folder holds the service's keys: it belongs on a disk that backups
of the database do not include.
"""

import os
import re
import secrets
import stat
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from contextlib import suppress
from enum import StrEnum
from functools import cache
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from dataspace.errors import Conflict, Malformed, Unavailable
from dataspace.keys.wrap import AesKey

_MAGIC = "dataspace-key/v1"
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,63}(/[a-z][a-z0-9_-]{0,63})?\Z")
_VERSION = re.compile(r"v[1-9][0-9]{0,3}\Z")
# The order of the curve's group, SEC 2 section 2.4.1: a secret key is 1 .. n-1.
_SECP256K1_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


class Kind(StrEnum):
    """What a key does; the first part of its name decides it."""

    ED25519 = "ed25519"
    ML_DSA_44 = "ml-dsa-44"
    SECP256K1 = "secp256k1"
    X25519 = "x25519"
    AES256 = "aes256"


_KINDS = {
    "log": Kind.ED25519,
    "log-pq": Kind.ML_DSA_44,
    "witness": Kind.ED25519,
    "witness-pq": Kind.ML_DSA_44,
    "anchor": Kind.SECP256K1,
    "entity": Kind.ED25519,
    "peer": Kind.ED25519,
    "peer-mask": Kind.X25519,
    "zone": Kind.AES256,
}


class FileKeys:
    """A `KeyStore` over a folder; it keeps the keys it has read in memory."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._signing = cache(self._load_signing)
        self._agreeing = cache(self._load_agreeing)
        self._aes256 = cache(self._load_aes256)
        _private_folder(folder)

    def __repr__(self) -> str:
        return f"FileKeys({str(self._folder)!r})"

    def create(self, name: str) -> None:
        """Make the key of that name; the kind follows from the name.

        Raises:
            Conflict: the key is there already; a key is never replaced.
            Malformed: the name is not a key's.

        """
        kind, path = _kind(name), self._path(name)
        _private_folder(path.parent)
        line = f"{_MAGIC} {kind} {b64encode(_fresh(kind)).decode()}\n"
        try:
            _write_once(path, line.encode())
        except FileExistsError as error:
            raise Conflict(f"key {name} exists already, and a key is never replaced") from error

    def has(self, name: str) -> bool:
        """Tell whether the key is there."""
        _kind(name)
        return self._path(name).exists()

    def sign(self, name: str, message: bytes) -> bytes:
        """Return the signature of `message`: Ed25519, 64 bytes, or ML-DSA-44, 2,420."""
        return self._signing(name).sign(message)

    def public_key(self, name: str) -> bytes:
        """Return the raw public key: Ed25519 or X25519, 32 bytes, or ML-DSA-44, 1,312."""
        if _kind(name) is Kind.X25519:
            return self._agreeing(name).public_key().public_bytes_raw()
        return self._signing(name).public_key().public_bytes_raw()

    def agree(self, name: str, public: bytes) -> bytes:
        """Return the secret that an X25519 key shares with another's public key, 32 bytes (RFC 7748).

        Raises:
            Malformed: the public key is no point of the curve's large subgroup.

        """
        try:
            return self._agreeing(name).exchange(X25519PublicKey.from_public_bytes(public))
        except ValueError as error:
            raise Malformed("malformed public key: want 32 bytes of X25519, of no small order") from error

    def secret(self, name: str) -> AesKey:
        """Return a handle on the wrapping key of that name."""
        return self._aes256(name)

    def raw(self, name: str) -> bytes:
        """Return the bytes of a secp256k1 key, 32 bytes: no library signs a transaction by handle."""
        return self._read(name, Kind.SECP256K1)

    def _load_signing(self, name: str) -> Ed25519PrivateKey | MLDSA44PrivateKey:
        if _kind(name) is not Kind.ML_DSA_44:
            return Ed25519PrivateKey.from_private_bytes(self._read(name, Kind.ED25519))
        try:
            return MLDSA44PrivateKey.from_seed_bytes(self._read(name, Kind.ML_DSA_44))
        except UnsupportedAlgorithm as error:
            raise Unavailable(f"key {name}: this build of OpenSSL has no ML-DSA-44") from error

    def _load_agreeing(self, name: str) -> X25519PrivateKey:
        return X25519PrivateKey.from_private_bytes(self._read(name, Kind.X25519))

    def _load_aes256(self, name: str) -> AesKey:
        return AesKey(self._read(name, Kind.AES256))

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.key"

    def _read(self, name: str, kind: Kind) -> bytes:
        if _kind(name) is not kind:
            raise Malformed(f"key {name} is of kind {_kind(name)}, want {kind}")
        path = self._path(name)
        try:
            if stat.S_IMODE(path.stat().st_mode) & 0o077:
                raise Unavailable(f"key {name} can be read by others: its file must have mode 0600")
            words = path.read_bytes().decode().split()
            magic, written, text = words
            value = b64decode(text, validate=True)
        except FileNotFoundError as error:
            raise Unavailable(f"there is no key {name}: make it with `dataspace init`") from error
        except (OSError, ValueError, Base64Error) as error:
            # `from None`: the causes quote what they could not decode.
            raise Unavailable(f"key {name} cannot be read: {type(error).__name__}") from None
        if (magic, written, len(value)) != (_MAGIC, kind, 32):
            raise Unavailable(f"key {name} is not a file of {_MAGIC} with a {kind} key")
        return value


def _kind(name: str) -> Kind:
    first, _, rest = name.partition("/")
    versioned = not rest or _VERSION.match(rest)
    if not _NAME.match(name) or first not in _KINDS or not (rest if first == "zone" else versioned):
        raise Malformed(
            f"malformed name of a key: want zone/<zone>, or {', '.join(_KINDS)}, maybe with /v<n>"
        )
    return _KINDS[first]


def _fresh(kind: Kind) -> bytes:
    if kind is Kind.SECP256K1:
        return (secrets.randbelow(_SECP256K1_ORDER - 1) + 1).to_bytes(32)
    return secrets.token_bytes(32)


def _private_folder(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if stat.S_IMODE(folder.stat().st_mode) & 0o077:
            raise Unavailable(f"the folder of keys {folder} is open to others: it must have mode 0700")
    except OSError as error:
        raise Unavailable(f"the folder of keys {folder} cannot be used: {error.strerror}") from error


def _write_once(path: Path, content: bytes) -> None:
    """Write a file that is whole or absent, even when the power fails; never replace one."""
    part = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        # The commit point: unlike a rename, a link fails when the name is taken.
        os.link(part, path)
    finally:
        with suppress(FileNotFoundError):
            part.unlink()
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
