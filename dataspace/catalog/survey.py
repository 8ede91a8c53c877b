"""The first pass over an upload: its encoding, structure, columns, types, and a sample of its rows.

It reads the file once, block by block, and writes nothing. What the second
pass needs in order to cut the file in the same places is in `Survey.lengths`.
"""

import csv
import hashlib
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import numpy as np
import pyarrow as pa

from dataspace.catalog.delimited import DELIMITERS, Bad, Block, Limits, Scanner, find_delimiter, refusal
from dataspace.catalog.encoding import Transcoder
from dataspace.catalog.inference import Inference, NotFinite
from dataspace.catalog.names import column_names
from dataspace.catalog.records import parse
from dataspace.errors import TooLarge, Unprocessable, Unsupported

SAMPLE_ROWS = 10_000
SAMPLE_CELLS = 2_000_000
PREVIEW_ROWS = 20
_HEAD = 1 << 16


@dataclass(frozen=True)
class Declared:
    """What the provider says of the file; what is left out is found."""

    encoding: str = ""
    delimiter: str = ""
    not_finite: NotFinite = NotFinite.TEXT
    exponents: bool = False


@dataclass
class Survey:
    """What the first pass found. `header` and `names` are the columns' names as uploaded and from now on."""

    delimiter: str = ","
    header: list[str] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    columns: list[Inference] = field(default_factory=list)
    lengths: list[int] = field(default_factory=list)
    header_length: int = 0
    rows: int = 0
    size: int = 0
    encoding: str = ""
    sha256: str = ""
    warnings: list[str] = field(default_factory=list)
    declared_encoding: str = ""
    sample: pa.Table = None
    first: pa.Table = None

    def mapping(self) -> list[dict[str, str]]:
        """Return the names that were changed."""
        pairs = zip(self.header, self.names, strict=True)
        return [{"from": old, "to": new} for old, new in pairs if old != new]


class Surveyor:
    """Makes one `Survey`; `size` is the plaintext's, by which sampled rows are spread over the file."""

    def __init__(self, declared: Declared, limits: Limits, size: int) -> None:
        if declared.delimiter and declared.delimiter not in DELIMITERS:
            raise Unsupported(
                "the declared delimiter is not one: want a comma, semicolon, tab or vertical bar"
            )
        self._declared = declared
        self._limits = limits
        self._blocks = size // (4 << 20) + 1
        self._most = self._quota = 0
        self._survey = Survey()
        self._hash = hashlib.sha256()
        self._sampled: list[bytes] = []
        self._first: list[bytes] = []

    def survey(self, chunks: Iterable[bytes]) -> Survey:
        """Read the whole file.

        Raises:
            Unsupported: it is no text.
            TooLarge: a limit is passed.
            Unprocessable: it has rows or columns that cannot be taken.

        """
        found = self._survey
        transcoder = Transcoder(self._declared.encoding)
        text = transcoder.text(self._hashed(chunks))
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
        found.encoding, found.sha256 = transcoder.encoding, self._hash.hexdigest()
        found.declared_encoding = self._declared.encoding
        found.warnings = [*transcoder.warnings, *scanner.warnings]
        self._refuse_tokens()
        found.sample = self._texts(b"".join(self._sampled)).slice(0, self._most)
        found.first = self._texts(b"".join(self._first))
        return found

    def _hashed(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            self._hash.update(chunk)
            self._survey.size += len(chunk)
            yield chunk

    def _add(self, block: Block) -> None:
        found = self._survey
        start = 0
        if not found.header:
            self._add_header(block)
            start = 1
        found.lengths.append(len(block.data))
        found.rows += block.rows - start
        if found.rows > self._limits.rows:
            raise TooLarge(f"the file has more than {self._limits.rows} rows", limit=self._limits.rows)
        self._take(block, start)
        self._infer(block, start)

    def _add_header(self, block: Block) -> None:
        found = self._survey
        record = block.record(0)
        found.header_length = len(record)
        found.header = _cells(record, found.delimiter)
        found.names = column_names(found.header, self._limits.columns)
        # Wide tables are sampled less, for what is learned from a sample costs by the cell.
        self._most = min(SAMPLE_ROWS, SAMPLE_CELLS // len(found.names))
        self._quota = self._most // self._blocks + 1
        found.columns = [Inference(exponents=self._declared.exponents) for _ in found.names]

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
            for name, column in zip(self._survey.names, self._survey.columns, strict=True)
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

    def _refuse_tokens(self) -> None:
        """Refuse values that are no number in columns of numbers, when that is the declared rule."""
        if self._declared.not_finite is not NotFinite.ERROR:
            return
        bad = [
            Bad(line, f"no finite number in column {position}")
            for position, column in enumerate(self._survey.columns, 1)
            if column.fits
            for line in column.token_lines
        ]
        if bad:
            raise refusal(sorted(bad, key=lambda row: row.line))


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
