"""The database of a service as a source: a copy of its home, or the running service's own."""

import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any, Final, Self

from sqlalchemy import inspect
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import Session

from dataspace.audit.evidence import ANCHORS, ELSEWHERE, read_anchors
from dataspace.audit.kept import read_inputs, read_policy, read_published, read_rotations
from dataspace.audit.source import NOTE_LIMIT, Published, Records, ensure_size, in_order, parse_record
from dataspace.database import Database
from dataspace.errors import NotFound, Unavailable, VerificationError
from dataspace.proof.receipt import AnchorEvidence
from dataspace.proof.record import ENTRY_SIZE, Record
from dataspace.proof.tiles import WIDTH, Tile, join_entries

FILE: Final = "dataspace.db"
_VALUE_LIMIT: Final = 1 << 26  # bytes of one value in a copy: a policy bundle is the largest honest one

_PREFIX: Final = ENTRY_SIZE.to_bytes(2)  # before each entry of a bundle

_HEAD: Final = "SELECT checkpoint FROM ledger_head WHERE id = 1"
_ENTRIES: Final = (
    'SELECT entry, leaf_hash FROM ledger_entry WHERE "index" >= ? AND "index" < ? ORDER BY "index"'
)
_INDEXES: Final = 'SELECT "index" FROM ledger_entry WHERE "index" >= ? AND "index" < ? ORDER BY 1'
_NODES: Final = (
    'SELECT hash FROM ledger_node WHERE level = ? AND "index" >= ? AND "index" < ? ORDER BY "index"'
)
_RECORDS: Final = (
    'SELECT r."index", r.record, r.salts, e.kind, e.time FROM ledger_record r '
    'LEFT JOIN ledger_entry e ON e."index" = r."index" '
    'WHERE r."index" >= ? AND r."index" < ? ORDER BY r."index"'
)


class Home:
    """A copy of a service's home: its log, and the tables beside it, all in one snapshot.

    Nothing in the folder is locked or written. `Home.at` reads the database at
    a URL, in use or not, and `Home.of` one that is open in this process, which
    no other can open.
    """

    def __init__(self, folder: Path | str) -> None:
        folder = Path(folder)
        self._url: str | None = None
        self._folder: Path | None = folder
        self._database: Database | None = None
        self._anchors: Path | None = folder / ANCHORS
        self._stack = ExitStack()
        self._session: Session | None = None
        self._anchored = 0  # bytes of the anchors' file that belong to the snapshot
        self._leaves: tuple[int, list[Any]] = (-1, [])
        self._tables: frozenset[str] | None = None

    @classmethod
    def of(cls, database: Database, anchors: Path | None = None) -> Self:
        """Return the source in an open database; `anchors` is the file of its anchor evidence, if any."""
        source = cls(Path())
        source._folder, source._database, source._anchors = None, database, anchors
        return source

    @classmethod
    def at(cls, url: str, home: Path | str) -> Self:
        """Return the source in the database at `url`; `home` holds the anchor evidence beside it."""
        source = cls(home)
        source._url = url
        return source

    def again(self) -> tuple[Callable[..., "Home"], tuple[str, ...]] | None:
        """Return what opens the snapshot again; an open database stays in its process."""
        if self._folder is None:
            return None
        folder = str(self._folder)
        return (type(self), (folder,)) if self._url is None else (type(self).at, (self._url, folder))

    def __enter__(self) -> Self:
        """Open the snapshot.

        Raises:
            Unavailable: the folder holds no database that can be read.

        """
        # Before the snapshot: what is anchored while it is read may be newer than it.
        self._anchored = self._anchors.stat().st_size if self._anchors and self._anchors.is_file() else 0
        database = self._database or self._open()
        self._session = self._stack.enter_context(database.reading())
        if self._database is None:
            self._distrust(self._session)
        return self

    def __exit__(self, *_: object) -> None:
        self._session = self._tables = None
        self._stack.close()

    def checkpoint(self) -> str:
        """Return the note of the head."""
        rows = self._rows(_HEAD)
        if not rows:
            raise VerificationError("the log has no head")
        note = rows[0][0]
        ensure_size("the checkpoint", len(note), NOTE_LIMIT)
        return str(note)

    def tile(self, tile: Tile) -> bytes:
        """Return a tile, put together from the rows of its entries or hashes."""
        start = tile.number * WIDTH
        if tile.level is None:
            return _bundle(self._entries(start, tile.width, keep=True))
        if tile.level == 0:
            kept, rows = self._leaves
            rows = rows if kept == start and len(rows) == tile.width else self._entries(start, tile.width)
            return _joined([leaf for _, leaf in rows])
        found = self._rows(_NODES, tile.level, start, start + tile.width)
        if len(found) != tile.width:
            raise VerificationError(f"{len(found)} hashes are there, want {tile.width}")
        return _joined([row[0] for row in found])

    def records(self, start: int, end: int) -> Records:
        """Return the records in a range; one whose entry's row calls it another kind or time is an error."""
        return {row[0]: _record(*row[1:]) for row in self._each(_RECORDS, start, end)}

    def anchors(self) -> Iterator[AnchorEvidence]:
        """Return the anchor evidence beside the database."""
        return iter(()) if self._anchors is None else read_anchors(self._anchors, self._anchored)

    def published(self) -> Iterator[Published]:
        """Return the rows of `ledger_checkpoint` with those of their cosignatures and time tokens."""
        self._ensure("ledger_checkpoint", "ledger_cosignature", "ledger_timestamp")
        return in_order(read_published(self._each))

    def rotations(self) -> list[str]:
        """Return the statements in `ledger_key` that rotate the key of the log."""
        self._ensure("ledger_key")
        return read_rotations(self._each)

    def policy(self, digest: str) -> bytes | None:
        """Return the bundle in `policy_bundle`."""
        self._ensure("policy_bundle")
        return read_policy(self._each, digest)

    def decision_inputs(self, start: int, end: int) -> Mapping[int, str]:
        """Return the inputs in `policy_input` that records in a range name."""
        self._ensure("policy_input", "ledger_record")
        return read_inputs(self._each, start, end, postgres=self._postgres())

    def database(self) -> Session:
        """Return the session of the snapshot."""
        if self._session is None:
            raise Unavailable("the source is not open")
        return self._session

    def _open(self) -> Database:
        if self._url is not None:
            database = Database(self._url, readonly=True)
            self._stack.callback(database.close)
            return database
        path = (self._folder or Path()) / FILE
        if not path.is_file():
            raise Unavailable(f"{self._folder} holds no {FILE}; {ELSEWHERE}")
        database = Database(f"sqlite:///{path}", readonly=True)
        self._stack.callback(database.close)
        return database

    def _distrust(self, session: Session) -> None:
        """Read a copy as what it may be: hostile. No value without bound, no text that breaks its reader."""
        try:
            driver: Any = session.connection().connection.driver_connection
        except SQLAlchemyError as error:
            raise Unavailable(f"{FILE} cannot be opened as a database") from error
        if not isinstance(driver, sqlite3.Connection):
            return
        driver.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _VALUE_LIMIT)
        driver.text_factory = lambda data: data.decode(errors="surrogateescape")

    def _entries(self, start: int, width: int, *, keep: bool = False) -> list[Any]:
        rows = self._rows(_ENTRIES, start, start + width)
        if len(rows) != width:
            found = {row[0] for row in self._rows(_INDEXES, start, start + width)}
            first = next(index for index in range(start, start + width) if index not in found)
            raise VerificationError(f"entry {first} is missing, {width - len(rows)} in all")
        if keep:
            self._leaves = (start, rows)
        return rows

    def _ensure(self, *tables: str) -> None:
        """Raise NotFound for a table that is not there; that it should be is told of the database's state."""
        if self._tables is None:
            try:
                self._tables = frozenset(inspect(self.database().connection()).get_table_names())
            except SQLAlchemyError as error:
                raise Unavailable("the database cannot be read") from error
        missing = sorted(set(tables) - self._tables)
        if missing:
            raise NotFound(f"the database has no table {missing[0]}: it is of an older program, or was cut")

    def _postgres(self) -> bool:
        return self.database().get_bind().dialect.name == "postgresql"

    def _rows(self, query: str, *values: int) -> list[Any]:
        with self._cursor(query, values) as cursor:
            return list(cursor.fetchall())

    def _each(self, query: str, *values: int | str) -> Iterator[Any]:
        """Yield rows one by one: a page of the largest would not fit into memory."""
        with self._cursor(query, values) as cursor:
            yield from cursor

    @contextmanager
    def _cursor(self, query: str, values: tuple[int | str, ...]) -> Iterator[Any]:
        """Return the driver's own cursor: rows of SQLAlchemy would take as long as the hashes."""
        try:
            connection = self.database().connection()
        except SQLAlchemyError as error:
            raise Unavailable("the database cannot be read") from error
        driver: Any = connection.dialect.dbapi
        marks = query if connection.dialect.name == "sqlite" else query.replace("?", "%s")
        try:
            with closing(connection.connection.cursor()) as cursor:
                cursor.execute(marks, values)
                yield cursor
        except driver.Error as error:
            raise Unavailable("the database cannot be read") from error


def _bundle(rows: list[Any]) -> bytes:
    """Return entries as a bundle: at once when all have the length of leaf v1."""
    entries = [entry for entry, _ in rows]
    if not all(isinstance(entry, bytes) for entry in entries):
        raise VerificationError("a value that is not bytes")
    if {len(entry) for entry in entries} == {ENTRY_SIZE}:
        return _PREFIX + _joined(entries, _PREFIX)
    return join_entries(entries)


def _joined(parts: list[Any], separator: bytes = b"") -> bytes:
    try:
        return separator.join(parts)
    except TypeError as error:
        raise VerificationError("a value that is not bytes") from error


def _record(content: Any, salts: Any, kind: Any, time: Any) -> Record | VerificationError:
    if not isinstance(content, str) or not isinstance(salts, bytes):
        return VerificationError("malformed record: its row holds values of wrong types")
    record = parse_record(content, salts)
    if isinstance(record, VerificationError):
        return record
    if (record.fields.get("kind"), record.fields.get("time")) != (kind, time):
        return VerificationError(f"its row says {kind} at {time}, its record says otherwise")
    return record
