"""What differs between SQLite and PostgreSQL: how they are opened, locked, guarded and shredded.

SQLite keeps a write-ahead log, syncs every commit, begins writers with
`BEGIN IMMEDIATE` (without it 190 of 400 concurrent appends failed, measured)
and overwrites what is deleted. One process holds the file.
"""

import fcntl
import os
import sqlite3
from pathlib import Path
from typing import Any, Final, Protocol
from urllib.parse import quote

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError

from dataspace.errors import Conflict, Malformed, Unavailable

PATIENCE: Final = 30  # seconds to wait for a lock of the database
_IN_TRANSACTION: Final = 2  # libpq's PQTRANS_INTRANS


class Backend(Protocol):
    """One opened database: its two engines, and the acts that SQLAlchemy has no word for.

    `truncate` and `close` MUST be called by one thread at a time, with no
    transaction open on `connection`.
    """

    @property
    def readers(self) -> Engine:
        """Connections that cannot write; each transaction is one snapshot."""
        ...

    @property
    def writers(self) -> Engine:
        """Connections whose transactions exclude one another from their first statement on SQLite."""
        ...

    def truncate(self, connection: Connection) -> bool:
        """Empty the write-ahead log if nobody reads from it; return whether it is empty."""
        ...

    def in_transaction(self, connection: Connection) -> bool:
        """Return whether the transaction that was begun is still there."""
        ...

    def close(self) -> None:
        """Close every connection that is not in use, and let the file go."""
        ...


def open_backend(url: str, *, readonly: bool = False) -> Backend:
    """Return the database a URL names.

    Raises:
        Malformed: the URL is of another database, or of one in memory.
        Conflict: another process holds the file.
        Unavailable: the file's folder is not there, or not ours to use.

    """
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise Malformed("database setting: not a URL") from error
    if parsed.drivername == "sqlite" and parsed.database not in (None, "", ":memory:"):
        return _Sqlite(Path(str(parsed.database)), readonly=readonly)
    if parsed.drivername == "postgresql+psycopg":
        return _Postgres(parsed)
    raise Malformed("database setting: want sqlite:///<file> or postgresql+psycopg://...")


def append_only(table: str, dialect: str, *, erasable: bool = False) -> list[str]:
    """Return the DDL of triggers that refuse to change rows of `table`; `erasable` rows may be deleted.

    A migration runs it. It stops mistakes and injected SQL, not the owner of
    the file: against them stands the verification of the ledger.
    """
    verbs = ["UPDATE"] if erasable else ["UPDATE", "DELETE"]
    if dialect == "sqlite":
        return [
            f"CREATE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} ON {table} "
            f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
            for verb in verbs
        ]
    function = (
        "CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION USING MESSAGE = TG_TABLE_NAME || ' is append-only'; END $$"
    )
    triggers = [
        f"CREATE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} ON {table} "
        f"FOR EACH {'STATEMENT' if verb == 'TRUNCATE' else 'ROW'} EXECUTE FUNCTION refuse_change()"
        for verb in [*verbs, "TRUNCATE"]
    ]
    return [function, *triggers]


class _Sqlite:
    """A SQLite file under its lock, or a copy of one opened for reading."""

    def __init__(self, path: Path, *, readonly: bool) -> None:
        self._lock = -1 if readonly else _hold(path)
        self.readers = _sqlite_engine(path, ["query_only = ON"], begin="BEGIN", readonly=readonly)
        durable = ["journal_mode = WAL", "synchronous = FULL", "secure_delete = ON"]
        self.writers = _sqlite_engine(path, durable, begin="BEGIN IMMEDIATE", readonly=readonly)

    def truncate(self, connection: Connection) -> bool:
        driver = _driver(connection)
        # Short, so that writers wait no longer than this for readers to finish.
        driver.execute("PRAGMA busy_timeout = 1000")
        try:
            busy: int = driver.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
        finally:
            driver.execute(f"PRAGMA busy_timeout = {PATIENCE * 1000}")
        return busy == 0

    def in_transaction(self, connection: Connection) -> bool:
        return bool(_driver(connection).in_transaction)

    def close(self) -> None:
        self.readers.dispose()
        self.writers.dispose()
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


class _Postgres:
    """A PostgreSQL database; several processes may write, one batch after another."""

    def __init__(self, url: URL) -> None:
        self.writers = create_engine(url, pool_size=1, max_overflow=1, pool_pre_ping=True)
        readers = create_engine(url, pool_size=8, isolation_level="REPEATABLE READ", pool_pre_ping=True)
        event.listen(self.writers, "begin", self._begin)
        self.readers: Engine = readers.execution_options(postgresql_readonly=True)

    @staticmethod
    def _begin(connection: Connection) -> None:
        # The driver begins with the first statement, so that this one begins it too.
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{PATIENCE}s'")

    def truncate(self, connection: Connection) -> bool:
        """Return at once: the log and the dead rows are the operator's to rotate and to vacuum."""
        del connection
        return True

    def in_transaction(self, connection: Connection) -> bool:
        # Not in error either: committing that would roll back without a word.
        status: int = _driver(connection).info.transaction_status
        return status == _IN_TRANSACTION

    def close(self) -> None:
        self.readers.dispose()
        self.writers.dispose()


def _hold(path: Path) -> int:
    """Take the lock beside a SQLite file, and make the file ours alone to read."""
    try:
        lock = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.ftruncate(lock, 0)
        os.write(lock, str(os.getpid()).encode())
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except BlockingIOError as error:
        holder = os.pread(lock, 20, 0).decode(errors="replace")
        os.close(lock)
        raise Conflict(f"the database {path} is in use by process {holder}") from error
    except OSError as error:
        raise Unavailable(f"the database {path} cannot be opened: {error.strerror}") from error
    return lock


def _sqlite_engine(path: Path, pragmas: list[str], *, begin: str, readonly: bool) -> Engine:
    uri = f"file:{quote(str(path))}"
    if readonly:
        # Without a write-ahead log a copy may lie in a folder where none can be made.
        settled = not Path(f"{path}-wal").exists()
        uri, pragmas, begin = uri + ("?immutable=1" if settled else "?mode=ro"), ["query_only = ON"], "BEGIN"

    def connect() -> sqlite3.Connection:
        # Autocommit: transactions begin where this file says. The pool keeps threads apart.
        return sqlite3.connect(uri, uri=True, timeout=PATIENCE, isolation_level=None, check_same_thread=False)

    engine = create_engine(f"sqlite:///{path}", creator=connect, pool_size=8, max_overflow=32)

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, _: object) -> None:
        # Recursive, or REPLACE would delete a row past the triggers of append_only.
        for pragma in ["foreign_keys = ON", "recursive_triggers = ON", "trusted_schema = OFF", *pragmas]:
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        _driver(connection).execute(begin)

    return engine


def _driver(connection: Connection) -> Any:
    return connection.connection.driver_connection
