"""A record shown in part: some fields with their salts, and of the others nothing but a hash.

    {"disclosure": ["<base64: hash of a hidden field>",
                    ["kind", "query.answered", "<base64: 32 bytes of salt>"],
                    ...]}

The fields stand in the order of the record, so the names of those shown
ascend. The hashes lead to the same entry as the whole record. A hash says
neither name nor value of its field, and may stand for several fields: that a
disclosure hides so many of them is the word of who wrote it, what it shows is proved.
"""

import hmac
from base64 import b64encode
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self

from dataspace.errors import Malformed, VerificationError
from dataspace.proof.canonical import ordered
from dataspace.proof.encoding import decode_base64
from dataspace.proof.merkle import HASH_SIZE, root
from dataspace.proof.record import SALT_SIZE, VERSION, Record, field_hashes

MEMBER: Final = "disclosure"
FIELDS: Final = 1000  # of one record; the largest kind has 18


@dataclass(frozen=True)
class Disclosure:
    """Fields of a record, their salts one after the other, and the hashes of the others by position."""

    shown: dict[str, Any]
    salts: bytes = field(repr=False)
    hidden: dict[int, bytes]

    def __post_init__(self) -> None:
        if not 0 < self.count <= FIELDS or not all(0 <= at < self.count for at in self.hidden):
            raise VerificationError(f"malformed disclosure: want 1 to {FIELDS} fields, each in its place")
        if any(len(item) != HASH_SIZE for item in self.hidden.values()):
            raise VerificationError(f"malformed disclosure: a hash that is not {HASH_SIZE} bytes")
        if len(self.salts) != SALT_SIZE * len(self.shown):
            raise VerificationError(f"malformed disclosure: want {SALT_SIZE} bytes of salt for each field")

    @property
    def count(self) -> int:
        """How many fields are shown or hidden."""
        return len(self.shown) + len(self.hidden)

    @property
    def fields(self) -> dict[str, Any]:
        """The fields that are shown, as a record names its own."""
        return self.shown

    def entry(self) -> bytes:
        """Return the entry's bytes, whose leaf hash is in the log.

        Raises:
            VerificationError: a field has no canonical form.

        """
        hashes = iter(field_hashes(self.shown, self.salts))
        leaves = [self.hidden.get(at) or next(hashes) for at in range(self.count)]
        return VERSION + root(leaves)

    def verify(self, entry: bytes) -> None:
        """Check that `entry` commits to the fields that are shown.

        Raises:
            VerificationError: it commits to others, or is of another version.

        """
        if not hmac.compare_digest(self.entry(), entry):
            raise VerificationError("disclosure: its fields do not lead to the entry")

    def to_json(self) -> dict[str, Any]:
        """Return the disclosure as JSON-ready data, in the member that a receipt holds it in."""
        names = iter(_ascending(self.shown))
        salts = iter(_base64(self.salts[at : at + SALT_SIZE]) for at in range(0, len(self.salts), SALT_SIZE))
        leaves: list[Any] = []
        for at in range(self.count):
            if at in self.hidden:
                leaves.append(_base64(self.hidden[at]))
            else:
                name = next(names)
                leaves.append([name, self.shown[name], next(salts)])
        return {MEMBER: leaves}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read the member that `to_json` wrote; others are the caller's business.

        Raises:
            VerificationError: it is missing, of a wrong type, or its names do not ascend.

        """
        leaves = data.get(MEMBER)
        if not isinstance(leaves, list) or len(leaves) > FIELDS:
            raise VerificationError(
                f"malformed disclosure: want the member {MEMBER}, at most {FIELDS} fields"
            )
        shown: dict[str, Any] = {}
        salts: list[bytes] = []
        hidden: dict[int, bytes] = {}
        for at, leaf in enumerate(leaves):
            if isinstance(leaf, str):
                hidden[at] = decode_base64(leaf, "disclosure hash")
            else:
                name, value, salt = _shown(leaf)
                salts.append(salt)
                shown[name] = value
        if list(shown) != _ascending(shown) or len(shown) != len(salts):
            raise VerificationError("malformed disclosure: the names of its fields do not ascend")
        return cls(shown, b"".join(salts), hidden)


def disclose(record: Record, names: Collection[str]) -> Disclosure:
    """Return `record` with the fields `names` shown and all others hidden.

    Raises:
        Malformed: the record has no field of such a name.
        VerificationError: a field has no canonical form.

    """
    unknown = sorted(set(names) - record.fields.keys())
    if unknown:
        known = ", ".join(sorted(record.fields))
        raise Malformed(f"no field {', '.join(unknown)} to show, want one of {known}")
    order = _ascending(record.fields)
    hashes = field_hashes(record.fields, record.salts)
    places = [at for at, name in enumerate(order) if name in names]
    return Disclosure(
        {order[at]: record.fields[order[at]] for at in places},
        b"".join(record.salts[at * SALT_SIZE : (at + 1) * SALT_SIZE] for at in places),
        {at: item for at, item in enumerate(hashes) if at not in places},
    )


def _shown(leaf: Any) -> tuple[str, Any, bytes]:
    if not isinstance(leaf, list) or len(leaf) != 3:
        raise VerificationError("malformed disclosure: want a hash, or a name, a value and a salt")
    name, value, salt = leaf
    if not isinstance(name, str) or not isinstance(salt, str):
        raise VerificationError("malformed disclosure: want a hash, or a name, a value and a salt")
    data = decode_base64(salt, "disclosure salt")
    if len(data) != SALT_SIZE:
        raise VerificationError(f"malformed disclosure: a salt of {len(data)} bytes, want {SALT_SIZE}")
    return name, value, data


def _ascending(fields: Mapping[str, Any]) -> list[str]:
    try:
        return [name for name, _ in ordered(tuple(fields))]
    except UnicodeEncodeError as error:
        raise VerificationError("malformed disclosure: a field without canonical form") from error


def _base64(data: bytes) -> str:
    return b64encode(data).decode()
