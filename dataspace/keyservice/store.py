"""What a key service remembers: manifests, what was spent, jobs with answers, nonces, the platform's keys.

One SQLite file. Manifests and answers lie in it sealed; nothing here opens them.
"""

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dataspace.errors import Conflict, Malformed, NotFound, Refused, Unavailable

FAILURES: Final = 3  # results of other plans than they were said to be, after which a dataset is locked

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS dataset (
    container TEXT PRIMARY KEY, head BLOB NOT NULL, epsilon INTEGER NOT NULL,
    spent INTEGER NOT NULL DEFAULT 0, failures INTEGER NOT NULL DEFAULT 0) STRICT;
CREATE TABLE IF NOT EXISTS job (
    id TEXT PRIMARY KEY, container TEXT NOT NULL REFERENCES dataset, plan_sha256 TEXT NOT NULL,
    result_sha256 TEXT NOT NULL, epsilon INTEGER NOT NULL, answer BLOB) STRICT;
CREATE TABLE IF NOT EXISTS platform (place INTEGER PRIMARY KEY, vkey TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS nonce (nonce TEXT PRIMARY KEY, expires INTEGER NOT NULL) STRICT;
"""


@dataclass(frozen=True)
class Job:
    """A result that is to be opened once; `epsilon` is in millionths."""

    id: str
    container: str
    plan_sha256: str
    result_sha256: str
    epsilon: int


class Store:
    """The database of one key service; safe to use from several threads."""

    def __init__(self, path: Path) -> None:
        try:
            self._connection = sqlite3.connect(
                path, isolation_level=None, check_same_thread=False, timeout=10
            )
            for pragma in (
                "journal_mode = WAL",
                "synchronous = FULL",
                "foreign_keys = ON",
                "secure_delete = ON",
            ):
                self._connection.execute(f"PRAGMA {pragma}")
            self._connection.executescript(_SCHEMA)
        except sqlite3.Error as error:
            raise Unavailable("the key service's database does not open") from error
        self._lock = threading.Lock()

    def close(self) -> None:
        """Close the database."""
        self._connection.close()

    def follow(self, keys: Sequence[str]) -> None:
        """Remember the keys that the platform's log had and has, the pinned one first.

        Raises:
            Refused: those that are remembered are not among them, or are others.

        """
        with self._writing() as act:
            known = [key for (key,) in act.execute("SELECT vkey FROM platform ORDER BY place")]
            if known != list(keys[: len(known)]):
                raise Refused("the platform's log has a later key than the request says, or another")
            act.executemany("INSERT INTO platform VALUES (?, ?)", list(enumerate(keys))[len(known) :])

    def use(self, nonce: str, expires: int, now: int) -> None:
        """Use a nonce up.

        Raises:
            Conflict: it was used.

        """
        with self._writing() as act:
            act.execute("DELETE FROM nonce WHERE expires < ?", (now,))
            if not act.execute("INSERT OR IGNORE INTO nonce VALUES (?, ?)", (nonce, expires)).rowcount:
                raise Conflict("this request came before: make a new one")

    def keep(self, container: str, head: bytes, epsilon: int) -> None:
        """Keep a dataset's head; one that is there stays, with what was spent of it."""
        with self._writing() as act:
            act.execute(
                "INSERT OR IGNORE INTO dataset (container, head, epsilon) VALUES (?, ?, ?)",
                (container, head, epsilon),
            )

    def forget(self, container: str) -> None:
        """Forget a dataset's head and the answers of its jobs, for good.

        What was spent of it stays, and it cannot be kept again: a platform that had
        it forgotten would else have its whole epsilon anew.
        """
        with self._writing() as act:
            act.execute(
                "INSERT OR IGNORE INTO dataset (container, head, epsilon) VALUES (?, x'', 0)", (container,)
            )
            act.execute("UPDATE dataset SET head = x'' WHERE container = ?", (container,))
            act.execute("UPDATE job SET answer = NULL WHERE container = ?", (container,))
        with self._lock:
            # The log of the database has the head too.
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def head(self, container: str) -> bytes:
        """Return the beginning of a dataset's container.

        Raises:
            NotFound: its manifest was not sent yet.
            Refused: it was forgotten.

        """
        with self._writing() as act:
            row = act.execute("SELECT head FROM dataset WHERE container = ?", (container,)).fetchone()
        if row is None:
            raise NotFound("the key service does not have this dataset's manifest")
        if not row[0]:
            raise Refused("the dataset was withdrawn: the key service has forgotten it")
        head: bytes = row[0]
        return head

    def begin(self, job: Job) -> bytes | None:
        """Begin a job, and spend its epsilon; return its answer if it has one already.

        What began and was never answered, since the service died, begins again at no further cost.

        Raises:
            Conflict: a job of this id is of another plan or result.
            Refused: the dataset is locked, or so much epsilon is not left.

        """
        with self._writing() as act:
            query = "SELECT container, plan_sha256, result_sha256, epsilon, answer FROM job WHERE id = ?"
            if row := act.execute(query, (job.id,)).fetchone():
                if row[:4] != (job.container, job.plan_sha256, job.result_sha256, job.epsilon):
                    raise Conflict("a job of this id was opened for another plan or result")
                answer: bytes | None = row[4]
                return answer
            self._spend(act, job)
            values = (job.id, job.container, job.plan_sha256, job.result_sha256, job.epsilon)
            act.execute("INSERT INTO job VALUES (?, ?, ?, ?, ?, NULL)", values)
            return None

    def finish(self, job: Job, answer: bytes) -> bytes:
        """Keep a job's answer, and return the one that is kept: from now on it is the only one.

        Raises:
            Conflict: the job was given back, by another process of this home.

        """
        with self._writing() as act:
            act.execute("UPDATE job SET answer = ? WHERE id = ? AND answer IS NULL", (answer, job.id))
            row = act.execute("SELECT answer FROM job WHERE id = ?", (job.id,)).fetchone()
            if row is None:
                raise Conflict("this job was given back: ask again")
            kept: bytes = row[0]
            return kept

    def abandon(self, job: Job, *, forged: bool) -> None:
        """Give back what a job spent whose result was not opened; `forged` counts against the dataset."""
        with self._writing() as act:
            # Given back once, whoever else tried the same job: nothing that was told is unspent by it.
            given = act.execute("DELETE FROM job WHERE id = ? AND answer IS NULL", (job.id,)).rowcount
            act.execute(
                "UPDATE dataset SET spent = spent - ?, failures = failures + ? WHERE container = ?",
                (job.epsilon * given, int(forged), job.container),
            )

    def unlock(self, container: str) -> None:
        """Forget the failures of a dataset.

        Raises:
            NotFound: there is none.

        """
        with self._writing() as act:
            if not act.execute("UPDATE dataset SET failures = 0 WHERE container = ?", (container,)).rowcount:
                raise NotFound("the key service does not have this dataset's manifest")

    def _spend(self, act: sqlite3.Connection, job: Job) -> None:
        row = act.execute(
            "SELECT epsilon - spent, failures FROM dataset WHERE container = ?", (job.container,)
        ).fetchone()
        if row is None:
            raise NotFound("the key service does not have this dataset's manifest")
        if row[1] >= FAILURES:
            raise Refused("the dataset is locked: results were not what they were said to be")
        if row[0] < job.epsilon:
            raise Refused(
                f"the dataset has {row[0]} millionths of epsilon left, want {job.epsilon}", left=row[0]
            )
        act.execute("UPDATE dataset SET spent = spent + ? WHERE container = ?", (job.epsilon, job.container))

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """Hold one transaction, committed at the end and rolled back at an error."""
        with self._lock:
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                try:
                    yield self._connection
                    self._connection.execute("COMMIT")
                except BaseException:
                    self._connection.execute("ROLLBACK")
                    raise
            except sqlite3.OperationalError as error:
                raise Unavailable("the key service's database does not answer") from error
            except sqlite3.DatabaseError as error:
                raise Malformed("the key service's database refuses it") from error
