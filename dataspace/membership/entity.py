"""The legal entity behind a participant, as a digest: equal for its accounts, and telling nobody who it is.

An identifier such as a unified social credit code has so few possible values
that its SHA-256 could be tried out. So the digest is of the service's signature
of it, by a key that signs nothing else: Ed25519 signatures are deterministic
(RFC 8032, section 5.1.6), and only the key's holder can make one. The identifier
itself is in no table, no entry and no log.
"""

import hashlib
import threading
import unicodedata
from typing import Final

from dataspace.errors import Unprocessable
from dataspace.keys import KeyStore
from dataspace.keys.file import FileKeys

_KEY: Final = "entity"
_DOMAIN: Final = b"dataspace/entity/v1\0"
_LONGEST: Final = 100
_MAKING: Final = threading.Lock()


def entity_digest(keys: KeyStore, identifier: str) -> str:
    """Return the digest of an identifier, in hex, however it is spaced or cased; empty for none.

    The key is made when it is first used: spaces from before entities have none.

    Raises:
        Unprocessable: it is no identifier.

    """
    plain = "".join(unicodedata.normalize("NFKC", identifier).split()).upper()
    if not plain:
        return ""
    if len(plain) > _LONGEST or not plain.isprintable():
        raise Unprocessable(f"the entity is no identifier: want at most {_LONGEST} printable characters")
    with _MAKING:
        if isinstance(keys, FileKeys) and not keys.has(_KEY):
            keys.create(_KEY)
    return hashlib.sha256(_DOMAIN + keys.sign(_KEY, _DOMAIN + plain.encode())).hexdigest()
