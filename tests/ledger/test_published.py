"""Publishing: every line is checked before it is stored, and what was left out is done in the next round."""

from pathlib import Path

import pytest

from dataspace.errors import VerificationError
from dataspace.keys.file import FileKeys
from dataspace.ledger.keyring import Role, verifier_keys
from dataspace.ledger.log import Log
from dataspace.ledger.publisher import Publisher
from dataspace.proof.checkpoint import Checkpoint
from dataspace.proof.key import Verifier
from dataspace.proof.note import open_note
from dataspace.proof.vkey import parse_vkey
from tests.ledger.conftest import ORIGIN, Ledger
from tests.ledger.parties import keyed, newest_note, publisher, served_size


def test_a_head_is_published_under_all_keys_of_the_log(either: Ledger) -> None:
    made = publisher(keyed(either))
    assert made.publish() == either.size()
    vkeys = verifier_keys(ORIGIN, either.keys)
    keys = [
        Verifier.parse(either.log.vkey()),
        *(parse_vkey(vkeys[role]) for role in (Role.POST_QUANTUM, Role.ANCHOR)),
    ]
    opened = open_note(newest_note(either, made), keys)
    assert {key for key, _ in opened.signed} == set(keys)
    assert opened.unknown == ()
    assert dict(opened.signed)[keys[1]] == int(either.clock().timestamp())


def test_a_head_is_published_once_and_a_larger_one_again(either: Ledger) -> None:
    made = publisher(keyed(either))
    first = made.publish()
    assert made.publish() is None
    either.append()
    assert made.publish() == (first or 0) + 1
    with either.database.reading() as session:
        assert [item.size for item in made.published.all(session, 0, 9)] == [first, (first or 0) + 1]
        assert [item.size for item in made.published.all(session, first or 0, 9)] == [(first or 0) + 1]


def test_a_log_without_entries_publishes_nothing(ledger: Ledger) -> None:
    made = publisher(ledger)
    assert made.publish() is None
    with ledger.database.reading() as session:
        assert made.published.newest(session) is None
        assert made.size(session) == 0


def test_of_two_processes_one_publishes(ledger: Ledger) -> None:
    keyed(ledger)
    one, other = publisher(ledger), publisher(ledger)
    assert [one.publish(), other.publish()] == [ledger.size(), None]


def test_a_head_larger_than_the_published_one_is_served_without_a_quorum(ledger: Ledger) -> None:
    made = publisher(keyed(ledger))
    assert served_size(ledger, made) == ledger.size()
    made.publish()
    with ledger.database.reading() as session:
        assert made.head(session) == newest_note(ledger, made)
    ledger.append()
    assert served_size(ledger, made) == ledger.size()


def test_le_15_a_key_that_the_log_has_not_adopted_publishes_nothing(ledger: Ledger, tmp_path: Path) -> None:
    keyed(ledger)
    swapped = FileKeys(tmp_path / "swapped")
    for name in ("log", "anchor", "log-pq"):
        swapped.create(name)
    made = Publisher(ledger.database, ledger.log, swapped, clock=ledger.clock)
    with pytest.raises(VerificationError, match="does not verify"):
        made.publish()
    with ledger.database.reading() as session:
        assert made.published.newest(session) is None


def test_after_a_handover_heads_are_published_under_the_new_key(ledger: Ledger) -> None:
    made = publisher(keyed(ledger))
    made.publish()
    ledger.keys.create("log/v2")
    ledger.database.commit(lambda session: ledger.log.rotate(session, "log/v2", "scheduled"))
    ledger.append()
    size = made.publish()
    new = Verifier(ORIGIN, ledger.keys.public_key("log/v2"))
    assert Checkpoint.open(newest_note(ledger, made), new).size == size


def test_a_handover_by_another_process_keeps_nobody_from_publishing(ledger: Ledger) -> None:
    keyed(ledger)
    unaware = Log(ORIGIN, ledger.keys, clock=ledger.clock)
    made = Publisher(ledger.database, unaware, ledger.keys, clock=ledger.clock)
    made.publish()
    ledger.keys.create("log/v2")
    ledger.database.commit(lambda session: ledger.log.rotate(session, "log/v2", "scheduled"))
    ledger.append()
    assert made.publish() == ledger.size()
