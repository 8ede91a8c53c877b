"""The room of a history: none asker fills it for all others, however much is asked.

Each attack succeeds against the same service without the share or the look that prevents it.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from dataspace.catalog.models import Form
from dataspace.errors import PolicyDenied
from dataspace.negotiation.models import Agreement
from dataspace.participants.access import Caller
from dataspace.table import Column, Type
from dataspace.transfer.duck.past import Entry, Head, Past, judged
from dataspace.transfer.duck.worker import Worker
from dataspace.transfer.forms.history import RELEASES_LIMIT
from dataspace.transfer.sql import render
from dataspace.transfer.sql.query import parse, resolve
from tests.simulator import Simulator, people
from tests.transfer.duck.test_engine import request_of, sealed


def _agreed(space: Simulator, content: bytes, **offer: Any) -> tuple[Caller, Agreement]:
    terms = {"forms": ["aggregate", "encrypted"], "units": 1000, **offer}
    registered = space.registered(space.provider(), content, subjects=["number"], **terms)
    consumer = space.consumer()
    return consumer, space.agreed(consumer, registered.offer)


def _reasons(space: Simulator, consumer: Caller, agreement: Agreement, sql: str) -> set[str]:
    """Return why an aggregate is refused; nothing where it is answered."""
    try:
        space.query(consumer, agreement.id, sql)
    except PolicyDenied as refused:
        return {reason["code"] for reason in refused.facts["reasons"]}
    return set()


def test_a_history_without_room_refuses_and_says_so(
    space: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dataspace.transfer.forms.history.RELEASES_LIMIT", 1)
    consumer, agreement = _agreed(space, people(600))
    counts = "SELECT district, COUNT(*) FROM data GROUP BY district"
    assert _reasons(space, consumer, agreement, counts) == set()
    sql = "SELECT COUNT(*) FROM data WHERE age < 40"
    assert _reasons(space, consumer, agreement, sql) == {"history-full"}
    # What follows from it needs no room.
    part = "SELECT COUNT(*) AS n FROM data WHERE district = 'district 1'"
    assert _reasons(space, consumer, agreement, part) == set()
    space.audit()


def _filled_up(space: Simulator, rows: int) -> list[set[str]]:
    """Ask under two accounts of one legal entity, then as another; return why each question is refused."""
    first, agreement = _agreed(space, people(rows))
    second, other = space.consumer(), space.consumer()
    for account in (first, second):
        space.service.membership.change(space.operator, account.id, entity=f"entity of {rows}")
    found = []
    for number, caller in enumerate((first, second, first, second, other)):
        under = agreement if caller is first else space.agreed(caller, agreement.offer)
        sql = f"SELECT COUNT(*) FROM data WHERE age < {30 + 10 * number}"
        found.append(_reasons(space, caller, under, sql))
    return found


def test_qy_10_no_legal_entity_takes_all_the_releases_of_a_dataset(
    space: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = {"history-full"}
    monkeypatch.setattr("dataspace.transfer.forms.history.RELEASES_LIMIT", 4)
    monkeypatch.setattr("dataspace.transfer.forms.history.RELEASES_SHARE", RELEASES_LIMIT)
    assert _filled_up(space, 601) == [set(), set(), set(), set(), full]
    monkeypatch.setattr("dataspace.transfer.forms.history.RELEASES_SHARE", 2)
    assert _filled_up(space, 602) == [set(), set(), full, full, set()]
    space.audit()


def _after_cubes(space: Simulator, rows: int) -> set[str]:
    """Buy as many cubes as a history has places; return why another buyer's exact question is refused."""
    first, agreement = _agreed(space, people(rows), epsilon=4_000_000)
    spec = {"dimensions": ["district"], "measures": [{"kind": "count"}], "max_rows": 1}
    for place in range(4):
        cube = {**spec, "epsilon": 900_000 + place}
        space.service.encrypted.cube(first, agreement.id, cube)
    other = space.consumer()
    sql = "SELECT district, COUNT(*) FROM data GROUP BY district"
    return _reasons(space, other, space.agreed(other, agreement.offer), sql)


def test_qy_10_cubes_do_not_take_the_places_of_exact_answers(
    space: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("RELEASES_LIMIT", 4), ("RELEASES_SHARE", RELEASES_LIMIT), ("CUBES_SHARE", 1)):
        monkeypatch.setattr(f"dataspace.transfer.forms.history.{name}", value)
    # Where each cube has a place, as an exact answer has.
    assert _after_cubes(space, 603) == {"history-full"}
    monkeypatch.setattr("dataspace.transfer.forms.history.CUBES_SHARE", 2)
    assert _after_cubes(space, 604) == set()
    monkeypatch.setattr("dataspace.transfer.forms.history.CUBES_SHARE", 1)
    monkeypatch.setattr("dataspace.transfer.forms.history.RELEASES_SHARE", 2)
    assert _after_cubes(space, 605) == set()
    space.audit()


_CODES = (Column("code", Type.INTEGER), Column("age", Type.INTEGER))


def _service(folder: Path) -> Callable[[str], bool]:
    """Return a service of one worker that keeps a history of 8,200 rows; it tells whether it answers."""
    payload, worker = sealed(folder, _CODES, [[n, n % 60] for n in range(8200)]), Worker()
    entries: list[Entry] = []

    def mark(sequence: int) -> bytes:
        return sequence.to_bytes(12, "big") if sequence else b""

    def call(method: str, request: Mapping[str, Any]) -> Any:
        return getattr(worker, method)({**request_of(payload, _CODES), **request})

    def ask(sql: str) -> bool:
        plan, count = resolve(parse(sql), _CODES, Form.AGGREGATE), len(entries)
        request = render.aggregate_request(plan, 1)
        request["history"] = render.history_request(plan, request)
        past = Past(Head(count, mark(count)), mark(count + 1), (), (), lambda at: entries[at:], mark)
        verdict = judged(call, request, past)["judged"]
        if verdict["content"]:
            entries.append((mark(count + 1), verdict["content"]))
        return not (verdict["isolates"] or verdict["unchecked"])

    return ask


def _first_of_many_groups(ask: Callable[[str], bool]) -> list[bool]:
    """Ask for more groups than a history has room for, before anybody else asked for anything."""
    many, few = "SELECT code, COUNT(*) FROM data GROUP BY code", "SELECT COUNT(*) FROM data WHERE age < 30"
    return [ask(many), ask(few)]


def test_qy_10_a_first_answer_of_more_groups_than_there_is_room_for_is_not_the_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert _first_of_many_groups(_service(tmp_path)) == [False, True]
    # Where the first answer is never looked at.
    monkeypatch.setattr("dataspace.transfer.duck.releases._FEW_NUMBERS", 1 << 20)
    assert _first_of_many_groups(_service(tmp_path)) == [True, False]


def test_qy_10_a_cube_that_the_history_has_no_room_for_ends_nobodys_exact_answers(space: Simulator) -> None:
    rows = [f"P{n:06d},district {n % 3},c{n % 300},{n % 97},{n % 89},{n % 83}" for n in range(12_000)]
    content = "\n".join(["number,district,code,a,b,c", *rows]).encode()
    measures = [{"kind": "sum", "column": name, "low": 0, "high": 100, "precision": 0} for name in "abc"]
    spec = {"dimensions": ["code"], "measures": [{"kind": "count"}, *measures], "max_rows": 1}
    consumer, agreement = _agreed(space, content, epsilon=64_000_000)
    space.service.encrypted.cube(consumer, agreement.id, {**spec, "epsilon": 64_000_000})
    space.query(consumer, agreement.id, "SELECT district, SUM(a) FROM data GROUP BY district")
    space.query(consumer, agreement.id, "SELECT district, SUM(b) FROM data GROUP BY district")
    space.audit()
