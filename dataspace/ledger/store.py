"""The ledger's own statements, on the database driver itself.

Every batch runs each of them once, so what SQLAlchemy adds to a statement
would be a third of a lone entry's time (measured).
"""

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection
from sqlmodel import Session

from dataspace.errors import Unavailable, VerificationError
from dataspace.proof import merkle
from dataspace.proof.tiles import HEIGHT, WIDTH

LOG: Final = "log"  # the role of the key that signs heads


class Head(NamedTuple):
    """The stored head of the log; size and root are believed only as the signed checkpoint says them."""

    size: int
    root: bytes
    checkpoint: str


class StoredEntry(NamedTuple):
    """One entry with its record, as read from the database; the last two are None once erased."""

    number: int
    entry: bytes
    leaf: bytes
    record: str | None
    salts: bytes | None


class StoredKey(NamedTuple):
    """A key of the log, by the entry that adopted it."""

    entry: int
    role: str
    name: str
    vkey: str
    statement: str


_ENTRIES: Final = (
    'SELECT e."index", e.entry, e.leaf_hash, r.record, r.salts FROM ledger_entry e '
    'LEFT JOIN ledger_record r ON r."index" = e."index" '
    'WHERE e."index" >= ? AND e."index" < ? ORDER BY e."index"'
)


class Store:
    """The ledger's rows through one session, in that session's transaction."""

    def __init__(self, session: Session) -> None:
        # An act's session is bound to its connection; to ask it for that takes longer than a statement.
        connection = session.bind if isinstance(session.bind, Connection) else session.connection()
        self._cursor: Any = connection.connection.cursor()
        self._failure: type[Exception] = connection.dialect.loaded_dbapi.Error
        self._postgres = connection.dialect.name == "postgresql"

    @property
    def shared(self) -> bool:
        """Whether other processes may write to this database."""
        return self._postgres

    def head(self, *, lock: bool = False) -> Head | None:
        """Return the head; `lock` keeps other processes from moving it until the transaction ends."""
        wait = " FOR UPDATE" if lock and self._postgres else ""
        row = self._one(f"SELECT size, root, checkpoint FROM ledger_head WHERE id = 1{wait}", ())
        return None if row is None else Head(*row)

    def swap_head(self, old: Head | None, new: Head) -> bool:
        """Put `new` in the place of exactly `old`; return whether that was the head."""
        if old is None:
            self._run("INSERT INTO ledger_head (id, size, root, checkpoint) VALUES (1, ?, ?, ?)", new)
        else:
            swap = "UPDATE ledger_head SET size = ?, root = ?, checkpoint = ? WHERE size = ? AND root = ?"
            self._run(swap, (*new, old.size, old.root))
        return bool(self._cursor.rowcount == 1)

    def insert_entries(self, rows: Sequence[tuple[int, bytes, bytes, str, str]]) -> None:
        """Insert index, entry, leaf hash, kind and time of new entries."""
        self._run_many(
            'INSERT INTO ledger_entry ("index", entry, leaf_hash, kind, time) VALUES (?, ?, ?, ?, ?)', rows
        )

    def insert_records(self, rows: Sequence[tuple[int, str, bytes]]) -> None:
        """Insert index, record and salts of new entries."""
        self._run_many('INSERT INTO ledger_record ("index", record, salts) VALUES (?, ?, ?)', rows)

    def insert_nodes(self, rows: Sequence[tuple[int, int, bytes]]) -> None:
        """Insert level, index and hash of tiles' new hashes."""
        if rows:
            self._run_many('INSERT INTO ledger_node (level, "index", hash) VALUES (?, ?, ?)', rows)

    def delete_record(self, index: int) -> bool:
        """Delete a record and its salts; return whether it was there."""
        self._run('DELETE FROM ledger_record WHERE "index" = ?', (index,))
        return bool(self._cursor.rowcount == 1)

    def entries(self, start: int, end: int) -> list[StoredEntry]:
        """Return the entries from `start` to before `end`."""
        return [StoredEntry(*row) for row in self._all(_ENTRIES, (start, end))]

    def contents(self, start: int, end: int) -> list[bytes]:
        """Return the entries' bytes alone."""
        query = 'SELECT entry FROM ledger_entry WHERE "index" >= ? AND "index" < ? ORDER BY "index"'
        return [row[0] for row in self._all(query, (start, end))]

    def hashes(self, level: int, start: int, end: int) -> list[bytes]:
        """Return hashes `start` to before `end` of a tile level."""
        if level == 0:
            query = 'SELECT leaf_hash FROM ledger_entry WHERE "index" >= ? AND "index" < ? ORDER BY "index"'
            return [row[0] for row in self._all(query, (start, end))]
        query = (
            'SELECT hash FROM ledger_node WHERE level = ? AND "index" >= ? AND "index" < ? ORDER BY "index"'
        )
        return [row[0] for row in self._all(query, (level, start, end))]

    def adopted_keys(self) -> list[StoredKey]:
        """Return the keys that were adopted and rotated to, in the order of their entries."""
        query = 'SELECT "index", role, name, vkey, statement FROM ledger_key ORDER BY "index"'
        return [StoredKey(*row) for row in self._all(query, ())]

    def last(self) -> tuple[int, str] | None:
        """Return index and time of the last entry."""
        row = self._one('SELECT "index", time FROM ledger_entry ORDER BY "index" DESC LIMIT 1', ())
        return None if row is None else (row[0], row[1])

    def nodes(self) -> merkle.Nodes:
        """Return the stored tree; a tile is read once for as long as the result is kept."""
        tiles: dict[tuple[int, int], list[bytes]] = {}

        def node(height: int, index: int) -> bytes:
            level, inner = divmod(height, HEIGHT)
            number, start = divmod(index << inner, WIDTH)
            if (level, number) not in tiles:
                tiles[level, number] = self.hashes(level, number * WIDTH, (number + 1) * WIDTH)
            found = tiles[level, number][start : start + (1 << inner)]
            if len(found) != 1 << inner:
                raise VerificationError(f"the stored tree lacks hashes of tile {number} of level {level}")
            return merkle.root(found)

        return node

    def _run(self, sql: str, values: Sequence[Any]) -> None:
        self._execute(self._cursor.execute, sql, values)

    def _run_many(self, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        self._execute(self._cursor.executemany, sql, rows)

    def _one(self, sql: str, values: Sequence[Any]) -> Any:
        self._run(sql, values)
        return self._cursor.fetchone()

    def _all(self, sql: str, values: Sequence[Any]) -> list[Any]:
        self._run(sql, values)
        return list(self._cursor.fetchall())

    def _execute(self, execute: Callable[[str, Any], Any], sql: str, values: Any) -> None:
        try:
            execute(sql.replace("?", "%s") if self._postgres else sql, values)
        except self._failure as error:
            raise Unavailable("the database did not carry out a statement of the ledger") from error
