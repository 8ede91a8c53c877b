r"""What a participant keeps of an entry: its record, the proof of its place, and what anchors that.

    {"format": "dataspace-receipt@v1",
     "record": {"kind": "query.answered", ...},
     "salts": "<base64: 32 bytes for each field, in the order of the names>",
     "proof": "c2sp.org/tlog-proof@v1\nindex 41\n...\n<checkpoint, verbatim>",
     "anchor": {"kind": "evm", "checkpoint": "...", "consistency": ["<base64>"], "facts": {...}}}

Size and root stand nowhere but in signed checkpoints; `anchor` may be missing,
and `disclosure` may stand in the place of `record` and `salts` (see `disclosure`).
"""

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Self

from dataspace.errors import VerificationError
from dataspace.proof.canonical import JSON, canonical, parse
from dataspace.proof.checkpoint import decimal
from dataspace.proof.disclosure import MEMBER, Disclosure
from dataspace.proof.encoding import decode_base64
from dataspace.proof.merkle import HASH_SIZE
from dataspace.proof.record import Record

FORMAT: Final = "dataspace-receipt@v1"
PROOF_FORMAT: Final = "c2sp.org/tlog-proof@v1"
PATH_LIMIT: Final = 64  # hashes of one proof: a tree has at most 2^63 leaves
LIMIT: Final = 1 << 20  # bytes of one receipt


@dataclass(frozen=True)
class InclusionProof:
    """A tlog-proof: the place of one entry under one checkpoint, which nobody has checked yet."""

    index: int
    hashes: tuple[bytes, ...]
    checkpoint: str
    extra: bytes = b""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the text of a tlog-proof.

        Raises:
            VerificationError: it is malformed.

        """
        head, blank, checkpoint = text.partition("\n\n")
        lines = head.split("\n")
        if not blank or not checkpoint or lines.pop(0) != PROOF_FORMAT:
            raise VerificationError(f"malformed proof: want {PROOF_FORMAT}, an empty line and a checkpoint")
        extra = _field(lines, "extra ")
        index = _field(lines, "index ")
        if index is None or len(lines) > PATH_LIMIT:
            raise VerificationError(f"malformed proof: want an index and at most {PATH_LIMIT} hashes")
        return cls(
            decimal(index, "proof index"),
            decode_hashes(lines),
            checkpoint,
            b"" if extra is None else decode_base64(extra, "proof extra"),
        )

    def text(self) -> str:
        """Return the text of the tlog-proof."""
        extra = [f"extra {_base64(self.extra)}"] if self.extra else []
        lines = [PROOF_FORMAT, *extra, f"index {self.index}", *map(_base64, self.hashes)]
        return "\n".join(lines) + "\n\n" + self.checkpoint


@dataclass(frozen=True)
class AnchorEvidence:
    """Where a checkpoint of the log was fixed outside of it.

    `checkpoint` is the anchored note, verbatim; `consistency` leads between it
    and the proof's checkpoint, from the smaller to the larger. `facts` are the
    anchor's own: chain, contract, transaction, block.
    """

    kind: str
    checkpoint: str
    consistency: tuple[bytes, ...]
    facts: Mapping[str, JSON]

    def to_json(self) -> dict[str, Any]:
        """Return the evidence as JSON-ready data."""
        hashes = [_base64(item) for item in self.consistency]
        return {
            "kind": self.kind,
            "checkpoint": self.checkpoint,
            "consistency": hashes,
            "facts": dict(self.facts),
        }

    @classmethod
    def from_json(cls, data: Any) -> Self:
        """Read what `to_json` wrote.

        Raises:
            VerificationError: a member is missing, unknown or of a wrong type.

        """
        _expect(data, "anchor", {"kind": str, "checkpoint": str, "consistency": list, "facts": dict})
        hashes = data["consistency"]
        if len(hashes) > PATH_LIMIT or not all(isinstance(item, str) for item in hashes):
            raise VerificationError(f"malformed anchor: want at most {PATH_LIMIT} hashes")
        return cls(data["kind"], data["checkpoint"], decode_hashes(hashes), data["facts"])


@dataclass(frozen=True)
class Receipt:
    """The evidence of one entry; frozen, and believed only after `verify_receipt`."""

    record: Record | Disclosure
    proof: InclusionProof
    anchor: AnchorEvidence | None = field(default=None)

    def to_bytes(self) -> bytes:
        """Return the receipt's file: canonical JSON."""
        members: dict[str, JSON] = {
            "format": FORMAT,
            **self.record.to_json(),
            "proof": self.proof.text(),
        }
        return canonical(members if self.anchor is None else {**members, "anchor": self.anchor.to_json()})

    def tlog_proof(self) -> str:
        """Return the text of a `.tlog-proof` file: what other programs verify of this entry's place.

        They need the entry's bytes beside it (`record.entry()`).
        """
        return replace(self.proof, extra=b"").text()

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read a receipt's file.

        Raises:
            VerificationError: it is larger than 1 MiB, or malformed.

        """
        value = parse(data, limit=LIMIT)
        given = value if isinstance(value, dict) else {}
        shape: dict[str, type] = {MEMBER: list} if MEMBER in given else {"record": dict, "salts": str}
        anchored: dict[str, type] = {"anchor": dict} if "anchor" in given else {}
        _expect(value, "receipt", {"format": str, **shape, "proof": str, **anchored})
        if value["format"] != FORMAT:
            raise VerificationError(f"malformed receipt: its format is not {FORMAT}")
        record = Disclosure.from_json(value) if MEMBER in given else Record.from_json(value)
        anchor = AnchorEvidence.from_json(value["anchor"]) if anchored else None
        return cls(record, InclusionProof.parse(value["proof"]), anchor)


def decode_hashes(lines: list[str]) -> tuple[bytes, ...]:
    """Return hashes from their base64.

    Raises:
        VerificationError: one is not base64, or not 32 bytes.

    """
    hashes = tuple(decode_base64(line, "proof hash") for line in lines)
    if any(len(item) != HASH_SIZE for item in hashes):
        raise VerificationError(f"malformed proof: a hash that is not {HASH_SIZE} bytes")
    return hashes


def _field(lines: list[str], prefix: str) -> str | None:
    return lines.pop(0)[len(prefix) :] if lines and lines[0].startswith(prefix) else None


def _base64(data: bytes) -> str:
    return b64encode(data).decode()


def _expect(value: Any, what: str, members: Mapping[str, type]) -> None:
    """Refuse anything but an object of exactly these members, each of its type."""
    if not isinstance(value, dict) or value.keys() != members.keys():
        raise VerificationError(f"malformed {what}: want the members {', '.join(members)}")
    for name, kind in members.items():
        if not isinstance(value[name], kind):
            raise VerificationError(f"malformed {what}: {name} is of a wrong type")
