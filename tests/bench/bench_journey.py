"""A consumer's journey of four acts (request, verify, query, receipt) against a bare SQLite commit loop.

One journey is four acts of the service, four transactions and three ledger
entries. Bare: as many commits of one insert each, of a row as large as an
entry's record and salts, in a file with the same pragmas.
"""

import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from dataspace.catalog.models import Form
from tests.bench.timing import Rows, in_turn
from tests.simulator import Simulator, people, simulated

_SQL = "SELECT district, COUNT(*) AS n FROM data GROUP BY district"
_ACTS = 4
_COMMITS = 4
_RECORD, _SALTS = "x" * 560, b"s" * 416
_JOURNEYS = 10  # of one round, or of one thread in it


def run() -> Rows:
    """Yield what was measured, our seconds, the bare seconds, and a note."""
    with TemporaryDirectory() as folder, simulated(Path(folder) / "home", query_seconds=60) as space:
        bare = _bare(Path(folder) / "bare.db")
        registered = space.registered(space.provider(), people(1000), subjects=["number"])
        for threads in (1, 16):
            journey = _journey(space, registered.offer)
            ours, theirs = in_turn(
                lambda: _from_all(journey, threads),  # noqa: B023
                lambda: _repeat(lambda: _commit(bare), _COMMITS * _JOURNEYS * threads),  # noqa: B023
                rounds=5,
            )
            journeys = _JOURNEYS * threads
            note = (
                f"{journeys / ours:,.0f} journeys/s, {_ACTS * journeys / ours:,.0f} acts/s from {threads} "
                f"thread{'s' * (threads > 1)}, 2 workers; bare {_COMMITS * journeys / theirs:,.0f} commits/s "
                f"from 1 thread; {_SQL}"
            )
            yield f"a journey of {_ACTS} acts, {threads} at once", ours / journeys, theirs / journeys, note
        bare.close()


def _journey(space: Simulator, offer: str) -> Callable[[], None]:
    consumer, service = space.consumer(), space.service

    def go() -> None:
        negotiation = service.negotiator.request(consumer, offer, "statistics", ())
        service.negotiator.verify(consumer, negotiation.id)
        answer = service.answers.query(consumer, negotiation.agreement or "", _SQL, Form.AGGREGATE)
        service.receipts.receipt(consumer, answer.entry)

    return go


def _from_all(journey: Callable[[], None], threads: int) -> None:
    running = [threading.Thread(target=_repeat, args=(journey, _JOURNEYS)) for _ in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()


def _repeat(act: Callable[[], None], times: int) -> None:
    for _ in range(times):
        act()


def _bare(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None)
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON", "secure_delete = ON"):
        connection.execute(f"PRAGMA {pragma}")
    connection.execute("CREATE TABLE entry (id INTEGER PRIMARY KEY, record TEXT, salts BLOB)")
    return connection


def _commit(connection: sqlite3.Connection) -> None:
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("INSERT INTO entry (record, salts) VALUES (?, ?)", (_RECORD, _SALTS))
    connection.execute("COMMIT")
