"""The log on a real database: what is appended is provable, and nothing else can be."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlmodel import Session

from dataspace.database import Database
from dataspace.errors import Malformed, NotFound, TooLarge, Unavailable
from dataspace.ledger.log import Log
from dataspace.proof import merkle
from dataspace.proof.checkpoint import Checkpoint
from dataspace.proof.key import Verifier
from dataspace.proof.tiles import split_entries, split_hashes, tiles_at
from dataspace.proof.verify import verify_receipt
from tests.ledger.check import check_ledger
from tests.ledger.conftest import ORIGIN, Ledger


def _head(ledger: Ledger) -> Checkpoint:
    with ledger.database.reading() as session:
        return Checkpoint.open(ledger.log.checkpoint(session), Verifier.parse(ledger.log.vkey()))


def test_an_entry_has_a_receipt_that_verifies(either: Ledger) -> None:
    index = either.append("dataset.withdrawn", dataset="ds-1", versions=[1], by="pt-1", policy="a", input="b")
    report = verify_receipt(either.receipt(index).to_bytes(), either.log.vkey())
    assert report.ok
    assert report.receipt is not None
    assert report.receipt.record.fields == {
        "kind": "dataset.withdrawn", "time": "2026-11-23T08:00:00.000000Z",
        "dataset": "ds-1", "versions": [1], "by": "pt-1", "policy": "a", "input": "b",
    }  # fmt: skip


def test_a_new_log_begins_by_naming_itself_and_its_key(either: Ledger) -> None:
    assert either.append() == 1
    fields = either.receipt(0).record.fields
    assert (fields["kind"], fields["origin"], fields["vkey"]) == ("log.created", ORIGIN, either.log.vkey())


def test_a_log_grows_over_restarts_as_one_tree(either: Ledger) -> None:
    heads = []
    for count in (1, 254, 1, 300):
        either.grow(count)
        heads.append(_head(either))
        either.reopen()
    assert [head.size for head in heads] == [2, 256, 257, 557]
    with either.database.reading() as session:
        for old, new in pairwise(heads):
            proof = either.log.consistency(session, old.size, new.size)
            merkle.verify_consistency(old.size, new.size, proof, old_root=old.root, new_root=new.root)
        assert check_ledger(session, either.log.vkey()) == heads[-1]
    assert all(
        verify_receipt(either.receipt(index).to_bytes(), either.log.vkey()).ok for index in (0, 255, 256, 556)
    )


def test_the_tiles_hold_the_tree_and_the_bundles_its_entries(either: Ledger) -> None:
    either.grow(600)
    with either.database.reading() as session:
        entries = [
            entry
            for number, width in ((0, 256), (1, 256), (2, 89))
            for entry in split_entries(either.log.bundle(session, number, width), width)
        ]
        leaves = [merkle.leaf_hash(entry) for entry in entries]
        for tile in tiles_at(601):
            assert tile.level is not None
            hashes = split_hashes(either.log.tile(session, tile.level, tile.number, tile.width), tile.width)
            first = tile.number * 256
            nodes = merkle.nodes_of(leaves)
            assert hashes == [nodes(8 * tile.level, first + at) for at in range(tile.width)]
    assert merkle.root(leaves) == _head(either).root


@pytest.mark.parametrize(
    ("level", "number", "width"), [(0, 0, 4), (0, 1, 1), (1, 0, 1), (0, -1, 1), (0, 0, 0), (0, 0, 257)]
)
def test_a_tile_the_log_has_not_is_not_found(ledger: Ledger, level: int, number: int, width: int) -> None:
    ledger.grow(2)
    with ledger.database.reading() as session:
        with pytest.raises(NotFound):
            ledger.log.tile(session, level, number, width)
        if level == 0:
            with pytest.raises(NotFound):
                ledger.log.bundle(session, number, width)


def test_what_is_not_there_is_not_found(ledger: Ledger) -> None:
    with ledger.database.reading() as session:
        assert ledger.log.size(session) == 0
        for ask in (
            ledger.log.checkpoint,
            lambda s: ledger.log.record(s, 0),
            lambda s: ledger.log.receipt(s, 0),
            lambda s: ledger.log.consistency(s, 1, 1),
        ):
            with pytest.raises(NotFound):
                ask(session)


def test_entries_of_a_failed_act_are_not_in_the_log(either: Ledger) -> None:
    def act(session: Session) -> None:
        either.log.append(session, "entry.erased", entry=7, basis="undone")
        raise Malformed("no")

    with pytest.raises(Malformed):
        either.database.commit(act)
    assert either.append() == 1
    assert either.size() == 2


def test_every_receipt_of_32_threads_verifies(either: Ledger) -> None:
    def work(worker: int) -> list[int]:
        indexes = []
        for number in range(8):
            if number % 4 == 3:
                with pytest.raises(Malformed):
                    either.append("entry.erased", entry=1.5, basis="")
            indexes.append(either.append("entry.erased", entry=worker, basis=str(number)))
        return indexes

    with ThreadPoolExecutor(32) as pool:
        indexes = list(pool.map(work, range(32)))
    assert sorted(index for some in indexes for index in some) == list(range(1, 257))
    for worker, some in enumerate(indexes):
        for number, index in enumerate(some):
            receipt = either.receipt(index)
            assert (receipt.record.fields["entry"], receipt.record.fields["basis"]) == (worker, str(number))
            assert verify_receipt(receipt.to_bytes(), either.log.vkey()).ok


_acts = st.lists(st.tuples(st.integers(0, 40), st.booleans(), st.booleans()), max_size=8)


@given(_acts)
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_log_is_the_tree_of_the_entries_that_committed(
    tmp_path_factory: pytest.TempPathFactory, acts: Any
) -> None:
    folder: Path = tmp_path_factory.mktemp("model")
    ledger = Ledger(f"sqlite:///{folder}/space.db", folder / "keys")
    leaves: list[bytes] = []
    for count, fails, restarts in acts:
        try:
            ledger.database.commit(_act(ledger.log, count, fails))
        except Malformed:
            continue
        with ledger.database.reading() as session:
            rows = ledger.log.records(session, len(leaves), 100)
            leaves += [merkle.leaf_hash(record.entry()) for _, record in rows]
            assert ledger.log.size(session) == len(leaves)
            assert _head(ledger).root == merkle.root(leaves)
        if restarts:
            ledger.reopen()
    ledger.database.close()


def _act(log: Log, count: int, fails: bool) -> Any:
    def act(session: Session) -> None:
        for number in range(count):
            log.append(session, "entry.erased", entry=number, basis="model")
        if fails:
            raise Malformed("no")

    return act


@pytest.mark.parametrize(("kind", "fields"), [
    ("query.sold", {}), ("entry.erased", {}), ("entry.erased", {"entry": 1, "basis": "", "more": 1}),
    ("entry.erased", {"entry": 1.0, "basis": ""}), ("entry.erased", {"entry": 2**53, "basis": ""}),
    ("entry.erased", {"entry": 1, "basis": "\ud800"}),
])  # fmt: skip
def test_le_11_an_entry_of_another_shape_is_refused_and_fails_its_act_alone(
    ledger: Ledger, kind: str, fields: dict[str, Any]
) -> None:
    with pytest.raises(Malformed):
        ledger.database.commit(lambda session: ledger.log.append(session, kind, **fields))
    assert ledger.append() == 1


def test_a_record_over_its_limit_is_refused(ledger: Ledger) -> None:
    with pytest.raises(TooLarge):
        ledger.append("entry.erased", entry=1, basis="x" * 70_000)


def test_le_16_time_never_runs_backwards_within_the_bound_and_stops_the_log_beyond_it(either: Ledger) -> None:
    either.append()
    either.clock.now -= timedelta(seconds=5)
    either.append()
    times = [either.receipt(index).record.fields["time"] for index in (0, 1, 2)]
    assert times == ["2026-11-23T08:00:00.000000Z"] * 3
    either.clock.now -= timedelta(seconds=6)
    with pytest.raises(Unavailable, match="the clock is behind"):
        either.append()
    either.reopen()
    with pytest.raises(Unavailable, match="the clock is behind"):
        either.append()
    either.clock.now += timedelta(seconds=12)
    assert either.append() == 3


def test_le_17_an_erased_entry_stays_provable_and_its_content_is_gone(either: Ledger) -> None:
    index = either.append(
        "participant.admitted", participant="pt-1", roles=["a name that must go"], by="pt-2"
    )
    before = _head(either)
    said = either.database.commit(lambda session: either.log.erase(session, index, "PIPL article 47"))
    either.database.shred()
    with either.database.reading() as session:
        assert either.log.record(session, index) is None
        assert [found for found, _ in either.log.records(session, 0, 9)] == [0, said]
        with pytest.raises(NotFound, match="erased"):
            either.log.receipt(session, index)
        proof = either.log.consistency(session, before.size, said + 1)
        head = check_ledger(session, either.log.vkey())
    merkle.verify_consistency(before.size, said + 1, proof, old_root=before.root, new_root=head.root)
    with pytest.raises(NotFound):
        either.database.commit(lambda session: either.log.erase(session, index, "again"))


def test_le_05_a_log_behind_its_floor_refuses_to_grow(either: Ledger) -> None:
    either.grow(3)
    either.log.floor(4)
    assert either.append() == 4
    either.log.floor(6)
    either.log.floor(1)
    with pytest.raises(Unavailable, match="it was rolled back"):
        either.append()


def test_le_05_a_lost_database_does_not_start_a_second_log(tmp_path: Path) -> None:
    fresh = Ledger(f"sqlite:///{tmp_path}/space.db", tmp_path / "keys")
    fresh.log.floor(2)
    with pytest.raises(Unavailable, match="it was rolled back"):
        fresh.append()
    fresh.database.close()


def test_two_processes_on_one_postgres_append_to_one_log(postgres_url: str, tmp_path: Path) -> None:
    first = Ledger(postgres_url, tmp_path / "keys")
    log = Log(ORIGIN, first.keys, clock=first.clock)
    second = Database(postgres_url, log)
    first.append()

    def append() -> int:
        return second.commit(
            lambda session: log.append(session, "policy.adopted", digest="second", revision=0)
        )

    def work(worker: int) -> list[int]:
        return [first.append() if worker % 2 else append() for _ in range(10)]

    with ThreadPoolExecutor(8) as pool:
        indexes = [index for some in pool.map(work, range(8)) for index in some]
    assert sorted(indexes) == list(range(2, 82))
    with second.reading() as session:
        assert check_ledger(session, log.vkey()).size == 82
    second.close()
    first.database.close()
