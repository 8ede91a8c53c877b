"""A full audit: the tree from files and from the database, and the records, each against bare hashlib."""

import json
import sqlite3
import tempfile
from contextlib import closing
from functools import partial
from hashlib import sha256
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import create_engine

from dataspace import tables
from dataspace.audit.audit import audit
from dataspace.audit.sources import Evidence, Home, Source
from dataspace.errors import NotFound
from dataspace.proof import merkle
from dataspace.proof.canonical import canonical
from dataspace.proof.checkpoint import Checkpoint
from dataspace.proof.note import Verifier
from dataspace.proof.record import Record, seal
from dataspace.proof.tiles import WIDTH, Tile, join_entries, tiles_at
from tests.bench.timing import Row, Rows, in_turn

_ORIGIN = "example.com/bench"
_ENTRIES = 100_000
_RECORDS = 10_000
_TIMES = 5
_KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))
_VERIFIER = Verifier(_ORIGIN, _KEY.public_key().public_bytes_raw())


class _Tiles(Evidence):
    """A folder of evidence whose records are not shown."""

    def records(self, start: int, end: int) -> dict[int, Record]:  # noqa: ARG002
        raise NotFound("the tree alone")


class _Rows(Home):
    """A database whose records are not shown."""

    def records(self, start: int, end: int) -> dict[int, Record]:  # noqa: ARG002
        raise NotFound("the tree alone")


def run() -> Rows:
    """Yield what was measured, our seconds, the bare seconds, and a note."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        entries = [b"\x01" + sha256(str(index).encode()).digest() for index in range(_ENTRIES)]
        _write_files(folder, entries)
        _write_rows(folder, entries)
        note = f"{_ENTRIES} entries; bare = hashlib over the same leaves and nodes in memory"
        for what, source in (("files", _Tiles(folder)), ("database", _Rows(folder))):
            ours, bare = in_turn(partial(_audit, source), partial(_bare_root, entries), rounds=_TIMES)
            yield (
                f"audit of a tree from {what}",
                ours,
                bare,
                f"{_ENTRIES / ours:,.0f} entries/s, {bare / ours:.0%} of bare; {note}",
            )
        ours, bare = in_turn(partial(_audit, _Rows(folder)), partial(_bare_rows, folder), rounds=_TIMES)
        note = f"{bare / ours:.0%} of bare = sqlite3 reads the entries and leaves, hashlib as above"
        yield "audit of a tree from database", ours, bare, note
    with tempfile.TemporaryDirectory() as name:
        yield _records(Path(name))


def _records(folder: Path) -> Row:
    records = [_record(index) for index in range(_RECORDS)]
    inputs = [_field_inputs(record) for record in records]
    _write_files(folder, [record.entry() for record in records])
    with (folder / "records.jsonl").open("wb") as file:
        for index, record in enumerate(records):
            file.write(canonical({"index": index, **record.to_json()}) + b"\n")
    (folder / "anchors.jsonl").touch()
    ours, bare = in_turn(lambda: _audit(Evidence(folder)), lambda: _bare_fields(inputs), rounds=_TIMES)
    note = (
        f"{_RECORDS / ours:,.0f} records/s with their tree; bare = hashlib over the fields' leaves and nodes"
    )
    return f"audit of {_RECORDS} records, read, checked and replayed", ours, bare, note


def _audit(source: Source) -> None:
    report = audit(source, str(_VERIFIER))
    if report.exit_code:
        raise RuntimeError(report.verdict)


def _bare_root(entries: list[bytes]) -> bytes:
    level = [sha256(b"\x00" + entry).digest() for entry in entries]
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


def _bare_fields(inputs: list[list[bytes]]) -> list[bytes]:
    roots = []
    for fields in inputs:
        level = [sha256(data).digest() for data in fields]
        while len(level) > 1:
            odd = level[-1:] if len(level) % 2 else []
            level = [
                sha256(b"\x01" + a + b).digest() for a, b in zip(level[::2], level[1::2], strict=False)
            ] + odd
        roots.append(level[0])
    return roots


def _record(index: int) -> Record:
    fields = {
        "kind": "policy.adopted",
        "time": "2026-03-01T08:00:00.000000Z",
        "revision": "1",
        "digest": sha256(str(index).encode()).hexdigest(),
    }
    if index == 0:
        fields = {"kind": "log.created", "time": fields["time"], "origin": _ORIGIN, "vkey": str(_VERIFIER)}
    return Record(fields, seal(fields)[1])


def _field_inputs(record: Record) -> list[bytes]:
    names = sorted(record.fields)
    salts = [record.salts[at : at + 32] for at in range(0, len(record.salts), 32)]
    return [
        b"\x00" + salt + json.dumps([name, record.fields[name]], separators=(",", ":")).encode()
        for name, salt in zip(names, salts, strict=True)
    ]


def _levels(entries: list[bytes]) -> list[list[bytes]]:
    levels = [[merkle.leaf_hash(entry) for entry in entries]]
    while len(levels[-1]) >= WIDTH:
        below = levels[-1]
        levels.append([merkle.root(below[at : at + WIDTH]) for at in range(0, len(below) - WIDTH + 1, WIDTH)])
    return levels


def _write_files(folder: Path, entries: list[bytes]) -> None:
    levels = _levels(entries)
    for tile in tiles_at(len(entries)):
        start = tile.number * WIDTH
        content = b"".join(levels[tile.level or 0][start : start + tile.width])
        _write(folder / tile.path(), content)
        if tile.level == 0:
            bundle = Tile(None, tile.number, tile.width)
            _write(folder / bundle.path(), join_entries(entries[start : start + tile.width]))
    _write(folder / "checkpoint", _note(entries).encode())


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def _write_rows(folder: Path, entries: list[bytes]) -> None:
    path, levels = folder / "dataspace.db", _levels(entries)
    engine = create_engine(f"sqlite:///{path}")
    tables.metadata.create_all(engine)
    engine.dispose()
    rows = (
        (index, entry, levels[0][index], "query.answered", "2026-03-01T08:00:00.000000Z")
        for index, entry in enumerate(entries)
    )
    nodes = (
        (level, index, node)
        for level, nodes in enumerate(levels)
        if level
        for index, node in enumerate(nodes)
    )
    head = Checkpoint.parse(_note(entries).split("\n\n")[0] + "\n")
    with closing(sqlite3.connect(path)) as database, database:
        database.executemany("INSERT INTO ledger_entry VALUES (?, ?, ?, ?, ?)", rows)
        database.executemany("INSERT INTO ledger_node VALUES (?, ?, ?)", nodes)
        values = (head.size, head.root, _note(entries))
        database.execute("INSERT INTO ledger_head VALUES (1, ?, ?, ?)", values)


def _note(entries: list[bytes]) -> str:
    head = Checkpoint(_ORIGIN, len(entries), _bare_root(entries))
    return head.sign(_VERIFIER, _KEY.sign)
