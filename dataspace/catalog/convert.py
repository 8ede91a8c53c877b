"""The second pass over an upload: its rows, typed, as Parquet in a sealed file."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq

from dataspace.catalog.inference import ARROW_TYPES
from dataspace.catalog.payloads import Sealed, SealWriter
from dataspace.catalog.survey import PREVIEW_ROWS, Survey
from dataspace.table import Column

_GROUP_ROWS = 1 << 17
_GROUP_BYTES = 64 << 20  # of text, so that wide rows do not fill the memory


@dataclass(frozen=True)
class Converted:
    """What was written, and its first rows with their types."""

    sealed: Sealed
    first: pa.Table


def convert(
    tables: Iterable[pa.Table],
    survey: Survey,
    columns: Sequence[Column],
    target: SealWriter,
    *,
    written: Callable[[int], object] = lambda _: None,
) -> Converted:
    """Write typed tables as Parquet into `target`, and close it; `written` hears of rows as they are.

    Raises:
        Unprocessable: the file is not the one that was surveyed.

    """
    schema = pa.schema([(column.name, ARROW_TYPES[column.type]) for column in columns])
    first, rows = schema.empty_table(), 0
    with pq.ParquetWriter(target, schema, compression="zstd", compression_level=1) as writer:
        for group in _groups(tables, survey):
            first = first if rows else group.slice(0, PREVIEW_ROWS)
            writer.write_table(group, row_group_size=_GROUP_ROWS)
            rows += group.num_rows
            written(rows)
    target.close()
    return Converted(target.sealed, first)


def _groups(tables: Iterable[pa.Table], survey: Survey) -> Iterator[pa.Table]:
    """Join tables to row groups of about the same size."""
    most = max(1, min(_GROUP_ROWS, _GROUP_BYTES * survey.rows // max(survey.text_bytes, 1)))
    waiting: list[pa.Table] = []
    for table in tables:
        waiting.append(table)
        while (rows := sum(part.num_rows for part in waiting)) >= most:
            joined = pa.concat_tables(waiting)
            yield joined.slice(0, most)
            waiting = [joined.slice(most)] if rows > most else []
    if waiting:
        yield pa.concat_tables(waiting)
