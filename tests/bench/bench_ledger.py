"""What an entry costs beside a bare SQLite commit, from one thread and many, and what its evidence costs."""

import sqlite3
import threading
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sqlmodel import Session

from dataspace.database import Database
from dataspace.keys.file import FileKeys
from dataspace.ledger.log import Log
from dataspace.proof.key import Verifier
from dataspace.proof.note import split
from dataspace.proof.verify import verify_receipt
from tests.bench.timing import Rows, in_turn
from tests.ledger.conftest import ORIGIN, create_tables

_ROUNDS = 7
_ENTRIES = 300  # of one round
_WRITERS = (1, 32, 256)  # threads
_SHARE = 1280  # entries of all writers in one round
_FIELDS: dict[str, Any] = {
    "agreement": "ag-0123456789abcdef", "dataset": "ds-0123456789abcdef", "version": 1, "form": "rows",
    "query_sha256": "a" * 64, "answer_sha256": "b" * 64, "policy": "c" * 64, "input": "d" * 64,
    "units": 1, "epsilon": 0, "price": 120,
}  # fmt: skip
_RECORD, _SALTS = "x" * 560, b"s" * 416  # as large as the record and the salts of such an entry


def run() -> Rows:
    """Yield what was measured: name, seconds of ours, seconds of the bare thing, note."""
    with TemporaryDirectory() as folder:
        bench = _Bench(Path(folder))
        try:
            yield from bench.lone()
            yield from bench.writers()
            yield from bench.evidence()
        finally:
            bench.close()


class _Bench:
    """A log, and a bare SQLite file with the same pragmas, on the same disk."""

    def __init__(self, folder: Path) -> None:
        url = f"sqlite:///{folder}/ours.db"
        create_tables(url)
        keys = FileKeys(folder / "keys")
        keys.create("log")
        self._log = Log(ORIGIN, keys, clock=lambda: datetime.now(UTC))
        self._database = Database(url, self._log)
        self._bare = sqlite3.connect(folder / "bare.db", isolation_level=None)
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON", "secure_delete = ON"):
            self._bare.execute(f"PRAGMA {pragma}")
        self._bare.execute("CREATE TABLE entry (id INTEGER PRIMARY KEY, record TEXT, salts BLOB)")

    def close(self) -> None:
        self._database.close()
        self._bare.close()

    def lone(self) -> Rows:
        ours, bare = in_turn(self._append, self._insert, rounds=_ROUNDS, times=_ENTRIES)
        yield (
            "ledger: one entry, committed alone",
            ours,
            bare,
            f"{1 / ours:,.0f}/s, {bare / ours:.0%} of bare: one insert and commit",
        )

    def writers(self) -> Rows:
        for writers in _WRITERS:
            ours, bare = in_turn(partial(self._append_from, writers), self._insert_many, rounds=_ROUNDS)
            note = f"{_SHARE / ours:,.0f}/s; bare: the same inserts, a commit each, from one thread"
            yield f"ledger: an entry of {writers} writers", ours / _SHARE, bare / _SHARE, note

    def evidence(self) -> Rows:
        self._append_many(20_000)
        with self._database.reading() as session:
            size = self._log.size(session)
            query = 'SELECT record FROM ledger_record WHERE "index" = 777'
            ours, bare = in_turn(
                lambda: self._log.receipt(session, 777),
                lambda: session.connection().exec_driver_sql(query).scalar(),
                times=50,
            )
            yield "ledger: a receipt", ours, bare, f"of {size:,} entries; bare: reading the record"
            receipt = self._log.receipt(session, 777)
        data, vkey = receipt.to_bytes(), self._log.vkey()
        text, ((_, _, signature),) = split(receipt.proof.checkpoint)
        key = Ed25519PublicKey.from_public_bytes(Verifier.parse(vkey).public_key)
        assert verify_receipt(data, vkey).ok
        ours, bare = in_turn(
            lambda: verify_receipt(data, vkey), lambda: key.verify(signature, text.encode()), times=200
        )
        yield (
            "ledger: a receipt verified",
            ours,
            bare,
            f"{len(data):,} bytes; bare: its Ed25519 signature alone",
        )

    def _append(self) -> None:
        self._database.commit(lambda session: self._log.append(session, "query.answered", **_FIELDS))

    def _append_many(self, count: int) -> None:
        def act(session: Session) -> None:
            for _ in range(1000):
                self._log.append(session, "query.answered", **_FIELDS)

        for _ in range(count // 1000):
            self._database.commit(act)

    def _append_from(self, writers: int) -> None:
        threads = [
            threading.Thread(target=self._append_some, args=(_SHARE // writers,)) for _ in range(writers)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _append_some(self, count: int) -> None:
        for _ in range(count):
            self._append()

    def _insert(self) -> None:
        self._bare.execute("BEGIN IMMEDIATE")
        self._bare.execute("INSERT INTO entry (record, salts) VALUES (?, ?)", (_RECORD, _SALTS))
        self._bare.execute("COMMIT")

    def _insert_many(self) -> None:
        for _ in range(_SHARE):
            self._insert()
