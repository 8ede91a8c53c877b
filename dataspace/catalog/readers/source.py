"""The upload as its reader sees it: opened, hashed, and free of gzip, as a stream or as a file in memory."""

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Self

from dataspace.catalog.limits import Limits
from dataspace.catalog.payloads import open_sealed, plain_size
from dataspace.catalog.readers.compressed import gunzip, is_gzip
from dataspace.errors import TooLarge

_HEAD = 1 << 16


class Progress:
    """Tells how much of a stage is done, in percent, each figure once."""

    def __init__(self, report: Callable[[str, int], object]) -> None:
        self._report = report
        self._last = ("", 0)

    def at(self, stage: str, done: int, whole: int) -> None:
        """Say that `done` of `whole` are."""
        now = stage, min(100, 100 * done // max(whole, 1))
        if now != self._last:
            self._last = now
            self._report(*now)


class Source:
    """One sealed upload; a context, for it may hold a file in memory until it ends."""

    def __init__(self, path: str, key: bytes, context: bytes, limits: Limits, progress: Progress) -> None:
        self._path, self._key, self._context = path, key, context
        self._limits = limits
        self.progress = progress
        self.size = 0  # bytes of the upload, once it was read
        self.sha256 = ""  # of the upload, as it came
        self._spooled = -1
        self.expected = plain_size(Path(path))
        start = next(self._opened(), b"")
        self.compression = "gzip" if is_gzip(start) else ""
        self.head = next(self._unpacked(iter((start,)), cut=True), b"")[:_HEAD]

    def chunks(self, stage: str = "") -> Iterator[bytes]:
        """Yield the file's bytes, uncompressed; with `stage` the upload is hashed, and its progress told.

        Raises:
            TooLarge, Unprocessable: it is gzip, and passes a limit or is damaged.
            VerificationError: the sealed upload does not open.

        """
        return self._unpacked(self._hashed(stage) if stage else self._opened())

    def spool(self) -> str:
        """Return a path to the whole file in memory, good until the context ends.

        Raises:
            TooLarge: it is larger than is taken in this way, or as in `chunks`.

        """
        self._spooled = os.memfd_create("upload", os.MFD_CLOEXEC)
        limit, size = self._limits.spool, 0
        with os.fdopen(self._spooled, "wb", closefd=False) as memory:
            for chunk in self.chunks("scanning"):
                size += len(chunk)
                if size > limit:
                    raise TooLarge(f"the file has more than {limit} bytes, as this format may", limit=limit)
                memory.write(chunk)
        return f"/proc/self/fd/{self._spooled}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Give the memory back."""
        with suppress(OSError):
            os.close(self._spooled)
        self._spooled = -1

    def _opened(self) -> Iterator[bytes]:
        return open_sealed(self._path, self._key, self._context)

    def _unpacked(self, chunks: Iterator[bytes], *, cut: bool = False) -> Iterator[bytes]:
        return gunzip(chunks, self._limits, cut=cut) if self.compression else chunks

    def _hashed(self, stage: str) -> Iterator[bytes]:
        digest, size = hashlib.sha256(), 0
        for chunk in self._opened():
            digest.update(chunk)
            size += len(chunk)
            yield chunk
            self.progress.at(stage, size, self.expected)
        self.size, self.sha256 = size, digest.hexdigest()
