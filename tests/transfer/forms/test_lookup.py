"""Private lookups as a journey; a malicious consumer gets one record for each evaluation it pays for."""

import json
import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlmodel import Session, select

from dataspace.catalog.models import DatasetVersion
from dataspace.errors import Malformed, NotFound, PolicyDenied, TooLarge, TooMany
from dataspace.participants.access import Caller
from dataspace.participants.models import Role
from dataspace.privacy.lookup import Head
from dataspace.sandbox import Pool
from dataspace.transfer.case import Case, read_case
from dataspace.transfer.engine import WORKER, Engine
from dataspace.transfer.forms.lookups import Lookups
from dataspace.transfer.forms.matching import Rate
from dataspace.transfer.models import LookupTable
from dataspace.wire.oprf import LOOKUP, ORDER, Scalar, hashed, record_keys
from tests.simulator import Simulator
from tests.transfer.blinding import Consumer, consumer_of

_NONCE = bytes(12)


def _head(consumer: Consumer) -> tuple[str, Head]:
    view = consumer.space.service.lookups.table(consumer.caller, consumer.agreement.id, "number")
    assert view.progress == 100
    assert view.head
    return view.id, view.head


def _table(consumer: Consumer, entry: int, bucket: int | None = None) -> tuple[str, dict[bytes, bytes]]:
    """Fetch a bucket, or the whole table: sealed records by label."""
    name, head = _head(consumer)
    lookups = consumer.space.service.lookups
    data = lookups.records(consumer.caller, consumer.agreement.id, name, entry=entry, bucket=bucket)
    records = [data[at : at + head.stride] for at in range(0, len(data), head.stride)]
    return name, {record[:16]: record[16:] for record in records}


def _opened(table: str, sealed: dict[bytes, bytes], item: str, value: bytes) -> list[list[Any]] | None:
    label, key = record_keys(table, item, value)
    if label not in sealed:
        return None
    rows: list[list[Any]] = json.loads(AESGCM(key).decrypt(_NONCE, sealed[label], table.encode() + label))
    return rows


def _lookup(consumer: Consumer, item: str) -> list[list[Any]] | None:
    value = consumer.value_of(item)
    name, sealed = _table(consumer, len(consumer.space.kinds()) - 1)
    return _opened(name, sealed, item, value)


def test_a_record_is_what_leaves_as_rows_and_a_stranger_has_none(space: Simulator) -> None:
    consumer = consumer_of(space, 400, "lookup")
    assert _lookup(consumer, "P000007") == [["district 1", "[20, 30)", 3007]]
    assert _lookup(consumer, "P000400") is None
    assert [field["name"] for field in _head(consumer)[1].fields] == ["district", "age", "income"]
    assert consumer.usage["units"]["spent"] == 2
    assert space.kinds()[-2:] == ["query.answered"] * 2
    space.audit()


def test_every_evaluation_is_a_unit_and_the_units_end(space: Simulator) -> None:
    consumer = consumer_of(space, 400, "lookup", units=5)
    points = [Scalar.fresh().of(hashed(f"P{number:06d}", LOOKUP)) for number in range(6)]
    with pytest.raises(PolicyDenied, match="units-exhausted"):
        consumer.evaluate(points)
    consumer.evaluate(points[:5])
    assert consumer.usage["units"]["spent"] == 5
    with pytest.raises(PolicyDenied, match="units-exhausted"):
        consumer.evaluate(points[5:])
    space.audit()


def test_a_dictionary_of_guessable_identifiers_costs_a_unit_for_each_guess(space: Simulator) -> None:
    """Attack QY-18: with an unkeyed hash the whole table opens offline; here a guess needs an evaluation."""
    consumer = consumer_of(space, 400, "lookup", units=40)
    guesses = [f"P{number:06d}" for number in range(400)]
    consumer.value_of(guesses[0])
    name, sealed = _table(consumer, len(space.kinds()) - 1)
    unkeyed = Scalar.from_bytes((1).to_bytes(32))
    assert not any(_opened(name, sealed, item, unkeyed.of(hashed(item, LOOKUP))) for item in guesses)
    opened = 0
    for item in guesses:
        try:
            opened += _opened(name, sealed, item, consumer.value_of(item)) is not None
        except PolicyDenied:
            break
    assert opened == consumer.usage["units"]["spent"] - 1 == 39
    space.audit()


def test_qy_18_a_naive_table_of_unkeyed_hashes_opens_offline_and_ours_does_not(space: Simulator) -> None:
    consumer = consumer_of(space, 400, "lookup")
    guesses = [f"P{number:06d}" for number in range(400)]
    naive = {record_keys("naive", item, b"")[0] for item in guesses}
    assert sum(record_keys("naive", item, b"")[0] in naive for item in guesses) == 400
    consumer.value_of("P999999")
    name, sealed = _table(consumer, len(space.kinds()) - 1)
    assert not any(
        record_keys(name, item, value)[0] in sealed for item in guesses for value in (b"", bytes(32))
    )
    # Under another offer the same subject has another label: tables of two consumers do not join.
    other = consumer_of(space, 405, "lookup")
    other.value_of("P000001")
    assert not sealed.keys() & _table(other, len(space.kinds()) - 1)[1].keys()
    space.audit()


def test_one_evaluation_opens_one_record_however_its_points_are_made_up(space: Simulator) -> None:
    consumer = consumer_of(space, 400, "lookup")
    value = consumer.value_of("P000001")
    name, sealed = _table(consumer, len(space.kinds()) - 1)
    others = [f"P{number:06d}" for number in range(400) if number != 1]
    assert _opened(name, sealed, "P000001", value)
    # The value again, its multiples, and its inverses' are other items' for nobody.
    for exponent in (1, 2, 3, ORDER - 1, (ORDER + 1) // 2):
        (made,) = Scalar.from_bytes(exponent.to_bytes(32)).of_all([value])
        assert not any(_opened(name, sealed, item, made) for item in others)
    # Nor does an evaluation of a multiple of a point open more than that point does itself.
    twice = Scalar.from_bytes((2).to_bytes(32))
    (evaluated,) = consumer.evaluate([twice.of(hashed("P000002", LOOKUP))])
    opens = [item for item in others if _opened(name, sealed, item, twice.inverse.of_all([evaluated])[0])]
    assert opens == ["P000002"]
    space.audit()


def test_what_is_no_point_or_twice_there_or_too_much_is_refused_and_costs_nothing(space: Simulator) -> None:
    consumer = consumer_of(space, 400, "lookup")
    point = Scalar.fresh().of(hashed("P000001", LOOKUP))
    with pytest.raises(Malformed, match="point"):
        consumer.evaluate([b"\xff" * 32])
    with pytest.raises(Malformed, match="twice"):
        consumer.evaluate([point, point])
    with pytest.raises(Malformed, match="malformed batch"):
        consumer.evaluate([point[:-1]])
    with pytest.raises(TooLarge):
        consumer.evaluate([os.urandom(32) for _ in range(1001)])
    assert consumer.usage["units"] == {"granted": 1000, "spent": 0, "reserved": 0}
    space.audit()


def test_cr_05_the_same_points_again_are_answered_at_no_cost(space: Simulator) -> None:
    consumer = consumer_of(space, 400, "lookup")
    points = [Scalar.fresh().of(hashed("P000001", LOOKUP))]
    first, again = consumer.answer(points), consumer.answer(points)
    assert (again.content, again.entry) == (first.content, first.entry)
    assert consumer.usage["units"]["spent"] == 1
    space.audit()


def test_records_are_fetched_only_after_an_evaluation_and_by_its_agreement(space: Simulator) -> None:
    consumer = consumer_of(space, 400, "lookup")
    entry = consumer.answer([Scalar.fresh().of(hashed("x", LOOKUP))]).entry
    name, _ = _head(consumer)
    other = space.consumer()
    theirs = space.agreed(other, consumer.agreement.offer)
    lookups = space.service.lookups
    assert lookups.records(consumer.caller, consumer.agreement.id, name, entry=entry)
    for ticket in (entry, entry - 1, 10**9, 0):
        with pytest.raises(NotFound):
            lookups.records(other, theirs.id, name, entry=ticket)
    with pytest.raises(NotFound):
        lookups.records(consumer.caller, consumer.agreement.id, name, entry=entry - 1)
    for table, bucket in (("lt-0123456789abcdef", None), (name, 1), (name, -1)):
        with pytest.raises(NotFound):
            lookups.records(consumer.caller, consumer.agreement.id, table, entry=entry, bucket=bucket)
    space.audit()


def test_qy_22_an_ended_agreement_fetches_nothing_more(space: Simulator) -> None:
    consumer = consumer_of(space, 400, "lookup")
    entry = consumer.answer([Scalar.fresh().of(hashed("x", LOOKUP))]).entry
    name, _ = _head(consumer)
    space.service.negotiator.end(consumer.caller, consumer.agreement.id)
    with pytest.raises(NotFound):
        space.service.lookups.records(consumer.caller, consumer.agreement.id, name, entry=entry)
    with pytest.raises(PolicyDenied):
        consumer.value_of("P000001")
    space.audit()


def _case(consumer: Consumer) -> Case:
    own = consumer.space.service.space
    with own.database.reading() as session:
        return read_case(session, own, consumer.caller, consumer.agreement.id)


def test_evaluations_of_a_minute_are_bounded_and_forgotten_after_it(space: Simulator) -> None:
    rate = Rate("evaluations", 10, space.clock)
    one, other, account = (consumer_of(space, 400, "lookup") for _ in range(3))
    for member in (one, account):
        space.service.membership.change(space.operator, member.caller.id, entity="one entity")
    rate.take(_case(one), 6)
    rate.take(_case(other), 10)
    # Another account of a legal entity has no minute of its own.
    for member in (one, account):
        with pytest.raises(TooMany, match="at most 10 in a minute"):
            rate.take(_case(member), 5)
    rate.take(_case(account), 4)
    space.clock.forward(seconds=61)
    rate.take(_case(one), 10)


@pytest.mark.parametrize("column", ["district", "income"])
def test_a_column_that_names_no_subject_is_no_identifier(space: Simulator, column: str) -> None:
    consumer = consumer_of(space, 400, "lookup")
    with pytest.raises(PolicyDenied) as refused:
        consumer.evaluate([Scalar.fresh().of(hashed("x", LOOKUP))], column)
    assert refused.value.facts["reasons"][0]["use"] == "identifier"
    with pytest.raises(NotFound):
        consumer.evaluate([Scalar.fresh().of(hashed("x", LOOKUP))], "nothing")
    space.audit()


def test_a_form_that_is_not_agreed_is_denied(space: Simulator) -> None:
    consumer = consumer_of(space, 400, "aggregate")
    with pytest.raises(PolicyDenied, match="form-not-agreed"):
        consumer.evaluate([Scalar.fresh().of(hashed("x", LOOKUP))])
    space.audit()


def test_until_the_first_evaluation_there_is_no_table(space: Simulator) -> None:
    consumer = consumer_of(space, 402, "lookup")
    view = space.service.lookups.table(consumer.caller, consumer.agreement.id, "number")
    assert (view.progress, view.id, view.head) == (0, "", None)


def test_two_first_users_build_one_table(space: Simulator) -> None:
    consumer = consumer_of(space, 421, "lookup")
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(consumer.value_of, ["P000001"] * 4))
    assert len(set(found)) == 1
    with space.service.space.database.reading() as session:
        tables = session.exec(select(LookupTable).where(LookupTable.dataset == consumer.dataset)).all()
    assert len(tables) == 1
    assert (space.settings.home / "lookups" / tables[0].path).is_file()
    space.audit()


@pytest.mark.parametrize("method", ["pseudonymize", "suppress"])
def test_an_identifier_is_found_by_its_value_however_it_leaves(space: Simulator, method: str) -> None:
    methods = {"number": {"method": method, "parameters": {}}}
    consumer = consumer_of(space, 400, "lookup", methods=methods)
    assert _lookup(consumer, "P000002") == [["district 2", "[20, 30)", 3002]]
    space.audit()


def test_what_an_offer_suppresses_is_in_no_record(space: Simulator) -> None:
    methods = {"income": {"method": "suppress", "parameters": {}}}
    consumer = consumer_of(space, 400, "lookup", methods=methods)
    assert _lookup(consumer, "P000002") == [["district 2", "[20, 30)"]]
    space.audit()


def test_withheld_subjects_have_no_record_and_recoded_ones_a_coarser_one(space: Simulator) -> None:
    consumer = consumer_of(space, 446, "lookup")

    released: dict[str, Any] = {}

    def require(session: Session) -> None:
        version = session.get_one(DatasetVersion, (consumer.dataset, 1))
        by_name = {column["name"]: column for column in version.columns}
        recoded = [{**by_name[name], "method": "suppress", "parameters": {}} for name in ("district", "age")]
        released.update(version.release)
        version.release = {**released, "k": 200, "sensitive": [], "recoded": recoded}

    def restore(session: Session) -> None:
        session.get_one(DatasetVersion, (consumer.dataset, 1)).release = released

    space.service.space.database.commit(require)
    assert _lookup(consumer, "P000003") == [[None, None, 3003]]
    space.service.space.database.commit(restore)
    sampled = consumer_of(space, 400, "lookup", sample=50)
    sampled.value_of("P000001")
    assert 150 < _head(sampled)[1].records < 300, "who is not in the sample has no record"
    space.audit()


def test_all_records_are_of_one_length_and_buckets_hold_them_all(space: Simulator) -> None:
    consumer = consumer_of(space, 4500, "lookup")
    entry = consumer.answer([Scalar.fresh().of(hashed("x", LOOKUP))]).entry
    _, head = _head(consumer)
    assert len(head.counts) == 4
    assert min(head.counts) >= 1000
    parts = [_table(consumer, entry, bucket)[1] for bucket in range(4)]
    assert {label[0] >> 6 for label in parts[2]} == {2}
    assert {label: record for part in parts for label, record in part.items()} == _table(consumer, entry)[1]
    space.audit()


def test_a_dataset_with_too_many_rows_has_no_table(space: Simulator) -> None:
    consumer = consumer_of(space, 448, "lookup")
    pools = [
        Pool(target, workers=1, memory=3 << 30, deadline=60)
        for target in (WORKER, "dataspace.privacy.lookup:Lookup")
    ]
    lookups = Lookups(space.service.space, Engine(pools[0]), pools[1], rows_limit=447)
    try:
        with pytest.raises(TooLarge, match="448 rows"):
            lookups.evaluate(
                consumer.caller, consumer.agreement.id, "number", Scalar.fresh().of(hashed("x", LOOKUP))
            )
    finally:
        for pool in pools:
            pool.close()
    assert consumer.usage["units"]["spent"] == 0
    space.audit()


def test_cr_02_what_a_crash_left_is_swept_and_a_withdrawn_datasets_table_is_gone(space: Simulator) -> None:
    consumer = consumer_of(space, 449, "lookup")
    entry = consumer.answer([Scalar.fresh().of(hashed("x", LOOKUP))]).entry
    name, _ = _head(consumer)
    folder = space.settings.home / "lookups"
    (folder / "lt-orphan.sealed").write_bytes(b"x")
    assert space.service.lookups.sweep() == 1
    assert (folder / f"{name}.sealed").is_file()
    provider = Caller(consumer.agreement.provider, frozenset({Role.PROVIDER}))
    space.service.registrar.withdraw(provider, consumer.dataset)
    assert not (folder / f"{name}.sealed").exists()
    with pytest.raises((NotFound, PolicyDenied)):
        space.service.lookups.records(consumer.caller, consumer.agreement.id, name, entry=entry)
    with pytest.raises((NotFound, PolicyDenied)):
        consumer.value_of("P000001")
    space.audit()


def test_cr_02_a_table_of_a_dataset_that_is_withdrawn_meanwhile_is_not_kept(
    space: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    consumer = consumer_of(space, 451, "lookup")
    provider = Caller(consumer.agreement.provider, frozenset({Role.PROVIDER}))
    pool, folder = space.service.lookups._tables._pool, space.settings.home / "lookups"
    before, build = set(folder.glob("*")), pool.call

    def late(method: str, *told: Any, **more: Any) -> Any:
        made = build(method, *told, **more)
        if method == "build":
            space.service.registrar.withdraw(provider, consumer.dataset)
        return made

    monkeypatch.setattr(pool, "call", late)
    with pytest.raises((NotFound, PolicyDenied)):
        consumer.value_of("P000001")
    assert set(folder.glob("*")) == before
    space.audit()


def test_no_cell_of_a_table_is_readable_on_disk(space: Simulator) -> None:
    consumer = consumer_of(space, 450, "lookup")
    consumer.value_of("P000001")
    name, _ = _head(consumer)
    data = (space.settings.home / "lookups" / f"{name}.sealed").read_bytes()
    assert b"district" not in data
    assert b"P0000" not in data
