"""Columns of a table, row by row, as numbers of their distinct values."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dataspace.transfer.duck.data import Table, translated


@dataclass(frozen=True)
class Coded:
    """A column: for each row the place of its value among `values`, where NULL is None."""

    codes: npt.NDArray[Any] = field(repr=False)
    values: tuple[Any, ...] = field(repr=False)

    @property
    def size(self) -> int:
        """About how many bytes it takes."""
        return self.codes.nbytes + 64 * len(self.values)


def coded(table: Table, statements: Sequence[str]) -> list[Coded]:
    """Return what SQL gives for every row of `data`, in the order of rows.

    Raises:
        TooCostly: there is not enough memory.

    """
    if not statements:
        return []
    listed = ", ".join(f"{sql} AS v{place}" for place, sql in enumerate(statements))
    with translated():
        found = table.connection.sql(f"SELECT {listed} FROM data").to_arrow_table()
    return [_coded(column) for column in found.columns]


def flags(column: Coded) -> npt.NDArray[np.bool_]:
    """Return a column of true and false row by row."""
    return np.asarray(np.array([bool(value) for value in column.values], np.bool_)[column.codes])


def plain(value: Any) -> Any:
    """Return a value as it is stored: a date as text."""
    return value.isoformat() if isinstance(value, date) else value


def _coded(column: "pa.ChunkedArray") -> Coded:
    if pa.types.is_dictionary(column.type):
        # What a worker keeps as an enumeration.
        whole = column.unify_dictionaries().combine_chunks()
    else:
        whole = column.combine_chunks().dictionary_encode()
    values = [plain(value) for value in whole.dictionary.to_pylist()]
    indices = whole.indices
    if indices.null_count:
        indices = indices.cast(pa.int64()).fill_null(len(values))
        values.append(None)
    # By its buffer: `to_numpy` would import pandas where that is installed, which takes a second.
    codes = np.frombuffer(indices.buffers()[1], indices.type.to_pandas_dtype(), len(indices), indices.offset)
    return Coded(codes.astype(np.min_scalar_type(max(len(values), 1))), tuple(values))
