"""How far the log had grown when epsilon was last spent, in a file beside the database.

A database restored from a backup has forgotten what was spent since, and would
draw new noise for the same questions (attack QY-24). What is published and
anchored tells of it, but for the last minute: this file, written before an
answer with noise leaves, tells of that. A log that is shorter than its mark
appends nothing, and so answers nothing. A home that is restored whole is found
out by its anchor, its witnesses and its auditors, which are elsewhere.
"""

import os
import struct
import threading
from pathlib import Path
from typing import Final

from dataspace.errors import OutOfSpace, Unavailable

FILE: Final = "spent.mark"
_SIZE: Final = struct.Struct(">Q")
_LOCK: Final = threading.Lock()


class Mark:
    """The mark of one home; it only rises."""

    def __init__(self, home: Path) -> None:
        self._path = home / FILE

    def read(self) -> int:
        """Return the size that the log had at least; 0 when epsilon was never spent.

        Raises:
            Unavailable: the file is there and is none.

        """
        try:
            return int(_SIZE.unpack(self._path.read_bytes())[0])
        except FileNotFoundError:
            return 0
        except (OSError, struct.error) as error:
            raise Unavailable(f"the file {FILE} beside the database cannot be read") from error

    def reach(self, size: int) -> None:
        """Remember that the log has `size` entries; it is on the disk when this returns.

        Raises:
            OutOfSpace: it cannot be written: the answer must not leave.

        """
        with _LOCK:
            if size <= self.read():
                return
            try:
                # Eight bytes in one sector: the old number or the new one, whatever happens.
                descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
                try:
                    os.pwrite(descriptor, _SIZE.pack(size), 0)
                    os.fsync(descriptor)
                finally:
                    os.close(descriptor)
            except OSError as error:
                raise OutOfSpace(f"the file {FILE} cannot be written, so no noise leaves") from error
