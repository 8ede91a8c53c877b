"""The database: acts commit in groups, each whole or not at all, and readers see snapshots.

An *act* is a function of a session that inserts facts and stages their ledger
entries. Acts of all threads that wait at the same time share one transaction
and one fsync. A batch goes

 1. begin (`BEGIN IMMEDIATE` on SQLite)
 2. `integrator.open`
 3. each act in a savepoint; one that fails is rolled back alone
 4. `integrator.integrate` with what the acts staged
 5. commit
 6. the results go to their callers

What fails at 1, 2, 4 or 5 fails every act of the batch, and the integrator
reloads what is durable before the next one. One thread at a time writes: the
first of those that wait (`combining`).
"""

import logging
import os
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final, Protocol, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError, SQLAlchemyError, TimeoutError  # noqa: A004 - of the pool of connections
from sqlmodel import Session

from dataspace.database.acts import Act, UndoneError, act_session, position, stage
from dataspace.database.combining import Combiner
from dataspace.database.dialects import PATIENCE, append_only, open_backend
from dataspace.database.faults import Fault, fault_of
from dataspace.errors import Unavailable

__all__ = ["Database", "Integrator", "append_only", "crash_at", "position", "stage"]

T = TypeVar("T")
_LOG = logging.getLogger("dataspace.database")

_PASSED: Final[Counter[str]] = Counter()  # how often each point was passed where a test may want to die

BATCH: Final = 512  # acts of one transaction: bounds how long the first of them waits


class Integrator(Protocol):
    """What takes part in every batch; one thread at a time calls it.

    It MUST keep nothing in memory of a batch whose commit failed: `reload`
    says so, and comes before the next `open`.
    """

    def open(self, session: Session) -> None:
        """Begin a batch, before any act: the place to lock what acts rely on."""
        ...

    def integrate(self, session: Session, staged: list[Any]) -> None:
        """Write what the acts of the batch staged, in order; the commit comes next."""
        ...

    def reload(self) -> None:
        """Forget everything, and read it from the database when it is needed again."""
        ...


class Database:
    """One database of the service: `sqlite:///<file>` or `postgresql+psycopg://...`.

    A process holds a SQLite file alone, by a lock beside it. `readonly` opens
    a copy without lock, for auditors, and refuses every act.

    Raises:
        Malformed: the URL is of another database.
        Conflict: another process holds the file.
        Unavailable: the file cannot be opened.

    """

    def __init__(self, url: str, integrator: Integrator | None = None, *, readonly: bool = False) -> None:
        self._backend = open_backend(url, readonly=readonly)
        self._integrator = integrator
        self._readonly = readonly
        self._closed = False
        self._writer: Combiner[Act[Any]] = Combiner(self._write, BATCH)
        self._writing: int | None = None  # the thread that runs a batch, if any
        self._connection: Connection | None = None
        self._fault: Fault | None = None  # of the disk, after which nothing is written any more

    @property
    def dialect(self) -> str:
        """The name of the database's dialect: `sqlite` or `postgresql`."""
        return self._backend.readers.dialect.name

    def commit(self, act: Callable[[Session], T]) -> T:
        """Run `act` in the next batch and return its result once that is committed.

        `act` runs on any thread; it does not commit, roll back or call
        `commit` again, and keeps no reference to its session.

        Raises:
            Unavailable: the batch did not commit; nothing of it happened.
            OutOfSpace: ... because the disk is full; later acts may commit.
            Conflict: the act broke a constraint of the database.

        Whatever else `act` raises is raised here, after the act was undone.

        """
        if self._readonly:
            raise Unavailable("the database was opened for reading only")
        if self._fault is not None:
            raise Unavailable(self._fault.value)
        waiting = Act(act)
        self._submit(waiting)
        return waiting.outcome()

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """Return a session that reads one snapshot beside the writer, and cannot write.

        Raises:
            Unavailable: the database did not answer, was asked to write, or is closed.

        """
        if self._closed:
            raise Unavailable("the database is closed")
        try:
            with Session(self._backend.readers) as session:
                yield session
        except (DBAPIError, TimeoutError) as error:
            raise Unavailable("the database did not answer") from error

    def shred(self) -> None:
        """Remove deleted rows from the files too, once secrets were deleted.

        On SQLite pages are overwritten at commit (`secure_delete`), and this
        empties the write-ahead log. On PostgreSQL it does nothing: its log and
        its dead rows are the operator's to rotate and to vacuum.

        Raises:
            Unavailable: readers kept old pages in use for too long.

        """
        for _ in range(PATIENCE):
            if self._between(lambda: self._backend.truncate(self._connected())):
                return
        raise Unavailable(f"shredding: readers kept the write-ahead log in use for {PATIENCE} seconds")

    def close(self) -> None:
        """Finish the waiting acts, then let the database go; acts that come later are refused."""
        if not self._closed:
            self._between(self._let_go)

    def _let_go(self) -> None:
        self._closed = True
        self._disconnect()
        self._backend.close()

    def _between(self, job: Callable[[], T]) -> T:
        """Run `job` between two batches, on whichever thread writes then."""
        waiting = Act(lambda _: job(), between=True)
        self._submit(waiting)
        return waiting.outcome()

    def _submit(self, waiting: Act[Any]) -> None:
        if self._writing == threading.get_ident():
            raise RuntimeError("an act must not commit another")
        self._writer.submit(waiting, alone=waiting.between)

    def _write(self, acts: list[Act[Any]]) -> None:
        """Run one batch to its end; every act gets an outcome, whatever happens."""
        self._writing = threading.get_ident()
        try:
            if acts[0].between:
                acts[0].run(None)
            else:
                self._transact(acts)
        except UndoneError:
            pass  # A lone act failed, and its transaction was rolled back.
        except BaseException as error:
            self._stop_after(error)
            for act in acts:
                act.fail(error)
            self._abandon()
            if not isinstance(error, Exception):
                raise
        finally:
            self._writing = None

    def _stop_after(self, error: BaseException) -> None:
        fault = fault_of(error)
        if fault in (Fault.LOST, Fault.DAMAGED):
            _LOG.critical("nothing more is written: %s", fault.value)
            self._fault = fault

    def _transact(self, acts: list[Act[Any]]) -> None:
        connection, staged = self._connected(), list[Any]()
        with connection.begin(), act_session(connection, staged) as session:
            if self._integrator:
                self._integrator.open(session)
            if len(acts) == 1:
                # Nobody else is in its transaction, so a lone act needs no savepoint.
                acts[0].run(session)
                self._expect_transaction(connection)
            else:
                self._run_each(connection, staged, acts)
            if self._integrator:
                self._integrator.integrate(session, staged)
            crash_at("database.before_commit")
        # The commit point: all of the above is durable now.
        crash_at("database.after_commit")

    def _run_each(self, connection: Connection, staged: list[Any], acts: list[Act[Any]]) -> None:
        for act in acts:
            mark = len(staged)
            with suppress(UndoneError), act_session(connection, staged, savepoint=True) as session:
                act.run(session)
                Session.commit(session)
            if act.failed:
                # Of a failed act nothing may reach the ledger.
                del staged[mark:]
            self._expect_transaction(connection)

    def _expect_transaction(self, connection: Connection) -> None:
        # SQLite itself rolls back everything when the disk is full, and what
        # follows would then be written outside of any transaction.
        if not self._backend.in_transaction(connection):
            raise Unavailable("the database gave up the transaction: nothing was done")

    def _connected(self) -> Connection:
        if self._closed:
            raise Unavailable("the database is closed")
        if self._connection is None:
            self._connection = self._backend.writers.connect()
        return self._connection

    def _abandon(self) -> None:
        """Leave nothing in memory that a failed batch may have made: neither connection nor tree."""
        if self._connection is not None:
            with suppress(SQLAlchemyError):
                self._connection.invalidate()
        self._disconnect()
        if self._integrator:
            self._integrator.reload()

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


def crash_at(point: str) -> None:
    """Die like a killed process when `DATASPACE_CRASH_AT` is `<point>[:<n>]`, the n-th time; for tests."""
    wanted, _, count = os.environ.get("DATASPACE_CRASH_AT", "").partition(":")
    if wanted != point:
        return
    _PASSED[point] += 1
    if _PASSED[point] >= int(count or 1):
        os._exit(137)
