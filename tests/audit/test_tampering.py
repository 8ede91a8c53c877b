"""One byte changed anywhere in a home or in a folder of evidence: the audit fails and names the place."""

import os
import sqlite3
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dataspace.audit.report import Stage
from dataspace.audit.sources import Evidence, Home
from dataspace.proof import merkle
from tests.audit.conftest import Copy, failed, told

# What was done to the home, the steps that must fail, what must be named.
HOME: dict[str, tuple[Callable[[Copy], None], set[int], str]] = {
    "a record": (
        lambda home: _replace(home, 17, '"units":1', '"units":2'),
        {Stage.RECORDS},
        "entry 17: the record does not match its leaf",
    ),
    "a salt": (
        lambda home: _flip_blob(home, "ledger_record", "salts", 17),
        {Stage.RECORDS},
        "entry 17: the record does not match its leaf",
    ),
    "an entry": (
        lambda home: _flip_blob(home, "ledger_entry", "entry", 17),
        {Stage.ENTRIES, Stage.RECORDS},
        "entry 17: it does not match its leaf, tile/0/000 hash 17",
    ),
    "a leaf hash": (
        lambda home: _flip_blob(home, "ledger_entry", "leaf_hash", 300),
        {Stage.ENTRIES, Stage.TILES, Stage.ROOT},
        "entry 300: it does not match its leaf, tile/0/001 hash 44",
    ),
    "a leaf hash of the unfinished tile": (
        lambda home: _flip_blob(home, "ledger_entry", "leaf_hash", 599),
        {Stage.ENTRIES, Stage.ROOT},
        "entry 599: it does not match its leaf, tile/0/002.p/88 hash 87",
    ),
    "an upper node": (
        lambda home: _flip_blob(home, "ledger_node", "hash", 1),
        {Stage.TILES},
        "tile/1/000.p/2 hash 1: it is not the root of tile/0/001",
    ),
    "the checkpoint's signature": (
        lambda home: _note(home, lambda note: note[:-9] + ("A" if note[-9] != "A" else "B") + note[-8:]),
        {Stage.CHECKPOINT},
        "checkpoint:",
    ),
    "the checkpoint's size": (
        lambda home: _note(home, lambda note: note.replace("\n600\n", "\n599\n")),
        {Stage.CHECKPOINT},
        "checkpoint:",
    ),
    "the checkpoint's root": (
        lambda home: _note(home, lambda note: _line(note, 2, lambda root: "AAAA" + root[4:])),
        {Stage.CHECKPOINT},
        "checkpoint:",
    ),
    "the kind beside an entry": (
        lambda home: home.execute("UPDATE ledger_entry SET kind = 'query.refused' WHERE \"index\" = 17"),
        {Stage.RECORDS},
        "entry 17: its row says query.refused",
    ),
    "a head that says another size": (
        lambda home: home.execute("UPDATE ledger_head SET size = 700"),
        {Stage.STATE},
        "ledger_head 1: size is 700, the entries imply 600",
    ),
    "an entry behind the signed size": (
        lambda home: home.execute(
            "INSERT INTO ledger_entry SELECT 600, entry, leaf_hash, kind, time "
            'FROM ledger_entry WHERE "index" = 17'
        ),
        {Stage.STATE},
        "ledger_entry 600: it lies outside of the signed size 600",
    ),
    "a record behind the signed size": (
        lambda home: home.execute(
            'INSERT INTO ledger_record SELECT 600, record, salts FROM ledger_record WHERE "index" = 17'
        ),
        {Stage.RECORDS, Stage.STATE},
        "entry 600: it lies behind the signed size 600",
    ),
    "an entry that is text": (
        lambda home: home.execute('UPDATE ledger_entry SET entry = ? WHERE "index" = 17', "x" * 33),
        {Stage.ENTRIES},
        "tile/entries/000: a value that is not bytes",
    ),
    "a record that is not UTF-8": (
        lambda home: home.execute(
            "UPDATE ledger_record SET record = CAST(X'7B22FF' AS TEXT) WHERE \"index\" = 17"
        ),
        {Stage.RECORDS},
        "entry 17: malformed record: not strict JSON",
    ),
}

FILES: dict[str, tuple[str, int, set[int], str]] = {
    "a byte of an entry": (
        "tile/entries/000",
        17 * 35 + 9,
        {Stage.ENTRIES, Stage.RECORDS},
        "entry 17: it does",
    ),
    "an entry's length": (
        "tile/entries/000",
        17 * 35 + 1,
        {Stage.ENTRIES},
        "tile/entries/000: malformed bundle",
    ),
    "an entry's version": (
        "tile/entries/000",
        17 * 35 + 2,
        {Stage.ENTRIES, Stage.RECORDS},
        "entry 17: it does",
    ),
    "a leaf hash": (
        "tile/0/000",
        17 * 32,
        {Stage.ENTRIES, Stage.TILES, Stage.ROOT},
        "entry 17: it does not match",
    ),
    "an upper node": ("tile/1/000.p/2", 40, {Stage.TILES}, "tile/1/000.p/2 hash 1: it is not the root"),
    "the checkpoint": ("checkpoint", 20, {Stage.CHECKPOINT}, "checkpoint:"),
}


def _replace(home: Copy, index: int, old: str, new: str) -> None:
    home.execute('UPDATE ledger_record SET record = replace(record, ?, ?) WHERE "index" = ?', old, new, index)


def _flip_blob(home: Copy, table: str, column: str, index: int) -> None:
    data = bytearray(home.one(f'SELECT {column} FROM {table} WHERE "index" = {index}'))
    data[-1] ^= 1
    home.execute(f'UPDATE {table} SET {column} = ? WHERE "index" = ?', bytes(data), index)


def _note(home: Copy, change: Callable[[str], str]) -> None:
    note = home.one("SELECT checkpoint FROM ledger_head")
    assert change(note) != note
    home.execute("UPDATE ledger_head SET checkpoint = ?", change(note))


def _line(note: str, number: int, change: Callable[[str], str]) -> str:
    lines = note.split("\n")
    lines[number] = change(lines[number])
    return "\n".join(lines)


@pytest.mark.parametrize("what", HOME)
def test_le_01_a_change_in_the_database_is_named(home: Copy, what: str) -> None:
    change, steps, named = HOME[what]
    change(home)
    report = home.audit(Home(home.folder))
    assert report.exit_code == 1
    assert failed(report) >= steps, told(report)
    assert named in told(report)


@pytest.mark.parametrize("what", FILES)
def test_le_01_a_byte_changed_in_evidence_is_named(evidence: Copy, what: str) -> None:
    name, at, steps, named = FILES[what]
    evidence.flip(name, at)
    report = evidence.audit(Evidence(evidence.folder))
    assert failed(report) == steps, told(report)
    assert named in told(report)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_le_01_any_byte_of_the_evidence_matters(evidence: Copy, data: st.DataObject) -> None:
    names = [
        "checkpoint",
        "tile/0/001",
        "tile/0/002.p/88",
        "tile/1/000.p/2",
        "tile/entries/001",
        "records.jsonl",
    ]
    name = data.draw(st.sampled_from(names))
    at = data.draw(st.integers(0, (evidence.folder / name).stat().st_size - 1))
    evidence.flip(name, at)
    assert evidence.audit(Evidence(evidence.folder)).exit_code == 1
    evidence.flip(name, at)


def test_a_changed_record_of_evidence_names_its_entry(evidence: Copy) -> None:
    lines = (evidence.folder / "records.jsonl").read_bytes().split(b"\n")
    lines[17] = lines[17].replace(b'"units":1', b'"units":2')
    (evidence.folder / "records.jsonl").write_bytes(b"\n".join(lines))
    report = evidence.audit(Evidence(evidence.folder))
    assert "entry 17: the record does not match its leaf" in told(report)
    assert failed(report) == {Stage.RECORDS}


def test_le_02_an_entry_forged_with_its_leaf_and_nodes_does_not_reach_the_signed_root(home: Copy) -> None:
    forged = b"\x01" + bytes(32)
    home.execute(
        'UPDATE ledger_entry SET entry = ?, leaf_hash = ? WHERE "index" = 17',
        forged,
        merkle.leaf_hash(forged),
    )
    with sqlite3.connect(home.folder / "dataspace.db") as database:
        query = 'SELECT leaf_hash FROM ledger_entry WHERE "index" < 256 ORDER BY "index"'
        leaves = [row[0] for row in database.execute(query)]
    database.close()
    home.execute('UPDATE ledger_node SET hash = ? WHERE level = 1 AND "index" = 0', merkle.root(leaves))
    home.execute('DELETE FROM ledger_record WHERE "index" = 17')
    report = home.audit(Home(home.folder))
    assert failed(report) >= {Stage.ROOT}
    assert not failed(report) & {Stage.ENTRIES, Stage.TILES}


def test_le_03_two_entries_in_each_others_place_are_both_named(evidence: Copy) -> None:
    path = evidence.folder / "tile/entries/000"
    data = bytearray(path.read_bytes())
    data[17 * 35 : 18 * 35], data[40 * 35 : 41 * 35] = data[40 * 35 : 41 * 35], data[17 * 35 : 18 * 35]
    path.write_bytes(data)
    report = evidence.audit(Evidence(evidence.folder))
    assert "entry 17: it does not match" in told(report)
    assert "entry 40: it does not match" in told(report)


def test_le_03_reordered_rows_of_the_database_are_named(home: Copy) -> None:
    for old, new in ((17, 9000), (40, 17), (9000, 40)):
        for table in ("ledger_entry", "ledger_record"):
            home.execute(f'UPDATE {table} SET "index" = ? WHERE "index" = ?', new, old)
    report = home.audit(Home(home.folder))
    assert failed(report) >= {Stage.TILES, Stage.ROOT}


def test_le_04_a_log_cut_at_its_end_is_smaller_than_its_checkpoint_says(home: Copy) -> None:
    home.execute('DELETE FROM ledger_entry WHERE "index" >= 590')
    report = home.audit(Home(home.folder))
    assert failed(report) >= {Stage.ENTRIES, Stage.ROOT}
    assert "tile/entries/002.p/88: entry 590 is missing, 10 in all" in told(report)


def test_le_04_a_truncated_file_of_evidence_is_named(evidence: Copy) -> None:
    path = evidence.folder / "tile/entries/002.p/88"
    path.write_bytes(path.read_bytes()[:-35])
    (evidence.folder / "tile/0/001").unlink()
    report = evidence.audit(Evidence(evidence.folder))
    assert "tile/entries/002.p/88: malformed bundle: want exactly 88 entries" in told(report)
    assert "tile/0/001: it is missing" in told(report)


def test_le_20_a_file_larger_than_it_can_be_is_not_read(evidence: Copy) -> None:
    with (evidence.folder / "tile/0/000").open("ab") as file:
        file.truncate(1 << 40)
    report = evidence.audit(Evidence(evidence.folder))
    assert report.exit_code == 2
    assert "an audit reads at most 8192" in str(report.interrupted)


def test_le_20_a_line_without_end_is_not_read(evidence: Copy) -> None:
    with (evidence.folder / "records.jsonl").open("wb") as file:
        file.truncate(1 << 40)
    assert evidence.audit(Evidence(evidence.folder)).exit_code == 2


def test_le_20_a_pipe_in_the_place_of_a_file_is_not_read(evidence: Copy) -> None:
    (evidence.folder / "tile/0/000").unlink()
    os.mkfifo(evidence.folder / "tile/0/000")
    assert evidence.audit(Evidence(evidence.folder)).exit_code == 2


def test_le_20_deeply_nested_json_is_wrong_and_harmless(evidence: Copy) -> None:
    path = evidence.folder / "records.jsonl"
    lines = path.read_bytes().split(b"\n")
    lines[17] = b'{"index":17,"record":' + b"[" * 100_000
    path.write_bytes(b"\n".join(lines))
    report = evidence.audit(Evidence(evidence.folder))
    assert failed(report) == {Stage.RECORDS}
    assert "entry 17: " in told(report)


def test_a_value_larger_than_an_audit_takes_from_a_row_is_not_checked(home: Copy) -> None:
    home.execute('UPDATE ledger_record SET record = zeroblob(80000000) WHERE "index" = 17')
    report = home.audit(Home(home.folder))
    assert report.exit_code == 2


def test_records_in_a_wrong_order_are_wrong(evidence: Copy) -> None:
    path = evidence.folder / "records.jsonl"
    lines = path.read_bytes().split(b"\n")
    lines[17], lines[18] = lines[18], lines[17]
    path.write_bytes(b"\n".join(lines))
    assert "line 19: entry 17 comes after entry 18" in told(evidence.audit(Evidence(evidence.folder)))
