"""A log of ten million entries: what a proof and a restart cost, and what an entry takes on disk."""

import os
import random
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlmodel import Session

from dataspace.database import Database
from dataspace.keys.file import FileKeys
from dataspace.ledger.log import Log
from dataspace.ledger.store import Store
from dataspace.proof import merkle
from dataspace.proof.checkpoint import Checkpoint
from dataspace.proof.key import Verifier
from dataspace.proof.record import seal
from tests.bench.timing import Rows, in_turn
from tests.ledger.conftest import ORIGIN, create_tables

ENTRIES = 10_000_000
_CHUNK = 256 * 256  # entries put in at a time: a full tile of level 1
_RECORDS = 50_000  # entries with records, to weigh them
_TIME = "2026-01-01T00:00:00.000000Z"
_FIELDS = {
    "kind": "query.answered", "time": _TIME, "agreement": "ag-0123456789abcdef",
    "dataset": "ds-0123456789abcdef", "version": 1, "form": "rows", "query_sha256": "a" * 64,
    "answer_sha256": "b" * 64, "policy": "c" * 64, "input": "d" * 64, "units": 1, "epsilon": 0, "price": 120,
}  # fmt: skip


def run() -> Rows:
    """Yield what was measured: name, seconds of ours, seconds of the bare thing, note."""
    with TemporaryDirectory() as folder:
        large = _Large(Path(folder))
        yield from large.measured()


class _Large:
    """A log put together row by row, past the service, with a head that its key signed."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "large.db"
        self._keys = FileKeys(folder / "keys")
        self._keys.create("log")
        create_tables(f"sqlite:///{self._path}")
        self._bare = sqlite3.connect(folder / "bare.db", isolation_level=None)
        self._bare.execute("PRAGMA journal_mode = WAL")
        self._bare.execute("CREATE TABLE entry (id INTEGER PRIMARY KEY, leaf BLOB)")
        self._fill()

    def measured(self) -> Rows:
        ours, bare = in_turn(self._restart, self._reopen, rounds=5)
        yield (
            f"ledger: restart with {ENTRIES:,} entries",
            ours,
            bare,
            "to the next entry; bare: open and commit a row",
        )
        tree, whole = self._weights(self._path.stat().st_size)
        log, database = self._open()
        with database.reading() as session:
            size = log.size(session)
            ours, bare = in_turn(
                lambda: self._prove(session, size), lambda: self._read(session), rounds=5, times=200
            )
        weight = f"{tree:.0f} bytes an entry on disk, {whole:,.0f} with its record; C2SP tiles 34"
        yield f"ledger: a proof from {ENTRIES:,} entries", ours, bare, f"bare: reading its leaf; {weight}"
        database.close()

    def _weights(self, size: int) -> tuple[float, float]:
        """Return bytes on disk of an entry without and with its record and salts."""
        connection = sqlite3.connect(self._path)
        page = "SELECT sum(pgsize) FROM dbstat WHERE name = 'ledger_record'"
        try:
            records = connection.execute(page).fetchone()[0]
        except sqlite3.OperationalError:
            # A build without dbstat: what the values alone weigh.
            weigh = "SELECT sum(length(record) + length(salts)) FROM ledger_record"
            records = connection.execute(weigh).fetchone()[0]
        finally:
            connection.close()
        tree = (size - records) / ENTRIES
        return tree, tree + records / _RECORDS

    def _prove(self, session: Session, size: int) -> None:
        index = random.randrange(ENTRIES)
        assert merkle.inclusion_proof(index, size, Store(session).nodes())

    def _read(self, session: Session) -> None:
        query = f'SELECT leaf_hash FROM ledger_entry WHERE "index" = {random.randrange(ENTRIES)}'
        assert session.connection().exec_driver_sql(query).scalar()

    def _restart(self) -> None:
        log, database = self._open()
        database.commit(lambda session: log.append(session, "policy.adopted", digest="a" * 64, revision=1))
        database.close()

    def _reopen(self) -> None:
        self._bare.execute("INSERT INTO entry (leaf) VALUES (?)", (bytes(32),))

    def _open(self) -> tuple[Log, Database]:
        log = Log(ORIGIN, self._keys, clock=lambda: datetime.now(UTC))
        return log, Database(f"sqlite:///{self._path}", log)

    def _fill(self) -> None:
        connection = sqlite3.connect(self._path, isolation_level=None)
        for pragma in ("synchronous = OFF", "journal_mode = OFF", "cache_size = -200000"):
            connection.execute(f"PRAGMA {pragma}")
        edge = merkle.Edge()
        nodes: list[tuple[int, int, bytes]] = []
        connection.execute("BEGIN")
        for start in range(0, ENTRIES, _CHUNK):
            rows = list(_entries(start, min(start + _CHUNK, ENTRIES), connection))
            connection.executemany("INSERT INTO ledger_entry VALUES (?, ?, ?, 'query.answered', ?)", rows)
            for row in rows:
                nodes += [
                    (height // 8, at, node) for height, at, node in edge.append(row[2]) if height % 8 == 0
                ]
        connection.executemany("INSERT INTO ledger_node VALUES (?, ?, ?)", nodes)
        note = Checkpoint(ORIGIN, edge.size, edge.root()).sign(
            Verifier(ORIGIN, self._keys.public_key("log")), lambda text: self._keys.sign("log", text)
        )
        connection.execute("INSERT INTO ledger_head VALUES (1, ?, ?, ?)", (edge.size, edge.root(), note))
        connection.execute("COMMIT")
        connection.close()


def _entries(start: int, end: int, connection: sqlite3.Connection) -> Iterator[tuple[int, bytes, bytes, str]]:
    """Yield rows of entries: random bytes, and for the last ones real records."""
    noise = os.urandom(32 * (end - start))
    for index in range(start, end):
        at = (index - start) * 32
        entry = b"\1" + noise[at : at + 32]
        if index >= ENTRIES - _RECORDS:
            document, salts, entry = seal(_FIELDS)
            connection.execute(
                "INSERT INTO ledger_record VALUES (?, ?, ?)", (index, document.decode(), salts)
            )
        yield index, entry, sha256(b"\0" + entry).digest(), _TIME
