"""The second pass over an upload: its rows, typed, as Parquet in a sealed file."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from dataspace.catalog.encoding import Transcoder
from dataspace.catalog.inference import ARROW_TYPES
from dataspace.catalog.payloads import Sealed, SealWriter
from dataspace.catalog.records import parse
from dataspace.catalog.survey import Survey
from dataspace.table import Column, Type

_GROUP_ROWS = 1 << 17
_GROUP_BYTES = 64 << 20  # of text, so that wide rows do not fill the memory


@dataclass(frozen=True)
class _Plan:
    """How each column is read, and what is done then; `careful` columns have texts that become null."""

    schema: pa.Schema
    types: Mapping[str, pa.DataType]
    careful: Mapping[str, Sequence[str]]


def convert(chunks: Iterable[bytes], survey: Survey, columns: Sequence[Column], target: SealWriter) -> Sealed:
    """Write the file as Parquet of the columns' types into `target`, and close it.

    Raises:
        Unprocessable: the file is not the one that was surveyed.

    """
    plan = _plan(survey, columns)
    with pq.ParquetWriter(target, plan.schema, compression="zstd", compression_level=1) as writer:
        for group in _groups(_tables(chunks, survey, plan), survey):
            writer.write_table(group, row_group_size=_GROUP_ROWS)
    target.close()
    return target.sealed


def typed(table: pa.Table, survey: Survey, columns: Sequence[Column]) -> pa.Table:
    """Return a table of texts with the columns' types, as `convert` writes them."""
    return _cleaned(table, _plan(survey, columns))


def _plan(survey: Survey, columns: Sequence[Column]) -> _Plan:
    types = {column.name: ARROW_TYPES[column.type] for column in columns}
    careful = {
        column.name: sorted(inference.tokens)
        for column, inference in zip(columns, survey.columns, strict=True)
        if inference.tokens and column.type is not Type.TEXT
    }
    reading = {name: pa.string() if name in careful else kind for name, kind in types.items()}
    for column, inference in zip(columns, survey.columns, strict=True):
        if inference.exponential and column.type is Type.INTEGER and column.name not in careful:
            reading[column.name] = pa.float64()
    return _Plan(pa.schema(list(types.items())), reading, careful)


def _tables(chunks: Iterable[bytes], survey: Survey, plan: _Plan) -> Iterator[pa.Table]:
    start = survey.header_length
    for data in _cut(chunks, survey):
        table = parse(data[start:], survey.delimiter, plan.types)
        start = 0
        yield _cleaned(table, plan)


def _cleaned(table: pa.Table, plan: _Plan) -> pa.Table:
    columns = [_typed(values, field, plan) for values, field in zip(table.columns, plan.schema, strict=True)]
    return pa.table(columns, schema=plan.schema)


def _typed(values: pa.ChunkedArray, field: pa.Field, plan: _Plan) -> pa.ChunkedArray:
    if field.name in plan.careful:
        odd = pc.is_in(values, value_set=pa.array(plan.careful[field.name], pa.string()))
        values = pc.if_else(odd, pa.scalar(None, pa.string()), values)
    if values.type != field.type:
        # By way of a double, for `1e+05` is no int64 to pyarrow; whole ones of 15 digits are exact.
        exact = values if field.type == pa.date32() else pc.cast(values, pa.float64())
        values = pc.cast(exact, field.type)
    # Adding zero makes -0.0 the zero that it equals.
    return pc.add(values, 0.0) if field.type == pa.float64() else values


def _cut(chunks: Iterable[bytes], survey: Survey) -> Iterator[bytes]:
    """Cut the text where the survey did."""
    lengths = iter(survey.lengths)
    length = next(lengths, 0)
    rest = bytearray()
    # The survey settled the encoding by the same rules; a declared one is told again.
    for chunk in Transcoder(survey.declared_encoding).text(chunks):
        rest += chunk
        while length and len(rest) >= length:
            yield bytes(memoryview(rest)[:length])
            del rest[:length]
            length = next(lengths, 0)
    if length:
        yield bytes(rest) + b"\n"


def _groups(tables: Iterable[pa.Table], survey: Survey) -> Iterator[pa.Table]:
    """Join tables to row groups of about the same size."""
    most = max(1, min(_GROUP_ROWS, _GROUP_BYTES * survey.rows // max(survey.size, 1)))
    waiting: list[pa.Table] = []
    for table in tables:
        waiting.append(table)
        while (rows := sum(part.num_rows for part in waiting)) >= most:
            joined = pa.concat_tables(waiting)
            yield joined.slice(0, most)
            waiting = [joined.slice(most)] if rows > most else []
    if waiting:
        yield pa.concat_tables(waiting)
