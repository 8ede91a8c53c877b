"""What the disk did when a statement failed: no room, or a failure after which no write may be believed.

When fsync fails, the kernel may have dropped the pages that it could not
write, and a second fsync that succeeds says nothing of them: the database
stops writing until somebody has looked (attack CR-08).
"""

import sqlite3
from collections.abc import Iterator
from enum import Enum
from typing import Final

# https://www.sqlite.org/rescode.html: the extended codes of what failed below SQLite.
_LOST: Final = {
    sqlite3.SQLITE_IOERR_FSYNC,
    sqlite3.SQLITE_IOERR_DIR_FSYNC,
    sqlite3.SQLITE_IOERR_SHORT_READ,
    sqlite3.SQLITE_IOERR_READ,
}
_DAMAGED: Final = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_PRIMARY: Final = 0xFF
_DISK_FULL: Final = "53100"  # PostgreSQL, appendix A of its manual


class Fault(Enum):
    """What is wrong below the database."""

    FULL = "the disk is full: nothing was done"
    LOST = (
        "the disk failed: check it, restore a backup if the audit finds damage, and start the service again"
    )
    DAMAGED = "the database file is damaged: restore a backup, or audit a copy to see what is left"


def fault_of(error: BaseException | None) -> Fault | None:
    """Return what the disk had to do with an error, by the driver's error behind it; None: nothing."""
    for cause in _causes(error):
        code = getattr(cause, "sqlite_errorcode", None)
        if code == sqlite3.SQLITE_FULL or getattr(cause, "sqlstate", None) == _DISK_FULL:
            return Fault.FULL
        if code in _LOST:
            return Fault.LOST
        if code is not None and code & _PRIMARY in _DAMAGED:
            return Fault.DAMAGED
    return None


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = getattr(error, "orig", None) or error.__cause__ or error.__context__
