"""Attacks that need more than one exact answer: each succeeds against `naive`, and is refused here."""

import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlmodel import select

from dataspace.errors import Conflict, PolicyDenied
from dataspace.negotiation.models import Agreement
from dataspace.participants.access import Caller
from dataspace.transfer.case import read_case
from dataspace.transfer.history import Histories
from dataspace.transfer.models import Released
from tests.simulator import ZONES, Simulator, people, simulated
from tests.transfer.naive import Ask, naive, ours

_TARGET = "income = 3006"  # P000006 of district 0, and nobody else


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


def _difference(ask: Ask, measure: str) -> float | None:
    whole = ask(measure, "district = 'district 0'")
    less = ask(measure, f"district = 'district 0' AND NOT {_TARGET}")
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
    sql = f"SELECT COUNT(*) FROM data WHERE district = 'district 0' AND NOT {_TARGET}"
    assert _codes(space, consumer, agreement, sql) == {"history-isolates"}
    assert space.service.answers.usage(consumer, agreement.id)["units"]["spent"] == 2
    assert space.kinds()[-1] == "query.refused"
    space.audit()


def test_qy_05_differencing_by_two_who_work_together(space: Simulator) -> None:
    first, agreement = _agreed(space, people(602))
    second = space.consumer()
    others = space.agreed(second, agreement.offer)
    space.query(first, agreement.id, "SELECT SUM(income) FROM data WHERE district = 'district 0'")
    sql = f"SELECT SUM(income) FROM data WHERE district = 'district 0' AND NOT {_TARGET}"
    assert _codes(space, second, others, sql) == {"history-isolates"}
    space.audit()


def test_qy_05_a_history_outlives_its_worker(space: Simulator) -> None:
    consumer, agreement = _agreed(space, people(603))
    for age in (30, 50, 60):
        space.query(consumer, agreement.id, f"SELECT COUNT(*) FROM data WHERE age < {age}")
    space.service.answers._engine.evict(agreement.dataset)
    sql = f"SELECT COUNT(*) FROM data WHERE age < 50 AND NOT {_TARGET}"
    assert _codes(space, consumer, agreement, sql) == {"history-isolates"}
    space.query(consumer, agreement.id, "SELECT COUNT(*) FROM data WHERE age < 70")
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
        sql = f"SELECT COUNT(*) FROM data WHERE district = 'district 0' AND NOT {_TARGET}"
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
    told = []
    for places in (["harbour", "island"], ["reef", "island"]):
        more = b"".join(b"Q%06d,%s,40,%d\n" % (n, places[n % 2].encode(), 9000 + n) for n in range(12))
        consumer, agreement = _agreed(space, people(613) + more)
        counts = space.query(consumer, agreement.id, "SELECT district, COUNT(*) FROM data GROUP BY district")
        assert b'"suppressed":true' in counts.content
        sql = "SELECT COUNT(*) FROM data WHERE district IN ('district 0', 'district 1', 'harbour')"
        told.append(_codes(space, consumer, agreement, sql))
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


def test_rows_and_aggregates_together_do_not_tell_of_what_a_release_withholds(tmp_path: Path) -> None:
    districts = ["浙江省杭州市西湖区", "江苏省南京市玄武区"]
    rows = [(district, 20 + 10 * (n % 3), 3000 + n) for district in districts for n in range(60)]
    rows += [(district, 75, 99000) for district in districts]
    lines = [f"P{n:06d},{district},{age},{income}" for n, (district, age, income) in enumerate(rows)]
    content = ("\n".join(["number,district,age,income", *lines]) + "\n").encode()
    with simulated(tmp_path, zones=str(ZONES)) as space:
        for forms in (["aggregate"], ["rows", "aggregate"]):
            registered = space.registered(
                space.provider(), content + b"\n" * len(forms), subjects=["number"], forms=forms
            )
            consumer = space.consumer()
            agreement = space.agreed(consumer, registered.offer)
            sql = "SELECT district, SUM(income) FROM data GROUP BY district"
            if "rows" in forms:
                assert _codes(space, consumer, agreement, sql) == {"history-isolates"}
            else:
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


def test_a_history_without_room_refuses_and_says_so(
    space: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dataspace.transfer.history.RELEASES_LIMIT", 1)
    consumer, agreement = _agreed(space, people(608))
    space.query(consumer, agreement.id, "SELECT district, COUNT(*) FROM data GROUP BY district")
    sql = "SELECT COUNT(*) FROM data WHERE age < 40"
    assert _codes(space, consumer, agreement, sql) == {"history-full"}
    space.query(consumer, agreement.id, "SELECT COUNT(*) AS n FROM data WHERE district = 'district 1'")
    space.audit()


def test_partial_sums_a_cube_and_an_aggregate_together_tell_no_more_than_each(space: Simulator) -> None:
    content, less = people(609), f"SELECT COUNT(*) FROM data WHERE district = 'district 0' AND NOT {_TARGET}"
    spec = {"dimensions": ["district"], "measures": [{"kind": "count"}], "max_rows": 1, "epsilon": 2_000_000}
    # Without the cube nothing is known of the district, and all but one of it are many.
    consumer, agreement = _agreed(space, content, epsilon=4_000_000)
    space.query(consumer, agreement.id, less)
    consumer, agreement = _agreed(space, people(610), epsilon=4_000_000)
    space.service.encrypted.cube(consumer, agreement.id, spec)
    assert _codes(space, consumer, agreement, less) == {"history-isolates"}
    space.query(consumer, agreement.id, "SELECT COUNT(*) FROM data WHERE age < 40")
    space.audit()


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
