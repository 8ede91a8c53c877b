"""Whoever owns the database can change it, and cannot hide it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import NullPool, create_engine
from sqlalchemy.exc import DBAPIError

from dataspace.database import Database
from dataspace.errors import Unavailable, VerificationError
from dataspace.ledger.views import Views
from dataspace.proof import merkle
from dataspace.proof.checkpoint import Checkpoint
from dataspace.proof.key import Verifier
from dataspace.proof.record import seal
from dataspace.proof.verify import verify_growth
from tests.ledger.check import check_ledger
from tests.ledger.conftest import Ledger


def _bypass(ledger: Ledger, *statements: str) -> None:
    """Drop the triggers and change rows, with the service stopped."""
    ledger.database.close()
    engine = create_engine(ledger.url, poolclass=NullPool)
    with engine.begin() as connection:
        found = (
            connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'trigger'")
            .scalars()
            .all()
        )
        for statement in [*(f"DROP TRIGGER {name}" for name in found), *statements]:
            connection.exec_driver_sql(statement)
    ledger.open()


def _check(ledger: Ledger) -> Checkpoint:
    with ledger.database.reading() as session:
        return check_ledger(session, ledger.log.vkey())


_REFUSED = (
    "UPDATE ledger_entry SET time = ''",
    "DELETE FROM ledger_entry",
    "UPDATE ledger_record SET record = ''",
    "UPDATE ledger_node SET hash = leaf_hash FROM ledger_entry",
    "DELETE FROM ledger_node",
    "DELETE FROM ledger_head",
    "UPDATE ledger_head SET size = size - 1",
    "UPDATE ledger_head SET size = size",
)


def test_le_01_the_triggers_refuse_to_change_the_ledger(either: Ledger) -> None:
    either.grow(256)
    for statement in _REFUSED:
        with pytest.raises(DBAPIError, match=r"append-only|only grows"):
            either.execute(statement)
    assert _check(either).size == 257


_ZEROS = f"x'{'00' * 32}'"


@pytest.mark.parametrize(("statement", "names"), [
    ('UPDATE ledger_entry SET leaf_hash = {zeros} WHERE "index" = 3', "entry 3 is not"),
    ('DELETE FROM ledger_entry WHERE "index" = 2', "entry 2 is missing"),
    ("""UPDATE ledger_record SET record = replace(record, 'test', 'fake') WHERE "index" = 4""",
     "record of entry 4 is not"),
    ("""UPDATE ledger_record SET record = 'x' WHERE "index" = 4""", "record of entry 4 is not JSON"),
    ('UPDATE ledger_record SET salts = {zeros} WHERE "index" = 5', "malformed record"),
    ('DELETE FROM ledger_record WHERE "index" = 5', "record of entry 5 is missing"),
    ("UPDATE ledger_node SET hash = {zeros}", "hash 0 of tile level 1"),
    ("UPDATE ledger_head SET root = {zeros}", "head is not what its checkpoint says"),
])  # fmt: skip
def test_le_01_past_the_triggers_the_check_names_what_was_changed(
    ledger: Ledger, statement: str, names: str
) -> None:
    ledger.grow(256)
    _bypass(ledger, statement.format(zeros=_ZEROS))
    with pytest.raises(VerificationError, match=names):
        _check(ledger)


def test_le_02_a_record_with_its_leaf_recomputed_does_not_lead_to_the_signed_root(ledger: Ledger) -> None:
    ledger.grow(5)
    text, salts, entry = seal({**ledger.receipt(3).record.fields, "digest": "forged"})
    _bypass(
        ledger,
        f"UPDATE ledger_record SET record = '{text.decode()}', salts = x'{salts.hex()}' WHERE \"index\" = 3",
        f"UPDATE ledger_entry SET entry = x'{entry.hex()}', leaf_hash = x'{merkle.leaf_hash(entry).hex()}' "
        'WHERE "index" = 3',
    )
    with pytest.raises(VerificationError, match="do not lead to the checkpoint"):
        _check(ledger)
    with pytest.raises(Unavailable):
        ledger.append()


def test_le_03_two_entries_that_changed_places_do_not_lead_to_the_signed_root(ledger: Ledger) -> None:
    ledger.grow(5)
    swap = [
        f'UPDATE {table} SET "index" = {new} WHERE "index" = {old}'
        for table in ("ledger_entry", "ledger_record")
        for old, new in ((2, 99), (3, 2), (99, 3))
    ]
    _bypass(ledger, *swap)
    with pytest.raises(VerificationError, match="do not lead to the checkpoint"):
        _check(ledger)


def test_le_04_a_log_that_lost_its_tail_is_refused_by_check_and_service(ledger: Ledger) -> None:
    ledger.grow(5)
    _bypass(
        ledger, 'DELETE FROM ledger_entry WHERE "index" >= 4', 'DELETE FROM ledger_record WHERE "index" >= 4'
    )
    with pytest.raises(VerificationError, match="the 4 entries do not lead to the checkpoint of 6"):
        _check(ledger)
    with pytest.raises(Unavailable):
        ledger.append()


def test_le_05_a_restored_backup_shows_as_a_rollback_and_may_not_grow(ledger: Ledger, tmp_path: Path) -> None:
    ledger.grow(3)
    ledger.database.close()
    shutil.copy(tmp_path / "space.db", tmp_path / "backup.db")
    ledger.open()
    ledger.grow(3)
    anchored = _check(ledger)
    ledger.database.close()
    shutil.copy(tmp_path / "backup.db", tmp_path / "space.db")
    ledger.open()
    with pytest.raises(VerificationError, match="rollback"):
        verify_growth(anchored, _check(ledger), [])
    ledger.log.floor(anchored.size)
    with pytest.raises(Unavailable, match="it was rolled back"):
        ledger.append()


def test_le_12_a_bit_that_flips_on_the_way_to_the_disk_is_not_signed(ledger: Ledger) -> None:
    ledger.append()
    ledger.execute("CREATE TRIGGER flip AFTER INSERT ON ledger_record BEGIN "
                   'UPDATE ledger_entry SET leaf_hash = zeroblob(32) WHERE "index" = NEW."index"; END',
                   "DROP TRIGGER ledger_entry_no_update")  # fmt: skip
    with pytest.raises(Unavailable) as failed:
        ledger.append()
    assert "read back" in str(failed.value.__cause__)
    ledger.execute("DROP TRIGGER flip")
    assert ledger.append() == 2
    assert _check(ledger).size == 3


def test_le_06_a_head_that_moved_under_the_service_is_not_swapped(ledger: Ledger) -> None:
    ledger.append()
    ledger.execute("UPDATE ledger_head SET size = size + 1")
    with pytest.raises(Unavailable, match="not at size 2 any more"):
        ledger.append()


def test_le_08_a_log_does_not_go_on_under_another_key(ledger: Ledger, tmp_path: Path) -> None:
    ledger.append()
    ledger.database.close()
    shutil.rmtree(tmp_path / "keys")
    other = Ledger.__new__(Ledger)
    other.url, other.clock = ledger.url, ledger.clock
    other.keys = type(ledger.keys)(tmp_path / "keys")
    other.keys.create("log")
    other.open()
    with pytest.raises(Unavailable) as failed:
        other.append()
    assert "no signature of a known key" in str(failed.value.__cause__)
    other.database.close()


_CRASH = """
import sys
from pathlib import Path
from tests.ledger.conftest import Ledger
ledger = Ledger.__new__(Ledger)
from dataspace.keys.file import FileKeys
from tests.ledger.conftest import Clock
ledger.url, ledger.keys, ledger.clock = sys.argv[1], FileKeys(Path(sys.argv[2])), Clock()
ledger.open()
def act(session):
    session.connection().exec_driver_sql("INSERT INTO fact VALUES (2)")
    return ledger.log.append(session, "policy.adopted", digest="crash", revision=0)
print(ledger.database.commit(act), flush=True)
"""


@pytest.mark.parametrize(
    ("point", "survives"), [("database.before_commit", False), ("database.after_commit", True)]
)
def test_cr_03_after_a_kill_facts_and_entries_agree(
    either: Ledger, tmp_path: Path, point: str, survives: bool
) -> None:
    either.execute("CREATE TABLE fact (id INTEGER)")
    either.append()
    either.database.close()
    run = subprocess.run(
        [sys.executable, "-c", _CRASH, either.url, str(tmp_path / "keys")],
        check=False,
        env={**os.environ, "DATASPACE_CRASH_AT": point},
        capture_output=True,
        text=True,
    )
    assert (run.returncode, run.stdout) == (137, ""), run.stderr
    either.open()
    with either.database.reading() as session:
        facts = session.connection().exec_driver_sql("SELECT count(*) FROM fact").scalar()
        assert (facts, either.log.size(session)) == ((1, 3) if survives else (0, 2))
    assert either.append() == (3 if survives else 2)
    assert _check(either)


def test_an_auditor_reads_receipts_from_a_copy_without_any_key(ledger: Ledger) -> None:
    ledger.grow(3)
    ledger.database.close()
    copy = Database(ledger.url, readonly=True)
    with copy.reading() as session:
        assert Views().receipt(session, 2).record.fields["revision"] == 1
        head = Checkpoint.open(Views().checkpoint(session), Verifier.parse(ledger.log.vkey()))
    copy.close()
    assert head.size == 4
