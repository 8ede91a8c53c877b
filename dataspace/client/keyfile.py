"""A secret in a file that a passphrase opens: scrypt (RFC 7914) and AES-256-GCM.

magic and version (5 bytes), log2 of scrypt's N (1), salt (16), nonce (12),
ciphertext and tag; all before the ciphertext is authenticated with it.
"""

import os
import secrets
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from dataspace.errors import Conflict, Malformed, NotFound, VerificationError

_MAGIC: Final = b"DSKF\x01"
_COST: Final = 17  # N = 2^17, r = 8, p = 1: 128 MiB (OWASP Password Storage Cheat Sheet)
_COSTS: Final = range(14, 21)  # a file must not make us take gigabytes
_HEAD: Final = len(_MAGIC) + 1 + 16 + 12


def write_key_file(path: Path, passphrase: str, secret: bytes) -> None:
    """Write `secret` to a new file with mode 0600.

    Raises:
        Conflict: there is such a file already.
        NotFound: there is no such folder.

    """
    head = _MAGIC + bytes([_COST]) + secrets.token_bytes(28)
    sealed = head + _cipher(head, passphrase).encrypt(head[-12:], secret, head)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise Conflict(f"there is a key file already: {path}") from error
    except FileNotFoundError as error:
        raise NotFound(f"there is no folder for the key file: {path.parent}") from error
    with os.fdopen(descriptor, "wb") as file:
        file.write(sealed)


def read_key_file(path: Path, passphrase: str) -> bytes:
    """Return the secret in a key file.

    Raises:
        NotFound: there is no such file.
        Malformed: it is no key file.
        VerificationError: the passphrase is another, or the file was changed.

    """
    try:
        sealed = path.read_bytes()
    except (FileNotFoundError, IsADirectoryError) as error:
        raise NotFound(f"there is no key file: {path}") from error
    head = sealed[:_HEAD]
    if len(head) < _HEAD or not head.startswith(_MAGIC) or head[len(_MAGIC)] not in _COSTS:
        raise Malformed(f"no key file of this version: {path}")
    try:
        return _cipher(head, passphrase).decrypt(head[-12:], sealed[_HEAD:], head)
    except InvalidTag as error:
        raise VerificationError(f"the passphrase is another, or the key file was changed: {path}") from error


def _cipher(head: bytes, passphrase: str) -> AESGCM:
    cost, salt = head[len(_MAGIC)], head[len(_MAGIC) + 1 : -12]
    return AESGCM(Scrypt(salt=salt, length=32, n=1 << cost, r=8, p=1).derive(passphrase.encode()))
