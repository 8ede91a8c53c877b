"""Lookup tables: the record of each subject under a key that only an evaluation of its identifier gives.

    head      4 bytes: its length, then JSON: identifier, fields [{"name", "type"}], records, length, counts
    record    label (16 bytes) || AES-256-GCM(key, nonce 0, JSON padded with blanks to `length`,
              associated data = table || label), tag at its end

Label and key are of F_k(identifier) (`wire.oprf.record_keys`). A key seals one
record, so its nonce may be zero. The JSON is the list of the subject's rows, each
a list of values in the order of `fields`. Records are sorted by label and cut
into buckets by the first bits of it: `counts` has the records of each. Who sees
which bucket is fetched learns that the identifier is of one of that many
subjects, or of nobody.
"""

import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

import msgspec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from dataspace.errors import Malformed, TooLarge, Unprocessable
from dataspace.wire.oprf import ITEM_LIMIT, LABEL, LOOKUP, Scalar, encoded, hashed, pack, record_keys, unpack

BUCKET: Final = 1000  # records that each bucket has at least, or all there are
TABLE_LIMIT: Final = 512 << 20  # bytes
BATCH_LIMIT: Final = 1000  # evaluations of one request
_MOST_BITS: Final = 16
_PADDING: Final = 64  # lengths are multiples of it
_TAG: Final = 16
_NONCE: Final = bytes(12)
_REPORTED: Final = 1000  # records between two reports
_LENGTH: Final = struct.Struct(">I")


@dataclass(frozen=True)
class Head:
    """What a table says of itself: `length` of the padded JSON of a record, `counts` of each bucket."""

    identifier: str
    fields: tuple[Mapping[str, str], ...]
    records: int
    length: int
    counts: tuple[int, ...]

    @property
    def stride(self) -> int:
        """The bytes of one record."""
        return LABEL + self.length + _TAG

    def span(self, bucket: int | None) -> tuple[int, int]:
        """Return where the records of a bucket, or all of them, begin and end behind the head."""
        if bucket is None:
            return 0, self.records * self.stride
        before = sum(self.counts[:bucket])
        return before * self.stride, (before + self.counts[bucket]) * self.stride

    def encode(self) -> bytes:
        """Return it as a table begins."""
        data = json.dumps(vars(self), ensure_ascii=False, separators=(",", ":")).encode()
        return _LENGTH.pack(len(data)) + data

    @classmethod
    def decode(cls, data: bytes) -> tuple[Self, int]:
        """Read it from the first bytes of a table; return it and where it ends.

        Raises:
            Malformed: they are not those of a table.

        """
        try:
            end = _LENGTH.size + _LENGTH.unpack_from(data)[0]
            told = json.loads(data[_LENGTH.size : end])
            found = cls(
                told["identifier"],
                tuple(told["fields"]),
                told["records"],
                told["length"],
                tuple(told["counts"]),
            )
        except (struct.error, ValueError, KeyError, TypeError) as error:
            raise Malformed("malformed lookup table") from error
        return found, end


class Lookup:
    """Builds tables and evaluates points, in a worker process (`dataspace.sandbox`)."""

    def report(self, stage: str, percent: int) -> None:
        """Tell nobody: what `report` is until a sandbox sets it."""

    def build(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Return `{"table": bytes, "records": how many, "buckets": how many}`.

        `request`: `table` (its id), `scalar`, `rows` (the engine's JSON, the
        identifier first) and `identifier`, its name.

        Raises:
            TooLarge: the table is.
            Unprocessable: no row has an identifier.

        """
        answer = msgspec.json.decode(request["rows"])
        subjects = _by_subject(answer["rows"])
        length = _padded(max(map(len, subjects.values())))
        if len(subjects) * (LABEL + length + _TAG) > TABLE_LIMIT:
            raise TooLarge(
                f"{len(subjects)} records of {length} bytes are more than {TABLE_LIMIT >> 20} MiB: "
                "offer fewer columns, or a dataset with fewer rows of one subject",
                limit=TABLE_LIMIT,
            )
        records = self._sealed(request["table"], Scalar.from_bytes(request["scalar"]), subjects, length)
        counts = bucketed([record[:LABEL] for record in records])
        fields = tuple(answer["columns"][1:])
        head = Head(request["identifier"], fields, len(records), length, tuple(counts))
        return {
            "table": b"".join([head.encode(), *records]),
            "records": len(records),
            "buckets": len(counts),
        }

    def evaluate(self, request: Mapping[str, Any]) -> bytes:
        """Return each point of `points` times `scalar`, in their order.

        Raises:
            Malformed: one is no point, or twice there.
            TooLarge: there are too many.

        """
        points = unpack(request["points"], BATCH_LIMIT)
        return pack(Scalar.from_bytes(request["scalar"]).of_all(points))

    def _sealed(self, table: str, scalar: Scalar, subjects: Mapping[str, bytes], length: int) -> list[bytes]:
        found = []
        for place, (identifier, rows) in enumerate(subjects.items()):
            label, key = record_keys(table, identifier, scalar.of(hashed(identifier, LOOKUP)))
            sealed = AESGCM(key).encrypt(_NONCE, rows.ljust(length), table.encode() + label)
            found.append(label + sealed)
            if not place % _REPORTED:
                self.report("building", 100 * place // len(subjects))
        return sorted(found)


def bucketed(labels: Sequence[bytes]) -> list[int]:
    """Return the numbers of records in as many buckets as can have `BUCKET` each; `labels` are sorted."""
    counts = [len(labels)]
    for bits in range(1, _MOST_BITS + 1):
        finer = [0] * (1 << bits)
        for label in labels:
            finer[int.from_bytes(label[:2]) >> (16 - bits)] += 1
        if min(finer) < BUCKET:
            break
        counts = finer
    return counts


def _by_subject(rows: Sequence[Sequence[Any]]) -> dict[str, bytes]:
    """Return the JSON of each subject's rows; what cannot be asked for has no record."""
    found: dict[str, list[Any]] = {}
    for identifier, *values in rows:
        if identifier is None or not 0 < len(text := str(identifier)) <= ITEM_LIMIT:
            continue
        try:
            name = encoded(text).decode()
        except Malformed:
            continue
        found.setdefault(name, []).append(values)
    if not found:
        raise Unprocessable("no row has an identifier to look it up by")
    return {name: msgspec.json.encode(values) for name, values in found.items()}


def _padded(longest: int) -> int:
    return -(-longest // _PADDING) * _PADDING
