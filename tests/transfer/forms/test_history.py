"""Attacks that need more than one exact answer: each succeeds against `naive`, and is refused here."""

import json
import random
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlmodel import select

from dataspace.catalog.models import Form
from dataspace.client.encrypted import Keys
from dataspace.client.layout import Layout
from dataspace.errors import Conflict, PolicyDenied
from dataspace.negotiation.models import Agreement
from dataspace.participants.access import Caller
from dataspace.transfer.case import read_case
from dataspace.transfer.forms.history import Histories
from dataspace.transfer.models import Released
from tests.simulator import ZONES, Simulator, people, simulated
from tests.transfer.naive import Ask, naive, ours

_TARGET = "income = 3006"  # P000006 of district 0, and nobody else
_DISTRICT = "district = 'district 0'"
_BUT_ONE = f"{_DISTRICT} AND NOT {_TARGET}"


def _agreed(
    space: Simulator, content: bytes, consumer: Caller | None = None, **offer: Any
) -> tuple[Caller, Agreement]:
    asking = consumer or space.consumer()
    terms = {"forms": ["aggregate", "encrypted"], "units": 1000, **offer}
    registered = space.registered(space.provider(), content, subjects=["number"], **terms)
    return asking, space.agreed(asking, registered.offer)


def _codes(space: Simulator, consumer: Caller, agreement: Agreement, sql: str) -> set[str]:
    with pytest.raises(PolicyDenied) as refused:
        space.query(consumer, agreement.id, sql)
    return {reason["code"] for reason in refused.value.facts["reasons"]}


def _difference(ask: Ask, measure: str, other: Ask | None = None) -> float | None:
    """Ask for a district, and, perhaps as somebody else, for all of it but one."""
    whole, less = ask(measure, _DISTRICT), (other or ask)(measure, _BUT_ONE)
    return None if whole is None or less is None else whole - less


def _individual_tracker(ask: Ask, measure: str) -> float | None:
    """Pad the target's description C = A AND B: q(C) = q(A) - q(A AND NOT B)."""
    tracker = ask(measure, f"district = 'district 0' AND age < 60 AND NOT {_TARGET}")
    padded = ask(measure, "district = 'district 0' AND age < 60")
    return None if tracker is None or padded is None else padded - tracker


def _general_tracker(ask: Ask, measure: str) -> float | None:
    """Any T of middling size will do for everybody: q(C) = q(C OR T) + q(C OR NOT T) - q(T) - q(NOT T)."""
    tracker = "district = 'district 1'"
    parts = [
        ask(measure, f"{_TARGET} OR {tracker}"),
        ask(measure, f"{_TARGET} OR NOT {tracker}"),
        ask(measure, tracker),
        ask(measure, f"NOT {tracker}"),
    ]
    if any(part is None for part in parts):
        return None
    first, second, third, fourth = (float(part or 0) for part in parts)
    return first + second - third - fourth


@pytest.mark.parametrize("measure", ["COUNT(*)", "SUM(income)"])
@pytest.mark.parametrize(
    "attack",
    [
        pytest.param(_difference, id="qy_05_differencing"),
        pytest.param(_individual_tracker, id="qy_06_individual_tracker"),
        pytest.param(_general_tracker, id="qy_06_general_tracker"),
    ],
)
def test_qy_05_qy_06_no_sums_and_differences_of_answers_are_about_one_subject(
    space: Simulator, attack: Any, measure: str
) -> None:
    content = people(600)
    with naive(content) as ask:
        assert attack(ask, measure) == (1 if measure == "COUNT(*)" else 3006)
    consumer, agreement = _agreed(space, content)
    assert attack(ours(space, consumer, agreement), measure) is None
    space.audit()


def test_qy_05_the_refusal_names_its_reason_costs_a_unit_and_is_an_entry(space: Simulator) -> None:
    consumer, agreement = _agreed(space, people(601))
    space.query(consumer, agreement.id, "SELECT COUNT(*) FROM data WHERE district = 'district 0'")
    sql = f"SELECT COUNT(*) FROM data WHERE {_BUT_ONE}"
    assert _codes(space, consumer, agreement, sql) == {"history-isolates"}
    assert space.service.answers.usage(consumer, agreement.id)["units"]["spent"] == 2
    assert space.kinds()[-1] == "query.refused"
    space.audit()


def test_qy_05_differencing_by_two_who_work_together(space: Simulator) -> None:
    content, measure = people(602), "SUM(income)"
    # Each has a history of its own, and asks once.
    with naive(content) as first, naive(content) as second:
        assert _difference(first, measure, second) == 3006
    consumer, agreement = _agreed(space, content)
    other = space.consumer()
    theirs = ours(space, other, space.agreed(other, agreement.offer))
    assert _difference(ours(space, consumer, agreement), measure, theirs) is None
    space.audit()


def test_qy_05_a_history_outlives_its_worker(space: Simulator) -> None:
    content = people(603)
    # What a worker knew is gone with it.
    with naive(content) as before, naive(content) as after:
        assert _difference(before, "COUNT(*)", after) == 1
    consumer, agreement = _agreed(space, content)
    ask = ours(space, consumer, agreement)

    def ask_another(measure: str, condition: str) -> float | None:
        for age in (30, 50, 60):
            assert ask("COUNT(*)", f"age < {age}")
        space.service.answers._engine.evict(agreement.dataset)
        return ask(measure, condition)

    assert _difference(ask, "COUNT(*)", ask_another) is None
    assert ask("COUNT(*)", "age < 70")
    space.audit()


def test_qy_05_parts_that_add_up_to_all_but_a_few(space: Simulator) -> None:
    content = people(600) + b"".join(b"Q%06d,harbour,%d,5000\n" % (n, 20 + n) for n in range(3))
    parts = [f"district = 'district {n}'" for n in range(3)]
    with naive(content) as ask:
        assert 603 - sum(ask("COUNT(*)", part) or 0 for part in parts) == 3
    consumer, agreement = _agreed(space, content)
    ask = ours(space, consumer, agreement)
    # How many rows there are is public: the last part would tell how many the harbour has.
    assert [ask("COUNT(*)", part) for part in parts] == [200, 200, None]
    space.audit()


def test_qy_05_how_many_have_no_value_is_a_count_too(space: Simulator) -> None:
    content = people(600) + b"".join(b"Q%06d,district 0,40,\n" % n for n in range(3))
    with naive(content) as ask:
        rows, filled = ask("COUNT(*)", "age < 50"), ask("COUNT(income)", "age < 50")
        assert (rows or 0) - (filled or 0) == 3
    consumer, agreement = _agreed(space, content)
    assert _codes(space, consumer, agreement, "SELECT COUNT(*), AVG(income) FROM data WHERE age < 50") == {
        "history-isolates"
    }
    space.query(consumer, agreement.id, "SELECT COUNT(*), SUM(income) FROM data WHERE age < 50")
    space.audit()


def test_qy_05_whether_somebody_is_among_the_rows_looks_the_same_either_way(space: Simulator) -> None:
    """Membership: counts with and without a target, of a dataset that has it and of one that has not."""
    has, without = (
        people(600),
        people(600).replace(b"P000006,district 0,26,3006", b"P000006,district 0,26,9999"),
    )
    seen = []
    for content in (has, without):
        with naive(content) as ask:
            seen.append(_difference(ask, "COUNT(*)"))
    assert seen == [1, 0]
    told = []
    for content in (has, without):
        consumer, agreement = _agreed(space, content)
        space.query(consumer, agreement.id, "SELECT COUNT(*) FROM data WHERE district = 'district 0'")
        sql = f"SELECT COUNT(*) FROM data WHERE {_BUT_ONE}"
        told.append(_codes(space, consumer, agreement, sql))
    assert told[0] == told[1] == {"history-isolates"}
    space.audit()


def test_qy_05_whether_somebody_is_among_rows_that_follow_looks_the_same_either_way(
    space: Simulator,
) -> None:
    """A union or a rest of answers, less a target: answered when the target is elsewhere, it would tell."""
    asked = (
        f"district IN ('district 0', 'district 1') AND NOT {_TARGET}",
        f"district <> 'district 0' AND district <> 'district 1' AND NOT {_TARGET}",
    )
    with naive(people(611)) as ask:
        assert [ask("COUNT(*)", sql) for sql in asked] == [407, 203]
    for grouped in (True, False):
        consumer, agreement = _agreed(space, people(611 if grouped else 612))
        if grouped:
            space.query(consumer, agreement.id, "SELECT district, COUNT(*) FROM data GROUP BY district")
        else:
            for place in range(2):
                sql = f"SELECT COUNT(*) FROM data WHERE district = 'district {place}'"
                space.query(consumer, agreement.id, sql)
        for condition in asked:
            sql = f"SELECT COUNT(*) FROM data WHERE {condition}"
            assert _codes(space, consumer, agreement, sql) == {"history-isolates"}
        # What shows all groups there are shows by its words what follows from the others.
        space.query(consumer, agreement.id, "SELECT district, COUNT(*) AS n FROM data GROUP BY district")
    space.audit()


def test_qy_05_a_group_that_was_hidden_is_not_told_by_a_union_of_those_shown(space: Simulator) -> None:
    """Of rows beside groups shown: were the union answered when there are none, it would tell of a few."""
    told, differ = [], []
    for places in (["harbour", "island"], ["reef", "island"]):
        more = b"".join(b"Q%06d,%s,40,%d\n" % (n, places[n % 2].encode(), 9000 + n) for n in range(12))
        with naive(people(613) + more) as ask:
            parts = [ask("COUNT(*)", f"district = 'district {place}'") or 0 for place in (0, 1)]
            union = ask("COUNT(*)", "district IN ('district 0', 'district 1', 'harbour')") or 0
            differ.append(union - sum(parts))
        consumer, agreement = _agreed(space, people(613) + more)
        counts = space.query(consumer, agreement.id, "SELECT district, COUNT(*) FROM data GROUP BY district")
        assert b'"suppressed":true' in counts.content
        sql = "SELECT COUNT(*) FROM data WHERE district IN ('district 0', 'district 1', 'harbour')"
        told.append(_codes(space, consumer, agreement, sql))
    assert differ == [6, 0]
    assert told[0] == told[1] == {"history-isolates"}
    space.audit()


def test_a_part_of_a_group_by_may_be_asked_for_again_in_other_words(space: Simulator) -> None:
    consumer, agreement = _agreed(space, people(604))
    space.query(consumer, agreement.id, "SELECT district, COUNT(*) FROM data GROUP BY district")
    for sql in (
        "SELECT COUNT(*) AS n FROM data WHERE district = 'district 1'",
        "SELECT COUNT(*) AS n FROM data WHERE district IN ('district 1', 'district 2')",
        "SELECT COUNT(*) AS n FROM data",
        "SELECT district, SUM(income) FROM data GROUP BY district",
    ):
        space.query(consumer, agreement.id, sql)
    with space.service.space.database.reading() as session:
        stored = session.exec(select(Released).where(Released.dataset == agreement.dataset)).all()
    assert len(stored) == 2  # the counts, and the sums: the rest follows from them
    space.audit()


def test_qy_07_the_same_question_in_other_words_is_the_same_answer_and_costs_nothing(
    space: Simulator,
) -> None:
    consumer, agreement = _agreed(space, people(605))
    conditions = [
        "income >= 3100 AND income <= 3299 AND district <> 'district 2'",
        " ( district<>'district 2' and\nincome <=3299) and income >= 3.1e3 -- the same",
        "income BETWEEN 3100 AND 3299 AND district NOT IN ('district 2')",
        "NOT income < 3100 AND 3300 > income AND NOT district = 'district 2'",
        "income > 3099 AND NOT (income > 3299) AND district <> 'district 2' AND income >= 3000",
        "NOT (income < 3100 OR income > 3299 OR district IN ('district 2', 'district 2'))",
    ]
    forms = [f"SELECT COUNT(*) AS n FROM data WHERE {condition}" for condition in conditions]
    answers = [space.query(consumer, agreement.id, form) for form in forms]
    assert len({(answer.content, answer.entry) for answer in answers}) == 1
    assert space.service.answers.usage(consumer, agreement.id)["units"]["spent"] == 1
    space.audit()


def _secrets(rows: int, seed: int) -> tuple[bytes, list[int]]:
    """Return a CSV of people with a secret bit each, and the bits: as many ones as zeros."""
    bits = [0, 1] * (rows // 2)
    random.Random(seed).shuffle(bits)
    lines = [f"P{n:06d},{1000 + n},{bit}" for n, bit in enumerate(bits)]
    return ("\n".join(["number,code,visits", *lines]) + "\n").encode(), bits


def _reconstructed(ask: Ask, bits: list[int], questions: int) -> float:
    """Solve sums of random subsets for the bits; return the share that is right (Dinur and Nissim 2003)."""
    drawn, members, sums = random.Random(7), [], []
    for _ in range(questions):
        chosen = [n for n in range(len(bits)) if drawn.random() < 0.5]
        found = ask("SUM(visits)", f"code IN ({', '.join(str(1000 + n) for n in chosen)})")
        if found is not None:
            members.append([float(n in chosen) for n in range(len(bits))])
            sums.append(found)
    if not sums:
        return 0.5
    # The bits that fit best, a half where nothing is known.
    matrix = np.array(members)
    solved, *_ = np.linalg.lstsq(matrix, np.array(sums) - matrix.sum(axis=1) / 2, rcond=None)
    return float(np.mean((solved > 0) == np.array(bits, bool)))


def test_qy_15_reconstruction_from_sums_of_random_subsets(space: Simulator) -> None:
    content, bits = _secrets(60, 1)
    with naive(content) as ask:
        assert _reconstructed(ask, bits, 90) > 0.9
    consumer, agreement = _agreed(space, content, methods={})
    # Sums of ten and more leave a majority to guess by: a little better than a coin.
    assert _reconstructed(ours(space, consumer, agreement), bits, 90) < 0.7
    space.audit()


_PLACES = ["浙江省杭州市西湖区", "江苏省南京市玄武区"]


def _gap(rows: Iterable[tuple[str, int]], ask: Ask) -> list[float | None]:
    """Return what the sum of each place has more than its rows that leave: the incomes of who is withheld."""
    shown = {place: sum(income for district, income in rows if district == place) for place in _PLACES}
    sums = [ask("SUM(income)", f"district = '{place}'") for place in _PLACES]
    return [
        None if found is None else found - shown[place] for place, found in zip(_PLACES, sums, strict=True)
    ]


def test_qy_05_rows_and_aggregates_together_do_not_tell_of_what_a_release_withholds(tmp_path: Path) -> None:
    rows = [(place, 20 + 10 * (n % 3), 3000 + n) for place in _PLACES for n in range(60)]
    rows += [(place, 75, 99000) for place in _PLACES]
    lines = [f"P{n:06d},{place},{age},{income}" for n, (place, age, income) in enumerate(rows)]
    content = ("\n".join(["number,district,age,income", *lines]) + "\n").encode()
    with simulated(tmp_path, zones=str(ZONES)) as space:
        consumer, agreement = _agreed(space, content, forms=["rows", "aggregate"])
        answer = space.query(consumer, agreement.id, "SELECT district, income FROM data", Form.ROWS)
        shown = [(str(place), int(income)) for place, income in json.loads(answer.content)["rows"]]
        with naive(content) as ask:
            assert _gap(shown, ask) == [99000, 99000]
        assert _gap(shown, ours(space, consumer, agreement)) == [None, None]
        sql = "SELECT district, SUM(income) FROM data GROUP BY district"
        assert _codes(space, consumer, agreement, sql) == {"history-isolates"}
        # Looked up one by one they are the same rows.
        consumer, agreement = _agreed(space, content + b"\n\n", forms=["lookup", "aggregate"])
        assert _codes(space, consumer, agreement, sql) == {"history-isolates"}
        # Where no rows leave it is answered.
        consumer, agreement = _agreed(space, content + b"\n", forms=["aggregate"])
        space.query(consumer, agreement.id, sql)
        space.audit()


def test_an_answer_is_not_given_when_the_history_moved_since_it_was_judged(space: Simulator) -> None:
    consumer, agreement = _agreed(space, people(606))
    service, sql = space.service.space, "SELECT COUNT(*) AS n FROM data WHERE district = 'district 0'"
    with service.database.reading() as session:
        case = read_case(session, service, consumer, agreement.id)
    # As another process would have it, whose turns are its own.
    with Histories(service).turn(case) as turn:
        turn.past(case.payload(service))
        turn.judged({"isolates": False, "unchecked": False, "content": b"something"})
        space.query(consumer, agreement.id, sql)
        with pytest.raises(Conflict, match="ask again"):
            service.database.commit(lambda session: turn.append(session, query_sha256="", entry=0))
    space.audit()


def test_many_at_once_are_judged_one_after_another(space: Simulator) -> None:
    """Of two halves of a pair that would isolate, whoever comes second is refused, however close they are."""
    consumer, agreement = _agreed(space, people(607))
    conditions = ["", f"AND NOT {_TARGET}"] * 4

    def ask(place: int) -> bool:
        sql = f"SELECT COUNT(*) AS n{place} FROM data WHERE district = 'district 0' {conditions[place]}"
        try:
            space.query(consumer, agreement.id, sql)
        except PolicyDenied:
            return False
        return True

    with ThreadPoolExecutor(8) as threads:
        given = list(threads.map(ask, range(8)))
    assert given in ([True, False] * 4, [False, True] * 4)
    space.audit()


def _beside_cube(cell: float, ask: Ask) -> float | None:
    """Return what a cube's cell has more than an exact count of all but one of its rows."""
    less = ask("COUNT(*)", _BUT_ONE)
    return None if less is None else cell - less


def _cell(space: Simulator, consumer: Caller, agreement: Agreement) -> float:
    """Buy a cube of districts, and return what it says of the first."""
    spec = {"dimensions": ["district"], "measures": [{"kind": "count"}], "max_rows": 1, "epsilon": 2_000_000}
    layout = Layout.from_json(space.service.encrypted.cube(consumer, agreement.id, spec).layout)
    chosen = [int(cell == ("district 0",)) for cell in layout.cells]
    keys, expires = Keys.create(), int(time.time()) + 600
    query = keys.encrypt(layout, chosen, agreement=agreement.id, expires=expires)
    answer = space.service.encrypted.answer(consumer, agreement.id, query.body)
    return float(keys.decrypt(answer.content, query)["count"])


def test_qy_05_partial_sums_a_cube_and_an_aggregate_together_tell_no_more_than_each(space: Simulator) -> None:
    content = people(609)
    with naive(content) as ask:
        assert _beside_cube(ask("COUNT(*)", _DISTRICT) or 0, ask) == 1
    # Without the cube nothing is known of the district, and all but one of it are many.
    consumer, agreement = _agreed(space, content, epsilon=4_000_000)
    assert ours(space, consumer, agreement)("COUNT(*)", _BUT_ONE) == 202
    consumer, agreement = _agreed(space, people(610), epsilon=4_000_000)
    cell, ask = _cell(space, consumer, agreement), ours(space, consumer, agreement)
    assert abs(cell - 204) < 60
    assert _beside_cube(cell, ask) is None
    assert ask("COUNT(*)", "age < 40")
    space.audit()
