"""One bit flipped in every region: each column of the ledger's tables, each file of evidence, a receipt.

The regions come from the schema and from the folder, so that a new column or
file is covered, or stands among those nobody relies on, or the test fails.
"""

import random
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Column, LargeBinary, Table

from dataspace import tables
from dataspace.audit.audit import Means, audit
from dataspace.audit.export import export
from dataspace.audit.report import Report
from dataspace.audit.sources import Evidence, Home
from dataspace.proof.verify import verify_receipt
from tests.audit.conftest import told
from tests.audit.published import adopt, policy, publish
from tests.audit.scene import played

FLIPS = 3  # bits of one region

# Nobody relies on these, and no audit of the ledger speaks of them.
FREE = {
    "ledger_head.id": "there is one row",
    "ledger_checkpoint.published": "a moment for reading",
    "ledger_checkpoint.cosigned": "an auditor counts cosignatures itself",
    "ledger_timestamp.authority": "a name for reading: who signed is in the token",
    "ledger_key.name": "a name in the key store",
}
READING = {"README.md", "keys.json"}
# What an audit may call the place of a row, besides the key of its row.
CALLED = {
    "ledger_entry": ("tile/",),
    "ledger_node": ("tile/",),
    "ledger_head": ("checkpoint", "ledger_head"),
    "ledger_checkpoint": ("published checkpoints", "ledger_checkpoint"),
    "ledger_cosignature": ("ledger_cosignature",),
    "ledger_timestamp": ("ledger_timestamp",),
}


class Region(NamedTuple):
    """A column of a table of the ledger."""

    table: str
    column: str

    def __str__(self) -> str:
        return f"{self.table}.{self.column}"


def _regions() -> list[Region]:
    ledger = [table for name, table in tables.metadata.tables.items() if name.startswith("ledger_")]
    return [Region(table.name, column.name) for table in ledger for column in table.columns]


REGIONS = [region for region in _regions() if str(region) not in FREE]


class Played(NamedTuple):
    """A space that published two of its states, closed, and the evidence exported from it."""

    home: Path
    evidence: Path
    vkey: str
    receipt: bytes


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Played:
    folder = tmp_path_factory.mktemp("bits")
    scene = played(folder / "home", 280)
    adopt(scene)
    scene.keys.create("log/v2")
    publish(scene, tokens="a")
    scene.database.commit(lambda session: scene.log.rotate(session, "log/v2", "scheduled"))
    scene.answer(3)
    publish(scene)
    with scene.database.reading() as session:
        receipt = scene.log.receipt(session, 17).to_bytes()
    vkey = scene.log.vkey()
    export(scene.database, folder / "evidence")
    scene.database.close()
    return Played(folder / "home", folder / "evidence", vkey, receipt)


@pytest.fixture(scope="module")
def copy(original: Played, tmp_path_factory: pytest.TempPathFactory) -> Played:
    """A copy to be changed and put right again."""
    folder = tmp_path_factory.mktemp("copy")
    shutil.copytree(original.home, folder / "home", ignore=shutil.ignore_patterns("keys", "*.lock"))
    shutil.copytree(original.evidence, folder / "evidence")
    return original._replace(home=folder / "home", evidence=folder / "evidence")


@pytest.fixture(scope="module")
def database(copy: Played) -> Iterator[sqlite3.Connection]:
    """The database of the copy, as a thief with root would open it: without triggers."""
    with closing(sqlite3.connect(copy.home / "dataspace.db", isolation_level=None)) as opened:
        for (name,) in opened.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            opened.execute(f'DROP TRIGGER "{name}"')
        opened.execute("PRAGMA foreign_keys = OFF")
        yield opened


def _audit(copy: Played, source: Home | Evidence) -> Report:
    return audit(source, copy.vkey, means=Means(policy=policy(3)))


def test_what_nobody_touched_is_right(copy: Played) -> None:
    for source in (Home(copy.home), Evidence(copy.evidence)):
        report = _audit(copy, source)
        assert report.ok, told(report)


def test_every_table_of_the_ledger_has_rows_to_flip(database: sqlite3.Connection) -> None:
    empty = [
        table
        for table in {region.table for region in REGIONS}
        if not database.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
    ]
    assert not empty


@pytest.mark.parametrize("region", REGIONS, ids=str)
def test_le_12_a_bit_flipped_in_the_ledgers_tables_is_named(
    copy: Played, database: sqlite3.Connection, region: Region
) -> None:
    chance, table = random.Random(str(region)), tables.metadata.tables[region.table]
    rows = database.execute(f"SELECT rowid FROM {region.table} ORDER BY rowid").fetchall()
    for (rowid,) in chance.sample(rows, min(FLIPS, len(rows))):
        before = _value(database, region, rowid)
        after = _flipped(chance, before, table.columns[region.column], region)
        names = _names(database, table, rowid)
        place = f'"{region.column}" = ? WHERE rowid = ?'
        database.execute(f"UPDATE {region.table} SET {place}", (after, rowid))
        try:
            report = _audit(copy, Home(copy.home))
        finally:
            new = after if _is_rowid(table, region.column) else rowid
            database.execute(f"UPDATE {region.table} SET {place}", (before, new))
        assert report.exit_code == 1, f"{before!r} was {after!r}"
        assert any(name in told(report) for name in names), told(report)


def _value(database: sqlite3.Connection, region: Region, rowid: int) -> Any:
    query = f'SELECT "{region.column}" FROM {region.table} WHERE rowid = ?'
    return database.execute(query, (rowid,)).fetchone()[0]


def _flipped(chance: random.Random, value: Any, column: Column[Any], region: Region) -> Any:
    if isinstance(value, int):
        # A key moves to where no row is: the database itself refuses two of one key.
        return value ^ 1 << (chance.randrange(11, 20) if column.primary_key else chance.randrange(12))
    data = bytearray(value if isinstance(value, bytes) else value.encode())
    # Without the authority's certificate only the imprint of a token is read.
    first = len(data) - 32 if str(region) == "ledger_timestamp.token" else 0
    if data:
        data[chance.randrange(first, len(data))] ^= 1 << chance.randrange(7)
    elif column.name == "statement":
        data = bytearray(b"\x01")
    return bytes(data) if isinstance(column.type, LargeBinary) else data.decode(errors="replace")


def _names(database: sqlite3.Connection, table: Table, rowid: int) -> tuple[str, ...]:
    """Return how an audit may name a row: by its entry, its size, or its table and key."""
    keys = [column.name for column in table.primary_key.columns]
    listed = ", ".join(f'"{key}"' for key in keys)
    found = database.execute(f"SELECT {listed} FROM {table.name} WHERE rowid = ?", (rowid,)).fetchone()
    return (f"entry {found[0]}", f"size {found[0]}", f"{table.name} {found[0]}", *CALLED.get(table.name, ()))


def _is_rowid(table: Table, column: str) -> bool:
    keys = list(table.primary_key.columns)
    return len(keys) == 1 and keys[0].name == column and keys[0].type.python_type is int


def _files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_le_12_a_bit_flipped_in_any_file_of_evidence_is_seen(copy: Played) -> None:
    for name in _files(copy.evidence):
        path, chance = copy.evidence / name, random.Random(name)
        before = path.read_bytes()
        if name in READING or not before:
            continue
        for _ in range(FLIPS):
            data = bytearray(before)
            data[_place(chance, name, before)] ^= 1 << chance.randrange(7)
            path.write_bytes(data)
            report = _audit(copy, Evidence(copy.evidence))
            assert report.exit_code, f"{name}: {before!r} was {bytes(data)!r}"
        path.write_bytes(before)


def _place(chance: random.Random, name: str, data: bytes) -> int:
    """Return a byte that somebody relies on.

    Not of a time token, which nobody given here can check; nor of what is said
    beside an input: one under another entry is one that was not disclosed.
    """
    if name == "published.jsonl":
        return chance.randrange(data.index(b'"checkpoint"'), data.index(b'"timestamps"'))
    if name == "inputs.jsonl":
        return chance.randrange(data.index(b'"input"') + 9, data.index(b"\n") - 2)
    return chance.randrange(len(data))


@settings(max_examples=200)
@given(data=st.data())
def test_le_19_a_bit_flipped_in_a_receipt_is_seen(original: Played, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, 8 * len(original.receipt) - 1))
    flipped = bytearray(original.receipt)
    flipped[at // 8] ^= 1 << at % 8
    assert verify_receipt(original.receipt, original.vkey).ok
    assert not verify_receipt(bytes(flipped), original.vkey).ok
