"""The key that a provider signs its reports with: a PEM file, under a passphrase if one is given."""

import os
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from dataspace.errors import Malformed


def provider_key(path: Path, passphrase: str = "") -> Ed25519PrivateKey:
    """Return the key in a file, which is made at the first use, for its owner's eyes only.

    Raises:
        Malformed: the file holds no Ed25519 key, or the passphrase is another.

    """
    secret = passphrase.encode() or None
    try:
        key = load_pem_private_key(path.read_bytes(), secret)
    except FileNotFoundError:
        return _created(path, BestAvailableEncryption(secret) if secret else NoEncryption())
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise Malformed(f"{path} holds no key, or its passphrase is another") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise Malformed(f"{path} holds a key of another kind than Ed25519")
    return key


def _created(path: Path, protection: KeySerializationEncryption) -> Ed25519PrivateKey:
    key = Ed25519PrivateKey.generate()
    content = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, protection)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    return key
