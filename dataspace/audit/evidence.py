"""A folder of evidence: the log as files, readable without this program.

checkpoint              the newest signed note (C2SP tlog-checkpoint)
tile/<level>/...        hashes and entries (C2SP tlog-tiles)
records.jsonl           {"index": 0, "record": {...}, "salts": "<base64>"}, ascending; no line for erased ones
anchors.jsonl           the anchor evidence, a line each
policies/<digest>       every policy bundle that decided
inputs.jsonl            {"digest": "...", "input": "<what was decided on, verbatim>"}
"""

import io
import os
import re
import stat
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Final, Self

from sqlmodel import Session

from dataspace.audit.source import (
    LINE_LIMIT,
    NOTE_LIMIT,
    Records,
    decode,
    ensure_size,
    record_from_json,
    tile_limit,
)
from dataspace.errors import NotFound, Unavailable, VerificationError
from dataspace.proof.canonical import parse
from dataspace.proof.receipt import AnchorEvidence
from dataspace.proof.record import Record
from dataspace.proof.tiles import Tile

CHECKPOINT: Final = "checkpoint"
RECORDS: Final = "records.jsonl"
ANCHORS: Final = "anchors.jsonl"
POLICIES: Final = "policies"
INPUTS: Final = "inputs.jsonl"
README: Final = "README.md"
ELSEWHERE: Final = (
    "a space on PostgreSQL is audited by the service's URL, or exported with DATASPACE_DATABASE set"
)

_INDEX: Final = re.compile(rb'\{"index":(0|[1-9][0-9]{0,18}),')

_Held = tuple[int, Record | VerificationError]


class Evidence:
    """An exported folder, as a source."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lines: Generator[_Held] | None = None
        self._next: _Held | None = None

    def __enter__(self) -> Self:
        """Look whether there is something to read.

        Raises:
            Unavailable: the folder holds no checkpoint.

        """
        if not (self._folder / CHECKPOINT).is_file():
            raise Unavailable(
                f"{self._folder} is no evidence folder and no copy of a home: "
                f"it holds no {CHECKPOINT} and no dataspace.db; {ELSEWHERE}"
            )
        self._lines, self._next = None, None
        return self

    def __exit__(self, *_: object) -> None:
        if self._lines is not None:
            self._lines.close()

    def checkpoint(self) -> str:
        """Return the note in `checkpoint`."""
        data = self._content(CHECKPOINT, NOTE_LIMIT)
        try:
            return data.decode()
        except UnicodeDecodeError as error:
            raise VerificationError("malformed checkpoint: not UTF-8") from error

    def tile(self, tile: Tile) -> bytes:
        """Return the content of the file at the tile's path."""
        return self._content(tile.path(), tile_limit(tile))

    def records(self, start: int, end: int) -> Records:
        """Return the records of `records.jsonl` from `start` on, and what was left over before it."""
        if self._lines is None:
            self._lines = self._read_records()
            self._next = next(self._lines, None)
        held = {}
        while self._next is not None and self._next[0] < end:
            held[self._next[0]] = self._next[1]
            self._next = next(self._lines, None)
        return {index: record for index, record in held.items() if index >= start}

    def anchors(self) -> Iterator[AnchorEvidence]:
        """Return the evidence of `anchors.jsonl`."""
        return read_anchors(self._folder / ANCHORS)

    def database(self) -> Session:
        """Raise NotFound: a folder of evidence has none."""
        raise NotFound("an evidence folder holds no database: audit a copy of the home to compare its tables")

    def _content(self, name: str, limit: int) -> bytes:
        with _open(f"{self._folder}/{name}") as file:
            size = os.fstat(file.fileno()).st_size
            ensure_size(name, size, limit)
            return file.read(size)

    def _read_records(self) -> Generator[_Held]:
        last = -1
        for number, line in enumerate(_read_lines(self._folder / RECORDS), start=1):
            index, record = _read_line(line, number)
            if index <= last:
                raise VerificationError(f"{RECORDS} line {number}: entry {index} comes after entry {last}")
            last = index
            yield index, record


def read_anchors(path: Path, end: int | None = None) -> Iterator[AnchorEvidence]:
    """Return the anchor evidence in a file, which need not be there, up to byte `end`.

    A last line without its end is what a crash left of one: nobody was told of it.

    Raises:
        VerificationError: a line is none.

    """
    if not path.exists():
        return
    at = 0
    for number, line in enumerate(_read_lines(path), start=1):
        at += len(line)
        if not line.endswith(b"\n") or (end is not None and at > end):
            return
        try:
            yield AnchorEvidence.from_json(parse(line, limit=LINE_LIMIT))
        except VerificationError as error:
            raise VerificationError(f"line {number}: {error}") from error


def _open(path: str | Path) -> io.FileIO:
    """Open a regular file: a device or a pipe in its place could be read, or waited for, for ever."""
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


def _opener(path: str, flags: int) -> int:
    # Or opening a pipe would wait for somebody to write to it.
    return os.open(path, flags | os.O_NONBLOCK)


def _read_lines(path: Path) -> Iterator[bytes]:
    with io.BufferedReader(_open(path)) as file:
        while line := file.readline(LINE_LIMIT + 1):
            ensure_size(f"a line of {path.name}", len(line), LINE_LIMIT)
            yield line


def _read_line(line: bytes, number: int) -> _Held:
    """Return the record of a line; of a broken one at least the index, if that can be read."""
    try:
        return record_from_json(decode(line.decode()))
    except (VerificationError, UnicodeDecodeError) as error:
        problem = VerificationError(str(error) if isinstance(error, VerificationError) else "not UTF-8")
        found = _INDEX.match(line)
        if found is None:
            raise VerificationError(f"{RECORDS} line {number}: {problem}") from error
        return int(found[1]), problem
