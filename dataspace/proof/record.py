"""An entry's record as a salted tree of its fields: leaf v1, which is permanent.

Each field is a leaf: 32 bytes of salt, then the canonical JSON of `[name, value]`.
The fields stand in the canonical order of their names; the tree over them is
hashed as in RFC 6962. The entry, which is what the log holds, is

    0x01 || root of the fields

so it says nothing of the record to whom the salts were not given, and goes on
to prove its place when record and salts are erased.
"""

import hmac
import json
import os
import struct
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import repeat
from typing import Any, Final, Self

from dataspace.errors import Malformed, VerificationError
from dataspace.proof import merkle
from dataspace.proof.canonical import LIMIT, members
from dataspace.proof.encoding import decode_base64

VERSION: Final = b"\x01"
SALT_SIZE: Final = 32
ENTRY_SIZE: Final = 33

_READER: Final = json.JSONDecoder()


@dataclass(frozen=True)
class Record:
    """The fields of one entry, and their salts one after the other in the order of the fields' names."""

    fields: dict[str, Any]
    salts: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if not self.fields or len(self.salts) != SALT_SIZE * len(self.fields):
            raise VerificationError(f"malformed record: want fields and {SALT_SIZE} bytes of salt for each")

    def entry(self) -> bytes:
        """Return the entry's bytes, whose leaf hash is in the log.

        Raises:
            VerificationError: a field has no canonical form.

        """
        return VERSION + merkle.root(field_hashes(self.fields, self.salts))

    def to_json(self) -> dict[str, Any]:
        """Return the record as JSON-ready data: its fields, and its salts in base64."""
        return {"record": self.fields, "salts": b64encode(self.salts).decode()}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read the two members that `to_json` wrote; others are the caller's business.

        Raises:
            VerificationError: one is missing, of a wrong type, or they do not belong together.

        """
        fields, salts = data.get("record"), data.get("salts")
        if not isinstance(fields, dict) or not isinstance(salts, str):
            raise VerificationError("malformed record: want the members record and salts")
        return cls(fields, decode_base64(salts, "record salts"))

    def verify(self, entry: bytes) -> None:
        """Check that `entry` commits to this record.

        Raises:
            VerificationError: it commits to another, or is of another version.

        """
        if not hmac.compare_digest(self.entry(), entry):
            raise VerificationError("record: its fields do not lead to the entry")


def seal(fields: Mapping[str, Any]) -> tuple[bytes, bytes, bytes]:
    """Return canonical JSON, fresh salts and the entry's bytes for a new record.

    Without the salts the values of a small domain could be guessed from the entry.

    Raises:
        Malformed: a value has no canonical form.

    """
    try:
        texts = members(fields)
        salts = os.urandom(SALT_SIZE * len(texts))
        return _object(texts).encode(), salts, VERSION + merkle.root(_leaves(texts, salts))
    except UnicodeEncodeError as error:
        raise Malformed("not canonical: the text holds a lone surrogate") from error


def field_hashes(fields: Mapping[str, Any], salts: bytes) -> list[bytes]:
    """Return the leaf hash of each field, in the canonical order of their names.

    Raises:
        VerificationError: a field has no canonical form, or the salts do not fit the fields.

    """
    try:
        return _leaves(members(fields), salts)
    except (Malformed, UnicodeEncodeError) as error:
        raise VerificationError("malformed record: a field without canonical form") from error


def unseal(document: str | bytes, salts: bytes) -> tuple[Record, bytes]:
    """Return the record that a canonical JSON document and its salts hold, and the bytes of its entry.

    The values are written anew and compared with the document, so any reader
    of JSON would find the same values in it, and in no other spelling.

    Raises:
        VerificationError: `document` is no canonical JSON object of at most 1
            MiB, or the salts do not fit its fields.

    """
    try:
        data = document.encode() if isinstance(document, str) else document
        if len(data) > LIMIT:
            raise VerificationError(f"record of {len(data)} bytes, want at most {LIMIT}")
        text = document if isinstance(document, str) else document.decode()
        # Whatever it lets through, and whatever follows the object, differs from the object's canonical text.
        fields, _ = _READER.raw_decode(text)
        texts = members(fields) if isinstance(fields, dict) else []
        if _object(texts) != text:
            raise VerificationError("malformed record: not the canonical JSON of an object")
        return Record(fields, salts), VERSION + merkle.root(_leaves(texts, salts))
    except (Malformed, ValueError, RecursionError) as error:
        raise VerificationError("malformed record: not the canonical JSON of an object") from error


def entry_of(document: str | bytes, salts: bytes) -> bytes:
    """Return the bytes of the entry that commits to a stored record: its canonical JSON, and its salts.

    Raises:
        VerificationError: as `unseal` does.

    """
    return unseal(document, salts)[1]


def _object(texts: list[tuple[str, str]]) -> str:
    return f"{{{','.join(map(':'.join, texts))}}}"


def _leaves(texts: list[tuple[str, str]], salts: bytes) -> list[bytes]:
    if len(salts) != SALT_SIZE * len(texts):
        raise VerificationError(f"malformed record: want {SALT_SIZE} bytes of salt for each field")
    if not texts:
        return []
    # All texts are encoded at once, which is faster: no canonical text holds a newline.
    bodies = "\n".join(map(",".join, texts)).encode().split(b"\n")
    parts = struct.unpack(f"{SALT_SIZE}s" * len(bodies), salts)
    # The prefix of a leaf, the salt, and the canonical JSON of [name, value].
    leaves = zip(repeat(b"\x00"), parts, repeat(b"["), bodies, repeat(b"]"))
    return [sha256(leaf).digest() for leaf in map(b"".join, leaves)]
