"""Three changes that nobody should get away with, each in a copy of the home, as a thief with root would."""

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Change:
    """What was changed, and the copy in which."""

    what: str
    home: Path


def changes(home: Path, into: Path) -> Iterator[Change]:
    """Make a copy of `home` for each change, change it, and yield it."""
    for what, change in _CHANGES.items():
        copy = into / change.__name__
        shutil.copytree(home, copy, ignore=shutil.ignore_patterns("payloads", "keys", "*.lock", "chain*"))
        with sqlite3.connect(copy / "dataspace.db") as database:
            _drop_triggers(database)
            change(database)
        database.close()
        yield Change(what, copy)


def record(database: sqlite3.Connection) -> None:
    """Change one byte of the record of the last answered query."""
    index, content = database.execute(
        'SELECT r."index", r.record FROM ledger_record r JOIN ledger_entry e ON e."index" = r."index" '
        "WHERE e.kind = 'query.answered' ORDER BY 1 DESC LIMIT 1"
    ).fetchone()
    changed = content.replace('"units":1', '"units":2', 1)
    database.execute('UPDATE ledger_record SET record = ? WHERE "index" = ?', (changed, index))


def tile(database: sqlite3.Connection) -> None:
    """Change one byte of a leaf tile."""
    (leaf,) = database.execute('SELECT leaf_hash FROM ledger_entry WHERE "index" = 3').fetchone()
    database.execute(
        'UPDATE ledger_entry SET leaf_hash = ? WHERE "index" = 3', (bytes([leaf[0] ^ 1]) + leaf[1:],)
    )


def budget(database: sqlite3.Connection) -> None:
    """Give an agreement a thousand units back."""
    database.execute(
        "UPDATE budget SET units = units + 1000 WHERE agreement = "
        "(SELECT agreement FROM budget ORDER BY agreement LIMIT 1)"
    )


_CHANGES: dict[str, Callable[[sqlite3.Connection], None]] = {
    "one byte of a stored record": record,
    "one byte of a tile": tile,
    "one budget in the database": budget,
}


def _drop_triggers(database: sqlite3.Connection) -> None:
    for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
        database.execute(f'DROP TRIGGER "{name}"')
