"""The evidence of a log's anchors in one file, a line each: sizes only grow, so it is searched by halves.

What is anchored anew, after a chain forgot it, is appended too: of two lines of
one size the later one counts.
"""

import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

from dataspace.errors import Unavailable, VerificationError
from dataspace.proof.canonical import canonical, parse
from dataspace.proof.receipt import AnchorEvidence

LINE_LIMIT: Final = 1 << 20  # bytes of one line
_LOG: Final = logging.getLogger("dataspace.anchors")


class Kept:
    """The file of one log's evidence; one process appends, and any may read.

    Lines of other logs than `origin` are passed over.
    """

    def __init__(self, path: Path, origin: str) -> None:
        self._path, self._begins = path, f"{origin}\n"

    def append(self, evidence: AnchorEvidence) -> None:
        """Add a line, and see it on the disk; what a crash left of another is cut off.

        Raises:
            Unavailable: the file cannot be written.

        """
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
            try:
                _drop_torn_line(descriptor)
                os.write(descriptor, canonical(evidence.to_json()) + b"\n")
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            _sync_folder(self._path.parent)
        except OSError as error:
            raise Unavailable(f"the anchor's evidence cannot be kept: {error.strerror}") from error

    def last(self) -> AnchorEvidence | None:
        """Return the evidence of the last whole line that is any; the others are told in the service's log.

        Raises:
            Unavailable: the file cannot be read.

        """
        try:
            with self._path.open("rb") as file:
                end = file.seek(0, os.SEEK_END)
                file.seek(max(0, end - 2 * LINE_LIMIT))
                lines = file.read().split(b"\n")[:-1]
        except FileNotFoundError:
            return None
        except OSError as error:
            raise Unavailable(f"the anchor's evidence cannot be read: {error.strerror}") from error
        for line in reversed(lines):
            try:
                evidence = _evidence(line)
            except Unavailable as error:
                _LOG.warning("%s: %s", self._path.name, error)
                continue
            if self._is_ours(evidence):
                return evidence
        return None

    def after(self, size: int = 0) -> Iterator[AnchorEvidence]:
        """Yield the evidence of every anchored head larger than `size`, in the order it was made.

        Raises:
            Unavailable: the file cannot be read, or a line is no evidence.

        """
        try:
            file = self._path.open("rb")
        except FileNotFoundError:
            return
        except OSError as error:
            raise Unavailable(f"the anchor's evidence cannot be read: {error.strerror}") from error
        with file:
            file.seek(_first_after(file, size))
            while (line := file.readline(LINE_LIMIT)).endswith(b"\n"):
                evidence = _evidence(line)
                if size_of(evidence) > size and self._is_ours(evidence):
                    yield evidence

    def _is_ours(self, evidence: AnchorEvidence) -> bool:
        return evidence.checkpoint.startswith(self._begins)


def size_of(evidence: AnchorEvidence) -> int:
    """Return the size of the anchored head, as the evidence's facts tell it."""
    size = evidence.facts.get("size")
    return size if isinstance(size, int) else 0


def _first_after(file: BinaryIO, size: int) -> int:
    """Return where the lines of heads larger than `size` begin; before it, all are smaller or equal."""
    low, high = 0, file.seek(0, os.SEEK_END)
    # Every line that begins before `low` is too small; the line at `high`, if any, is not.
    while low < high:
        middle = (low + high) // 2
        start = _line_from(file, middle)
        line = file.readline(LINE_LIMIT) if start < high else b""
        if line.endswith(b"\n") and size_of(_evidence(line)) <= size:
            low = start + len(line)
        elif start >= high:
            high = middle
        else:
            high = start
    return low


def _line_from(file: BinaryIO, position: int) -> int:
    """Go to the first line that begins at `position` or after it; return where that is."""
    if position:
        file.seek(position - 1)
        file.readline(LINE_LIMIT)
    else:
        file.seek(0)
    return file.tell()


def _evidence(line: bytes) -> AnchorEvidence:
    try:
        return AnchorEvidence.from_json(parse(line.rstrip(b"\n"), limit=LINE_LIMIT))
    except VerificationError as error:
        raise Unavailable("the file of the anchor's evidence holds a line that is none") from error


def _drop_torn_line(descriptor: int) -> None:
    """Cut off what a crash left of a line: nobody was told that it is there."""
    size = os.fstat(descriptor).st_size
    start = max(0, size - LINE_LIMIT)
    whole = os.pread(descriptor, LINE_LIMIT, start).rfind(b"\n") + 1
    if whole or not start:
        os.ftruncate(descriptor, start + whole)


def _sync_folder(folder: Path) -> None:
    # A new file's name is on the disk only when its folder is.
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
