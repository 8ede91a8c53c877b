"""Delimited text, in two passes that cut it into the same blocks.

The first checks the structure, infers the types and takes a sample; the second
reads the blocks again, each column as the type it was given.
"""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dataspace.catalog.delimited import Block, Scanner, check_delimiter, find_delimiter
from dataspace.catalog.encoding import Transcoder
from dataspace.catalog.inference import ARROW_TYPES, Inference
from dataspace.catalog.limits import Limits
from dataspace.catalog.names import column_names
from dataspace.catalog.readers.source import Source
from dataspace.catalog.records import parse
from dataspace.catalog.survey import BLOCK, PREVIEW_ROWS, Declared, Survey, refuse_tokens, sample_quota
from dataspace.errors import TooLarge, Unprocessable
from dataspace.table import Column, Type

_HEAD = 1 << 16


class DelimitedText:
    """Reads one file; it is a `Reader`."""

    def __init__(self, source: Source, declared: Declared, limits: Limits) -> None:
        check_delimiter(declared.delimiter)
        self._source = source
        self._declared = declared
        self._limits = limits
        self._blocks = source.expected // BLOCK + 1
        self._most = self._quota = 0
        self._survey = Survey(format="csv")
        self._columns: list[Inference] = []
        self._lengths: list[int] = []  # of the blocks, for the second pass to cut in the same places
        self._header_length = 0
        self._sampled: list[bytes] = []
        self._first: list[bytes] = []

    def survey(self) -> Survey:
        """Read the whole file.

        Raises:
            Unsupported: it is no text.
            TooLarge: a limit is passed.
            Unprocessable: it has rows or columns that cannot be taken.

        """
        found = self._survey
        transcoder = Transcoder(self._declared.encoding)
        text = transcoder.text(self._source.chunks("scanning"))
        head = _head(text)
        if not head:
            raise Unprocessable("the file is empty")
        found.delimiter = self._declared.delimiter or find_delimiter(head)
        scanner = Scanner(found.delimiter, self._limits)
        for block in scanner.blocks(chain((head,), text)):
            self._add(block)
        scanner.finish()
        if not found.rows:
            raise Unprocessable("the file has a header and no rows")
        found.encoding = transcoder.encoding
        found.warnings = [*transcoder.warnings, *scanner.warnings]
        found.columns, found.text_bytes = self._columns, sum(self._lengths)
        refuse_tokens(self._columns, self._declared.not_finite, "line")
        found.sample = self._texts(b"".join(self._sampled)).slice(0, self._most)
        found.first = self._texts(b"".join(self._first))
        return found

    def tables(self, columns: Sequence[Column]) -> Iterator[pa.Table]:
        """Yield the rows with the columns' types, a block at a time.

        Raises:
            Unprocessable: the file is not the one that was surveyed.

        """
        plan = _plan(columns, self._columns)
        start = self._header_length
        for data in self._cut():
            table = parse(data[start:], self._survey.delimiter, plan.types)
            start = 0
            yield _cleaned(table, plan)

    def _add(self, block: Block) -> None:
        found = self._survey
        start = 0
        if not found.header:
            self._add_header(block)
            start = 1
        self._lengths.append(len(block.data))
        found.rows += block.rows - start
        if found.rows > self._limits.rows:
            raise TooLarge(f"the file has more than {self._limits.rows} rows", limit=self._limits.rows)
        self._take(block, start)
        self._infer(block, start)

    def _add_header(self, block: Block) -> None:
        found = self._survey
        record = block.record(0)
        self._header_length = len(record)
        found.header = _cells(record, found.delimiter)
        found.names = column_names(found.header, self._limits.columns)
        self._most, self._quota = sample_quota(len(found.names), self._blocks)
        self._columns = [Inference(exponents=self._declared.exponents) for _ in found.names]

    def _take(self, block: Block, start: int) -> None:
        """Keep the rows for the preview and, evenly from each block, for the sample."""
        for number in range(start, min(block.rows, start + PREVIEW_ROWS - len(self._first))):
            self._first.append(block.record(number))
        if block.rows - start <= self._quota:
            self._sampled.append(block.data[block.starts[start] :])
            return
        numbers = np.linspace(start, block.rows - 1, self._quota).astype(int)
        self._sampled.append(b"".join([block.record(number) for number in numbers]))

    def _infer(self, block: Block, start: int) -> None:
        open_columns = {
            name: column
            for name, column in zip(self._survey.names, self._columns, strict=True)
            if column.fits
        }
        if not open_columns or block.rows == start:
            return
        table = self._texts(block.data[block.starts[start] :], open_columns)
        for name, column in open_columns.items():
            column.add(table.column(name).chunk(0), lambda row: block.line_of(start + row))

    def _texts(self, data: bytes, only: Iterable[str] = ()) -> pa.Table:
        types = dict.fromkeys(self._survey.names, pa.string())
        return parse(data, self._survey.delimiter, types, set(only))

    def _cut(self) -> Iterator[bytes]:
        """Cut the text where the first pass did."""
        lengths = iter(self._lengths)
        length = next(lengths, 0)
        rest = bytearray()
        # The first pass settled the encoding by the same rules; a declared one is told again.
        for chunk in Transcoder(self._declared.encoding).text(self._source.chunks()):
            rest += chunk
            while length and len(rest) >= length:
                yield bytes(memoryview(rest)[:length])
                del rest[:length]
                length = next(lengths, 0)
        if length:
            yield bytes(rest) + b"\n"


@dataclass(frozen=True)
class _Plan:
    """How each column is read, and what is done then; `careful` columns have texts that become null."""

    schema: pa.Schema
    types: Mapping[str, pa.DataType]
    careful: Mapping[str, Sequence[str]]


def _plan(columns: Sequence[Column], learned: Sequence[Inference]) -> _Plan:
    types = {column.name: ARROW_TYPES[column.type] for column in columns}
    careful = {
        column.name: sorted(inference.tokens)
        for column, inference in zip(columns, learned, strict=True)
        if inference.tokens and column.type is not Type.TEXT
    }
    reading = {name: pa.string() if name in careful else kind for name, kind in types.items()}
    for column, inference in zip(columns, learned, strict=True):
        if inference.exponential and column.type is Type.INTEGER and column.name not in careful:
            reading[column.name] = pa.float64()
    return _Plan(pa.schema(list(types.items())), reading, careful)


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


def _head(text: Iterator[bytes]) -> bytes:
    """Take chunks until there is enough to find the delimiter by."""
    head = b""
    for chunk in text:
        head += chunk
        if len(head) >= _HEAD:
            break
    return head


def _cells(record: bytes, delimiter: str) -> list[str]:
    reader: Any = csv.reader(io.StringIO(record.decode(), newline=""), delimiter=delimiter, strict=True)
    try:
        return list(next(reader))
    except (csv.Error, StopIteration) as error:
        raise Unprocessable("the first line is no list of column names") from error
