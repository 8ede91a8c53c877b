"""Files of evidence, read within bounds: regular files only, lines of a bounded length, any range of them."""

import io
import os
import re
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, Generic, TypeVar

from dataspace.audit.source import ensure_size
from dataspace.errors import Unavailable, VerificationError

T = TypeVar("T")

_NEAR: Final = 1 << 16  # bytes: what is closer is read through, not searched


def open_file(path: str | Path) -> io.FileIO:
    """Open a regular file: a device or a pipe in its place could be read, or waited for, for ever.

    Raises:
        VerificationError: it is missing.
        Unavailable: it cannot be read.

    """
    try:
        file = io.FileIO(path, opener=_opener)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise VerificationError("it is missing") from error
    except OSError as error:
        raise Unavailable(f"{Path(path).name} cannot be read: {error.strerror}") from error
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise Unavailable(f"{Path(path).name} is not a regular file")
    return file


def read_file(path: str | Path, name: str, limit: int) -> bytes:
    """Return the content of a regular file of at most `limit` bytes; `name` is what it is called."""
    with open_file(path) as file:
        size = os.fstat(file.fileno()).st_size
        ensure_size(name, size, limit)
        return file.read(size)


def read_lines(path: Path, limit: int, start: int = 0) -> Iterator[bytes]:
    """Return the lines of a file from byte `start` on, each of at most `limit` bytes."""
    with io.BufferedReader(open_file(path)) as file:
        file.seek(start)
        while line := file.readline(limit + 1):
            ensure_size(f"a line of {path.name}", len(line), limit)
            yield line


class Ascending(Generic[T]):
    """A file of lines that each name an index, smaller first: read through once, or from any index on.

    `read` returns the index and the value of a line, or raises
    VerificationError; `index` matches the beginning of a line and gives its
    index, for finding a place in the file.
    """

    def __init__(
        self, path: Path, limit: int, index: re.Pattern[bytes], read: Callable[[bytes], tuple[int, T]]
    ) -> None:
        self._path, self._limit, self._index, self._read = path, limit, index, read
        self._items: Iterator[tuple[int, T]] | None = None
        self._next: tuple[int, T] | None = None
        self._end = 0  # the index up to which the file was taken

    def take(self, start: int, end: int) -> Iterator[tuple[int, T]]:
        """Return what the lines from `start` to before `end` hold.

        Raises:
            VerificationError: the file is missing, a line cannot be read, or comes after a later one.

        """
        if self._items is None or start != self._end:
            self._items = self._walk(0 if start == 0 else self._find(start))
            self._next = next(self._items, None)
        self._end = end
        while self._next is not None and self._next[0] < end:
            index, value = self._next
            self._next = next(self._items, None)
            if index >= start:
                yield index, value

    def close(self) -> None:
        """Let the file go."""
        self._items = self._next = None

    def _walk(self, start: int) -> Iterator[tuple[int, T]]:
        last, at = -1, start
        for number, line in enumerate(read_lines(self._path, self._limit, start), start=1):
            try:
                index, value = self._following(line, last)
            except VerificationError as error:
                place = f"byte {at}" if start else f"line {number}"
                raise VerificationError(f"{self._path.name} {place}: {error}") from error
            last, at = index, at + len(line)
            yield index, value

    def _following(self, line: bytes, last: int) -> tuple[int, T]:
        index, value = self._read(line)
        if index <= last:
            raise VerificationError(f"entry {index} comes after entry {last}")
        return index, value

    def _find(self, index: int) -> int:
        """Return the place of a line not after that of `index`: near to it, if the file is right."""
        low, high = 0, self._path.stat().st_size if self._path.is_file() else 0
        with io.BufferedReader(open_file(self._path)) as file:
            while high - low > _NEAR:
                middle = (low + high) // 2
                file.seek(middle)
                begin = middle + len(file.readline(self._limit + 1))
                found = self._index.match(file.readline(self._limit + 1))
                if found is not None and int(found[1]) <= index:
                    low = begin
                else:
                    high = middle
        return low


def _opener(path: str, flags: int) -> int:
    # Or opening a pipe would wait for somebody to write to it.
    return os.open(path, flags | os.O_NONBLOCK)
