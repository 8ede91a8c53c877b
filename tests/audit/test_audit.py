"""What an audit says of a log that is right, and what it holds against the auditor's own memory."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from dataspace.audit import audit as module
from dataspace.audit.audit import audit
from dataspace.audit.export import export
from dataspace.audit.report import Stage
from dataspace.audit.sources import Evidence, Home
from dataspace.errors import VerificationError
from dataspace.proof.checkpoint import Checkpoint
from dataspace.proof.key import Verifier
from dataspace.proof.verify import Outcome
from tests.audit.conftest import Copy, failed, told
from tests.audit.scene import ORIGIN, Scene, played

_STRANGER = Ed25519PrivateKey.from_private_bytes(bytes(32))
_STRANGERS_KEY = Verifier(ORIGIN, _STRANGER.public_key().public_bytes_raw())


def _signed_by_stranger(size: int, root: bytes) -> str:
    return Checkpoint(ORIGIN, size, root).sign(_STRANGERS_KEY, _STRANGER.sign)


def test_a_copy_of_a_home_that_nobody_touched_is_right(home: Copy) -> None:
    report = home.audit(Home(home.folder), since=home.older)
    assert (report.exit_code, report.size) == (0, 600), told(report)
    assert [step.number for step in report.not_checked] == [
        Stage.PUBLISHED,
        Stage.COSIGNATURES,
        Stage.ANCHORED,
        Stage.ANCHORS,
        Stage.TIMES,
    ]


def test_an_evidence_folder_is_right_and_its_state_is_not_checked(evidence: Copy) -> None:
    report = evidence.audit(Evidence(evidence.folder), since=evidence.older)
    assert report.ok, told(report)
    assert "no database" in report.steps[Stage.STATE - 1].detail


def test_a_running_space_can_be_audited_through_its_open_database(scene: Scene) -> None:
    assert scene.audit(Home.of(scene.database)).ok


def test_a_space_on_postgresql_is_audited_and_exported_alike(tmp_path: Path, postgres_url: str) -> None:
    scene = played(tmp_path / "home", 300, url=postgres_url)
    report = scene.audit(Home.of(scene.database))
    export(scene.database, tmp_path / "out")
    scene.database.close()
    assert report.ok, told(report)
    assert scene.audit(Evidence(tmp_path / "out")).size == 310


def test_a_copy_with_a_write_ahead_log_is_read_whole(scene: Scene) -> None:
    assert (scene.home / "dataspace.db-wal").stat().st_size > 0
    assert scene.audit(Home(scene.home)).size == 30


def test_an_audit_writes_nothing_into_the_copy(home: Copy) -> None:
    before = {path: path.read_bytes() for path in home.folder.rglob("*") if path.is_file()}
    home.audit(Home(home.folder))
    assert {path: path.read_bytes() for path in home.folder.rglob("*") if path.is_file()} == before


def test_a_log_without_entries_beyond_the_first_is_right(tmp_path: Path) -> None:
    scene = Scene(tmp_path / "home")
    scene.found()
    assert scene.audit(Home.of(scene.database)).ok
    scene.database.close()


def test_the_report_says_what_was_not_checked_and_why(home: Copy) -> None:
    steps = {step.number: step for step in home.audit(Home(home.folder)).not_checked}
    assert "rollback" in steps[Stage.REMEMBERED].detail
    assert "no anchor" in steps[Stage.ANCHORED].detail


def test_le_05_a_home_rolled_back_behind_the_remembered_checkpoint_is_a_rollback(scene: Scene) -> None:
    before = Home.of(scene.database)
    old = scene.checkpoint()
    with before:
        scene.answer(5)
        remembered = scene.checkpoint()
    scene.database.close()
    rolled = _rolled_back(scene, old)
    report = audit(Home(rolled), scene.vkey, since=remembered)
    assert failed(report) == {Stage.REMEMBERED}
    assert "rollback: a log of 35 entries was remembered, this one has 30" in told(report)


def _rolled_back(scene: Scene, note: str) -> Path:
    """Take the home back to an older head, consistently, as an old backup would be."""
    copy = Copy(scene.home, scene.vkey, note)
    root = Checkpoint.open(note, Verifier.parse(scene.vkey)).root
    copy.execute('DELETE FROM ledger_record WHERE "index" >= 30')
    copy.execute('DELETE FROM ledger_entry WHERE "index" >= 30')
    copy.execute("UPDATE ledger_head SET size = 30, root = ?, checkpoint = ?", root, note)
    copy.execute("UPDATE budget SET units_spent = units_spent - 5")
    return scene.home


def test_le_06_a_second_log_under_the_same_key_is_a_fork(scene: Scene, tmp_path: Path) -> None:
    remembered = scene.checkpoint()
    other = Scene(tmp_path / "other", keys=scene.home / "keys")
    other.found()
    other.register()
    other.negotiate()
    other.finalize()
    other.answer(30)
    report = other.audit(Home.of(other.database), since=remembered)
    other.database.close()
    assert failed(report) == {Stage.REMEMBERED}
    assert "size 30: fork" in told(report)


def test_le_07_a_checkpoint_under_another_key_is_not_believed(home: Copy) -> None:
    report = audit(Home(home.folder), str(_STRANGERS_KEY))
    assert failed(report) == {Stage.CHECKPOINT}
    assert all(step.outcome is Outcome.NOT_CHECKED for step in report.steps[1:6])


def test_le_08_a_log_of_another_origin_is_not_believed(home: Copy) -> None:
    key = Verifier.parse(home.vkey).public_key
    report = audit(Home(home.folder), str(Verifier("example.org/other", key)))
    assert failed(report) == {Stage.CHECKPOINT}


def test_a_remembered_checkpoint_of_another_key_fails_its_step(home: Copy) -> None:
    report = home.audit(Home(home.folder), since=_signed_by_stranger(1, bytes(32)))
    assert failed(report) == {Stage.REMEMBERED}


def test_a_malformed_key_is_the_auditors_error(home: Copy) -> None:
    with pytest.raises(VerificationError):
        audit(Home(home.folder), "no key")


def test_le_17_an_erased_record_is_reported_with_the_entry_that_erased_it(scene: Scene) -> None:
    scene.database.commit(lambda session: scene.log.erase(session, 3, "PIPL article 47"))
    report = scene.audit(Home.of(scene.database))
    assert report.ok, told(report)
    assert "entry 3: present, content erased by entry 30" in report.steps[Stage.RECORDS - 1].detail
    assert "not judged" in report.steps[Stage.MEANING - 1].detail


def test_a_record_erased_without_an_entry_is_missing(home: Copy) -> None:
    home.execute('DELETE FROM ledger_record WHERE "index" = 17')
    report = home.audit(Home(home.folder))
    assert failed(report) == {Stage.RECORDS}
    assert "entry 17: its record is missing, and no entry erases it" in told(report)


def test_an_erasure_whose_record_is_still_there_is_wrong(scene: Scene) -> None:
    scene.append("entry.erased", entry=17, basis="a promise")
    report = scene.audit(Home.of(scene.database))
    assert "entry 30: it erases entry 17, whose record is still there" in told(report)


def test_le_16_an_entry_from_the_future_is_wrong(home: Copy) -> None:
    before = home.audit(Home(home.folder), now=datetime(2026, 2, 1, tzinfo=UTC))
    after = home.audit(Home(home.folder), now=datetime(2027, 2, 1, tzinfo=UTC))
    assert "entry 0: its time 2026-03-01T08:00:00.002000Z lies in the future" in told(before)
    assert after.ok


def test_le_20_a_log_larger_than_an_audit_takes_is_not_checked(
    home: Copy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LARGEST_LOG", 599)
    report = home.audit(Home(home.folder))
    assert (report.exit_code, report.interrupted) == (2, "a log of 600 entries, an audit takes at most 599")


def test_a_source_that_stops_answering_makes_the_audit_incomplete(evidence: Copy) -> None:
    (evidence.folder / "records.jsonl").unlink()
    (evidence.folder / "records.jsonl").mkdir()
    report = evidence.audit(Evidence(evidence.folder))
    assert report.exit_code == 2
    assert report.steps[Stage.RECORDS - 1].outcome is Outcome.NOT_CHECKED


def test_a_folder_without_a_ledger_is_not_checked(tmp_path: Path, home: Copy) -> None:
    assert home.audit(Evidence(tmp_path)).exit_code == 2
    assert home.audit(Home(tmp_path)).exit_code == 2


def test_a_file_that_is_no_database_is_not_checked(home: Copy) -> None:
    (home.folder / "dataspace.db").write_bytes(b"not a database" * 500)
    assert home.audit(Home(home.folder)).exit_code == 2
