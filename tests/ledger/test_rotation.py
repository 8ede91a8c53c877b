"""Handing a log over to a new key: recorded, signed by both, and the old one believed for nothing larger."""

from pathlib import Path

import pytest
from sqlmodel import Session

from dataspace.errors import Conflict, Unavailable, VerificationError
from dataspace.ledger.log import Log
from dataspace.proof.checkpoint import Checkpoint
from dataspace.proof.key import Verifier
from dataspace.proof.rotation import LogKeys
from dataspace.proof.verify import verify_receipt
from tests.ledger.check import check_ledger
from tests.ledger.conftest import ORIGIN, Ledger


def _rotate(ledger: Ledger, name: str, reason: str = "scheduled") -> int:
    ledger.keys.create(name)
    return ledger.database.commit(lambda session: ledger.log.rotate(session, name, reason))


def _note(ledger: Ledger) -> str:
    with ledger.database.reading() as session:
        return ledger.log.checkpoint(session)


def _rotations(ledger: Ledger) -> list[str]:
    with ledger.database.reading() as session:
        return ledger.log.rotations(session)


def test_the_head_over_a_handover_is_signed_by_both_keys_and_later_ones_by_the_new(either: Ledger) -> None:
    old = Verifier.parse(either.log.vkey())
    index = _rotate(either, "log/v2")
    new = Verifier.parse(either.log.vkey())
    assert new != old
    assert Checkpoint.open(_note(either), old) == Checkpoint.open(_note(either), new)
    assert Checkpoint.open(_note(either), new).size == index + 1
    either.grow(3)
    assert Checkpoint.open(_note(either), new).size == index + 4
    with pytest.raises(VerificationError):
        Checkpoint.open(_note(either), old)


def test_a_log_goes_on_under_its_new_key_after_a_restart(either: Ledger) -> None:
    _rotate(either, "log/v2")
    _rotate(either, "log/v3", "compromised")
    vkey = either.log.vkey()
    either.reopen()
    either.grow(300)
    assert either.log.vkey() == vkey
    with either.database.reading() as session:
        check_ledger(session, vkey)


def test_who_pinned_the_first_key_follows_the_rotations_to_the_last(either: Ledger) -> None:
    pinned = Verifier.parse(either.log.vkey())
    index = _rotate(either, "log/v2")
    _rotate(either, "log/v3")
    either.grow(2)
    keys = LogKeys.follow(pinned, _rotations(either))
    assert str(keys.current) == either.log.vkey()
    assert keys.open(_note(either)).size == index + 4
    receipt = either.receipt(0).to_bytes()
    assert verify_receipt(receipt, str(pinned), rotations=_rotations(either)).ok
    assert not verify_receipt(receipt, str(pinned)).ok


def test_le_15_what_the_old_key_signs_beyond_its_handover_is_not_believed(ledger: Ledger) -> None:
    pinned = Verifier.parse(ledger.log.vkey())
    index = _rotate(ledger, "log/v2", "compromised")
    keys = LogKeys.follow(pinned, _rotations(ledger))
    for size, believed in ((index, True), (index + 1, False), (index + 50, False)):
        forged = Checkpoint(ORIGIN, size, b"\7" * 32).sign(pinned, lambda text: ledger.keys.sign("log", text))
        if believed:
            assert keys.open(forged).size == size
            continue
        with pytest.raises(VerificationError):
            keys.open(forged)


def test_the_entry_says_what_the_statement_says(ledger: Ledger) -> None:
    index = _rotate(ledger, "log/v2", "compromised")
    fields = ledger.receipt(index).record.fields
    assert (fields["kind"], fields["role"], fields["reason"]) == ("key.rotated", "log", "compromised")
    assert fields["new"] == ledger.log.vkey()
    assert [fields["statement"]] == _rotations(ledger)
    assert f"\nsize {index}\n" in fields["statement"]


def test_a_handover_that_fails_leaves_the_old_key(either: Ledger) -> None:
    old = either.log.vkey()
    either.keys.create("log/v2")

    def act(session: Session) -> None:
        either.log.rotate(session, "log/v2", "scheduled")
        raise RuntimeError("the act fails after the handover")

    with pytest.raises(RuntimeError):
        either.database.commit(act)
    either.grow(2)
    assert (either.log.vkey(), _rotations(either)) == (old, [])
    with either.database.reading() as session:
        check_ledger(session, old)


def test_two_handovers_in_one_batch_are_one_too_many(ledger: Ledger) -> None:
    ledger.keys.create("log/v2")
    ledger.keys.create("log/v3")

    def act(session: Session) -> None:
        ledger.log.rotate(session, "log/v2", "scheduled")
        session.flush()
        ledger.log.rotate(session, "log/v3", "scheduled")

    with pytest.raises(Conflict):
        ledger.database.commit(act)


def test_a_log_whose_new_key_is_not_in_the_store_does_not_go_on(ledger: Ledger, tmp_path: Path) -> None:
    _rotate(ledger, "log/v2")
    (tmp_path / "keys" / "log" / "v2.key").unlink()
    ledger.keys = type(ledger.keys)(tmp_path / "keys")
    ledger.reopen()
    with pytest.raises(Unavailable):
        ledger.grow(1)


def test_another_process_on_postgres_takes_up_the_new_key(postgres_url: str, tmp_path: Path) -> None:
    one = Ledger(postgres_url, tmp_path / "keys")
    one.grow(2)
    other = object.__new__(Ledger)
    other.url, other.keys, other.clock = one.url, one.keys, one.clock
    other.open()
    other.grow(1)
    _rotate(one, "log/v2")
    other.grow(1)
    assert isinstance(other.log, Log)
    assert other.log.vkey() == one.log.vkey()
    with one.database.reading() as session:
        check_ledger(session, one.log.vkey())
    one.database.close()
    other.database.close()
