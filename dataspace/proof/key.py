"""Public keys under the names they sign as, and the one text of each: its verifier key (C2SP signed-note).

<name>+<id in hexadecimal>+<base64 of type and key>
"""

import hmac
import re
from base64 import b64encode
from dataclasses import dataclass
from hashlib import sha256
from typing import ClassVar, Final, Protocol, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from dataspace.errors import VerificationError
from dataspace.proof.encoding import decode_base64, is_unicode

ED25519: Final = b"\x01"
ED25519_SIZE: Final = 32  # bytes of a public key
CONTROL: Final = re.compile(r"[\x00-\x09\x0b-\x1f]")

_NAME: Final = re.compile(r"[^\s+]+")


class NoteKey(Protocol):
    """A public key under the name it signs as; `str()` gives its verifier key.

    Implementations MUST be frozen values, and MUST compute `key_id` from name,
    type and key, whatever anyone stated.
    """

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def public_key(self) -> bytes: ...  # noqa: D102
    @property
    def key_id(self) -> bytes: ...  # noqa: D102

    def verify(self, text: str, signature: bytes) -> int | None:
        """Check one signature of a note's text; return the POSIX seconds that it states, if its type does.

        Raises:
            VerificationError: it is not this key's signature of `text`.
            Unavailable: the installed cryptography cannot check this type.

        """
        ...


@dataclass(frozen=True)
class PublicKey:
    """A public key of one type and size under the name it signs as; its id covers name, type and key."""

    TYPE: ClassVar[bytes]
    SIZE: ClassVar[int]  # bytes of the key

    name: str
    public_key: bytes

    def __post_init__(self) -> None:
        check_name(self.name)
        if len(self.public_key) != self.SIZE:
            raise VerificationError(f"malformed key: {len(self.public_key)} bytes, want {self.SIZE}")

    @property
    def key_id(self) -> bytes:
        """The first four bytes of the hash over name, type and key."""
        return make_key_id(self.name, self.TYPE + self.public_key)

    def __str__(self) -> str:
        return join_vkey(self.name, self.key_id, self.TYPE + self.public_key)


@dataclass(frozen=True)
class Verifier(PublicKey):
    """An Ed25519 key that signs texts (type 0x01)."""

    TYPE = ED25519
    SIZE = ED25519_SIZE

    @classmethod
    def parse(cls, vkey: str) -> Self:
        """Read a verifier key: name, id in hexadecimal and base64 of type and key, joined by plus.

        Raises:
            VerificationError: it is malformed, of another type than Ed25519,
                or its id is not the one its name and key give.

        """
        name, key = split_vkey(vkey)
        if key[:1] != ED25519:
            raise VerificationError("verifier key: not of type Ed25519")
        verifier = cls(name, key[1:])
        check_vkey(verifier, vkey)
        return verifier

    def verify(self, text: str, signature: bytes) -> None:
        """Check one signature.

        Raises:
            VerificationError: it is not this key's signature of `text`.

        """
        check_ed25519(self, text.encode(), signature)


def check_name(name: str) -> None:
    """Let pass what can be a key's name.

    Raises:
        VerificationError: it is empty, or holds a space, a plus, a control
            character or a lone surrogate.

    """
    if not _NAME.fullmatch(name) or CONTROL.search(name) or not is_unicode(name):
        raise VerificationError("malformed key: its name is empty or holds a space or a plus")


def make_key_id(name: str, key: bytes) -> bytes:
    """Return the first four bytes of the hash over a name and a key, its type's byte before it."""
    return sha256(name.encode() + b"\n" + key).digest()[:4]


def join_vkey(name: str, key_id: bytes, key: bytes) -> str:
    """Return the verifier key over `key`, its type's byte before it."""
    return f"{name}+{key_id.hex()}+{b64encode(key).decode()}"


def split_vkey(vkey: str) -> tuple[str, bytes]:
    """Return name, and type and key of a verifier key, whose id `check_vkey` compares afterwards.

    Raises:
        VerificationError: it is malformed.

    """
    name, _, rest = vkey.partition("+")
    if "+" not in rest:
        raise VerificationError("verifier key: want name+8 hex digits+base64, as `dataspace key` prints it")
    return name, decode_base64(rest.partition("+")[2], "verifier key")


def check_vkey(key: NoteKey, vkey: str) -> None:
    """Let pass the one spelling of `key`.

    Raises:
        VerificationError: the id that `vkey` states is not the key's.

    """
    if not hmac.compare_digest(str(key).encode(), vkey.encode(errors="surrogatepass")):
        raise VerificationError(f"verifier key: its id is not {key.key_id.hex()}")


def check_ed25519(key: NoteKey, message: bytes, signature: bytes) -> None:
    """Check an Ed25519 signature of `message`.

    Raises:
        VerificationError: it is not the key's.

    """
    try:
        Ed25519PublicKey.from_public_bytes(key.public_key).verify(signature, message)
    except (InvalidSignature, ValueError) as error:
        raise VerificationError(f"note: the signature of {key.name} does not verify") from error
