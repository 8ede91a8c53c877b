"""Prepared columns, offers' methods and samples, as a consumer and its provider meet them."""

import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import Session, col, select

from dataspace.catalog.models import DatasetVersion, Form, Offer
from dataspace.catalog.register import Registered
from dataspace.errors import PolicyDenied
from dataspace.negotiation.models import Agreement
from dataspace.participants.access import Caller
from dataspace.policy.models import PolicyInput
from dataspace.transfer.models import Prepared
from tests.simulator import Simulator, people

_COSTLY = "SELECT number, income FROM data"


def _offered(space: Simulator, rows: int, **offer: Any) -> tuple[Caller, Registered]:
    provider = space.provider()
    return provider, space.registered(provider, people(rows), subjects=["number"], **offer)


def _rows(space: Simulator, consumer: Caller, agreement: Agreement, sql: str = _COSTLY) -> list[list[Any]]:
    found: list[list[Any]] = json.loads(space.query(consumer, agreement.id, sql, Form.ROWS).content)["rows"]
    return found


def _kept(space: Simulator, *agreements: Agreement) -> list[Prepared]:
    """Return what was prepared for these agreements; each of it has its file."""
    with space.service.space.database.reading() as session:
        wanted = [agreement.id for agreement in agreements]
        found = list(session.exec(select(Prepared).where(col(Prepared.agreement).in_(wanted))).all())
    assert all((_folder(space) / row.path).is_file() for row in found)
    return found


def _folder(space: Simulator) -> Path:
    return space.settings.home / "payloads"


def test_costly_columns_are_prepared_once_for_an_agreement(space: Simulator) -> None:
    consumer, (_, registered) = space.consumer(), _offered(space, 500)
    agreement = space.agreed(consumer, registered.offer)
    _rows(space, consumer, agreement, "SELECT district, age FROM data")
    assert not _kept(space, agreement), "nothing costly was asked for"
    first = _rows(space, consumer, agreement)
    (row,) = _kept(space, agreement)
    stored = (_folder(space) / row.path).read_bytes()
    assert _rows(space, consumer, agreement) == first
    assert [kept.path for kept in _kept(space, agreement)] == [row.path]
    assert (_folder(space) / row.path).read_bytes() == stored
    space.audit()


def test_qy_08_agreeing_again_gives_no_other_noise_to_average(space: Simulator) -> None:
    methods = {"income": {"method": "noise", "parameters": {"scale": 5000}}}
    consumer, (_, registered) = space.consumer(), _offered(space, 507, methods=methods)
    one, again, other = (
        sorted(_rows(space, asking, space.agreed(asking, registered.offer), "SELECT income FROM data"))
        for asking in (consumer, consumer, space.consumer())
    )
    assert one == again != other
    space.audit()


def test_qy_17_what_an_offer_suppresses_is_not_summed_either(space: Simulator) -> None:
    methods = {"income": {"method": "suppress", "parameters": {}}}
    consumer, (_, registered) = space.consumer(), _offered(space, 508, methods=methods)
    agreement = space.agreed(consumer, registered.offer)
    with pytest.raises(PolicyDenied, match="SUM and AVG"):
        space.query(consumer, agreement.id, "SELECT SUM(income) FROM data")
    space.audit()


def test_two_first_queries_at_once_answer_from_one_preparation(space: Simulator) -> None:
    consumer, (_, registered) = space.consumer(), _offered(space, 501)
    agreement = space.agreed(consumer, registered.offer)
    before = set(_folder(space).glob("prep-*"))
    with ThreadPoolExecutor(2) as threads:
        one, other = threads.map(lambda _: _rows(space, consumer, agreement), range(2))
    assert one == other
    (row,) = _kept(space, agreement)
    assert set(_folder(space).glob("prep-*")) - before == {_folder(space) / row.path}
    space.audit()


def test_what_was_prepared_goes_with_a_withdrawn_dataset(space: Simulator) -> None:
    consumer, (provider, registered) = space.consumer(), _offered(space, 502)
    agreement = space.agreed(consumer, registered.offer)
    _rows(space, consumer, agreement)
    (row,) = _kept(space, agreement)
    space.service.registrar.withdraw(provider, registered.dataset)
    assert not (_folder(space) / row.path).exists()
    assert not _kept(space, agreement)
    space.audit()


def test_what_was_prepared_for_an_agreement_that_ended_is_swept(space: Simulator) -> None:
    consumer, (_, registered) = space.consumer(), _offered(space, 503)
    first, second = (space.agreed(consumer, registered.offer) for _ in range(2))
    for agreement in (first, second):
        _rows(space, consumer, agreement)
    assert space.service.answers.sweep() == 0
    (ended,) = _kept(space, first)
    space.service.negotiator.end(consumer, first.id)
    assert space.service.answers.sweep() == 1
    assert [row.agreement for row in _kept(space, first, second)] == [second.id]
    assert not (_folder(space) / ended.path).exists()
    assert _rows(space, consumer, second)
    space.audit()


def test_cr_02_a_file_that_no_row_names_is_swept_once_it_is_old(space: Simulator) -> None:
    for name, age in (("prep-0.sealed", 7200), ("prep-1.sealed", 60)):
        (_folder(space) / name).write_bytes(b"x")
        then = space.clock.now.timestamp() - age
        os.utime(_folder(space) / name, (then, then))
    assert space.service.answers.sweep() == 1
    assert [(_folder(space) / f"prep-{number}.sealed").exists() for number in range(2)] == [False, True]


def test_an_offer_lets_columns_leave_by_its_stricter_methods(space: Simulator) -> None:
    methods = {"age": {"method": "suppress", "parameters": {}}}
    consumer, (_, registered) = space.consumer(), _offered(space, 504, methods=methods)
    agreement = space.agreed(consumer, registered.offer)
    assert {row[0] for row in _rows(space, consumer, agreement, "SELECT age, income FROM data")} == {None}
    for sql, form in (
        ("SELECT age, COUNT(*) FROM data GROUP BY age", Form.AGGREGATE),
        ("SELECT income FROM data WHERE age = 30", Form.ROWS),
        ("SELECT CASE WHEN age IS NULL THEN 1 END AS x FROM data", Form.ROWS),
    ):
        with pytest.raises(PolicyDenied, match="age"):
            space.query(consumer, agreement.id, sql, form)
    space.audit()


def test_a_sampled_offer_gives_every_agreement_the_same_subjects(space: Simulator) -> None:
    consumer, (_, registered) = space.consumer(), _offered(space, 505, sample=20)
    agreements = [space.agreed(consumer, registered.offer) for _ in range(2)]
    one, other = (_rows(space, consumer, agreement) for agreement in agreements)
    assert 50 < len(one) < 160
    assert sorted(row[1] for row in one) == sorted(row[1] for row in other)
    counted = space.query(consumer, agreements[0].id, "SELECT COUNT(*) FROM data")
    assert json.loads(counted.content)["rows"] == [[505]], "a sample is of rows that leave"
    space.audit()


def test_a_release_is_enforced_and_its_withheld_rows_are_told_to_the_policy(space: Simulator) -> None:
    consumer, (_, registered) = space.consumer(), _offered(space, 506)
    agreement = space.agreed(consumer, registered.offer)

    def require(session: Session) -> None:
        version = session.get_one(DatasetVersion, (registered.dataset, 1))
        by_name = {column["name"]: column for column in version.columns}
        recoded = [{**by_name[name], "method": "suppress", "parameters": {}} for name in ("district", "age")]
        version.release = {
            "k": 200,
            "l": 1,
            "quasi": ["district", "age"],
            "sensitive": [],
            "recoded": recoded,
        }

    space.service.space.database.commit(require)
    answer = space.query(consumer, agreement.id, "SELECT district, age FROM data", Form.ROWS)
    assert json.loads(answer.content)["recoded"] is True
    last = space.service.receipts.entries(space.operator, len(space.kinds()) - 1, 1)[0]["record"]
    with space.service.space.database.reading() as session:
        kept = json.loads(session.get_one(PolicyInput, last["input"]).content)
    assert kept["result"]["withheld"] == 0
    assert kept["result"]["rows"] == len(json.loads(answer.content)["rows"]) == 506


def test_a_cube_of_an_offer_with_stricter_dimensions_is_not_the_other_offers_cube(space: Simulator) -> None:
    consumer, (_, registered) = (
        space.consumer(),
        _offered(space, 507, epsilon=2_000_000, forms=("encrypted",)),
    )

    def offer_stricter(session: Session) -> None:
        offered = session.get_one(Offer, registered.offer).model_dump()
        methods = {"district": {"method": "generalize", "parameters": {"first": 8}}}
        session.add(Offer(**{**offered, "id": "of-stricter", "methods": methods}))

    space.service.space.database.commit(offer_stricter)
    spec = {"dimensions": ["district"], "measures": [{"kind": "count"}], "max_rows": 1, "epsilon": 1_000_000}
    cells = []
    for offer in (registered.offer, "of-stricter"):
        agreement = space.agreed(consumer, offer)
        cells.append(space.service.encrypted.cube(consumer, agreement.id, spec).layout["cells"])
    assert cells == [[["district 0"], ["district 1"], ["district 2"]], [["district*"]]]
