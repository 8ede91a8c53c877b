"""Queries through HTTP, as a consumer asks them, against the same SQL on bare DuckDB over plain Parquet."""

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from dataspace.client import DataSpace
from tests.simulator import Simulator, simulated
from tests.web.served import served

_ROWS = 1_000_000
_REPEATS = 7
_ROWS_SQL = "SELECT district, sex, year, income FROM data WHERE district = 'd07' AND income < 20000"
_GROUPS_SQL = (
    "SELECT district, COUNT(*) AS n, SUM(income) AS total, AVG(spent) AS mean FROM data GROUP BY district"
)
_SMALL_SQL = "SELECT COUNT(*) FROM data"


def run() -> Iterator[tuple[str, float, float, str]]:
    """Yield a row for each query, warm; and cold, the worker's copy thrown away before each."""
    with tempfile.TemporaryDirectory() as folder:
        table = _table()
        plain = Path(folder) / "plain.parquet"
        pa.parquet.write_table(table, plain, compression="zstd", row_group_size=131_072)
        with simulated(Path(folder) / "home", query_seconds=60) as space, served(space) as url:
            token, agreement, dataset = _registered(space, table)
            with DataSpace(url, token) as consumer:
                yield from _measured(space, consumer, agreement, dataset, plain)


def _measured(
    space: Simulator, consumer: DataSpace, agreement: str, dataset: str, plain: Path
) -> Iterator[tuple[str, float, float, str]]:
    for name, sql, form in (("20,000 rows", _ROWS_SQL, "rows"), ("group-by", _GROUPS_SQL, "aggregate")):
        found = consumer.query(agreement, sql, form)
        answered = len(found.rows)
        for threads in (1, 2):
            ours, bare = _in_turn(lambda: consumer.query(agreement, sql, form), _bare(plain, sql, threads))  # noqa: B023
            note = f"{answered:,} of 1 M rows; ours 1 thread, bare {threads}; {sql}"
            yield f"{name} over HTTP, warm", ours, bare, note

        def cold() -> object:
            space.service.answers.forget(dataset)
            return consumer.query(agreement, sql, form)  # noqa: B023

        ours, bare = _in_turn(cold, _bare(plain, sql, 1))
        yield (
            f"{name} over HTTP, cold",
            ours,
            bare,
            f"opened from its envelope each time; bare 1 thread; {sql}",
        )
    consumer.query(agreement, _SMALL_SQL)
    ours, bare = _in_turn(lambda: consumer.query(agreement, _SMALL_SQL), _bare(plain, _SMALL_SQL, 1))
    yield "a small query over HTTP", ours, bare, f"overhead {(ours - bare) * 1e3:.1f} ms; {_SMALL_SQL}"


def _bare(plain: Path, sql: str, threads: int) -> Callable[[], object]:
    connection = duckdb.connect(config={"threads": threads})
    statement = sql.replace("FROM data", f"FROM read_parquet('{plain}')")
    return lambda: connection.execute(statement).to_arrow_table()


def _in_turn(ours: Callable[[], object], bare: Callable[[], object]) -> tuple[float, float]:
    """Return the median seconds of both, run one after the other so that the machine treats them alike."""
    taken: tuple[list[float], list[float]] = ([], [])
    for _ in range(_REPEATS):
        for act, seconds in zip((ours, bare), taken, strict=True):
            start = time.perf_counter()
            act()
            seconds.append(time.perf_counter() - start)
    return statistics.median(taken[0]), statistics.median(taken[1])


def _table() -> pa.Table:
    random = np.random.default_rng(1)
    district = np.array([f"d{number:02d}" for number in range(20)])[random.integers(0, 20, _ROWS)]
    return pa.table(
        {
            "number": [f"P{number:07d}" for number in range(_ROWS)],
            "district": district,
            "sex": np.array(["f", "m"])[random.integers(0, 2, _ROWS)],
            "year": random.integers(1940, 2020, _ROWS).astype(str),
            "income": random.integers(3000, 45_000, _ROWS),
            "spent": random.integers(0, 9000, _ROWS),
            "score": random.integers(0, 1000, _ROWS),
            "visits": random.integers(0, 50, _ROWS),
            "points": random.integers(0, 100_000, _ROWS),
            "flag": random.integers(0, 2, _ROWS),
        }
    )


def _registered(space: Simulator, table: pa.Table) -> tuple[str, str, str]:
    """Register the table and agree on it; return the consumer's token, the agreement, the dataset."""
    sink = pa.BufferOutputStream()
    pa.csv.write_csv(table, sink)
    provider, consumer = space.provider(), space.consumer()
    registered = space.registered(provider, sink.getvalue().to_pybytes(), subjects=["number"], units=100_000)
    agreement = space.agreed(consumer, registered.offer)
    return space.tokens[consumer.id], agreement.id, registered.dataset
