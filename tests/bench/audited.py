"""Logs to be audited: entries of a space in which queries are answered, as files and as a database."""

import json
import sqlite3
from base64 import b64encode
from collections.abc import Iterable, Iterator
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import create_engine

from dataspace import tables
from dataspace.audit.evidence import Evidence
from dataspace.audit.home import Home
from dataspace.errors import NotFound
from dataspace.proof import merkle
from dataspace.proof.checkpoint import Checkpoint
from dataspace.proof.key import Verifier
from dataspace.proof.record import Record, seal
from dataspace.proof.tiles import WIDTH, Tile, join_entries, tiles_at

ORIGIN = "example.com/bench"
_KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))
VERIFIER = Verifier(ORIGIN, _KEY.public_key().public_bytes_raw())
_TIME = "2026-03-01T08:00:{:02d}.{:06d}Z"
_SHA = "ab" * 32
_BY = {"offer": "of-0000000000000001", "provider": "pt-0000000000000001", "consumer": "pt-0000000000000002"}
_ON = {"dataset": "ds-0000000000000001", "agreement": "ag-0000000000000001"}
_DECIDED = {"policy": _SHA, "input": _SHA}
_PLENTY = 1 << 40


class Tiles(Evidence):
    """A folder of evidence whose records are not shown."""

    def records(self, start: int, end: int) -> dict[int, Record]:  # noqa: ARG002
        raise NotFound("the tree alone")


class Rows(Home):
    """A database whose records are not shown."""

    def records(self, start: int, end: int) -> dict[int, Record]:  # noqa: ARG002
        raise NotFound("the tree alone")


def entries_of(count: int) -> list[bytes]:
    """Return entries of leaf v1 that commit to nothing."""
    return [b"\x01" + sha256(str(index).encode()).digest() for index in range(count)]


def records_of(count: int) -> Iterator[dict[str, Any]]:
    """Yield the records of a log in which one agreement answers queries to the end."""
    for index, fields in enumerate([*_opening(), *_answers(count - 9)]):
        yield {**fields, "time": _TIME.format(index // 1_000_000, index % 1_000_000)}


def _opening() -> list[dict[str, Any]]:
    negotiated = [{"kind": "negotiation.changed", "negotiation": "ng-1", **_BY, "state": state, "by": _BY[by]}
                  for state, by in (("REQUESTED", "consumer"), ("AGREED", "provider"),
                                    ("VERIFIED", "consumer"), ("FINALIZED", "provider"))]  # fmt: skip
    terms = {"versions": [1], "purpose": "statistics", "forms": ["aggregate"], "units": _PLENTY, "epsilon": 0}
    shas = dict.fromkeys(("source_sha256", "payload_sha256", "schema_sha256", "offer_sha256"), _SHA)
    return [
        {"kind": "log.created", "origin": ORIGIN, "vkey": str(VERIFIER)},
        {"kind": "policy.adopted", "digest": _SHA, "revision": "1"},
        *({"kind": "participant.admitted", "participant": _BY[who], "roles": roles, "by": _BY["provider"]}
          for who, roles in (("provider", ["operator", "provider"]), ("consumer", ["consumer"]))),
        {"kind": "dataset.registered", "dataset": _ON["dataset"], "version": 1, "zone": "finance", "rows": 1,
         "provider": _BY["provider"], "level": 1, "offer": _BY["offer"], "price": 1, **shas, **_DECIDED},
        negotiated[0],
        {"kind": "agreement.concluded", "negotiation": "ng-1", **_ON, **_BY, **terms, "price": 1,
         "expires": "2027-01-01T00:00:00+00:00", "agreement_sha256": _SHA, **_DECIDED},
        *negotiated[1:],
    ]  # fmt: skip


def _answers(count: int) -> Iterator[dict[str, Any]]:
    for index in range(count - 1):
        digest = sha256(str(index).encode()).hexdigest()
        yield {"kind": "query.answered", **_ON, "version": 1, "form": "aggregate", "query_sha256": digest,
               "answer_sha256": digest, "units": 1, "epsilon": 0, "price": 1, **_DECIDED}  # fmt: skip


def write_records(folder: Path, records: Iterable[dict[str, Any]], kept: int) -> list[list[bytes]]:
    """Write a folder of evidence with records; return what is hashed for the fields of the first `kept`."""
    entries, inputs = [], []
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "records.jsonl").open("wb") as file:
        for index, fields in enumerate(records):
            content, salts, entry = seal(fields)
            line = b'{"index":%d,"record":%s,"salts":"%s"}\n' % (index, content, b64encode(salts))
            file.write(line)
            entries.append(entry)
            if index < kept:
                inputs.append(field_inputs(fields, salts))
    write_files(folder, entries)
    return inputs


def field_inputs(fields: dict[str, Any], salts: bytes) -> list[bytes]:
    """Return what is hashed for each field of a record."""
    return [
        b"\x00"
        + salts[at * 32 : at * 32 + 32]
        + json.dumps([name, fields[name]], separators=(",", ":")).encode()
        for at, name in enumerate(sorted(fields))
    ]


def write_files(folder: Path, entries: list[bytes]) -> None:
    """Write the log of `entries` as a folder of evidence without records."""
    levels = _levels(entries)
    for tile in tiles_at(len(entries)):
        start = tile.number * WIDTH
        content = b"".join(levels[tile.level or 0][start : start + tile.width])
        _write(folder / tile.path(), content)
        if tile.level == 0:
            bundle = Tile(None, tile.number, tile.width)
            _write(folder / bundle.path(), join_entries(entries[start : start + tile.width]))
    _write(folder / "checkpoint", _note(entries, levels).encode())


def write_rows(folder: Path, entries: list[bytes]) -> None:
    """Write the log of `entries` as the database of a home, without records."""
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
    note = _note(entries, levels)
    head = Checkpoint.parse(note.split("\n\n")[0] + "\n")
    with closing(sqlite3.connect(path)) as database, database:
        database.executemany("INSERT INTO ledger_entry VALUES (?, ?, ?, ?, ?)", rows)
        database.executemany("INSERT INTO ledger_node VALUES (?, ?, ?)", nodes)
        database.execute("INSERT INTO ledger_head VALUES (1, ?, ?, ?)", (head.size, head.root, note))


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def _levels(entries: list[bytes]) -> list[list[bytes]]:
    levels = [[merkle.leaf_hash(entry) for entry in entries]]
    while len(levels[-1]) >= WIDTH:
        below = levels[-1]
        levels.append([merkle.root(below[at : at + WIDTH]) for at in range(0, len(below) - WIDTH + 1, WIDTH)])
    return levels


def _note(entries: list[bytes], levels: list[list[bytes]]) -> str:
    head = Checkpoint(ORIGIN, len(entries), merkle.root(levels[0]))
    return head.sign(VERIFIER, _KEY.sign)
