"""Private lookup: records by identifiers that the service does not learn."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final
from urllib.parse import quote

import pyarrow as pa
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from dataspace.client.answer import Answer
from dataspace.client.http import Http
from dataspace.client.providing import part
from dataspace.errors import Malformed, VerificationError
from dataspace.wire import OCTETS
from dataspace.wire.oprf import LABEL, LOOKUP, POINT, Scalar, encoded, hashed, pack, record_keys, unpack

_BATCH: Final = 1000  # evaluations of one request
_SECONDS: Final = 600.0  # the first evaluation waits until the table is built
_SMALL: Final = 4 << 20  # bytes: a table up to this size is fetched whole
_NONCE: Final = bytes(12)


@dataclass(frozen=True)
class Found:
    """What was looked up: the rows of each identifier, None where there is no record.

    No record: the subject is not in the dataset, or its rows do not leave.
    `answers` are the evaluations, each with its entry.
    """

    identifier: str
    records: Mapping[str, list[dict[str, Any]] | None] = field(repr=False)
    answers: Sequence[Answer] = field(repr=False)

    @property
    def table(self) -> pa.Table:
        """The rows as one Arrow table, the identifier first; identifiers without a record are not in it."""
        rows = [{self.identifier: item, **row} for item, found in self.records.items() for row in found or ()]
        return pa.Table.from_pylist(rows)


class Looking:
    """Lookups, a part of `DataSpace`."""

    _http: Http
    _answer: Callable[[Any], Answer]

    def lookup(
        self, agreement: str, identifiers: Sequence[str], *, identifier: str, whole: bool | None = None
    ) -> Found:
        """Return the records of these identifiers: one unit each, found or not.

        `identifier`: the column of the dataset they are of. `whole`: fetch the
        whole table, which is kept for later lookups, and tell the service
        nothing at all; otherwise it learns of each identifier its bucket, which
        is one of a thousand subjects or more. By default small tables are fetched whole.

        Raises:
            Malformed: an identifier is empty, too long or no text, or they are no list.
            VerificationError: an answer was changed on its way, or a record does not open.

        """
        if isinstance(identifiers, str):
            raise Malformed(f"want a list of identifiers, such as [{identifiers!r}]")
        items = list(dict.fromkeys(encoded(item).decode() for item in identifiers))
        answers, evaluated = [], dict[str, bytes]()
        for start in range(0, len(items), _BATCH):
            batch = items[start : start + _BATCH]
            answer, points = self._evaluate(agreement, identifier, batch)
            answers.append(answer)
            evaluated |= zip(batch, points, strict=True)
        if not answers:
            return Found(identifier, {}, ())
        path = f"/api/agreements/{part(agreement)}/lookup"
        table = _Table.from_json(self._http.get(path, identifier=identifier))
        keys = {item: record_keys(table.id, item, point) for item, point in evaluated.items()}
        entry, whole = answers[-1].entry, table.size <= _SMALL if whole is None else whole
        wanted = {None} if whole else {table.bucket(label) for label, _ in keys.values()}
        sealed: dict[bytes, bytes] = {}
        for bucket in sorted(wanted, key=lambda bucket: bucket or 0):
            sealed |= self._records(agreement, table, entry, bucket)
        return Found(identifier, {item: table.opened(*keys[item], sealed) for item in items}, answers)

    def _evaluate(self, agreement: str, identifier: str, items: Sequence[str]) -> tuple[Answer, list[bytes]]:
        """Return the pseudorandom value of each item, blinded by an exponent of its own on the way."""
        blinds = [Scalar.fresh() for _ in items]
        body = pack(blind.of(hashed(item, LOOKUP)) for blind, item in zip(blinds, items, strict=True))
        path = f"/api/agreements/{part(agreement)}/evaluations?identifier={quote(identifier, safe='')}"
        answer = self._answer(self._http.exchange(path, accept=OCTETS, content=body, timeout=_SECONDS))
        if len(answer.content) != POINT * len(items):
            raise VerificationError(f"{len(answer.content)} bytes came back, want one point for each item")
        points = unpack(answer.content, _BATCH)
        return answer, [blind.inverse.of_all([point])[0] for blind, point in zip(blinds, points, strict=True)]

    def _records(self, agreement: str, table: "_Table", entry: int, bucket: int | None) -> dict[bytes, bytes]:
        if bucket is None and table.id in self._tables:
            return self._tables[table.id]
        asked = f"?entry={entry}" + ("" if bucket is None else f"&bucket={bucket}")
        path = f"/api/agreements/{part(agreement)}/lookup/{part(table.id)}{asked}"
        found = table.split(self._http.bytes(path))
        if bucket is None:
            self._tables[table.id] = found
        return found

    @cached_property
    def _tables(self) -> dict[str, dict[bytes, bytes]]:
        return {}


@dataclass(frozen=True)
class _Table:
    """What the service says of a table."""

    id: str
    fields: Sequence[str]
    records: int
    length: int
    buckets: int

    @classmethod
    def from_json(cls, told: Any) -> "_Table":
        try:
            names = [str(column["name"]) for column in told["fields"]]
            found = cls(str(told["table"]), names, *(int(told[name]) for name in _NUMBERS))
        except (KeyError, TypeError, ValueError) as error:
            raise Malformed("malformed lookup table: want table, fields, records, length, buckets") from error
        if found.buckets < 1 or found.buckets & (found.buckets - 1) or found.buckets > 1 << 16:
            raise Malformed(f"malformed lookup table: {found.buckets} buckets, want a power of two")
        return found

    @property
    def stride(self) -> int:
        return LABEL + self.length

    @property
    def size(self) -> int:
        return self.records * self.stride

    def bucket(self, label: bytes) -> int:
        bits = self.buckets.bit_length() - 1
        return int.from_bytes(label[:2]) >> (16 - bits)

    def split(self, data: bytes) -> dict[bytes, bytes]:
        """Return the sealed records of what was fetched, by label."""
        if len(data) % self.stride:
            raise Malformed(f"malformed lookup table: {len(data)} bytes, want records of {self.stride}")
        starts = range(0, len(data), self.stride)
        return {data[at : at + LABEL]: data[at + LABEL : at + self.stride] for at in starts}

    def opened(self, label: bytes, key: bytes, sealed: Mapping[bytes, bytes]) -> list[dict[str, Any]] | None:
        """Return the rows of a record, None if there is none.

        Raises:
            VerificationError: it does not open: the table is not the evaluated one, or was changed.

        """
        if label not in sealed:
            return None
        try:
            plain = AESGCM(key).decrypt(_NONCE, sealed[label], self.id.encode() + label)
            return [dict(zip(self.fields, row, strict=True)) for row in json.loads(plain)]
        except (InvalidTag, ValueError, TypeError, RecursionError) as error:
            raise VerificationError("a record of the lookup table does not open") from error


_NUMBERS: Final = ("records", "length", "buckets")
