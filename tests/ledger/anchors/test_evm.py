"""The anchor on an EVM chain, in process and on anvil: what it takes, what it tells, and what it believes."""

import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from dataspace.errors import Conflict, Unavailable, VerificationError
from dataspace.ledger.anchors import Anchor, Head
from dataspace.ledger.anchors.contract import artefact
from dataspace.ledger.anchors.evm import EvmAnchor
from dataspace.proof.checkpoint import Checkpoint
from dataspace.proof.receipt import AnchorEvidence
from dataspace.proof.verify import AnchorChecker
from tests.contracts.trees import growth, root
from tests.ledger.anchors.conftest import Place, final, head, need_evm, publish

OTHER = b"\2" * 32
NOWHERE = "0x" + "22" * 20 + "?chain=1&code=" + "0" * 64 + "&founder=0x" + "33" * 20
STRANGER = b"\7" * 32


def test_a_head_is_published_and_found_again(place: Place) -> None:
    anchor = place.open()
    assert anchor.latest() is None
    evidence = final(anchor, 5, "the note\n")
    assert anchor.latest() == Head(5, root(5))
    assert evidence.checkpoint == "the note\n"
    assert (evidence.facts["size"], evidence.facts["root"]) == (5, root(5).hex())
    assert str(evidence.facts["block"]) in anchor.check(evidence, head(anchor, 5))


def test_it_is_an_anchor_and_a_checker(place: Place) -> None:
    checker: AnchorChecker = place.open()
    assert isinstance(checker, Anchor)


def test_evidence_survives_being_written_down(place: Place) -> None:
    anchor = place.open()
    evidence = AnchorEvidence.from_json(final(anchor, 5).to_json())
    assert anchor.check(evidence, head(anchor, 5))


def test_heads_only_grow_and_evidence_of_each_still_holds(place: Place) -> None:
    anchor = place.open()
    kept = [final(anchor, size) for size in (1, 2, 40)]
    assert anchor.latest() == Head(40, root(40))
    for size, evidence in zip((1, 2, 40), kept, strict=True):
        assert anchor.check(evidence, head(anchor, size))


def test_le_05_a_smaller_head_is_a_rollback(place: Place) -> None:
    anchor = place.open()
    final(anchor, 5)
    with pytest.raises(Conflict, match="rolled back"):
        publish(anchor, 4)


def test_le_14_another_root_of_the_same_size_is_a_fork(place: Place) -> None:
    anchor = place.open()
    final(anchor, 5)
    with pytest.raises(VerificationError, match="forked"):
        anchor.publish(Checkpoint(anchor._origin, 5, OTHER), "note", lambda _: [])


def test_le_06_a_larger_head_of_another_history_is_a_fork_and_costs_nothing(place: Place) -> None:
    anchor = place.open()
    final(anchor, 5)
    height = place.web3.eth.block_number
    with pytest.raises(VerificationError, match="forked"):
        anchor.publish(Checkpoint(anchor._origin, 9, OTHER), "note", lambda old: growth(old, 9))
    assert place.web3.eth.block_number == height
    assert place.anchored(anchor) == 1


def test_threads_take_turns(place: Place) -> None:
    anchors = [place.open() for _ in range(3)]
    lock = threading.Lock()

    def grow(anchor: EvmAnchor) -> None:
        for size in (1, 2, 3):
            with lock:  # another process of the same key would have to wait and try again
                final(anchor, size)

    threads = [threading.Thread(target=grow, args=[anchor]) for anchor in anchors]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {anchor.latest() for anchor in anchors} == {Head(3, root(3))}


def test_logs_of_other_origins_and_founders_do_not_meet(place: Place) -> None:
    anchor = place.open()
    final(anchor, 5)
    assert place.open().latest() is None
    other = replace(place.pins, founder="0x" + "11" * 20)
    assert place.open(anchor._origin, key=b"", pins=other).latest() is None


@pytest.mark.parametrize(("pin", "value"), [("chain", 1), ("code", "0" * 64), ("contract", "0x" + "22" * 20)])
def test_le_13_another_chain_code_or_contract_is_not_used(place: Place, pin: str, value: Any) -> None:
    anchor = place.open()
    evidence = final(anchor, 5)
    other = place.open(anchor._origin, pins=replace(place.pins, **{pin: value}))
    acts: list[Callable[[], object]] = [lambda: publish(other, 6), other.latest]
    for act in acts:
        with pytest.raises(Unavailable, match="pinned"):
            act()
    with pytest.raises(VerificationError, match="another"):
        other.check(evidence, head(anchor, 5))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("size", 6), ("root", OTHER.hex()), ("block", 1), ("block_hash", "0x" + "00" * 32), ("block_time", 0),
        ("log", 7), ("log", "0"), ("transaction", "0x" + "ab" * 32), ("transaction", "0x"),
        ("transaction", None),
        ("chain", 1), ("contract", "0x" + "22" * 20), ("founder", "0x" + "33" * 20), ("code", "0" * 64),
    ],
)  # fmt: skip
def test_le_13_evidence_with_another_value_does_not_hold(place: Place, name: str, value: Any) -> None:
    anchor = place.open()
    evidence = final(anchor, 5)
    forged = replace(evidence, facts={**evidence.facts, name: value})
    with pytest.raises(VerificationError):
        anchor.check(forged, head(anchor, 5))


def test_evidence_with_a_fact_too_few_or_too_many_does_not_hold(place: Place) -> None:
    anchor = place.open()
    evidence = final(anchor, 5)
    fewer = {name: fact for name, fact in evidence.facts.items() if name != "log"}
    for facts in (fewer, {**evidence.facts, "more": 1}, {}):
        with pytest.raises(VerificationError):
            anchor.check(replace(evidence, facts=facts), head(anchor, 5))


def test_evidence_of_another_checkpoint_does_not_hold(place: Place) -> None:
    anchor = place.open()
    evidence = final(anchor, 5)
    for wrong in (
        head(anchor, 6),
        Checkpoint(anchor._origin, 5, OTHER),
        Checkpoint("example.org/other", 5, root(5)),
    ):
        with pytest.raises(VerificationError):
            anchor.check(evidence, wrong)


def test_a_transaction_of_someone_elses_log_does_not_count(place: Place) -> None:
    mine, theirs = place.open(), place.open()
    evidence = final(theirs, 5)
    with pytest.raises(VerificationError, match="does not anchor"):
        mine.check(evidence, head(mine, 5))


def test_an_auditor_needs_no_key(place: Place) -> None:
    anchor = place.open()
    evidence = final(anchor, 5)
    assert place.open(anchor._origin, key=b"").check(evidence, head(anchor, 5))


def test_a_key_that_does_not_own_the_log_does_not_publish(place: Place) -> None:
    with pytest.raises(Unavailable, match="owns"):
        publish(place.open(key=STRANGER), 5)


def test_a_key_that_is_none_is_not_shown(place: Place) -> None:
    secret = b"\xff" * 32
    with pytest.raises(Unavailable) as caught:
        publish(place.open(key=secret), 5)
    assert secret.hex() not in repr(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("url", ["evm:local", "evm:http://127.0.0.1:1#" + NOWHERE])
def test_lo_09_the_libraries_leave_the_recursion_limit_alone(url: str) -> None:
    need_evm()
    program = (
        "import sys; limit = sys.getrecursionlimit()\n"
        "from dataspace.ledger.anchors import open_anchor; from dataspace.errors import Unavailable\n"
        "from dataspace.proof.checkpoint import Checkpoint\n"
        "head = Checkpoint('o', 1, bytes(32))\n"
        f"try: open_anchor({url!r}, 'o', bytes([1]) * 32).publish(head, 'note', list)\n"
        "except Unavailable: pass\n"
        "assert sys.getrecursionlimit() == limit"
    )
    done = subprocess.run([sys.executable, "-c", program], check=False, timeout=60, capture_output=True)
    assert done.returncode == 0, done.stderr


def test_the_code_on_the_chain_is_the_artefacts(place: Place) -> None:
    assert place.pins.code == artefact().code_hash
