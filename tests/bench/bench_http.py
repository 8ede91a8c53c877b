"""Queries through HTTP, as a consumer asks them, against the same SQL on bare DuckDB over plain Parquet.

Ours: `client.DataSpace.query`, all seven steps of it, entry and digest
included, to an Arrow table: rows leave as one, aggregates as JSON.
The service runs in this process, the client and the query's worker in theirs.
Bare: DuckDB in this process, to an Arrow table; nothing masked, nothing counted.
"""

import multiprocessing
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from dataspace.client import DataSpace
from tests.bench.timing import Rows, in_turn
from tests.simulator import Simulator, simulated
from tests.web.served import served

_ROWS = 1_000_000
_ROWS_SQL = "SELECT district, sex, year, income FROM data WHERE district = 'd07' AND income < 20000"
_GROUPS_SQL = (
    "SELECT district, COUNT(*) AS n, SUM(income) AS total, AVG(spent) AS mean FROM data GROUP BY district"
)
_SMALL_SQL = "SELECT COUNT(*) FROM data"


def run() -> Rows:
    """Yield a row for each query, warm; and cold, the worker's copy thrown away before each."""
    with tempfile.TemporaryDirectory() as folder:
        table = _table()
        plain = Path(folder) / "plain.parquet"
        pa.parquet.write_table(table, plain, compression="zstd", row_group_size=131_072)
        with simulated(Path(folder) / "home", query_seconds=60) as space, served(space) as url:
            token, agreement, dataset = _registered(space, table)
            with _asking(url, token) as ask:
                yield from _measured(space, partial(ask, agreement), dataset, plain)


def _measured(space: Simulator, ask: Callable[[str, str], int], dataset: str, plain: Path) -> Rows:
    def forget() -> None:
        # Waits until the worker has done what it put off, so that it does not run beside what is measured.
        space.service.answers.forget(dataset)

    for name, sql, form in (("20,000 rows", _ROWS_SQL, "rows"), ("group-by", _GROUPS_SQL, "aggregate")):
        ours_asked, answered = partial(ask, sql, form), ask(sql, form)
        for threads in (1, 2):
            ours, bare = in_turn(ours_asked, _bare(plain, sql, threads))
            note = f"{answered:,} of 1 M rows; ours 1 thread, bare {threads}; {sql}"
            yield f"{name} over HTTP, warm", ours, bare, note
        ours, bare = in_turn(ours_asked, _bare(plain, sql, 1), before=forget)
        yield (
            f"{name} over HTTP, cold",
            ours,
            bare,
            f"opened from its envelope each time; 1 thread each; {sql}",
        )
    ours, bare = in_turn(partial(ask, _SMALL_SQL, "aggregate"), _bare(plain, _SMALL_SQL, 1), rounds=40)
    yield "a small query over HTTP", ours, bare, f"overhead {(ours - bare) * 1e3:.1f} ms; {_SMALL_SQL}"


@contextmanager
def _asking(url: str, token: str) -> Iterator[Callable[[str, str, str], int]]:
    """Return what has a consumer's process ask a query, read its answer, and tell how many rows it has."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_consume, args=(there, url, token), daemon=True)
    process.start()

    def ask(agreement: str, sql: str, form: str) -> int:
        here.send((agreement, sql, form))
        return int(here.recv())

    try:
        yield ask
    finally:
        here.send(None)
        process.join(timeout=20)


def _consume(link: Connection, url: str, token: str) -> None:
    with DataSpace(url, token) as consumer:
        while asked := link.recv():
            link.send(consumer.query(*asked).table.num_rows)


def _bare(plain: Path, sql: str, threads: int) -> Callable[[], object]:
    connection = duckdb.connect(config={"threads": threads})
    statement = sql.replace("FROM data", f"FROM read_parquet('{plain}')")
    return lambda: connection.sql(statement).to_arrow_table()


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
