"""The service's bookkeeping of its anchor: what is pending, what is final, and what failures lead to."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dataspace.errors import Conflict, Unavailable, VerificationError
from dataspace.ledger.anchored import RETRY_SECONDS, Anchorage, Status
from dataspace.ledger.anchors import Head, open_anchor
from dataspace.proof.checkpoint import Checkpoint
from dataspace.proof.receipt import AnchorEvidence
from dataspace.proof.verify import Outcome, verify_receipt
from tests.ledger.anchors.conftest import Place
from tests.ledger.anchors.rpc import nonsense
from tests.ledger.anchors.scene import Scene, Time, forked
from tests.ledger.conftest import ORIGIN, Ledger
from tests.ledger.parties import keyed, publisher


@pytest.fixture
def scene(remote: Place, ledger: Ledger, tmp_path: Path) -> Scene:
    """A log of a few entries, and the contract."""
    return Scene(remote, ledger, tmp_path)


@pytest.fixture
def slow(remote: Place, ledger: Ledger, tmp_path: Path) -> Scene:
    """The same, where a head counts after three more blocks."""
    return Scene(remote, ledger, tmp_path, confirmations=3)


def anchored_head(evidence: AnchorEvidence) -> Checkpoint:
    return Checkpoint.parse(evidence.checkpoint.rpartition("\n\n")[0] + "\n")


def receipt(scene: Scene, index: int = 0) -> Any:
    with scene.ledger.database.reading() as session:
        return scene.anchors.evidence(session, index)


def waits(scene: Scene) -> bool:
    """Tell whether the next try is left out."""
    return scene.time.now < scene.anchors._resume


def test_every_anchored_size_is_a_published_one_and_its_note_is_the_evidence(scene: Scene) -> None:
    start, sizes = scene.ledger.size(), []
    for _ in range(3):
        scene.ledger.grow(3)
        sizes.append(scene.publish())
        assert receipt(scene).checkpoint == scene.note()
    assert scene.kept() == sizes == [start + 3, start + 6, start + 9]


def test_a_log_that_did_not_grow_is_not_anchored_again(scene: Scene) -> None:
    assert scene.publish() == scene.ledger.size()
    assert scene.publish() is None
    assert scene.place.anchored(scene.chain) == 1


def test_evidence_is_listed_from_a_size_on(scene: Scene) -> None:
    for _ in range(4):
        scene.publish()
        scene.ledger.append()
    size = scene.ledger.size()
    assert [one.facts["size"] for one in scene.anchors.all_evidence(after=size - 3)] == [size - 2, size - 1]


def test_ch_01_while_the_chain_is_away_the_log_grows_and_the_pauses_get_longer(scene: Scene) -> None:
    with nonsense(429, b"slow down") as scene.rpc:
        scene.restart()
        waited = []
        for _ in range(12):
            scene.ledger.append()
            began = scene.time.now
            with pytest.raises(Unavailable):
                scene.publish()
            while waits(scene):
                scene.time.now += 1
            waited.append(scene.time.now - began)
        assert waited[:4] == [2, 4, 8, 16]
        assert waited[-1] == RETRY_SECONDS
        assert scene.anchors.status.problem
    scene.rpc = scene.place.rpc
    scene.restart()
    assert scene.publish() == scene.ledger.size()
    assert scene.anchors.status == Status(scene.ledger.size(), 0, "")


def test_ch_02_a_head_that_a_dead_process_submitted_gets_its_evidence_and_is_not_sent_again(
    slow: Scene,
) -> None:
    submitted = slow.ledger.size()
    assert slow.publish() is None
    assert slow.anchors.status == Status(0, submitted, "")
    slow.ledger.grow(4)
    slow.publisher.publish()
    slow.restart()
    slow.place.ask("anvil_mine", 3)
    assert slow.publisher.anchor() == submitted
    assert slow.kept() == [submitted]
    assert slow.place.anchored(slow.chain) == 2
    assert slow.anchors.status == Status(submitted, submitted + 4, "")
    slow.place.ask("anvil_mine", 3)
    assert slow.publisher.anchor() == submitted + 4


def test_ch_04_what_is_not_final_is_pending_and_in_no_receipt(slow: Scene) -> None:
    for _ in range(3):
        assert slow.publish() is None
        assert receipt(slow) is None
        assert slow.anchors.status == Status(0, slow.ledger.size(), "")
        slow.place.ask("anvil_mine", 1)
    assert slow.publish() == slow.ledger.size()
    assert receipt(slow)
    assert slow.place.anchored(slow.chain) == 1


def test_ch_04_what_a_reorganisation_took_is_anchored_again(slow: Scene) -> None:
    assert slow.publish() is None
    slow.place.ask("anvil_reorg", 1, [])
    assert slow.chain.latest(final=False) is None
    assert slow.publish() is None
    slow.place.ask("anvil_mine", 3)
    assert slow.publish() == slow.ledger.size()
    (evidence,) = slow.anchors.all_evidence()
    assert open_anchor(slow.url, ORIGIN).check(evidence, anchored_head(evidence))


def test_ch_04_evidence_that_a_deep_reorganisation_took_is_made_again(scene: Scene) -> None:
    size = scene.publish()
    scene.place.ask("anvil_reorg", 1, [])
    assert scene.publish() == size
    first, second = scene.anchors.all_evidence()
    assert receipt(scene) == second != first
    assert open_anchor(scene.url, ORIGIN).check(second, anchored_head(second))


def test_ch_05_an_empty_purse_is_told_and_nothing_is_lost(scene: Scene) -> None:
    scene.place.ask("anvil_setBalance", scene.founder, "0x0")
    with pytest.raises(Unavailable):
        scene.publish()
    assert scene.anchors.status.problem
    scene.place.ask("anvil_setBalance", scene.founder, hex(10**17))
    scene.time.now += RETRY_SECONDS
    assert scene.publish() == scene.ledger.size()


def test_ch_08_without_its_chain_all_but_the_anchor_of_a_receipt_is_verified(scene: Scene) -> None:
    scene.publish()
    with scene.ledger.database.reading() as session:
        found = scene.ledger.log.receipt(session, 0)
        anchored = scene.anchors.evidence(session, 0)
    data = replace(found, anchor=anchored).to_bytes()
    gone = open_anchor(f"evm:http://127.0.0.1:9#{scene.pins.text()}", ORIGIN)
    report = verify_receipt(data, scene.ledger.log.vkey(), anchor=gone)
    there = verify_receipt(data, scene.ledger.log.vkey(), anchor=open_anchor(scene.url, ORIGIN))
    assert report.ok
    outcomes = {step.name: step.outcome for step in report.steps}
    assert outcomes["anchored checkpoint"] is Outcome.PASSED
    assert outcomes["anchor"] is Outcome.NOT_CHECKED
    assert {step.name: step.outcome for step in there.steps}["anchor"] is Outcome.PASSED


def test_ch_10_a_chain_that_lost_its_state_is_anchored_to_again(scene: Scene) -> None:
    scene.place.ask("anvil_mine", 1)
    snapshot = scene.place.ask("evm_snapshot")
    size = scene.publish()
    scene.place.ask("evm_revert", snapshot)
    scene.place.ask("anvil_mine", 1)  # so that another block holds what is anchored again
    assert scene.chain.latest() is None
    assert scene.publish() == size
    assert scene.chain.latest() == Head(size or 0, anchored_head(receipt(scene)).root)
    assert scene.kept() == [size, size]
    assert scene.publish() is None


def test_what_is_anchored_again_in_the_very_same_block_is_kept_once(scene: Scene) -> None:
    moment = scene.place.web3.eth.get_block("latest")["timestamp"] + 60
    snapshot = scene.place.ask("evm_snapshot")
    for _ in range(2):
        scene.place.ask("evm_setNextBlockTimestamp", moment)
        scene.place.ask("anvil_setNextBlockBaseFeePerGas", hex(10**9))
        size = scene.publish()
        assert scene.kept() == [size]
        scene.place.ask("evm_revert", snapshot)


def test_le_05_a_log_behind_its_anchor_may_not_grow(scene: Scene, tmp_path: Path) -> None:
    old = forked(scene.ledger, tmp_path)
    scene.ledger.grow(3)
    scene.publish()
    for file in (scene.file, tmp_path / "lost"):  # with the evidence that is kept, and without it
        old.reopen()
        anchors = Anchorage(old.database, old.log, scene.chain, file)
        anchors.guard()
        with pytest.raises(Unavailable, match="rolled back"):
            old.append()
    made = publisher(old, anchors=anchors)
    made.publish()
    with pytest.raises(Conflict, match="rolled back"):
        made.anchor()
    old.database.close()


def test_le_05_a_rollback_that_shows_only_when_a_head_is_submitted_stops_the_log(
    scene: Scene, tmp_path: Path
) -> None:
    old = forked(scene.ledger, tmp_path)
    scene.ledger.grow(3)
    scene.publish()
    made = publisher(old, anchors=Anchorage(old.database, old.log, scene.chain, tmp_path / "lost"))
    old.append()
    made.publish()
    with pytest.raises(Conflict, match="rolled back"):
        made.anchor()
    with pytest.raises(Unavailable, match="rolled back"):
        old.append()
    old.database.close()


@pytest.mark.parametrize("more", [0, 1])
def test_le_14_a_second_history_is_not_anchored(scene: Scene, tmp_path: Path, more: int) -> None:
    old = forked(scene.ledger, tmp_path)
    scene.ledger.append(digest="one", revision=1)
    scene.publish()
    for number in range(1 + more):
        old.append(digest="another", revision=number)
    made = publisher(old, anchors=Anchorage(old.database, old.log, scene.chain, tmp_path / "lost"))
    made.publish()
    with pytest.raises(VerificationError, match="forked"):
        made.anchor()
    assert scene.place.anchored(scene.chain) == 1
    old.database.close()


def test_an_anchor_that_is_a_file_is_the_evidence_itself_or_beside_it(ledger: Ledger, tmp_path: Path) -> None:
    keyed(ledger)
    for kept in (tmp_path / "anchor", tmp_path / "elsewhere"):
        anchor = open_anchor(f"file:{tmp_path}/anchor", ORIGIN)
        anchors = Anchorage(ledger.database, ledger.log, anchor, kept, clock=Time())
        made = publisher(ledger, anchors=anchors)
        ledger.append()
        made.publish()
        assert made.anchor() == ledger.size()
        assert made.anchor() is None
        assert [one.facts["size"] for one in anchors.all_evidence()][-1] == ledger.size()
    assert len((tmp_path / "anchor").read_bytes().splitlines()) == 2


def test_cr_09_a_home_that_cannot_be_written_keeps_the_head_pending(scene: Scene, tmp_path: Path) -> None:
    scene.file = tmp_path / "nowhere" / "anchors.jsonl"
    scene.restart()
    with pytest.raises(Unavailable):
        scene.publish()
    (tmp_path / "nowhere").mkdir()
    scene.time.now += RETRY_SECONDS
    assert scene.publish() == scene.ledger.size()
    assert scene.place.anchored(scene.chain) == 1
