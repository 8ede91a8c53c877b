"""Audits that go on from a remembered checkpoint: they read what is new, and find what a full audit finds."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dataspace.audit.audit import Means
from dataspace.audit.export import export
from dataspace.audit.memory import load
from dataspace.audit.report import Report, Stage
from dataspace.audit.sources import Evidence, Home, Source
from dataspace.errors import Malformed, NotFound, VerificationError
from dataspace.proof.record import Record
from dataspace.proof.tiles import Tile
from dataspace.proof.verify import Outcome
from tests.audit.conftest import Copy, failed, told
from tests.audit.decided import AGREEMENT, CONSUMER, PROVIDER
from tests.audit.rows import SHA
from tests.audit.scene import FIRST_ANSWER, Scene, played

NEXT = FIRST_ANSWER + 1


def resumed(copy: Scene | Copy, source: Source, before: Report, **known: Any) -> Report:
    """Audit `source` from where the audit `before` ended."""
    assert before.ok, told(before)
    return copy.audit(source, since=before.checkpoint, means=Means(memory=before.memory), **known)


def remembered(report: Report) -> str:
    return report.steps[Stage.REMEMBERED - 1].detail


def findings(report: Report) -> list[str]:
    return sorted(f"{finding.step} {finding}" for finding in report.findings)


def test_only_what_is_new_is_read(scene: Scene) -> None:
    before = scene.audit(Home.of(scene.database))
    scene.answer(5)
    report = resumed(scene, Home.of(scene.database), before)
    assert report.ok, told(report)
    assert remembered(report) == "extends the remembered size 30; what is before it was not read again"
    assert report.steps[Stage.ENTRIES - 1].detail == "5 entries from entry 30 on"
    assert report.steps[Stage.RECORDS - 1].detail == "5 records from entry 30 on"


def test_a_log_that_did_not_grow_is_right(scene: Scene) -> None:
    before = scene.audit(Home.of(scene.database))
    assert resumed(scene, Home.of(scene.database), before).ok


def _play(scene: Scene, act: int) -> None:
    """Go on with the story: acts that later ones build on, some of them wrong."""
    acts: list[Callable[[], object]] = [
        lambda: scene.answer(3),
        scene.grant,
        lambda: scene.acknowledge(NEXT),
        lambda: scene.answer(2),
        lambda: scene.acknowledge(NEXT + 1, answer_sha256="cd" * 32),
        lambda: scene.acknowledge(NEXT),
        lambda: scene.erase(scene.answer()),
        lambda: scene.grant(cells_sha256="cd" * 32),
        lambda: scene.append("entry.erased", entry=NEXT + 2, basis="a promise"),
        lambda: scene.answer(230),
        lambda: scene.append("agreement.terminated", agreement=AGREEMENT, by=CONSUMER, reason="r"),
        scene.answer,
    ]
    acts[act]()


# The acts before which an audit was right: nothing wrong was done yet.
CUTS = range(5)


@pytest.mark.parametrize("cut", CUTS)
def test_what_is_found_does_not_depend_on_where_an_audit_went_on(tmp_path: Path, cut: int) -> None:
    scene = played(tmp_path / "home", 247)
    for act in range(cut):
        _play(scene, act)
    before = scene.audit(Home.of(scene.database))
    for act in range(cut, 12):
        _play(scene, act)
    whole = scene.audit(Home.of(scene.database))
    part = resumed(scene, Home.of(scene.database), before)
    scene.database.close()
    assert "not read again" in remembered(part)
    assert findings(part) == findings(whole)
    assert {Stage.MEANING, Stage.RECORDS} <= failed(part)


def test_who_goes_on_still_knows_what_a_record_said_that_was_erased_since(scene: Scene) -> None:
    before = scene.audit(Home.of(scene.database))
    scene.erase(18)
    scene.append("participant.changed", participant="pt-9", roles=["consumer"], status="active", by=PROVIDER)
    whole, part = scene.audit(Home.of(scene.database)), resumed(scene, Home.of(scene.database), before)
    assert "entry 31: pt-9 was not admitted before" in told(part)
    assert Stage.MEANING not in failed(whole)


@pytest.mark.parametrize("answers", [1, 245, 246, 247, 256 + 246])
def test_an_audit_goes_on_inside_and_at_the_edge_of_a_tile(tmp_path: Path, answers: int) -> None:
    scene = played(tmp_path / "home", answers)
    before = scene.audit(Home.of(scene.database))
    scene.answer(300)
    export(scene.database, tmp_path / "out")
    scene.database.close()
    report = resumed(scene, Evidence(tmp_path / "out"), before)
    assert report.ok, told(report)
    assert "not read again" in remembered(report)


def test_the_audit_after_one_that_went_on_goes_on_too(scene: Scene) -> None:
    before = scene.audit(Home.of(scene.database))
    for _ in range(3):
        scene.answer(2)
        before = resumed(scene, Home.of(scene.database), before)
    assert remembered(before).startswith("extends the remembered size 34; what is before")


def test_an_old_record_that_was_erased_since_is_explained_by_its_entry(scene: Scene) -> None:
    before = scene.audit(Home.of(scene.database))
    by = scene.erase(17)
    report = resumed(scene, Home.of(scene.database), before)
    assert report.ok, told(report)
    assert f"entry 17: present, content erased by entry {by}" in report.steps[Stage.RECORDS - 1].detail


def test_an_old_record_that_is_gone_without_an_entry_is_named(home: Copy) -> None:
    before = home.audit(Home(home.folder))
    home.execute('DELETE FROM ledger_record WHERE "index" = 17')
    report = resumed(home, Home(home.folder), before)
    assert "entry 17: its record is missing, and no entry erases it" in told(report)


def test_a_record_changed_since_it_was_read_is_not_what_an_acknowledgement_is_held_against(
    scene: Scene,
) -> None:
    before = scene.audit(Home.of(scene.database))
    scene.acknowledge(17, answer_sha256="cd" * 32)
    scene.database.close()
    copy = Copy(scene.home, scene.vkey, "")
    copy.execute(
        f"UPDATE ledger_record SET record = replace(record, '{SHA}', '{'cd' * 32}') WHERE \"index\" = 17"
    )
    report = resumed(copy, Home(scene.home), before)
    assert "entry 30: it acknowledges entry 17, which is not what it was" in told(report)


def test_tiles_that_do_not_lead_to_the_remembered_root_are_read_again(evidence: Copy) -> None:
    before = evidence.audit(Evidence(evidence.folder))
    evidence.flip("tile/1/000.p/2", 40)
    report = resumed(evidence, Evidence(evidence.folder), before)
    assert "everything was read: the tiles of this log do not lead to its root" in remembered(report)
    assert "tile/1/000.p/2 hash 1: it is not the root of tile/0/001" in told(report)


def test_le_05_a_log_that_is_smaller_than_the_remembered_one_is_a_rollback(home: Copy, scene: Scene) -> None:
    before = home.audit(Home(home.folder))
    report = home.audit(Home.of(scene.database), since=before.checkpoint, means=Means(memory=before.memory))
    assert not report.ok


def test_what_was_saved_with_another_checkpoint_is_not_believed(home: Copy) -> None:
    before = home.audit(Home(home.folder))
    report = home.audit(Home(home.folder), since=home.older, means=Means(memory=before.memory))
    assert report.ok
    assert "everything was read: what is saved beside the checkpoint does not belong" in remembered(report)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_bit_flipped_in_what_was_saved_is_seen(home: Copy, data: st.DataObject) -> None:
    before = home.audit(Home(home.folder))
    assert before.memory is not None
    assert before.checkpoint is not None
    memory = bytearray(before.memory)
    at = data.draw(st.integers(0, 8 * len(memory) - 1))
    memory[at // 8] ^= 1 << at % 8
    with pytest.raises(Malformed):
        load(bytes(memory), before.checkpoint)


@given(st.binary(max_size=200), st.text(max_size=50))
def test_noise_in_the_place_of_what_was_saved_is_refused_with_one_error(data: bytes, note: str) -> None:
    with pytest.raises(Malformed):
        load(data, note)


class _Hidden(Evidence):
    """A folder whose records are not shown."""

    def records(self, start: int, end: int) -> dict[int, Record | VerificationError]:
        raise NotFound(f"records {start} to {end} are not shown")


def test_the_tree_alone_goes_on_where_no_record_is_shown(evidence: Copy) -> None:
    before = evidence.audit(_Hidden(evidence.folder))
    report = resumed(evidence, _Hidden(evidence.folder), before)
    assert report.ok, told(report)
    assert report.steps[Stage.ENTRIES - 1].detail == "0 entries from entry 600 on"


def test_an_audit_that_was_shown_no_record_saves_nothing_for_one_that_is(evidence: Copy) -> None:
    before = evidence.audit(_Hidden(evidence.folder))
    report = resumed(evidence, Evidence(evidence.folder), before)
    assert report.ok, told(report)
    assert "everything was read: the audit that remembered it was shown no records" in remembered(report)


def test_a_wrong_audit_saves_nothing(home: Copy) -> None:
    home.execute("UPDATE budget SET units = 7")
    assert home.audit(Home(home.folder)).memory is None


def test_old_tiles_are_not_read_again(evidence: Copy) -> None:
    before = evidence.audit(Evidence(evidence.folder))
    for name in (Tile(None, 0).path(), Tile(0, 0).path()):
        (evidence.folder / name).unlink()
    report = resumed(evidence, Evidence(evidence.folder), before)
    assert report.ok, told(report)
    assert Outcome.FAILED not in {step.outcome for step in report.steps}
