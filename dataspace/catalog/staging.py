"""Where the bytes of an upload go while they arrive: sealed, and never whole in memory.

`Staging` is a file that comes in one request, under a key that only this
process holds. A `Piece` is a stretch of one that comes in many, under the
upload's own key, so that it opens after a restart.
"""

import errno
import hashlib
import hmac
import logging
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from dataspace.catalog.payloads import seal_writer
from dataspace.errors import OutOfSpace, TooLarge, Unavailable, Unprocessable
from dataspace.keys import fresh_key

_LOG = logging.getLogger("dataspace.catalog")
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


@contextmanager
def disk() -> Iterator[None]:
    """Translate what a disk raises.

    Raises:
        OutOfSpace: it is full.
        Unavailable: it does not write.

    """
    try:
        yield
    except OSError as error:
        full = error.errno in _FULL
        kind, what = (OutOfSpace, "the disk is full") if full else (Unavailable, "the disk does not write")
        raise kind(f"{what}: the upload was not taken") from error


def ensure_declared(found: str, declared: str) -> None:
    """Let an upload pass whose SHA-256 is the declared one; both in hex, nothing declared is empty.

    Raises:
        Unprocessable: it is another.

    """
    if declared and not hmac.compare_digest(found, declared.lower()):
        _LOG.warning("an upload has another SHA-256 than its sender declared: it was removed")
        raise Unprocessable(
            f"the bytes have the SHA-256 {found}, not the declared one: send the file again",
            received=found,
        )


class _Sealing:
    """A file that is written sealed; it is removed by `discard`, and stays after `close`."""

    def __init__(self, path: Path, key: bytes, context: bytes) -> None:
        self.path = path
        with disk():
            self._file: BinaryIO = path.open("wb")
            self._writer = seal_writer(self._file, key, context)

    def write(self, chunk: bytes) -> None:
        self._writer.write(chunk)

    def close(self, *, durable: bool = False) -> None:
        self._writer.close()
        self._file.flush()
        if durable:
            os.fsync(self._file.fileno())
        self._file.close()

    def discard(self) -> None:
        with suppress(OSError):  # what is still to be written would not fit either
            self._file.close()
        self.path.unlink(missing_ok=True)


class Staging:
    """One upload on its way in. `write` and `finish` it, or `discard` it: nothing else removes the file."""

    def __init__(self, folder: Path, limit: int) -> None:
        self._limit = limit
        self._size = 0
        self._sha256 = hashlib.sha256()
        self._key = fresh_key()
        self._context = secrets.token_bytes(16)
        self._sealing = _Sealing(folder / f"{secrets.token_hex(8)}.staged", self._key, self._context)

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
        with self._whole(), disk():
            self._sealing.write(chunk)

    def finish(self, declared_sha256: str = "") -> None:
        """Close the upload and compare it with the digest its sender declared, if any.

        Raises:
            Unprocessable: it is empty, or another file than was declared; it is discarded.
            OutOfSpace: the disk is full; it is discarded.

        """
        with self._whole(), disk():
            self._sealing.close()
        with self._whole():
            ensure_declared(self._sha256.hexdigest(), declared_sha256)
            if not self._size:
                raise Unprocessable("the upload is empty")

    def source(self) -> dict[str, Any]:
        """Return what the child needs to read the file."""
        path = str(self._sealing.path)
        return {"source": path, "source_key": self._key, "source_context": self._context}

    def discard(self) -> None:
        """Remove the file; a second time does nothing."""
        self._sealing.discard()

    @contextmanager
    def _whole(self) -> Iterator[None]:
        try:
            yield
        except BaseException:
            self.discard()
            raise


class Piece:
    """A stretch of a resumable upload: closed, it is durable before anybody names it."""

    def __init__(self, path: Path, key: bytes, context: bytes) -> None:
        self.size = 0
        self._sealing = _Sealing(path, key, context)

    def write(self, chunk: bytes) -> None:
        """Take the next bytes.

        Raises:
            OutOfSpace: the disk is full.

        """
        with disk():
            self._sealing.write(chunk)
        self.size += len(chunk)

    def close(self) -> None:
        """Make what was written durable.

        Raises:
            OutOfSpace: the disk is full.

        """
        with disk():
            self._sealing.close(durable=True)

    def discard(self) -> None:
        """Remove it; a second time does nothing."""
        self._sealing.discard()
