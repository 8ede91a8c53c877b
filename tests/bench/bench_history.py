"""What it costs to judge an exact aggregate by the history of its dataset, beside the same answer unjudged.

Judged and bare go through the same engine and worker. A worker that has the
history is told one answer more each time; the last line is one that has none
of it, and is told everything.
"""

import io
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

import duckdb

from dataspace.catalog.models import Form
from dataspace.catalog.payloads import seal
from dataspace.sandbox import Pool
from dataspace.table import Column, Type
from dataspace.transfer.duck.past import Entry, Head, Past
from dataspace.transfer.engine import WORKER, Engine, Payload
from dataspace.transfer.sql.query import parse, resolve
from tests.bench.timing import Rows, in_turn

_KEY: Final = bytes(32)
_LENGTHS: Final = {100_000: (0, 1, 100, 1000), 1_000_000: (0, 1, 100)}  # by rows
_DATA: Final = """
    SELECT i AS id, 'city ' || (hash(i * 7) % 6) AS city, CAST(hash(i) % 80 AS BIGINT) AS age,
           CAST(hash(i * 11) % 1000 AS BIGINT) AS score
    FROM range({rows}) r(i)
"""
_COLUMNS: Final = (
    Column("id", Type.INTEGER, subject=True),
    Column("city", Type.TEXT),
    Column("age", Type.INTEGER),
    Column("score", Type.INTEGER, aggregable=True),
)
_GROUP: Final = "SELECT city, COUNT(*) AS n, SUM(score) AS total FROM data GROUP BY city"


def run() -> Rows:
    """Yield what was measured, seconds judged, seconds unjudged, and a note."""
    for rows, lengths in _LENGTHS.items():
        with tempfile.TemporaryDirectory() as folder:
            payload = _prepared(Path(folder), rows)
            pool = Pool(WORKER, workers=1, memory=4 << 30, deadline=120)
            try:
                engine = Engine(pool)
                engine.load(payload, _COLUMNS)
                for length in lengths:
                    yield from _measured(engine, payload, length, rows)
            finally:
                pool.close()


class _History:
    """Answers given, in the order they were: what the database keeps for a service."""

    def __init__(self, engine: Engine, payload: Payload) -> None:
        self._engine, self._payload = engine, payload
        self.entries: list[Entry] = []

    def ask(self, text: str, *, kept: bool = True) -> bool:
        """Ask for an exact aggregate; return whether it may be answered, and is in the history then."""
        plan = resolve(parse(text), _COLUMNS, Form.AGGREGATE)
        made = self._engine.aggregate(self._payload, plan, min_group=10, past=self._past())
        judged = made.judged
        if kept and judged["content"]:
            self.entries.append((self._mark(len(self.entries) + 1), judged["content"]))
        return not (judged["isolates"] or judged["unchecked"])

    def _past(self) -> Past:
        count = len(self.entries)
        head = Head(count, self._mark(count) if count else b"")
        return Past(
            head, self._mark(count + 1), (), (), self._after, lambda at: self._mark(at) if at else b""
        )

    def _after(self, sequence: int) -> list[Entry]:
        return self.entries[sequence : sequence + 32]

    def _mark(self, sequence: int) -> bytes:
        return sequence.to_bytes(12, "big")


def _measured(engine: Engine, payload: Payload, length: int, rows: int) -> Rows:
    engine.evict(payload.dataset)
    engine.load(payload, _COLUMNS)
    history = _History(engine, payload)
    for number in range(length):
        history.ask(f"SELECT COUNT(*) FROM data WHERE score < {1 + number} AND age < 40")
    note = f"{rows:,} rows, history of {len(history.entries)}; {_GROUP}"
    bare = partial(engine.aggregate, payload, resolve(parse(_GROUP), _COLUMNS, Form.AGGREGATE), min_group=10)
    judged = partial(history.ask, _GROUP, kept=False)
    # Where there is no room for an answer it is refused sooner than judged.
    if not judged():
        raise RuntimeError(f"refused: {note}")
    yield "an exact aggregate, judged", *in_turn(judged, bare), note
    if length in (100, 1000):
        seconds = _seconds(partial(_forgotten, engine, payload, judged))
        yield "... by a worker that must be told the history", seconds, _seconds(bare), note


def _forgotten(engine: Engine, payload: Payload, ask: Callable[[], Any]) -> None:
    engine.evict(payload.dataset)
    ask()


def _seconds(act: Callable[[], Any]) -> float:
    start = time.perf_counter()
    act()
    return time.perf_counter() - start


def _prepared(folder: Path, rows: int) -> Payload:
    plain, path = folder / "plain.parquet", folder / "payload.sealed"
    with duckdb.connect() as connection:
        connection.execute(f"COPY ({_DATA.format(rows=rows)}) TO '{plain}'")
    with path.open("wb") as target:
        seal(io.BytesIO(plain.read_bytes()), target, _KEY, b"bench")
    return Payload("ds-bench", 1, str(path), _KEY, b"bench")
