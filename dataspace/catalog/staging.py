"""Where the bytes of an upload go while they arrive: sealed under a key that only this process holds."""

import errno
import hashlib
import hmac
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from dataspace.catalog.payloads import seal_writer
from dataspace.errors import OutOfSpace, TooLarge, Unavailable, Unprocessable
from dataspace.keys import fresh_key


class Staging:
    """One upload on its way in. `write` and `finish` it, or `discard` it: nothing else removes the file."""

    def __init__(self, folder: Path, limit: int) -> None:
        self._limit = limit
        self._size = 0
        self._sha256 = hashlib.sha256()
        self._key = fresh_key()
        self._context = secrets.token_bytes(16)
        self._path = folder / f"{secrets.token_hex(8)}.staged"
        self._file = self._path.open("xb")
        self._writer = seal_writer(self._file, self._key, self._context)

    def write(self, chunk: bytes) -> None:
        """Take the next bytes.

        Raises:
            TooLarge: the upload passed its limit; it is discarded.
            OutOfSpace: the disk is full; it is discarded.

        """
        self._size += len(chunk)
        if self._size > self._limit:
            self.discard()
            raise TooLarge(f"the upload has more than {self._limit} bytes", limit=self._limit)
        self._sha256.update(chunk)
        with self._room():
            self._writer.write(chunk)

    def finish(self, declared_sha256: str = "") -> None:
        """Close the upload and compare it with the digest its sender declared, if any.

        Raises:
            Unprocessable: it is empty, or another file than was declared; it is discarded.
            OutOfSpace: the disk is full; it is discarded.

        """
        with self._room():
            self._writer.close()
            self._file.close()
        found = self._sha256.hexdigest()
        if declared_sha256 and not hmac.compare_digest(found, declared_sha256.lower()):
            self.discard()
            raise Unprocessable(
                f"the bytes have the SHA-256 {found}, not the declared one: send the file again",
                received=found,
            )
        if not self._size:
            self.discard()
            raise Unprocessable("the upload is empty")

    def source(self) -> dict[str, Any]:
        """Return what the child needs to read the file."""
        return {"source": str(self._path), "source_key": self._key, "source_context": self._context}

    def discard(self) -> None:
        """Remove the file; a second time does nothing."""
        with suppress(OSError):  # what is still to be written would not fit either
            self._file.close()
        self._path.unlink(missing_ok=True)

    @contextmanager
    def _room(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self.discard()
            full = error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
            kind, what = (
                (OutOfSpace, "the disk is full") if full else (Unavailable, "the disk does not write")
            )
            raise kind(f"{what}: the upload was not taken") from error
