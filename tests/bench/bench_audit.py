"""A full audit, against bare hashlib over the same inputs, and by two processes against one.

The tree alone, from files and from a database, in one process: a million
entries are done before a second one has started. And everything, records and
their meaning included, in one process and in two.
"""

import sqlite3
import tempfile
from contextlib import closing
from functools import partial
from hashlib import sha256
from pathlib import Path

from dataspace.audit.audit import Means, audit
from dataspace.audit.evidence import Evidence
from dataspace.audit.source import Source
from tests.bench.audited import (
    VERIFIER,
    Rows,
    Tiles,
    entries_of,
    records_of,
    write_files,
    write_records,
    write_rows,
)
from tests.bench.timing import Rows as Table
from tests.bench.timing import in_turn

_ENTRIES = 1_000_000
_RECORDS = 200_000
_PART = 10  # of the records one in so many is hashed by the bare loop, whose time is multiplied
_TIMES = 3


def run() -> Table:
    """Yield what was measured, our seconds, those it is compared with, and a note."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        entries = entries_of(_ENTRIES)
        write_files(folder, entries)
        yield from _tree("files", Tiles(folder), entries)
        write_rows(folder, entries)
        yield from _tree("database", Rows(folder), entries)
        ours, bare = in_turn(partial(_audit, Rows(folder)), partial(_bare_rows, folder), rounds=_TIMES)
        note = f"{bare / ours:.0%} of bare = sqlite3 reads the entries and leaves, hashlib as above"
        yield "audit of a tree from database", ours, bare, note
    with tempfile.TemporaryDirectory() as name:
        yield from _everything(Path(name))


def _tree(what: str, source: Source, entries: list[bytes]) -> Table:
    ours, bare = in_turn(partial(_audit, source), partial(_bare_root, entries), rounds=_TIMES)
    note = f"{_ENTRIES / ours:,.0f} entries/s, {bare / ours:.0%} of bare = hashlib over leaves and nodes"
    yield f"audit of a tree of {_ENTRIES} from {what}", ours, bare, note


def _everything(folder: Path) -> Table:
    inputs = write_records(folder, records_of(_RECORDS), _RECORDS // _PART)
    source = Evidence(folder)
    ours, bare = in_turn(partial(_audit, source), partial(_bare_fields, inputs), rounds=_TIMES)
    note = f"{_RECORDS / ours:,.0f} records/s with tree and meaning; bare = hashlib over fields and nodes"
    yield f"audit of {_RECORDS} answered queries, everything", ours, bare * _PART, note
    two, one = in_turn(partial(_audit, source, 2), partial(_audit, source), rounds=_TIMES)
    yield "the same by two processes, against one", two, one, f"{one / two:.2f} times one"


def _audit(source: Source, jobs: int = 1) -> None:
    report = audit(source, str(VERIFIER), means=Means(jobs=jobs))
    if report.exit_code:
        raise RuntimeError(report.verdict)


def _bare_root(entries: list[bytes]) -> bytes:
    return _bare([sha256(b"\x00" + entry).digest() for entry in entries])


def _bare(level: list[bytes]) -> bytes:
    while len(level) > 1:
        odd = level[-1:] if len(level) % 2 else []
        level = [
            sha256(b"\x01" + a + b).digest() for a, b in zip(level[::2], level[1::2], strict=False)
        ] + odd
    return level[0]


def _bare_rows(folder: Path) -> bytes:
    with closing(sqlite3.connect(folder / "dataspace.db")) as database:
        rows = database.execute('SELECT entry, leaf_hash FROM ledger_entry ORDER BY "index"').fetchall()
    return _bare_root([entry for entry, _ in rows])


def _bare_fields(inputs: list[list[bytes]]) -> bytes:
    roots = [_bare([sha256(data).digest() for data in fields]) for fields in inputs]
    return _bare_root([b"\x01" + root for root in roots])
