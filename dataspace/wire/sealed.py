"""Sealed datasets as they cross between provider, platform and key service: report, container, plan.

A container is what a provider uploads; the platform can compute with it and
open nothing of it:

    "DSSEAL" 00 01
    report        4 bytes of length, then canonical JSON: `Report`
    signature     64 bytes: Ed25519 by the report's `provider_key`
    manifest      8 bytes of length, then HPKE to the key service
    blocks        measure by measure, block by block: values, then tags; `BLOCK_SIZE` bytes each

A row is in exactly one cell, and a slot, the same place in every block of a measure,
is of one cell: cell 0 has the first slots, as many as its rows need, then cell 1 its
own, and so on (`slots`). So all blocks have the same weights, whatever the weights of
the cells: a sum over a plan is the sum of all blocks, made once, times one mask.
Which labels a cell has is in the manifest alone.
"""

import hashlib
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final, Protocol, Self

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from dataspace.errors import Malformed, Unprocessable
from dataspace.wire.parameters import DEFAULT_PARAMETERS, parameter_set

BLOCK_ROWS: Final = 8192
BLOCK_SIZE: Final = 64 + 6 * 4 * 8192  # a seed, and four residues of 6 bytes for each coefficient
CELLS_LIMIT: Final = 4096  # half the slots: slots that are not full at most double a dataset
MEASURES_LIMIT: Final = 16
GROUPS_LIMIT: Final = 64
WEIGHT_LIMIT: Final = 1 << 31
MANIFEST_LIMIT: Final = 1 << 28
COUNT: Final = "count"  # the measure that every sealed dataset has: its rows
MANIFEST_INFO: Final = b"dataspace-sealed-manifest@v1"
REPORT_FORMAT: Final = "dataspace-sealed-report@v1"
PLAN_FORMAT: Final = "dataspace-sealed-plan@v1"
RESULT_MAGIC: Final = b"DSSR\x01"  # of a frame: for each group its values' sum, then its tags'

_MAGIC: Final = b"DSSEAL\x00\x01"
_REPORT_LIMIT: Final = 1 << 20
_Hex = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]
_Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
_Natural = Annotated[int, msgspec.Meta(ge=1, le=1 << 40)]
_Cell = Annotated[int, msgspec.Meta(ge=0, lt=CELLS_LIMIT)]
_Weight = Annotated[int, msgspec.Meta(ge=-WEIGHT_LIMIT, le=WEIGHT_LIMIT)]


class Readable(Protocol):
    """What a container is read from."""

    def read(self, size: int, /) -> bytes:
        """Return the next bytes, fewer at the end alone."""
        ...


class Report(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a provider says of a sealed dataset, in the clear, and signs.

    `columns` are JSON of `Column` with `role` (measure, dimension, subject) and
    the level they were graded with; `grading` is the zone's. `counts` are rows
    by cell; `subjects` is the least number of distinct subjects of a cell.
    """

    format: str
    zone: _Name
    pack_sha256: _Hex
    keyservice: _Hex
    provider_key: _Hex
    parameters: str
    columns: list[dict[str, Any]]
    grading: dict[str, Any]
    level: Annotated[int, msgspec.Meta(ge=1, le=99)]
    measures: Annotated[list[_Name], msgspec.Meta(max_length=MEASURES_LIMIT)]
    dimensions: list[_Name]
    rows: _Natural
    counts: Annotated[list[_Natural], msgspec.Meta(min_length=1, max_length=CELLS_LIMIT)]
    min_group: _Natural
    max_rows: _Natural
    manifest_sha256: _Hex
    blocks_sha256: _Hex

    @property
    def blocks(self) -> int:
        """Return how many blocks hold one measure's rows."""
        return depth(self.counts)

    @property
    def blocks_size(self) -> int:
        """Return how many bytes all blocks of all measures have."""
        return 2 * len(self.measures) * self.blocks * BLOCK_SIZE

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Read the report of a container; its signature is `Head.check`'s business.

        Raises:
            Malformed: it is none, or contradicts itself.

        """
        try:
            found = msgspec.json.decode(data, type=cls)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise Malformed("malformed report of a sealed dataset") from error
        _check(found)
        return found

    def to_json(self) -> dict[str, Any]:
        """Return what was decoded: its canonical JSON is what was signed, if that was canonical."""
        told: dict[str, Any] = msgspec.to_builtins(self)
        return told


@dataclass(frozen=True)
class Head:
    """What stands before the blocks of a container, as it came; `id` names the container."""

    report: bytes
    signature: bytes
    manifest: bytes

    @property
    def id(self) -> str:
        """The SHA-256 of the report, which holds those of manifest and blocks."""
        return hashlib.sha256(self.report).hexdigest()

    @property
    def size(self) -> int:
        """The bytes before the first block."""
        return len(_MAGIC) + 4 + len(self.report) + 64 + 8 + len(self.manifest)

    def encode(self) -> bytes:
        """Return the beginning of the container."""
        lengths = struct.pack(">I", len(self.report)), struct.pack(">Q", len(self.manifest))
        return b"".join([_MAGIC, lengths[0], self.report, self.signature, lengths[1], self.manifest])

    @classmethod
    def read(cls, file: Readable) -> Self:
        """Read a container up to its first block.

        Raises:
            Malformed: it is no container, or cut off.

        """
        if _exactly(file, len(_MAGIC)) != _MAGIC:
            raise Malformed("not a sealed dataset of this version")
        report = _exactly(file, _length(file, ">I", _REPORT_LIMIT))
        signature = _exactly(file, 64)
        return cls(report, signature, _exactly(file, _length(file, ">Q", MANIFEST_LIMIT)))

    def check(self) -> Report:
        """Return the report, which its provider's key signed, and which names this manifest.

        Raises:
            Malformed: the report is malformed.
            Unprocessable: the signature or the manifest is not the report's.

        """
        report = Report.decode(self.report)
        try:
            key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(report.provider_key))
            key.verify(self.signature, report_message(self.report))
        except (InvalidSignature, ValueError) as error:
            raise Unprocessable(
                "the report of the sealed dataset is not signed by its provider's key"
            ) from error
        if hashlib.sha256(self.manifest).hexdigest() != report.manifest_sha256:
            raise Unprocessable("the sealed dataset has another manifest than its report says")
        return report


class Group(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Cells that are added up to one total, each with its weight."""

    cells: Annotated[list[_Cell], msgspec.Meta(min_length=1, max_length=CELLS_LIMIT)]
    weights: Annotated[list[_Weight], msgspec.Meta(min_length=1, max_length=CELLS_LIMIT)]


class Plan(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the platform computes and the key service opens: one total of a measure for each group.

    `container` is the id of the head, `consumer` the id of the key that the
    answer is sealed to, `epsilon` is in millionths, `min_group` is of the offer.
    """

    format: str
    agreement: _Name
    dataset: _Name
    version: _Natural
    container: _Hex
    measure: _Name
    groups: Annotated[list[Group], msgspec.Meta(min_length=1, max_length=GROUPS_LIMIT)]
    epsilon: _Natural
    min_group: _Natural
    consumer: _Hex

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read a plan.

        Raises:
            Malformed: it is none, or a cell stands in it twice.

        """
        try:
            plan = msgspec.convert(dict(data), cls)
        except (msgspec.ValidationError, TypeError, RecursionError) as error:
            raise Malformed(f"malformed plan: {error}") from error
        cells = [cell for group in plan.groups for cell in group.cells]
        if plan.format != PLAN_FORMAT or any(len(g.cells) != len(g.weights) for g in plan.groups):
            raise Malformed("malformed plan: want its format, and a weight for each cell")
        # Each row counts once: on that the sensitivity of the totals stands.
        if len(set(cells)) != len(cells) or any(0 in group.weights for group in plan.groups):
            raise Malformed("malformed plan: want each cell once, with a weight that is not zero")
        return plan

    def to_json(self) -> dict[str, Any]:
        """Return what `from_json` reads."""
        told: dict[str, Any] = msgspec.to_builtins(self)
        return told

    @property
    def heaviest(self) -> int:
        """The greatest weight, whatever its sign."""
        return max(abs(weight) for group in self.groups for weight in group.weights)

    def weights(self, group: Group, cells: int) -> list[int]:
        """Return the weight of each of a dataset's cells in a group.

        Raises:
            Unprocessable: the dataset has no such cell.

        """
        found = [0] * cells
        for cell, weight in zip(group.cells, group.weights, strict=True):
            if cell >= cells:
                raise Unprocessable(f"the sealed dataset has {cells} cells, the plan names cell {cell}")
            found[cell] = weight
        return found


def depth(counts: Sequence[int]) -> int:
    """Return how many blocks the rows of cells need: as few as give every cell slots of its own."""
    fewest, enough = -(-sum(counts) // BLOCK_ROWS), max(counts)
    while fewest < enough:
        half = (fewest + enough) // 2
        fits = sum(slots(counts, half)) <= BLOCK_ROWS
        fewest, enough = (fewest, half) if fits else (half + 1, enough)
    return enough


def slots(counts: Sequence[int], blocks: int) -> list[int]:
    """Return how many slots of so many rows each cell has."""
    return [-(-count // blocks) for count in counts]


def report_message(report: bytes) -> bytes:
    """Return what a provider signs of a report's bytes."""
    return f"{REPORT_FORMAT}\n".encode() + report


def _check(report: Report) -> None:
    parameter_set(report.parameters)
    names: Sequence[str] = report.measures
    if report.format != REPORT_FORMAT or report.parameters != DEFAULT_PARAMETERS:
        raise Malformed(f"malformed report: want {REPORT_FORMAT} and {DEFAULT_PARAMETERS}")
    if sum(report.counts) != report.rows or len(set(names)) != len(names) or COUNT in names:
        raise Malformed("malformed report: its counts or its measures contradict themselves")


def _length(file: Readable, shape: str, limit: int) -> int:
    (length,) = struct.unpack(shape, _exactly(file, struct.calcsize(shape)))
    if length > limit:
        raise Malformed(f"malformed sealed dataset: a part of {length} bytes, want at most {limit}")
    return int(length)


def _exactly(file: Readable, size: int) -> bytes:
    data = file.read(size)
    if len(data) != size:
        raise Malformed("malformed sealed dataset: it is cut off")
    return data
