"""Parquet: its types are kept where they are ours, a block of rows at a time.

The file lies in memory, for its footer is at its end; pages are opened as they
are read. Lengths that lie end in an error, or in the limits of the process.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from operator import add
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from dataspace.catalog.inference import ARROW_TYPES
from dataspace.catalog.limits import Limits
from dataspace.catalog.names import column_names
from dataspace.catalog.readers.learning import Learner
from dataspace.catalog.readers.source import Source
from dataspace.catalog.readers.values import DIGITS, Kind, Values, as_type, beyond, integers
from dataspace.catalog.survey import Declared, Survey, refuse_tokens
from dataspace.errors import TooLarge, Unprocessable, Unsupported
from dataspace.table import Column

_ROWS: Final = 1 << 16  # at a time
_CELLS: Final = 1 << 20
_MAGIC: Final = b"PAR1"
_FOOTER: Final = 16 << 20  # bytes
_DIGITS: Final = 15


class Parquet:
    """Reads one file; it is a `Reader`."""

    def __init__(self, source: Source, declared: Declared, limits: Limits) -> None:
        self._source, self._declared, self._limits = source, declared, limits
        self._file: pq.ParquetFile | None = None

    def survey(self) -> Survey:
        """Read the whole file.

        Raises:
            TooLarge: a limit is passed.
            Unprocessable: it is damaged, nested, or has values that cannot be taken.

        """
        path = self._source.spool()
        _check_ends(Path(path))
        with _translated():
            self._file = _opened(path)
        found = Survey(format="parquet")
        claimed = self._check_schema(found)
        blocks = claimed // self._step + 1
        learner = Learner(self._limits, "row", blocks, dated=False)
        for columns in self._blocks():
            learner.add(columns, partial(add, learner.rows + 1))
            self._source.progress.at("scanning", learner.rows, claimed)
        learner.finish(found)
        if learner.rows != claimed:
            raise Unprocessable(f"the Parquet file claims {claimed} rows, and has {learner.rows}")
        refuse_tokens(learner.columns, self._declared.not_finite, "row")
        return found

    def tables(self, columns: Sequence[Column]) -> Iterator[pa.Table]:
        """Yield the rows with the columns' types, some at a time.

        Raises:
            Unprocessable: the file is not the one that was surveyed.

        """
        schema = pa.schema([(column.name, ARROW_TYPES[column.type]) for column in columns])
        for read in self._blocks():
            arrays = [
                as_type(values.array, column.type) for values, column in zip(read, columns, strict=True)
            ]
            yield pa.table(arrays, schema=schema)

    @property
    def _opened(self) -> pq.ParquetFile:
        assert self._file is not None  # noqa: S101 - `survey` opened it
        return self._file

    @property
    def _step(self) -> int:
        return max(1, min(_ROWS, _CELLS // max(len(self._opened.schema_arrow), 1)))

    def _check_schema(self, found: Survey) -> int:
        """Fill in the names of the columns, and return how many rows the file claims to have."""
        with _translated():
            fields, metadata = list(self._opened.schema_arrow), self._opened.metadata
        found.header = [field.name for field in fields]
        if not fields:
            raise Unprocessable("the Parquet file has no columns")
        found.names = column_names(found.header, self._limits.columns)
        if nested := [place for place, field in enumerate(fields, 1) if not _is_flat(field.type)]:
            shown = ", ".join(map(str, nested[:20]))
            raise Unprocessable(
                f"columns of lists, structures or a type that is not taken: {shown}", columns=nested[:20]
            )
        if not 0 <= metadata.num_rows <= self._limits.rows:
            raise TooLarge(f"the file has more than {self._limits.rows} rows", limit=self._limits.rows)
        with _translated():
            consistent = _is_consistent(metadata)
        if not consistent:
            raise Unprocessable("the Parquet file says two things of how many rows it has")
        return int(metadata.num_rows)

    def _blocks(self) -> Iterator[list[Values]]:
        with _translated():
            batches = self._opened.iter_batches(batch_size=self._step, use_threads=False)
        while True:
            with _translated():
                batch = next(batches, None)
                if batch is None:
                    return
                columns = [_values(column) for column in batch.columns]
            yield columns


def _opened(path: str) -> pq.ParquetFile:
    return pq.ParquetFile(
        pa.OSFile(path),
        buffer_size=1 << 20,
        pre_buffer=False,
        thrift_string_size_limit=_FOOTER,
        thrift_container_size_limit=1_000_000,
        arrow_extensions_enabled=False,
        page_checksum_verification=True,
    )


def _check_ends(path: Path) -> None:
    """Check that the file ends as it began, and that its footer fits in it."""
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(max(0, size - 8))
        end = file.read(8)
    if end[4:] == b"PARE":
        raise Unsupported("the Parquet file is encrypted", kind="encrypted Parquet")
    footer = int.from_bytes(end[:4], "little")
    if end[4:] != _MAGIC or size < 12 or footer > min(size - 12, _FOOTER):
        raise Unprocessable("the Parquet file is damaged, or cut off")


def _is_consistent(metadata: pq.FileMetaData) -> bool:
    """Tell whether file, row groups and columns claim as many rows; columns are flat."""
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    chunks = ((group, group.column(number)) for group in groups for number in range(group.num_columns))
    return sum(group.num_rows for group in groups) == metadata.num_rows and all(
        chunk.num_values == group.num_rows for group, chunk in chunks
    )


def _is_flat(kind: pa.DataType) -> bool:
    """Tell whether values of a type can be told as a text, a number or a day."""
    value = kind.value_type if pa.types.is_dictionary(kind) else kind
    return any(test(value) for test, _ in _READ)


def _values(array: pa.Array) -> Values:
    """Return a column's values as one of the types that readers hand on."""
    if pa.types.is_dictionary(array.type):
        return _values(array.cast(array.type.value_type))
    return next(read(array) for test, read in _READ if test(array.type))


def _moments(array: pa.Array) -> Values:
    if array.type.tz is None:
        return Values(array, frozenset({Kind.MOMENT}))
    if len(beyond(array)):
        # As a text pyarrow would tell another year.
        raise Unprocessable("the file has moments outside of the years 1 to 9999")
    return _clock(array)


def _clock(array: pa.Array) -> Values:
    """Return times of day, and moments in a zone, as texts without a fraction that is nothing."""
    found = pc.replace_substring_regex(pc.cast(array, pa.string()), r"\.0+(Z?)$", r"\1")
    if pc.any(pc.starts_with(found, "<")).as_py():
        # pyarrow's own words for what no clock or calendar has: they must not become a cell.
        raise ValueError("out of range")
    return Values(found, frozenset({Kind.OTHER}))


def _texts(array: pa.Array) -> Values:
    """Return texts; bytes that old programs wrote for them must be UTF-8, and new ones' are checked, too."""
    found = pc.cast(array, pa.string())
    found.validate(full=True)
    return Values(found, frozenset({Kind.TEXT}))


def _integers(array: pa.Array) -> Values:
    try:
        return integers(pc.cast(array, pa.int64()))
    except pa.ArrowInvalid:
        return Values(pc.cast(array, pa.string()), frozenset({Kind.INTEGER}), wide=True)


def _decimals(array: pa.Array) -> Values:
    """Return exact decimals: whole ones as integers, others as they are until it is known that doubles do."""
    if array.type.scale == 0 and array.type.precision <= 18:
        return integers(pc.cast(array, pa.int64()))
    lossy = array.type.precision > _DIGITS
    if lossy:
        size = pc.max(pc.abs(array)).as_py()
        lossy = size is not None and size.scaleb(max(array.type.scale, 0)) >= DIGITS
    return Values(array, frozenset({Kind.DECIMAL}), lossy=lossy)


_READ: Final[Sequence[tuple[Callable[[pa.DataType], bool], Callable[[pa.Array], Values]]]] = (
    (pa.types.is_integer, _integers),
    (pa.types.is_floating, lambda array: Values(pc.cast(array, pa.float64()), frozenset({Kind.DECIMAL}))),
    (pa.types.is_decimal, _decimals),
    (pa.types.is_boolean, lambda array: Values(array, frozenset({Kind.BOOLEAN}))),
    (pa.types.is_date, lambda array: Values(pc.cast(array, pa.date32()), frozenset({Kind.DAY}))),
    (pa.types.is_timestamp, _moments),
    (pa.types.is_time, _clock),
    (pa.types.is_null, lambda array: Values(array, frozenset())),
    (pa.types.is_string, _texts),
    (pa.types.is_large_string, _texts),
    (pa.types.is_binary, _texts),
    (pa.types.is_large_binary, _texts),
)


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, OSError, ValueError, OverflowError):
        # `from None`: its text may hold cells.
        raise Unprocessable("the Parquet file cannot be read: it is damaged, or lies about itself") from None
