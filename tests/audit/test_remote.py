"""A service audited over HTTP: its tiles for everybody, its records for auditors."""

import json
from pathlib import Path

import pytest

from dataspace.audit import remote as remote_module
from dataspace.audit.audit import Means, audit
from dataspace.audit.commands import audit_once
from dataspace.audit.export import export
from dataspace.audit.order import Order
from dataspace.audit.report import Report, Stage
from dataspace.audit.sources import Evidence, Home, Remote, open_source
from dataspace.errors import Malformed, VerificationError
from dataspace.proof.verify import Outcome
from tests.audit.conftest import Copy, failed, told
from tests.audit.published import published
from tests.audit.scene import Scene, played
from tests.audit.served import TOKEN, served

__all__ = ["published"]  # a fixture


def test_a_service_is_audited_with_an_auditors_token(evidence: Copy) -> None:
    with served(evidence.folder) as (url, _):
        report = evidence.audit(Remote(url, TOKEN), since=evidence.older)
    assert report.ok, told(report)
    skipped = [step.number for step in report.not_checked]
    assert skipped == [
        Stage.PUBLISHED,
        Stage.COSIGNATURES,
        Stage.ANCHORED,
        Stage.ANCHORS,
        Stage.TIMES,
        Stage.STATE,
    ]


def test_without_a_token_the_tree_is_audited_and_no_record_is_asked_for(evidence: Copy) -> None:
    with served(evidence.folder) as (url, asked):
        report = evidence.audit(Remote(url))
    assert report.ok
    assert report.verdict == (
        "RIGHT as far as checked: 600 entries; not checked: records, kinds, remembered checkpoint, "
        "published checkpoints, cosignatures, anchored checkpoints, anchors, time tokens, meaning, "
        "decisions, state"
    )
    assert "no auditor's token" in report.steps[Stage.RECORDS - 1].detail
    assert not [path for path in asked if path.startswith("/api")]


def test_anothers_token_shows_no_records_and_checks_what_no_token_does(evidence: Copy) -> None:
    with served(evidence.folder, role="consumer") as (url, asked):
        report = evidence.audit(Remote(url, TOKEN))
        without = evidence.audit(Remote(url))
    assert (report.exit_code, report.verdict) == (0, without.verdict)
    assert "the token is not an auditor's" in report.steps[Stage.RECORDS - 1].detail
    assert not [path for path in asked if path.startswith("/api/entries")]


def test_a_token_that_is_not_accepted_is_not_checked(evidence: Copy) -> None:
    with served(evidence.folder) as (url, _):
        report = evidence.audit(Remote(url, "wrong"))
    assert report.exit_code == 2
    assert "does not accept the token" in report.verdict
    assert [step.outcome for step in report.steps[:4]] == [Outcome.PASSED] * 4


def test_a_tampered_service_is_wrong(evidence: Copy) -> None:
    evidence.flip("tile/entries/001", 100)
    with served(evidence.folder) as (url, _):
        report = evidence.audit(Remote(url, TOKEN))
    assert report.exit_code == 1
    assert "entry 258: it does not match its leaf" in told(report)


def test_a_tile_that_is_gone_is_wrong(evidence: Copy) -> None:
    (evidence.folder / "tile/0/001").unlink()
    with served(evidence.folder) as (url, _):
        report = evidence.audit(Remote(url))
    assert "tile/0/001: it is missing" in told(report)


def test_a_partial_tile_may_have_become_a_full_one(evidence: Copy) -> None:
    for name, size in (("tile/0/002", 32), ("tile/entries/002", 35), ("tile/1/000", 32)):
        partial = next((evidence.folder / f"{name}.p").iterdir())
        data = partial.read_bytes()
        rest = 256 - len(data) // size
        filler = bytes(size) if size == 32 else b"\x00\x21" + bytes(33)
        (evidence.folder / name).write_bytes(data + filler * rest)
        partial.unlink()
    with served(evidence.folder) as (url, _):
        report = evidence.audit(Remote(url))
    assert report.ok, told(report)


def test_a_service_in_trouble_is_not_checked(evidence: Copy) -> None:
    with served(evidence.folder, status=503) as (url, _):
        report = evidence.audit(Remote(url))
    assert report.exit_code == 2
    assert "answered 503" in str(report.interrupted)


def test_nobody_at_the_address_is_not_checked(evidence: Copy) -> None:
    with served(evidence.folder) as (url, _):
        pass
    assert evidence.audit(Remote(url)).exit_code == 2


def test_le_20_an_answer_without_end_is_not_read(evidence: Copy) -> None:
    (evidence.folder / "tile/0/000").write_bytes(bytes(10_000_000))
    with served(evidence.folder) as (url, _):
        report = evidence.audit(Remote(url))
    assert report.exit_code == 2
    assert "an audit reads at most 8192" in str(report.interrupted)


def test_a_page_that_is_no_list_of_records_is_wrong(evidence: Copy) -> None:
    (evidence.folder / "records.jsonl").write_text('{"index": 0, "record": [], "salts": 5}\n')
    with served(evidence.folder) as (url, _):
        report = evidence.audit(Remote(url, TOKEN))
    assert Stage.RECORDS in failed(report)
    assert "entry 0: malformed record" in told(report)


def test_what_a_service_published_is_read_page_by_page(published: Scene, tmp_path: Path) -> None:
    export(published.database, tmp_path / "out")
    with served(tmp_path / "out") as (url, asked):
        report = published.audit(Remote(url, TOKEN))
        with Remote(url) as remote, Evidence(tmp_path / "out") as folder:
            assert list(remote.published()) == list(folder.published())
    assert report.ok, told(report)
    assert report.steps[Stage.PUBLISHED - 1].outcome is Outcome.PASSED
    assert report.steps[Stage.DECISIONS - 1].outcome is Outcome.PASSED
    assert "/ledger/published?after=30&count=64" in asked


def test_the_anchors_of_a_service_are_those_of_its_listing(published: Scene, tmp_path: Path) -> None:
    export(published.database, tmp_path / "out")
    note = json.loads((tmp_path / "out/published.jsonl").read_bytes().splitlines()[0])["checkpoint"]
    evidence = {"kind": "file", "checkpoint": note, "consistency": [], "facts": {}}
    with served(tmp_path / "out", anchors={20: evidence}) as (url, _), Remote(url) as remote:
        assert [anchor.checkpoint for anchor in remote.anchors()] == [note]


def test_a_listing_that_does_not_end_is_not_read(published: Scene, tmp_path: Path) -> None:
    export(published.database, tmp_path / "out")
    with served(tmp_path / "out", forever=True) as (url, _), Remote(url, TOKEN) as remote:
        with pytest.raises(VerificationError, match="the published size 20 comes after the size 30"):
            list(remote.published())
        with pytest.raises(VerificationError, match="does not lead on"):
            list(remote.anchors())
        with pytest.raises(VerificationError, match="does not lead on"):
            remote.decision_inputs(0, 10)


def test_a_service_of_an_older_program_says_what_it_does_not_show(evidence: Copy) -> None:
    lacks = ("/ledger/published", "/ledger/keys", "/api/decisions")
    with served(evidence.folder, lacks=lacks) as (url, _):
        report = evidence.audit(Remote(url, TOKEN))
    assert report.exit_code == 0, told(report)
    assert "it is of an older program" in report.steps[Stage.PUBLISHED - 1].detail
    assert "it is of an older program" in report.steps[Stage.DECISIONS - 1].detail


def test_an_address_is_http_or_https() -> None:
    with pytest.raises(Malformed):
        Remote("ftp://example.com")
    assert isinstance(open_source("https://example.com"), Remote)


def _audited(url: str, copy: Copy, token: str | None = TOKEN) -> Report:
    return audit_once(Order(url, copy.vkey, token=token, jobs=1))


def test_who_brings_a_token_is_told_when_it_shows_no_records(evidence: Copy) -> None:
    with served(evidence.folder, role="consumer") as (url, _):
        report = _audited(url, evidence)
        assert _audited(url, evidence, None).exit_code == 0
    assert report.exit_code == 2
    assert str(report.interrupted).startswith(
        "you asked for records, and they were not checked: the token is not an auditor's"
    )


@pytest.mark.parametrize("role", ["auditor", "operator"])
def test_the_token_of_an_operator_shows_records_too(evidence: Copy, role: str) -> None:
    with served(evidence.folder, role=role) as (url, _):
        assert _audited(url, evidence).exit_code == 0


def test_who_brings_a_token_is_told_when_no_decision_is_made_again(evidence: Copy) -> None:
    with served(evidence.folder, lacks=("/api/decisions",)) as (url, _):
        report = _audited(url, evidence)
    assert report.exit_code == 2
    assert "you asked for decisions, and they were not checked" in report.verdict


def test_pages_of_other_records_are_no_way_on(evidence: Copy) -> None:
    first = (evidence.folder / "records.jsonl").read_bytes().splitlines()[0]
    (evidence.folder / "records.jsonl").write_bytes(first)
    with served(evidence.folder, stuck=True) as (url, _), Remote(url, TOKEN) as remote:
        assert list(remote.records(0, 1)) == [0]
        with pytest.raises(VerificationError, match="malformed page of records: it does not lead on"):
            remote.records(0, 300)


def test_an_answer_that_drips_is_given_up(evidence: Copy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote_module, "_WHOLE", 0.2)
    with served(evidence.folder, drips=True) as (url, _):
        report = evidence.audit(Remote(url))
    assert report.exit_code == 2
    assert "took longer than" in str(report.interrupted)


@pytest.mark.parametrize("published_too", [False, True])
def test_a_second_checkpoint_that_is_none_is_a_finding(
    evidence: Copy, published: Scene, tmp_path: Path, *, published_too: bool
) -> None:
    folder, vkey = evidence.folder, evidence.vkey
    if published_too:
        export(published.database, tmp_path / "out")
        folder, vkey = tmp_path / "out", published.vkey
    with served(folder, heads=1) as (url, _):
        report = audit(Remote(url), vkey)
    assert report.exit_code == (1 if published_too else 0)
    assert ("the checkpoint, asked for again" in told(report)) == published_too


@pytest.mark.parametrize(("status", "code"), [(401, 2), (200, 1)])
def test_what_is_shown_of_the_past_while_resuming_never_ends_an_audit(
    tmp_path: Path, status: int, code: int
) -> None:
    scene = played(tmp_path / "home", 300)
    before = scene.audit(Home.of(scene.database))
    scene.erase(20)
    export(scene.database, tmp_path / "out")
    scene.database.close()
    with served(tmp_path / "out", past=(status, before.size)) as (url, _):
        known = Means(memory=before.memory)
        report = audit(Remote(url, TOKEN), scene.vkey, since=before.checkpoint, means=known)
    assert report.exit_code == code, told(report)
