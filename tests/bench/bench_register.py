"""Reading an upload: checked, typed, classified and sealed, against DuckDB writing the CSV as Parquet."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import duckdb

from dataspace.catalog.intake import Intake
from dataspace.catalog.payloads import seal
from dataspace.zones.pack import Pack, load_packs
from dataspace.zones.samples import write_sample
from tests.bench.timing import Rows, in_turn

_ZONES = Path(__file__).parents[2] / "zones"
_ROWS = 150_000
_REPEATS = 3


def run() -> Rows:
    """Yield for each zone's sample what was measured, our seconds, DuckDB's, and our rate."""
    with tempfile.TemporaryDirectory() as folder:
        for name, pack in load_packs(_ZONES).items():
            content = write_sample(pack, Path(folder), _ROWS)
            ours, bare = in_turn(_reading(pack, content), _writing(content), rounds=_REPEATS)
            megabytes = content.stat().st_size / 1e6
            note = (
                f"{megabytes:.0f} MB, {_ROWS:,} rows: {megabytes / ours:.0f} MB/s; bare = DuckDB, one thread"
            )
            yield f"read an upload ({name})", ours, bare, note


def _reading(pack: Pack, content: Path) -> Callable[[], None]:
    key, source, target = os.urandom(32), content.with_suffix(".sealed"), content.with_suffix(".payload")
    with content.open("rb") as plain, source.open("wb") as sealed:
        seal(plain, sealed, key, b"source")
    request = {
        "source": str(source),
        "source_key": key,
        "source_context": b"source",
        "target": str(target),
        "target_key": key,
        "target_context": b"target",
        "pack": pack.rules(),
    }

    def read() -> None:
        target.unlink(missing_ok=True)
        Intake().read(request)

    return read


def _writing(content: Path) -> Callable[[], None]:
    target = content.with_suffix(".parquet")

    def write() -> None:
        with duckdb.connect(config={"threads": 1}) as connection:
            connection.execute(
                f"COPY (FROM read_csv('{content}')) TO '{target}' (FORMAT parquet, COMPRESSION zstd)"
            )

    return write
