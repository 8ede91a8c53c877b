"""An entry's record as a salted tree of its fields: leaf v1, which is permanent.

Each field is a leaf: 32 bytes of salt, then the canonical JSON of `[name, value]`.
The fields stand in the canonical order of their names; the tree over them is
hashed as in RFC 6962. The entry, which is what the log holds, is

    0x01 || root of the fields

so it says nothing of the record to whom the salts were not given, and goes on
to prove its place when record and salts are erased.
"""

import hmac
import os
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final, Self

from dataspace.errors import Malformed, VerificationError
from dataspace.proof import merkle
from dataspace.proof.canonical import members
from dataspace.proof.note import decode_base64

VERSION: Final = b"\x01"
SALT_SIZE: Final = 32
ENTRY_SIZE: Final = 33


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
        try:
            return _entry(members(self.fields), self.salts)
        except (Malformed, UnicodeEncodeError) as error:
            raise VerificationError("malformed record: a field without canonical form") from error

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
        document = f"{{{','.join([f'{name}:{text}' for name, text in texts])}}}"
        return document.encode(), salts, _entry(texts, salts)
    except UnicodeEncodeError as error:
        raise Malformed("not canonical: the text holds a lone surrogate") from error


def _entry(texts: list[tuple[str, str]], salts: bytes) -> bytes:
    # The prefix of a leaf, the salt, and the canonical JSON of [name, value].
    starts = range(0, len(salts), SALT_SIZE)
    leaves = [
        sha256(b"\x00" + salts[start : start + SALT_SIZE] + f"[{name},{text}]".encode()).digest()
        for start, (name, text) in zip(starts, texts, strict=True)
    ]
    return VERSION + merkle.root(leaves)
