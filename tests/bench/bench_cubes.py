"""Cube queries as rows grow, as workers are added, and what a worker's memory comes to.

Rows matter when a cube is built, once, and not to its queries. The bare time of
a row of the first table is that of its building: cells from a warm table, and
suppression and noise. Of the second it is the time of one query of one worker.
"""

import io
import os
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import duckdb

from dataspace.catalog.payloads import seal
from dataspace.client.encrypted import Keys
from dataspace.client.layout import Layout
from dataspace.privacy.cube import Builder, Cube
from dataspace.privacy.encrypted import Evaluator
from dataspace.privacy.spec import CubeSpec
from dataspace.sandbox import Pool
from dataspace.table import Column, Type
from dataspace.transfer.engine import WORKER, Engine, Payload
from tests.bench.bench_encrypted import cube_of
from tests.bench.timing import Rows

_ID: Final = "cb-00112233445566ff"
_AGREEMENT: Final = "ag-00112233445566ff"
_KEY: Final = bytes(32)
_ROUNDS: Final = 15
_QUERIES: Final = 60
_TARGET: Final = "dataspace.privacy.encrypted:Evaluator"
_COLUMNS: Final = (
    Column("person", Type.INTEGER, subject=True),
    Column("city", Type.INTEGER),
    Column("year", Type.INTEGER),
    Column("amount", Type.INTEGER, aggregable=True),
)
_DATA: Final = """
    SELECT i AS person, CAST(hash(i * 7) % 400 AS BIGINT) AS city,
           CAST(2005 + hash(i * 3) % 20 AS BIGINT) AS year, CAST(hash(i) % 5000 AS BIGINT) AS amount
    FROM range({rows}) r(i)
"""
_SPEC: Final = {
    "dimensions": ["city", "year"],
    "measures": [{"kind": "sum", "column": "amount", "low": 0, "high": 5000, "precision": 0}],
    "max_rows": 1,
    "epsilon": 4_000_000,
}


def run() -> Rows:
    """Yield what was measured: CPU seconds of a query, and the seconds of building; then queries a second."""
    keys = Keys.create()
    with tempfile.TemporaryDirectory() as folder:
        for rows in (100_000, 1_000_000, 10_000_000):
            yield _flat(Path(folder), keys, rows)
    yield from _workers(keys)


def _flat(folder: Path, keys: Keys, rows: int) -> tuple[str, float, float, str]:
    pool = Pool(WORKER, workers=1, memory=4 << 30, deadline=120)
    try:
        engine, payload = Engine(pool), _payload(folder, rows)
        engine.load(payload, _COLUMNS)
        started = time.perf_counter()
        spec = CubeSpec.from_json(_SPEC)
        cells = engine.cells(payload, spec, _COLUMNS)
        built = Builder().build({"cells": cells, "spec": _SPEC, "min_group": 10})
        building = time.perf_counter() - started
    finally:
        pool.close()
    seconds = _query(keys, built["cube"])
    note = f"{built['cells']:,} cells, one measure; bare = building the cube, wall"
    return f"cube query of {rows:,} rows, zone CPU", seconds, building, note


def _query(keys: Keys, content: bytes) -> float:
    worker, request = Evaluator(), _request(keys, content)
    worker.answer(request)
    best = float("inf")
    for _ in range(_ROUNDS):
        started = time.process_time()
        worker.answer(request)
        best = min(best, time.process_time() - started)
    return best


def _request(keys: Keys, content: bytes) -> dict[str, Any]:
    layout = Layout.from_json(Cube.from_bytes(content).layout(_ID))
    weights = [place % 2 for place in range(len(layout.cells))]
    query = keys.encrypt(layout, weights, agreement=_AGREEMENT, expires=2_000_000_000, pinned=True)
    return {"query": query.body, "context": keys.public, "cube_id": _ID, "cube": content}


def _workers(keys: Keys) -> Iterator[tuple[str, float, float, str]]:
    request = _request(keys, cube_of(1).to_bytes())
    one, two = (_rate(request, workers) for workers in (1, 2))
    note = f"{one:.0f} queries/s of 1 worker, {two:.0f} of 2: {two / one:.2f} times"
    yield "cube query, 2 workers (wall for each)", 1 / two, 1 / one, note
    resident = _resident(keys)
    yield (
        "cube worker with full caches, MB for ms",
        resident / 1e9,
        0.2,
        "bare = 200 MB, what it is to stay below",
    )


def _rate(request: dict[str, Any], workers: int) -> float:
    """Return queries a second of so many workers, each busy all the time."""
    pool = Pool(_TARGET, workers=workers, memory=2 << 30, deadline=30)
    try:
        with ThreadPoolExecutor(2 * workers) as threads:
            list(threads.map(lambda _: pool.call("answer", request), range(4 * workers)))
            started = time.perf_counter()
            list(threads.map(lambda _: pool.call("answer", request), range(_QUERIES)))
            return _QUERIES / (time.perf_counter() - started)
    finally:
        pool.close()


def _resident(keys: Keys) -> int:
    """Return the bytes of memory of a worker that keeps as many operands and keys as it ever does."""
    before = _children()
    pool = Pool(_TARGET, workers=1, memory=2 << 30, deadline=60)
    try:
        for number in range(4):
            cube = cube_of(32, shift=number).to_bytes()
            pool.call("answer", _request(keys, cube))
        single = cube_of(1).to_bytes()
        for _ in range(16):
            pool.call("answer", _request(Keys.create(), single))
        [child] = _children() - before
        status = Path(f"/proc/{child}/status").read_text()
        return 1024 * int(status.partition("VmRSS:")[2].split()[0])
    finally:
        pool.close()


def _children() -> set[str]:
    tasks = Path(f"/proc/{os.getpid()}/task").iterdir()
    return {child for task in tasks for child in (task / "children").read_text().split()}


def _payload(folder: Path, rows: int) -> Payload:
    plain, sealed, name = folder / "plain.parquet", folder / f"{rows}.sealed", f"ds-{rows}"
    duckdb.sql(f"COPY ({_DATA.format(rows=rows)}) TO '{plain}' (FORMAT parquet)")
    with sealed.open("xb") as target:
        seal(io.BytesIO(plain.read_bytes()), target, _KEY, name.encode())
    return Payload(name, 1, str(sealed), _KEY, name.encode())
