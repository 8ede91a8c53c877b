"""A container as it is taken in: read while it is sealed anew, and held against its zone's rules.

Nothing of it can be opened here. What can be held against the zone is the signed
report: that the rules are the zone's of today, that no column is graded lower or
summed against the zone's word.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from dataspace.catalog.models import DatasetVersion
from dataspace.catalog.payloads import SealWriter, open_sealed, seal_writer
from dataspace.catalog.staging import Staging, disk
from dataspace.errors import Malformed, NotFound, Unprocessable
from dataspace.keys import fresh_key
from dataspace.privacy.strictness import is_laxer
from dataspace.proof.canonical import canonical
from dataspace.space import mint
from dataspace.table import Column
from dataspace.wire.sealed import Head, Report
from dataspace.zones.grade import grade
from dataspace.zones.pack import Pack

_MEASURE: Final = "measure"
_BLOCK: Final = 1 << 20


@dataclass(frozen=True)
class Taken:
    """A container as it was taken: its head, what it says, and where it lies under which data key."""

    head: Head
    report: Report
    columns: tuple[Column, ...]
    name: str
    key: bytes = field(repr=False)
    size: int
    sha256: str


def take(staging: Staging, folder: Path, pack: Pack, keyservice: str) -> Taken:
    """Seal a staged container into `folder`, under a fresh data key; it must be for this key service.

    Raises:
        Malformed: it is no container, or cut off.
        Unprocessable: it contradicts itself, its zone or this space.

    """
    staged, name, key = staging.source(), mint("up"), fresh_key()
    chunks = open_sealed(staged["source"], staged["source_key"], staged["source_context"])
    path = folder / f"{name}.sealed"
    try:
        with disk(), path.open("xb") as file:
            writer = seal_writer(file, key, name.encode())
            copied = _Copied(chunks, writer)
            head = Head.read(copied)
            report = head.check()
            digest = hashlib.sha256()
            while block := copied.read(_BLOCK):
                digest.update(block)
            writer.close()
        size = writer.sealed.size
        _check_blocks(report, digest.hexdigest(), size - head.size)
        columns = _columns(report, pack, keyservice)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return Taken(head, report, columns, name, key, size, writer.sealed.sha256)


def sealed_report(version: DatasetVersion) -> Report:
    """Return the signed report of a sealed version.

    Raises:
        NotFound: it is not sealed.

    """
    if not version.sealed:
        raise NotFound("the dataset is not a sealed one")
    return Report.decode(canonical(version.sealed["report"]))


def _check_blocks(report: Report, sha256: str, size: int) -> None:
    if sha256 != report.blocks_sha256 or size != report.blocks_size:
        raise Unprocessable("the sealed dataset has other blocks than its report says")


class _Copied:
    """What was staged, as a file that is copied where it goes while it is read."""

    def __init__(self, chunks: Iterator[bytes], target: SealWriter) -> None:
        self._chunks, self._target, self._rest = chunks, target, bytearray()

    def read(self, size: int, /) -> bytes:
        """Return the next bytes, fewer at the end."""
        while len(self._rest) < size and (chunk := next(self._chunks, b"")):
            self._rest += chunk
        found = bytes(self._rest[:size])
        del self._rest[:size]
        self._target.write(found)
        return found


def _columns(report: Report, pack: Pack, keyservice: str) -> tuple[Column, ...]:
    """Return the columns of a report, which its zone does not contradict."""
    if report.keyservice != keyservice:
        raise Unprocessable(f"it was sealed for another key service, want {keyservice}")
    if (report.zone, report.pack_sha256) != (pack.name, pack.digest):
        raise Unprocessable(f"it was sealed by other rules than the zone {pack.name} has now: seal it again")
    columns = [_column(told, pack) for told in report.columns]
    graded = grade(columns, pack, subjects=0, rows=report.rows, precision={}).level
    if report.level < max(graded, *(column.level for column in columns)) or not columns:
        raise Unprocessable(f"its level is {report.level}, the zone grades it {graded}")
    if report.min_group < pack.min_group:
        raise Unprocessable(f"its cells have {report.min_group} subjects, the zone wants {pack.min_group}")
    return tuple(columns)


def _column(told: dict[str, Any], pack: Pack) -> Column:
    """Return a column of a report that keeps to the least of its category."""
    try:
        column = Column.from_json({name: value for name, value in told.items() if name != "role"})
        least = pack.column(column.name, column.type, column.category)
    except Malformed as error:
        raise Unprocessable(f"the report has a column that is none of its zone: {error}") from error
    lax = column.level < least.level or is_laxer(column, least)
    if lax or (told.get("role") == _MEASURE and not (column.aggregable and least.aggregable)):
        raise Unprocessable(f"column {column.name!r}: the report says less of it than its zone does")
    return column
