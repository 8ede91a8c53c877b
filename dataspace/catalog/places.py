"""Where the files of uploads lie, by name, and who may work on one of them now.

payloads/<upload>.sealed            the payload, later a dataset version's
payloads/<upload>.preview           its first rows, until it is confirmed
staging/<random>.staged             a file that arrives in one request, under a key of this process
staging/<upload>.<offset>.part      a piece of a resumable upload, under the upload's own key
staging/<upload>.whole              the pieces put together, or what was copied from a database
staging/<upload>.lock               held (flock) by who receives or reads the upload
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from dataspace.catalog.models import State, Upload
from dataspace.errors import Conflict

_KINDS: Final = ("sealed", "preview")
_PAUSE: Final = 0.05  # seconds between two looks at a lock that is held
_OURS: Final = "up-*"  # other parts of the service keep files of other names here
_ABANDONED: Final = 7200.0  # seconds after which nobody writes a file any more: an upload's and a reading's


class Places:
    """The folders of one home."""

    def __init__(self, home: Path) -> None:
        self._home = home

    def payload(self, name: str) -> Path:
        """Return where the payload of that name lies."""
        return self._folder("payloads") / name

    def staging(self) -> Path:
        """Return the folder of what is still on its way in."""
        return self._folder("staging")

    def part(self, upload: str, offset: int) -> Path:
        """Return where the piece of an upload lies that begins at `offset`."""
        return self.staging() / f"{upload}.{offset}.part"

    def whole(self, upload: str) -> Path:
        """Return where an upload lies that was put together."""
        return self.staging() / f"{upload}.whole"

    @contextmanager
    def claim(self, upload: str, patience: float = 0.0) -> Iterator[None]:
        """Be the only one, of all threads and processes, to receive or read this upload.

        The kernel gives a claim back when its holder dies. Look at the upload's row only after.

        Raises:
            Conflict: somebody else has it for longer than `patience` seconds.

        """
        until = time.monotonic() + patience
        with (self.staging() / f"{upload}.lock").open("ab") as lock:
            while True:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError as error:
                    if time.monotonic() >= until:
                        raise Conflict("the upload is being received or read: look again later") from error
                    time.sleep(_PAUSE)
            yield

    def forget(self, upload: str, *, payload: bool = True) -> None:
        """Remove the files of an upload: all but its payload when a version has that now."""
        for kind in _KINDS if payload else _KINDS[1:]:
            self.payload(f"{upload}.{kind}").unlink(missing_ok=True)
        self.clear(upload)
        (self.staging() / f"{upload}.lock").unlink(missing_ok=True)

    def clear(self, upload: str) -> None:
        """Remove what arrived of an upload."""
        for path in self.staging().glob(f"{upload}.*"):
            if path.suffix in {".part", ".whole"}:
                path.unlink(missing_ok=True)

    def sweep(self, uploads: list[Upload], versions: list[str], *, alone: bool) -> int:
        """Remove files that no row names; not those of the last two hours, unless we are `alone`."""
        known = set(versions)
        for upload in uploads:
            if upload.state == State.READY:
                known |= {f"{upload.id}.{kind}" for kind in _KINDS}
            known |= {f"{upload.id}.lock", *(self.part(upload.id, offset).name for offset, _ in upload.parts)}
        found = [*self._folder("payloads").glob(_OURS), *self.staging().iterdir()]
        orphans = [path for path in found if path.name not in known and (alone or _is_old(path))]
        for path in orphans:
            path.unlink(missing_ok=True)
        return len(orphans)

    def _folder(self, name: str) -> Path:
        folder = self._home / name
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return folder


def _is_old(path: Path) -> bool:
    try:
        return time.time() - os.stat(path).st_mtime > _ABANDONED  # noqa: PTH116 - no need of a second Path
    except FileNotFoundError:
        return False
