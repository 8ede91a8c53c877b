"""Reading a file at its provider's: with the zone's own readers and rules, and nothing written in plain.

The columns are proposed, corrected and graded as the platform would do it, and
what the zone does not let leave as a sum or a group is refused here.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from dataspace.catalog.intake import Intake
from dataspace.catalog.models import Upload
from dataspace.catalog.payloads import open_sealed, seal
from dataspace.catalog.preview import desensitized
from dataspace.catalog.register import OfferTerms, Registration
from dataspace.catalog.terms import confirmed_columns
from dataspace.errors import Malformed, Refused, Unavailable
from dataspace.sealing.terms import Measure, Terms
from dataspace.table import Column, Method, Type
from dataspace.zones.grade import Grading, grade
from dataspace.zones.pack import Pack
from dataspace.zones.precision import precision

Integers = np.ndarray[tuple[int], np.dtype[np.int64]]

# What may be told apart in groups, as in policies/forms.rego.
_COARSE: Final = frozenset({Method.KEEP, Method.ROUND, Method.TOP_CODE, Method.GENERALIZE})
_NUMERIC: Final = frozenset({Type.INTEGER, Type.DECIMAL})
_SOURCE, _TARGET = b"source", b"target"


@dataclass(frozen=True)
class File:
    """A file as it was read: its table, and the columns that are used, as graded together."""

    table: pa.Table
    columns: tuple[Column, ...]
    grading: Grading

    def column(self, name: str) -> Column:
        """Return a column that is used."""
        return next(column for column in self.columns if column.name == name)

    def values(self, measure: Measure) -> Integers:
        """Return a measure's values as integers in units of 10^-precision; what is no number is 0."""
        found = self.table.column(measure.column).combine_chunks()
        unit = 10**measure.precision
        if self.column(measure.column).type is Type.INTEGER:
            whole = np.asarray(found.fill_null(0).to_numpy(zero_copy_only=False), np.int64)
            present = found.is_valid().to_numpy(zero_copy_only=False)
            return np.where(present, np.clip(whole, measure.low, measure.high) * unit, 0)
        numbers = found.to_numpy(zero_copy_only=False).astype(np.float64)
        clamped = np.clip(numbers, measure.low, measure.high) * unit
        return np.where(np.isnan(clamped), 0, np.rint(clamped)).astype(np.int64)

    def labels(self, name: str) -> tuple[Integers, list[str | None]]:
        """Return the labels of a dimension as they may leave, and which of them each row has."""
        encoded = self.table.column(name).combine_chunks().dictionary_encode(null_encoding="encode")
        rows = pa.table({name: encoded.dictionary})
        shown = [row[0] for row in desensitized(rows, [replace(self.column(name), subject=False)])]
        # Sorted, so that no number of a label tells which row came first; null at the end.
        labels = sorted(set(shown), key=lambda label: (label is None, label or ""))
        place = {label: number for number, label in enumerate(labels)}
        of_values = np.array([place[label] for label in shown], np.int64)
        return of_values[encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)], labels

    def subjects(self, names: Sequence[str]) -> Integers:
        """Return the number of each row's subject."""
        found = np.zeros(self.table.num_rows, np.int64)
        if not names:
            return np.arange(self.table.num_rows, dtype=np.int64)
        for name in names:
            encoded = self.table.column(name).combine_chunks().dictionary_encode(null_encoding="encode")
            codes = encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
            found = np.unique(found * (len(encoded.dictionary) + 1) + codes, return_inverse=True)[1]
        return found.astype(np.int64)


def read_file(path: Path, terms: Terms, pack: Pack) -> File:
    """Read a file and grade what is used of it.

    Raises:
        Unavailable: it cannot be read.
        Malformed: it is no table of a kind that is taken, or has no such column.
        Refused: the zone does not let a column be summed or grouped, or its level forbids both.

    """
    found, table = _read(path, pack)
    upload = Upload(
        id="", provider="", zone=pack.name, filename=path.name, key=b"", proposal=found, created=_now()
    )
    registration = Registration("", OfferTerms(0), subjects=terms.subjects, corrections=terms.corrections)
    columns = {column.name: column for column in confirmed_columns(upload, pack, registration)}
    names = dict.fromkeys((*_measured(terms), *terms.dimensions, *terms.subjects))
    if unknown := [name for name in names if name not in columns]:
        raise Malformed(f"the file has no column {unknown[0]!r}: it has {', '.join(sorted(columns))}")
    used = [columns[name] for name in names]
    file = File(table, tuple(used), Grading(1, (), ()))
    distinct = len(np.unique(file.subjects(terms.subjects))) if terms.subjects else 0
    precise = {column.name: precision(table.column(column.name), column.type) for column in used}
    grading = grade(used, pack, subjects=distinct, rows=table.num_rows, precision=precise)
    graded = (replace(column, level=level) for column, level in zip(used, grading.columns, strict=True))
    file = File(table, tuple(graded), grading)
    _check(file, terms, pack)
    return file


def _read(path: Path, pack: Pack) -> tuple[dict[str, Any], pa.Table]:
    """Return what intake finds in a file, and its table; on disk it lies sealed, in a private folder."""
    keys = os.urandom(32), os.urandom(32)
    with TemporaryDirectory(prefix="sealing-") as folder:
        source, target = Path(folder) / "source", Path(folder) / "target"
        try:
            with path.open("rb") as plain, source.open("wb") as sealed:
                seal(plain, sealed, keys[0], _SOURCE)
        except OSError as error:
            raise Unavailable(f"{path} cannot be read: {error.strerror}") from error
        request = {
            "source": str(source), "source_key": keys[0], "source_context": _SOURCE,
            "target": str(target), "target_key": keys[1], "target_context": _TARGET,
            "pack": pack.rules(), "filename": path.name,
        }  # fmt: skip
        found = Intake().read(request)
        content = BytesIO(b"".join(open_sealed(target, keys[1], _TARGET)))
    return found, pq.read_table(content)


def _check(file: File, terms: Terms, pack: Pack) -> None:
    for name in _measured(terms):
        column = file.column(name)
        if column.type not in _NUMERIC:
            raise Malformed(f"column {name} is of type {column.type}: a measure wants numbers")
        if not column.aggregable:
            raise Refused(f"column {name}: its zone does not let {column.category} be summed", column=name)
    for name in terms.dimensions:
        column = file.column(name)
        if column.method not in _COARSE:
            raise Refused(
                f"column {name}: it leaves by {column.method}, and rows are not grouped by what is hidden",
                column=name,
            )
    if file.grading.level > pack.max_aggregate_level:
        raise Refused(
            f"the columns together are of level {file.grading.level}, and above level "
            f"{pack.max_aggregate_level} the zone {pack.name} lets nothing leave",
            level=file.grading.level,
        )


def _measured(terms: Terms) -> list[str]:
    return [measure.column for measure in terms.measures]


def _now() -> datetime:
    return datetime.now(UTC)
