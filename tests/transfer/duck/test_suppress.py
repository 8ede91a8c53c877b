"""Aggregates against a naive reference, and what could be subtracted from what they show."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataspace.catalog.models import Form
from dataspace.table import Column, Method, Type
from dataspace.transfer.duck import aggregates
from dataspace.transfer.duck.suppress import Group, complement, enough
from dataspace.transfer.duck.worker import Worker
from dataspace.transfer.sql import render
from dataspace.transfer.sql.query import parse, resolve
from tests.transfer.duck.test_engine import request_of, sealed
from tests.transfer.workers import WORKERS

MINIMUM = 3

COLUMNS = (
    Column("who", Type.INTEGER, subject=True),
    Column("also", Type.TEXT, subject=True),
    Column("town", Type.TEXT),
    Column("age", Type.INTEGER, method=Method.GENERALIZE, parameters={"width": 10}),
    Column("k0", Type.INTEGER),
    Column("n", Type.INTEGER, aggregable=True),
    Column("c0", Type.DECIMAL, aggregable=True),
)

Row = tuple[Any, ...]
Truth = bool | None


@dataclass(frozen=True)
class Case:
    """A condition as text, and as what it says of a row: true, false, or NULL."""

    text: str
    holds: Callable[[Row], Truth]


def _both(one: Case, other: Case) -> Case:
    def holds(row: Row) -> Truth:
        found = {one.holds(row), other.holds(row)}
        return False if False in found else None if None in found else True

    return Case(f"({one.text}) AND ({other.text})", holds)


def _negated(one: Case) -> Case:
    def holds(row: Row) -> Truth:
        found = one.holds(row)
        return None if found is None else not found

    return Case(f"NOT ({one.text})", holds)


def _either(one: Case, other: Case) -> Case:
    return Case(f"({one.text}) OR ({other.text})", _negated(_both(_negated(one), _negated(other))).holds)


def _of(place: int, text: str, test: Callable[[Any], bool]) -> Case:
    return Case(text, lambda row: None if row[place] is None else test(row[place]))


_LEAVES = [
    _of(2, "town = 'a'", lambda town: town == "a"),
    _of(2, "town <> 'unheard of'", lambda _: True),
    _of(2, "town >= 'b'", lambda town: town >= "b"),
    _of(2, "town IN ('a', 'c')", lambda town: town in "ac"),
    Case("town IS NULL", lambda row: row[2] is None),
    _of(3, "age >= 10", lambda age: age >= 10),
    _of(3, "age = '[-10, 0)'", lambda age: age // 10 == -1),
    _of(4, "k0 BETWEEN 1 AND 2", lambda number: 1 <= number <= 2),
    _of(5, "n < 3", lambda number: number < 3),
    _of(6, "c0 > 0.5", lambda number: number > 0.5),
    Case("NOT (who IS NULL)", lambda row: row[0] is not None),
]
_CONDITIONS = st.recursive(
    st.sampled_from(_LEAVES),
    lambda inner: (
        st.builds(_both, inner, inner) | st.builds(_either, inner, inner) | st.builds(_negated, inner)
    ),
    max_leaves=4,
)
_ROWS = st.lists(
    st.tuples(
        st.none() | st.integers(0, 9),
        st.sampled_from(["x", "x", "x", "y", None]),
        st.sampled_from(["a", "b", "c", None]),
        st.none() | st.integers(-12, 25),
        st.integers(0, 3),
        st.none() | st.integers(-5, 5),
        st.none() | st.integers(-8, 8).map(lambda number: number / 8),
    ),
    max_size=60,
)
_KEYS = st.lists(st.sampled_from(["town", "age", "k0"]), unique=True, max_size=2)
_MEASURES = st.lists(
    st.sampled_from(["COUNT(*)", "COUNT(n)", "SUM(n)", "AVG(n)", "SUM(c0)", "COUNT(also)"]),
    unique=True,
    min_size=1,
    max_size=3,
)


def _label(row: Row, key: str) -> Any:
    if key == "age":
        return None if row[3] is None else f"[{row[3] // 10 * 10}, {row[3] // 10 * 10 + 10})"
    return row[2] if key == "town" else row[4]


def _place(measure: str) -> int | None:
    return {"COUNT(*)": None, "COUNT(also)": 1}.get(measure, 6 if "c0" in measure else 5)


def _value(measure: str, rows: Sequence[Row]) -> Any:
    place = _place(measure)
    values = [1 if place is None else row[place] for row in rows if place is None or row[place] is not None]
    if measure.startswith("COUNT"):
        return len(values)
    total = sum(values) if values else None
    return total / len(values) if total is not None and measure.startswith("AVG") else total


def _parts(rows: Sequence[Row], measures: Sequence[str]) -> list[int]:
    """Return the distinct subjects of rows, and those with a value in each measured column."""
    places = dict.fromkeys(place for measure in measures if (place := _place(measure)) is not None)
    whole = len({row[:2] for row in rows})
    return [whole, *(len({row[:2] for row in rows if row[place] is not None}) for place in places)]


def _few(parts: Sequence[int]) -> bool:
    return any(0 < part < MINIMUM for part in parts)


def _expected(
    groups: dict[Any, list[Row]], measures: Sequence[str], *, keyless: bool
) -> dict[Any, list[Row]]:
    """Return the groups that may be shown, by the rules of `suppress` in their own words."""
    parts = {key: _parts(rows, measures) for key, rows in groups.items()}
    shown = {key for key, part in parts.items() if not _few(part) and (part[0] or keyless)}
    while True:
        hidden = _parts([row for key, rows in groups.items() if key not in shown for row in rows], measures)
        able = [
            [key for key in shown if parts[key][i]] for i, part in enumerate(hidden) if 0 < part < MINIMUM
        ]
        if not any(able):
            return {key: groups[key] for key in shown}
        candidates = next(keys for keys in able if keys)
        shown.remove(min(candidates, key=lambda key: (parts[key][0], key)))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tables")


@pytest.fixture(scope="module")
def workers() -> Iterator[list[Worker]]:
    made = [worker() for worker in WORKERS]
    yield made
    made.clear()


@given(rows=_ROWS, keys=_KEYS, measures=_MEASURES, case=st.none() | _CONDITIONS)
@settings(max_examples=100)
def test_aggregates_are_those_of_a_naive_reference_and_nobody_is_given_away_by_subtraction(
    folder: Path,
    workers: list[Worker],
    rows: list[Row],
    keys: list[str],
    measures: list[str],
    case: Case | None,
) -> None:
    answer = _ask(workers, folder, rows, _text(keys, measures, case))
    taken = [row for row in rows if case is None or case.holds(row)]
    left = [row for row in rows if not (case is None or case.holds(row))]
    withheld = _few(_parts(left, measures)) or _few(_parts(taken, [])[:1])
    assert answer["withheld"] is withheld
    if withheld:
        assert answer["body"] == b""
        return
    body = json.loads(answer["body"])
    _assert_as_the_reference(body, taken, keys, measures)
    _assert_nobody_is_given_away(body, taken, keys, measures)


def _assert_as_the_reference(
    body: dict[str, Any], taken: list[Row], keys: list[str], measures: list[str]
) -> None:
    groups: dict[Any, list[Row]] = {} if keys else {(): []}
    for row in taken:
        groups.setdefault(tuple(_sortable(_label(row, key)) for key in sorted(keys)), []).append(row)
    shown = _expected(groups, measures, keyless=not keys)
    expected = {
        tuple(_label(members[0], key) for key in keys): [_value(measure, members) for measure in measures]
        for members in shown.values()
        if members
    } or ({(): [_value(measure, []) for measure in measures]} if () in shown else {})
    found = {tuple(row[: len(keys)]): row[len(keys) :] for row in body["rows"]}
    assert found.keys() == expected.keys()
    for key, values in expected.items():
        assert found[key] == pytest.approx(values)
    assert body["suppressed"] is (len(shown) < len(groups))


def _assert_nobody_is_given_away(
    body: dict[str, Any], taken: list[Row], keys: list[str], measures: list[str]
) -> None:
    shown = {tuple(row[: len(keys)]) for row in body["rows"]}
    in_sight = [row for row in taken if tuple(_label(row, key) for key in keys) in shown]
    hidden = [row for row in taken if row not in in_sight]
    for seen, remainder in zip(_parts(in_sight, measures), _parts(hidden, measures), strict=True):
        # What is hidden can be subtracted only from a total that something is shown of.
        assert not (seen and 0 < remainder < MINIMUM)
    for label in shown:
        assert not _few(
            _parts([row for row in taken if tuple(_label(row, key) for key in keys) == label], measures)
        )


def _text(keys: list[str], measures: list[str], case: Case | None) -> str:
    named = [f"{measure} AS m{place}" for place, measure in enumerate(measures)]
    where = f" WHERE {case.text}" if case else ""
    group = f" GROUP BY {', '.join(keys)}" if keys else ""
    return f"SELECT {', '.join([*keys, *named])} FROM data{where}{group}"


def _ask(workers: list[Worker], folder: Path, rows: list[Row], text: str) -> dict[str, Any]:
    """Return the answer: the same from the file and from a warm table, whatever the first rows are."""
    payload = sealed(folder, COLUMNS, rows)
    plan = resolve(parse(text), COLUMNS, Form.AGGREGATE)
    request = request_of(payload, COLUMNS) | render.aggregate_request(plan, MINIMUM)
    try:
        answers = [answer for worker in workers for answer in _answers(worker, request)]
    finally:
        Path(payload.path).unlink()
    assert all(answer == answers[0] for answer in answers)
    return answers[0]


def _answers(worker: Worker, request: dict[str, Any]) -> list[dict[str, Any]]:
    found = []
    with pytest.MonkeyPatch.context() as patch:
        try:
            for first in (7, 16_384):
                patch.setattr(aggregates, "_FIRST", first)
                found.append(worker.aggregate(request))
                # As if it had been opened anew, which takes longer than to ask it.
                (table,) = worker._tables.values()
                table._filled.clear()
                vars(table).pop("most", None)
        finally:
            worker.evict(request["payload"])
    return found


def _sortable(label: Any) -> tuple[bool, Any]:
    """Return what a group sorts by: bands by their lower end, NULL last."""
    if isinstance(label, str) and label.startswith("["):
        return False, int(label[1:].split(",")[0])
    return label is None, label


def _groups(*parts: tuple[int, ...]) -> Iterator[Group]:
    for place, part in enumerate(parts):
        yield Group(((False, place),), (place,), part, part, ())


def test_nothing_hidden_hides_nothing_more() -> None:
    groups = list(_groups((5,), (4,)))
    assert complement(groups, [0], 3) == groups


def test_enough_hidden_hides_nothing_more() -> None:
    groups = list(_groups((5,), (4,)))
    assert complement(groups, [3], 3) == groups


def test_few_hidden_hide_the_smallest_and_of_equals_the_first() -> None:
    groups = list(_groups((5,), (4,), (4,)))
    assert complement(groups, [1], 3) == [groups[0], groups[2]]


def test_few_values_hidden_hide_a_group_with_values() -> None:
    groups = list(_groups((3, 0), (5, 4)))
    assert complement(groups, [6, 1], 3) == [groups[0]]


def test_few_values_hidden_of_a_column_nothing_is_shown_of_hide_nothing() -> None:
    groups = list(_groups((3, 0), (5, 0)))
    assert complement(groups, [6, 1], 3) == groups


@pytest.mark.parametrize(
    ("parts", "found"), [((3,), True), ((2,), False), ((5, 0), True), ((5, 2), False), ((0,), False)]
)
def test_a_group_has_enough_in_every_part_or_none(parts: tuple[int, ...], *, found: bool) -> None:
    assert enough(parts, 3) is found
