"""A folder of evidence: the log as files, readable without this program.

checkpoint              the newest signed note (C2SP tlog-checkpoint)
tile/<level>/...        hashes and entries (C2SP tlog-tiles)
records.jsonl           {"index": 0, "record": {...}, "salts": "<base64>"}, ascending; no line for erased ones
published.jsonl         {"checkpoint": "<note>", "timestamps": [{"authority": "...", "token": "<base64>"}]},
                        the published checkpoints by size: every signature line, every time token
rotations.jsonl         {"statement": "<note>"}, how one key of the log handed over to the next
anchors.jsonl           the anchor evidence, a line each
policies/<digest>       every policy bundle that decided
inputs.jsonl            {"digest": "...", "entry": 4, "input": "<what was decided on, verbatim>"}, ascending
keys.json               the keys that entries adopt; for reading only, nobody checks anything by it

Of `published.jsonl`, `rotations.jsonl` and `inputs.jsonl` one that is not there
is an export of an older program's, and is not checked; `anchors.jsonl` need not be there.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from dataspace.audit.lines import Ascending, read_file, read_lines
from dataspace.audit.source import (
    BUNDLE_LIMIT,
    INPUT_LIMIT,
    LINE_LIMIT,
    NOTE_LIMIT,
    PUBLISHED_LIMIT,
    RANGE_LIMIT,
    ROTATIONS,
    Published,
    Records,
    decode,
    ensure_size,
    in_order,
    record_from_json,
    tile_limit,
)
from dataspace.errors import NotFound, TooLarge, Unavailable, VerificationError
from dataspace.proof.canonical import parse
from dataspace.proof.disclosure import Disclosure
from dataspace.proof.receipt import AnchorEvidence
from dataspace.proof.record import Record
from dataspace.proof.tiles import Tile

if TYPE_CHECKING:
    # A worker process that reads files needs no database library, which takes a second to load.
    from sqlmodel import Session

CHECKPOINT: Final = "checkpoint"
RECORDS: Final = "records.jsonl"
PUBLISHED: Final = "published.jsonl"
ROTATED: Final = "rotations.jsonl"
ANCHORS: Final = "anchors.jsonl"
POLICIES: Final = "policies"
INPUTS: Final = "inputs.jsonl"
KEYS: Final = "keys.json"
README: Final = "README.md"
ELSEWHERE: Final = (
    "a space on PostgreSQL is audited by the service's URL, or exported with DATASPACE_DATABASE set"
)

_INDEX: Final = re.compile(rb'\{"index":(0|[1-9][0-9]{0,18}),')
_ENTRY: Final = re.compile(rb'\{"digest":"[^"]{0,128}","entry":(0|[1-9][0-9]{0,18}),')
_INPUT_LINE: Final = 2 * INPUT_LIMIT + 256  # quoted, an input may take twice its bytes
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")

_Held = Record | Disclosure | VerificationError


class Evidence:
    """An exported folder, as a source."""

    def __init__(self, folder: Path | str) -> None:
        self._folder = folder = Path(folder)
        self._records = Ascending(folder / RECORDS, LINE_LIMIT, _INDEX, _read_record)
        self._inputs = Ascending(folder / INPUTS, _INPUT_LINE, _ENTRY, _read_input)

    def again(self) -> tuple[type["Evidence"], tuple[str]]:
        """Return what opens the folder again."""
        return type(self), (str(self._folder),)

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
        return self

    def __exit__(self, *_: object) -> None:
        self._records.close()
        self._inputs.close()

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
        """Return the records of `records.jsonl` in a range."""
        return dict(self._records.take(start, end))

    def published(self) -> Iterator[Published]:
        """Return the checkpoints of `published.jsonl`."""
        return in_order(map(_read_published, self._lines(PUBLISHED, PUBLISHED_LIMIT)))

    def rotations(self) -> list[str]:
        """Return the statements of `rotations.jsonl`."""
        found: list[str] = []
        for line in self._lines(ROTATED, NOTE_LIMIT):
            if len(found) == ROTATIONS:
                raise TooLarge(f"{ROTATED}: an audit takes at most {ROTATIONS} rotations")
            found.append(_member(line, "statement"))
        return found

    def anchors(self) -> Iterator[AnchorEvidence]:
        """Return the evidence of `anchors.jsonl`."""
        return read_anchors(self._folder / ANCHORS)

    def policy(self, digest: str) -> bytes | None:
        """Return the bundle in `policies/`."""
        if not (self._folder / POLICIES).is_dir():
            raise NotFound(f"the evidence folder holds no {POLICIES}/")
        if not _DIGEST.fullmatch(digest) or not (self._folder / POLICIES / digest).is_file():
            return None
        return self._content(f"{POLICIES}/{digest}", BUNDLE_LIMIT)

    def decision_inputs(self, start: int, end: int) -> Mapping[int, str]:
        """Return the inputs of `inputs.jsonl` in a range."""
        self._ensure(INPUTS)
        held, size = {}, 0
        for entry, content in self._inputs.take(start, end):
            size += len(content)
            ensure_size(f"the inputs of entries from {start} on", size, RANGE_LIMIT)
            held[entry] = content
        return held

    def database(self) -> "Session":
        """Raise NotFound: a folder of evidence has none."""
        raise NotFound("an evidence folder holds no database: audit a copy of the home to compare its tables")

    def _lines(self, name: str, limit: int) -> Iterator[bytes]:
        self._ensure(name)
        return read_lines(self._folder / name, limit)

    def _ensure(self, name: str) -> None:
        if not (self._folder / name).exists():
            raise NotFound(f"the evidence folder holds no {name}: it was exported by an older program")

    def _content(self, name: str, limit: int) -> bytes:
        return read_file(f"{self._folder}/{name}", name, limit)


def read_anchors(path: Path, end: int | None = None) -> Iterator[AnchorEvidence]:
    """Return the anchor evidence in a file, which need not be there, up to byte `end`.

    A last line without its end is what a crash left of one: nobody was told of it.

    Raises:
        VerificationError: a line is none.

    """
    if not path.exists():
        return
    at = 0
    for number, line in enumerate(read_lines(path, LINE_LIMIT), start=1):
        at += len(line)
        if not line.endswith(b"\n") or (end is not None and at > end):
            return
        try:
            yield AnchorEvidence.from_json(parse(line, limit=LINE_LIMIT))
        except VerificationError as error:
            raise VerificationError(f"line {number}: {error}") from error


def _read_record(line: bytes) -> tuple[int, _Held]:
    """Return the record of a line; of a broken one at least the index, if that can be read."""
    try:
        return record_from_json(decode(_text(line)))
    except VerificationError as error:
        found = _INDEX.match(line)
        if found is None:
            raise
        return int(found[1]), error


def _read_input(line: bytes) -> tuple[int, str]:
    value = parse(line, limit=_INPUT_LINE)
    entry, content = (value.get("entry"), value.get("input")) if isinstance(value, dict) else (None, None)
    if not isinstance(entry, int) or isinstance(entry, bool) or entry < 0 or not isinstance(content, str):
        raise VerificationError("malformed input: want an object with entry, digest and input")
    return entry, content


def _read_published(line: bytes) -> Published:
    return Published.from_json(parse(line, limit=PUBLISHED_LIMIT))


def _member(line: bytes, name: str) -> str:
    value: Any = parse(line, limit=NOTE_LIMIT)
    text = value.get(name) if isinstance(value, dict) else None
    if not isinstance(text, str):
        raise VerificationError(f"malformed line: want an object with {name}")
    return text


def _text(line: bytes) -> str:
    try:
        return line.decode()
    except UnicodeDecodeError as error:
        raise VerificationError("not UTF-8") from error
