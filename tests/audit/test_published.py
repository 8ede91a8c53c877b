"""Published checkpoints: each a state this log went through, signed by whom it must be."""

from collections.abc import Callable
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from dataspace.audit.adopted import AdoptedKeys
from dataspace.audit.audit import Means
from dataspace.audit.published import LIMIT, _Heads
from dataspace.audit.report import Report, Stage
from dataspace.audit.sources import Home
from dataspace.errors import VerificationError
from dataspace.proof.cosignature import Cosigner, PostQuantumCosigner
from dataspace.proof.secp256k1 import AnchorKey
from dataspace.proof.verify import Outcome
from tests.audit.conftest import Copy, failed, told
from tests.audit.published import TIME, WITNESSES, forged, policy, publish, published, sign
from tests.audit.scene import ORIGIN, Scene

__all__ = ["published"]  # a fixture

ROOT = bytes(range(32))


def _audit(scene: Scene, quorum: int = 2, **known: Any) -> Report:
    return scene.audit(Home.of(scene.database), means=Means(policy=policy(quorum)), **known)


def _thief(scene: Scene) -> Callable[..., None]:
    """Return what changes the tables behind the service's back."""
    return Copy(scene.home, scene.vkey, "").execute


def test_states_that_were_published_pass_with_their_signatures(published: Scene) -> None:
    report = _audit(published)
    assert report.ok, told(report)
    step = report.steps[Stage.PUBLISHED - 1]
    assert (step.outcome, step.detail) == (
        Outcome.PASSED,
        "3 published checkpoints, the largest of size 41",
    )
    told_of = report.steps[Stage.COSIGNATURES - 1].detail
    assert told_of.startswith("3 of 3 met the quorum; the newest, of size 41, cosigned by 0 at 2026-02-25T")


def test_without_a_policy_nobody_was_asked_and_that_is_said(published: Scene) -> None:
    report = published.audit(Home.of(published.database))
    assert report.ok
    assert "no policy of witnesses" in report.steps[Stage.COSIGNATURES - 1].detail


def test_le_06_another_root_of_a_published_size_is_a_fork(published: Scene) -> None:
    _thief(published)("UPDATE ledger_checkpoint SET note = ? WHERE size = 30", forged(published, 30, ROOT))
    report = _audit(published)
    assert Stage.PUBLISHED in failed(report)
    assert f"size 30: fork: {ROOT.hex()} was published, the root of this log at that size is" in told(report)


def test_le_06_two_roots_under_one_size_are_a_fork_that_the_log_signed(published: Scene) -> None:
    note = sign(published, forged(published, 30, ROOT))
    _thief(published)("INSERT INTO ledger_checkpoint VALUES (31, x'00', ?, 'now', 0)", note)
    assert f"size 30: fork: the log signed {ROOT.hex()} and " in told(_audit(published))


def test_le_05_a_published_size_beyond_the_head_is_a_rollback(published: Scene) -> None:
    _thief(published)(
        "INSERT INTO ledger_checkpoint VALUES (99, x'00', ?, 'now', 0)", forged(published, 99, ROOT)
    )
    assert "size 99: rollback: a log of 99 entries was published, this one has 41" in told(_audit(published))


def test_le_07_a_published_checkpoint_of_another_key_is_named(published: Scene) -> None:
    _thief(published)("UPDATE ledger_checkpoint SET note = replace(note, '— example.com', '— example.org')")
    assert "size 20: note: no signature of a known key" in told(_audit(published))


def test_a_post_quantum_line_that_fails_is_named(published: Scene) -> None:
    with published.database.reading() as session:
        query = "SELECT note FROM ledger_checkpoint WHERE size = 20"
        note: str = session.connection().exec_driver_sql(query).scalar_one()
    line = note.splitlines(keepends=True)[-1]
    broken = note.replace(line, line[:200] + ("A" if line[200] != "A" else "B") + line[201:])
    _thief(published)("UPDATE ledger_checkpoint SET note = ? WHERE size = 20", broken)
    report = _audit(published)
    assert "size 20: note: the signature of example.com/space does not verify" in told(report)


def test_a_line_that_an_adopted_key_owes_is_missed(published: Scene) -> None:
    publish_without = published.checkpoint()
    _thief(published)("UPDATE ledger_checkpoint SET note = ? WHERE size = 41", publish_without)
    assert "which an entry below it adopts" in told(_audit(published))


def test_the_newest_must_meet_the_quorum(published: Scene) -> None:
    published.answer(2)
    publish(published, witnesses=1)
    report = _audit(published)
    assert failed(report) == {Stage.COSIGNATURES}
    assert "size 43: the newest published checkpoint lacks the quorum of witnesses: cosigned by 0 at" in told(
        report
    )


def test_an_older_one_without_quorum_is_counted(published: Scene) -> None:
    _thief(published)("DELETE FROM ledger_cosignature WHERE size = 30")
    report = _audit(published)
    assert report.ok, told(report)
    assert report.steps[Stage.COSIGNATURES - 1].detail.startswith("2 of 3 met the quorum")


def test_a_cosignature_of_the_future_is_found(published: Scene) -> None:
    early = datetime.fromtimestamp(TIME - 1, UTC)
    report = _audit(published, now=early)
    assert f"{0} cosigned it at 2026-02-25" in told(report)
    assert Stage.COSIGNATURES in failed(report)


def test_a_line_of_a_witness_that_fails_is_found(published: Scene) -> None:
    other = WITNESSES[0].line(published.checkpoint(), TIME + 1)
    _thief(published)("UPDATE ledger_cosignature SET line = ? WHERE size = 20", other)
    report = _audit(published)
    assert {Stage.COSIGNATURES, Stage.STATE} <= failed(report)


def test_of_very_many_published_checkpoints_the_newest_are_kept() -> None:
    heads = _Heads()
    for size in range(2 * LIMIT + 2):
        heads.add(size, ROOT)
    assert heads.count == 2 * LIMIT + 2
    assert len(heads.sizes) <= 2 * LIMIT
    assert heads.root(2 * LIMIT + 1) == ROOT
    assert heads.root(0) is None


CHANGES = {
    "UPDATE ledger_checkpoint SET root = x'00' WHERE size = 30": "size 30: root is not what its note says",
    "UPDATE ledger_cosignature SET time = 7 WHERE size = 30": "time is not what its note says",
    "UPDATE ledger_timestamp SET token = x'00' WHERE size = 20": "its token is not over the text",
    "UPDATE ledger_key SET role = 'anchor'": "ledger_key 11: role is anchor, the entries imply post-quantum",
    "UPDATE ledger_key SET vkey = 'x'": "ledger_key 11: vkey is x, the entries imply example.com/space+",
    "UPDATE ledger_key SET statement = 'x'": "ledger_key 11: statement is x, the entries imply ",
    "DELETE FROM ledger_key": "ledger_key 11: the entries imply it, and there is no such row",
}


@pytest.mark.parametrize("sql", CHANGES)
def test_a_changed_row_of_what_was_published_is_named(published: Scene, sql: str) -> None:
    _thief(published)(sql)
    assert CHANGES[sql] in told(_audit(published))


def test_le_06_a_fork_below_the_remembered_checkpoint_is_found(published: Scene) -> None:
    before = _audit(published)
    published.answer(2)
    note = sign(published, forged(published, 30, ROOT))
    _thief(published)("INSERT INTO ledger_checkpoint VALUES (31, x'00', ?, 'now', 0)", note)
    _thief(published)("DELETE FROM ledger_checkpoint WHERE size = 30")
    means = Means(policy=policy(), memory=before.memory)
    report = published.audit(Home.of(published.database), since=before.checkpoint, means=means)
    assert f"size 30: fork: {ROOT.hex()} was published, the root of this log at that size is" in told(report)


def test_who_goes_on_looks_at_the_newest_again_and_at_the_roots_of_all(published: Scene) -> None:
    before = _audit(published)
    published.answer(2)
    means = Means(policy=policy(), memory=before.memory, asked=frozenset({Stage.COSIGNATURES}))
    report = published.audit(Home.of(published.database), since=before.checkpoint, means=means)
    assert report.ok, told(report)
    assert "of the 3 not larger than 41 the roots alone" in report.steps[Stage.PUBLISHED - 1].detail
    assert report.steps[Stage.COSIGNATURES - 1].detail.startswith("1 of 1 met the quorum; the newest")


def test_entries_that_wait_for_their_witnesses_are_told(published: Scene) -> None:
    published.answer(2)
    report = _audit(published)
    assert report.ok, told(report)
    detail = report.steps[Stage.COSIGNATURES - 1].detail
    assert detail.endswith("; entries from 41 on are covered by no witness yet")


def test_entries_that_wait_for_their_witnesses_for_more_than_a_day_are_wrong(published: Scene) -> None:
    published.answer()
    published.clock.now += timedelta(hours=25)
    published.answer()
    report = _audit(published)
    assert Stage.COSIGNATURES in failed(report)
    assert "entry 41: it is of 2026-03-01T" in told(report)
    assert "covered by no witness after 24 hours" in told(report)


ED25519 = Ed25519PrivateKey.from_private_bytes(bytes(32)).public_key().public_bytes_raw()
QUANTUM = bytes(1312)
POINT = bytes.fromhex("0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798")
RIGHT = {
    "post-quantum": PostQuantumCosigner(ORIGIN, QUANTUM),
    "anchor": AnchorKey(ORIGIN, POINT),
    "witness": Cosigner(f"{ORIGIN}/witness", ED25519),
    "witness-post-quantum": PostQuantumCosigner(f"{ORIGIN}/witness", QUANTUM),
}


@pytest.mark.parametrize("role", RIGHT)
def test_a_role_fixes_type_and_name_of_its_key(role: str) -> None:
    for other, key in RIGHT.items():
        entry = {"kind": "key.adopted", "role": role, "vkey": str(key)}
        with nullcontext() if other == role else pytest.raises(VerificationError, match="no key for"):
            AdoptedKeys(ORIGIN).take(3, entry)


def test_an_adopted_key_of_another_type_than_its_roles_is_a_finding(scene: Scene) -> None:
    vkey = str(Cosigner(ORIGIN, ED25519))
    scene.append("key.adopted", role="post-quantum", vkey=vkey)
    report = scene.audit(Home.of(scene.database))
    assert "is no key for post-quantum: want a PostQuantumCosigner under example.com/space" in told(report)
