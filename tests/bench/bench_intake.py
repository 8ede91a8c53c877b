"""Reading an upload in each format, against the library that reads it alone: DuckDB, or calamine."""

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.csv as pcsv
import pyarrow.parquet as pq
from python_calamine import CalamineWorkbook

from dataspace.catalog.intake import Intake
from dataspace.catalog.payloads import seal
from dataspace.zones.pack import Pack, load_packs
from dataspace.zones.samples import write_sample
from tests.bench.timing import Rows, in_turn
from tests.catalog.workbooks import workbook

_ZONES = Path(__file__).parents[2] / "zones"
_ZONE = "finance"
_ROWS = 150_000
_SHEET_ROWS = 20_000
_REPEATS = 3
_READERS = {"csv": "read_csv", "jsonl": "read_json", "parquet": "read_parquet"}


def run() -> Rows:
    """Yield for each format what was measured, our seconds, the bare library's, and our rate."""
    with tempfile.TemporaryDirectory() as folder:
        pack = load_packs(_ZONES)[_ZONE]
        for content, rows in _files(pack, Path(folder)):
            kind = content.suffix.removeprefix(".")
            bare = _parsing(content) if kind == "xlsx" else _writing(content, _READERS[kind])
            ours, theirs = in_turn(_reading(pack, content), bare, rounds=_REPEATS)
            size = content.stat().st_size / 1e6
            name = "calamine alone, cells as Python objects" if kind == "xlsx" else "DuckDB, one thread"
            note = f"{size:.1f} MB, {rows:,} rows: {size / ours:.1f} MB/s; bare = {name}"
            yield f"read an upload ({kind})", ours, theirs, note


def _files(pack: Pack, folder: Path) -> Iterator[tuple[Path, int]]:
    """Yield the same table in each format, and how many rows it has."""
    content = write_sample(pack, folder, _ROWS).rename(folder / "sample.csv")
    yield content, _ROWS
    lines = content.with_suffix(".jsonl")
    with duckdb.connect() as connection:
        connection.execute(f"COPY (FROM read_csv('{content}')) TO '{lines}' (FORMAT json)")
    yield lines, _ROWS
    table = pcsv.read_csv(content)
    pq.write_table(table, content.with_suffix(".parquet"), compression="zstd")
    yield content.with_suffix(".parquet"), _ROWS
    book = content.with_suffix(".xlsx")
    book.write_bytes(_workbook(table.slice(0, _SHEET_ROWS)))
    yield book, _SHEET_ROWS


def _workbook(table: pa.Table) -> bytes:
    return workbook(
        [table.column_names, *zip(*(column.to_pylist() for column in table.columns), strict=True)]
    )


def _reading(pack: Pack, content: Path) -> Callable[[], None]:
    key, source, target = os.urandom(32), content.with_suffix(".sealed"), content.with_suffix(".payload")
    with content.open("rb") as plain, source.open("wb") as sealed:
        seal(plain, sealed, key, b"source")
    request = {
        "source": str(source), "source_key": key, "source_context": b"source",
        "target": str(target), "target_key": key, "target_context": b"target",
        "pack": pack.rules(),
    }  # fmt: skip

    def read() -> None:
        target.unlink(missing_ok=True)
        Intake().read(request)

    return read


def _writing(content: Path, reader: str) -> Callable[[], None]:
    target = content.with_suffix(".written")

    def write() -> None:
        with duckdb.connect(config={"threads": 1}) as connection:
            connection.execute(
                f"COPY (FROM {reader}('{content}')) TO '{target}' (FORMAT parquet, COMPRESSION zstd)"
            )

    return write


def _parsing(content: Path) -> Callable[[], None]:
    def parse() -> None:
        for _ in CalamineWorkbook.from_path(str(content)).get_sheet_by_index(0).iter_rows():
            pass

    return parse
