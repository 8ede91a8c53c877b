"""Anchors: every anchored checkpoint is a state of the log, and the anchor holds no newer one."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from dataspace.audit.audit import Means
from dataspace.audit.export import export
from dataspace.audit.report import Stage
from dataspace.audit.sources import Evidence, Home
from dataspace.errors import Conflict, Unavailable, VerificationError
from dataspace.ledger.anchors import Head
from dataspace.proof.canonical import canonical
from dataspace.proof.checkpoint import Checkpoint
from dataspace.proof.key import Verifier
from dataspace.proof.receipt import AnchorEvidence
from tests.audit.conftest import Copy, failed, told
from tests.audit.scene import Scene, played


@dataclass
class Chain:
    """A chain in memory: it keeps heads, tells the newest, and finds what evidence names."""

    heads: list[Head] = field(default_factory=list)
    down: bool = False

    def publish(self, size: int, root: bytes, note: str) -> AnchorEvidence:
        if self.heads and size < self.heads[-1].size:
            raise Conflict("a larger head is there")
        self.heads.append(Head(size, root))
        return AnchorEvidence("chain", note, (), {"number": len(self.heads)})

    def latest(self) -> Head | None:
        self._answer()
        return self.heads[-1] if self.heads else None

    def check(self, evidence: AnchorEvidence, checkpoint: Checkpoint) -> str:
        self._answer()
        if Head(checkpoint.size, checkpoint.root) not in self.heads:
            raise VerificationError(f"the chain does not hold {evidence.kind} size {checkpoint.size}")
        return "it is there"

    def _answer(self) -> None:
        if self.down:
            raise Unavailable("the chain does not answer")


@dataclass
class Anchored:
    """A scene whose checkpoints were anchored at two sizes."""

    scene: Scene
    chain: Chain

    def anchor(self) -> None:
        note = self.scene.checkpoint()
        head = Checkpoint.open(note, Verifier.parse(self.scene.vkey))
        evidence = self.chain.publish(head.size, head.root, note)
        with (self.scene.home / "anchors.jsonl").open("ab") as file:
            file.write(canonical(evidence.to_json()) + b"\n")


@pytest.fixture
def anchored(tmp_path: Path) -> Iterator[Anchored]:
    made = Anchored(played(tmp_path / "home"), Chain())
    made.anchor()
    made.scene.answer(7)
    made.anchor()
    made.scene.answer(3)
    yield made
    made.scene.database.close()


def test_anchors_are_held_against_the_log_and_the_chain(anchored: Anchored) -> None:
    report = anchored.scene.audit(Home(anchored.scene.home), checkers={"chain": anchored.chain})
    assert report.ok, told(report)
    assert report.steps[Stage.ANCHORED - 1].detail == "2 anchors, the largest of size 37"
    assert "2 anchors hold their checkpoints" in report.steps[Stage.ANCHORS - 1].detail


def test_without_a_checker_the_chain_is_not_checked_and_the_log_is(anchored: Anchored) -> None:
    report = anchored.scene.audit(Home(anchored.scene.home))
    assert report.ok
    assert "no checker for anchors of kind 'chain'" in report.steps[Stage.ANCHORS - 1].detail


def test_a_chain_that_does_not_answer_is_not_checked(anchored: Anchored) -> None:
    anchored.chain.down = True
    report = anchored.scene.audit(Home(anchored.scene.home), checkers={"chain": anchored.chain})
    assert report.ok
    assert report.steps[Stage.ANCHORS - 1].detail == "the chain does not answer"


def test_anchors_travel_with_the_evidence(anchored: Anchored, tmp_path: Path) -> None:
    export(anchored.scene.home, tmp_path / "out")
    report = anchored.scene.audit(Evidence(tmp_path / "out"), checkers={"chain": anchored.chain})
    assert Stage.ANCHORED not in [step.number for step in report.not_checked]
    assert report.ok, told(report)


def test_le_04_a_log_cut_behind_its_anchor_is_a_rollback(anchored: Anchored) -> None:
    scene, older = anchored.scene, anchored.chain.heads[0]
    note = json.loads((scene.home / "anchors.jsonl").read_bytes().splitlines()[0])["checkpoint"]
    scene.database.close()
    copy = Copy(scene.home, scene.vkey, note)
    _cut(copy, older, note)
    report = scene.audit(Home(scene.home))
    assert failed(report) == {Stage.ANCHORED}
    assert "size 37: rollback: a log of 37 entries was anchored, this one has 30" in told(report)


def test_le_05_a_home_rolled_back_with_its_anchors_is_found_by_the_chain(anchored: Anchored) -> None:
    scene, older = anchored.scene, anchored.chain.heads[0]
    lines = (scene.home / "anchors.jsonl").read_bytes().splitlines(keepends=True)
    scene.database.close()
    _cut(Copy(scene.home, scene.vkey, ""), older, json.loads(lines[0])["checkpoint"])
    (scene.home / "anchors.jsonl").write_bytes(lines[0])
    report = scene.audit(Home(scene.home), checkers={"chain": anchored.chain})
    assert failed(report) == {Stage.ANCHORS}
    assert "rollback: a log of 37 entries is anchored now, this one has 30" in told(report)


def _cut(copy: Copy, head: Head, note: str) -> None:
    """Take a home back to an older head, consistently."""
    copy.execute(f'DELETE FROM ledger_record WHERE "index" >= {head.size}')
    copy.execute(f'DELETE FROM ledger_entry WHERE "index" >= {head.size}')
    copy.execute("UPDATE ledger_head SET size = ?, root = ?, checkpoint = ?", head.size, head.root, note)
    copy.execute("UPDATE budget SET units_spent = 20")


def test_le_14_an_anchored_root_that_the_log_never_had_is_a_fork(anchored: Anchored) -> None:
    scene = anchored.scene
    forged = Checkpoint("example.com/space", 33, bytes(32))
    verifier = Verifier.parse(scene.vkey)
    note = forged.sign(verifier, lambda message: scene.keys.sign("log", message))
    evidence = anchored.chain.publish(40, bytes(32), note)
    with (scene.home / "anchors.jsonl").open("ab") as file:
        file.write(canonical(evidence.to_json()) + b"\n")
    report = scene.audit(Home(scene.home))
    assert failed(report) == {Stage.ANCHORED}
    assert "size 33: fork: 0000" in told(report)


def test_le_14_an_anchor_that_its_chain_does_not_hold_is_wrong(anchored: Anchored) -> None:
    del anchored.chain.heads[0]
    report = anchored.scene.audit(Home(anchored.scene.home), checkers={"chain": anchored.chain})
    assert failed(report) == {Stage.ANCHORS}
    assert "anchor 0: the chain does not hold chain size 30" in told(report)


@pytest.mark.parametrize("line", [b"{}\n", b"no json\n", b'{"kind":1}\n'])
def test_a_line_that_is_no_evidence_is_wrong(anchored: Anchored, line: bytes) -> None:
    with (anchored.scene.home / "anchors.jsonl").open("ab") as file:
        file.write(line)
    report = anchored.scene.audit(Home(anchored.scene.home))
    assert failed(report) == {Stage.ANCHORED}
    assert "anchors: line 3: " in told(report)


def test_a_last_line_cut_short_by_a_crash_is_passed_over(anchored: Anchored) -> None:
    with (anchored.scene.home / "anchors.jsonl").open("ab") as file:
        file.write(b'{"kind":"chain","check')
    assert anchored.scene.audit(Home(anchored.scene.home)).ok


def test_the_chain_speaks_for_a_log_that_keeps_no_evidence(scene: Scene) -> None:
    chain = Chain([Head(31, bytes(32))])
    report = scene.audit(Home(scene.home), checkers={"chain": chain})
    assert failed(report) == {Stage.ANCHORS}
    assert "is anchored now, this one has 30" in told(report)


def test_what_is_anchored_while_the_log_is_read_is_not_held_against_it(anchored: Anchored) -> None:
    with Home(anchored.scene.home) as source:
        note = source.checkpoint()
        anchored.anchor()
        assert len(list(source.anchors())) == 2
        assert source.checkpoint() == note


def test_le_14_an_anchored_fork_below_the_remembered_checkpoint_is_found(anchored: Anchored) -> None:
    scene = anchored.scene
    before = scene.audit(Home(scene.home))
    scene.answer(2)
    forged = Checkpoint("example.com/space", 33, bytes(32))
    note = forged.sign(Verifier.parse(scene.vkey), lambda message: scene.keys.sign("log", message))
    with (scene.home / "anchors.jsonl").open("ab") as file:
        file.write(canonical(AnchorEvidence("chain", note, (), {}).to_json()) + b"\n")
    report = scene.audit(Home(scene.home), since=before.checkpoint, means=Means(memory=before.memory))
    assert "not read again" in report.steps[Stage.REMEMBERED - 1].detail
    assert "size 33: fork: 0000" in told(report)
