"""The keys of a log: rotated, pinned anywhere in their chain, and revoked."""

from dataclasses import replace
from pathlib import Path

import pytest

from dataspace.audit.audit import audit
from dataspace.audit.export import export
from dataspace.audit.report import Report, Stage
from dataspace.audit.sources import Evidence, Home
from dataspace.ledger.models import LedgerKey
from dataspace.proof.checkpoint import Checkpoint
from dataspace.proof.key import Verifier
from dataspace.proof.rotation import LogKeys, Rotation
from tests.audit.conftest import Copy, failed, told
from tests.audit.scene import ORIGIN, Scene

NEW = "log/v2"


@pytest.fixture
def rotated(scene: Scene) -> Scene:
    """A space whose log was handed over to a new key by entry 30."""
    scene.keys.create(NEW)
    scene.database.commit(lambda session: scene.log.rotate(session, NEW, "compromised"))
    scene.answer(5)
    return scene


def key_of(scene: Scene, name: str) -> Verifier:
    return Verifier(ORIGIN, scene.keys.public_key(name))


def audited(scene: Scene, pinned: str, **known: str) -> Report:
    return audit(Home.of(scene.database), str(key_of(scene, pinned)), **known)  # type: ignore[arg-type]


@pytest.mark.parametrize("pinned", ["log", NEW])
def test_the_pinned_key_may_be_any_of_the_chain(rotated: Scene, pinned: str) -> None:
    report = audited(rotated, pinned)
    assert report.ok, told(report)
    assert "after 1 rotations of its key" in report.steps[Stage.CHECKPOINT - 1].detail


def test_a_checkpoint_under_the_old_key_is_remembered_under_the_new_one(scene: Scene) -> None:
    older = scene.checkpoint()
    scene.keys.create(NEW)
    scene.database.commit(lambda session: scene.log.rotate(session, NEW, "scheduled"))
    assert audited(scene, NEW, since=older).ok


def test_le_05_the_log_as_it_was_before_a_rotation_is_a_fork_of_what_is_remembered(
    scene: Scene, tmp_path: Path
) -> None:
    before = tmp_path / "before"
    export(scene.database, before)
    scene.keys.create(NEW)
    scene.database.commit(lambda session: scene.log.rotate(session, NEW, "compromised"))
    scene.answer(5)
    pinned = str(key_of(scene, "log"))
    report = audit(Evidence(before), pinned, since=scene.checkpoint())
    assert Stage.REMEMBERED in failed(report)
    assert "fork: no key that this log shows signed it" in told(report)


def test_le_15_a_checkpoint_of_the_revoked_key_is_not_believed_behind_its_rotation(rotated: Scene) -> None:
    with rotated.database.reading() as session:
        head = Checkpoint.open(rotated.log.checkpoint(session), key_of(rotated, NEW))
    stolen = head.sign(key_of(rotated, "log"), lambda message: rotated.keys.sign("log", message))
    rotated.database.close()
    copy = Copy(rotated.home, rotated.vkey, "")
    copy.execute("UPDATE ledger_head SET checkpoint = ?", stolen)
    for pinned in ("log", NEW):
        report = audit(Home(rotated.home), str(key_of(rotated, pinned)))
        assert failed(report) == {Stage.CHECKPOINT}
        assert "which counts from size 0 to 30" in told(report)


def test_le_15_whoever_hides_the_rotation_hides_no_entry_of_it(rotated: Scene) -> None:
    rotated.database.close()
    Copy(rotated.home, rotated.vkey, "").execute("DELETE FROM ledger_key")
    assert failed(audit(Home(rotated.home), str(key_of(rotated, "log")))) == {Stage.CHECKPOINT}
    report = audit(Home(rotated.home), str(key_of(rotated, NEW)))
    assert "entry 30: it rotates the log's key, and no statement of both keys" in told(report)


def test_a_rotation_that_no_entry_records_is_wrong(scene: Scene) -> None:
    scene.keys.create(NEW)
    old, new = key_of(scene, "log"), key_of(scene, NEW)
    rotation = Rotation(ORIGIN, old, new, 25, "scheduled")
    statement = rotation.sign(
        lambda message: scene.keys.sign("log", message), lambda message: scene.keys.sign(NEW, message)
    )
    with scene.database.reading() as session:
        head = Checkpoint.open(scene.log.checkpoint(session), old)
    note = head.sign(new, lambda message: scene.keys.sign(NEW, message))
    scene.database.close()
    copy = Copy(scene.home, scene.vkey, "")
    copy.execute("INSERT INTO ledger_key VALUES (25, 'log', ?, ?, ?)", NEW, str(new), statement)
    copy.execute("UPDATE ledger_head SET checkpoint = ?", note)
    report = audit(Home(scene.home), str(old))
    assert "entry 25: the log's key was rotated at size 25, and this entry does not say so" in told(report)


def test_an_entry_that_tells_a_rotation_otherwise_is_wrong(scene: Scene) -> None:
    scene.keys.create(NEW)
    rotation = Rotation(ORIGIN, key_of(scene, "log"), key_of(scene, NEW), 30, "scheduled")
    statement = rotation.sign(
        lambda message: scene.keys.sign("log", message), lambda message: scene.keys.sign(NEW, message)
    )
    fields = {"role": "log", "old": str(rotation.old), "new": str(rotation.new), "statement": statement}
    row = LedgerKey(index=30, role="log", name=NEW, vkey=str(rotation.new), statement=statement)
    scene.append("key.rotated", row, **fields, reason="compromised")
    with scene.database.reading() as session:
        note = scene.log.checkpoint(session)
    head = Checkpoint.parse(note.split("\n\n")[0] + "\n")
    scene.database.close()
    note = head.sign(key_of(scene, NEW), lambda message: scene.keys.sign(NEW, message))
    Copy(scene.home, scene.vkey, "").execute("UPDATE ledger_head SET checkpoint = ?", note)
    report = audit(Home(scene.home), str(key_of(scene, "log")))
    assert "entry 30: it rotates the log's key otherwise than the statement" in told(report)


def test_a_statement_that_was_changed_is_wrong(rotated: Scene) -> None:
    rotated.database.close()
    copy = Copy(rotated.home, rotated.vkey, "")
    copy.execute("UPDATE ledger_key SET statement = replace(statement, 'compromised', 'scheduled')")
    report = audit(Home(rotated.home), str(key_of(rotated, "log")))
    assert "rotations of the key: note: the signature of" in told(report)


def test_a_chain_without_rotations_is_the_pinned_key(scene: Scene) -> None:
    keys = LogKeys((key_of(scene, "log"),))
    assert keys.current == keys.at(10**9) == key_of(scene, "log")
    assert replace(keys).origin == ORIGIN
