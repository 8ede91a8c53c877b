"""Measures of risk, against their definitions counted plainly and against pycanon on published data."""

import warnings
from collections import defaultdict
from collections.abc import Sequence
from fractions import Fraction
from math import exp, log

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataspace.privacy.closeness import NONE, Sensitive, diversity
from dataspace.privacy.risk import MILLION, NOTHING, measure
from tests.privacy import adult

Codes = npt.NDArray[np.int64]

some_rows = st.lists(
    st.tuples(st.integers(0, 4), st.integers(0, 6), st.integers(-1, 3)), min_size=1, max_size=40
)


def dense(values: Sequence[int]) -> Codes:
    return np.unique(np.array(values), return_inverse=True)[1]


@given(some_rows)
def test_classes_count_distinct_subjects(rows: list[tuple[int, int, int]]) -> None:
    classes, subjects = dense([row[0] for row in rows]), dense([row[1] for row in rows])
    members: dict[int, set[int]] = defaultdict(set)
    for place, subject in zip(classes, subjects, strict=True):
        members[int(place)].add(int(subject))
    smallest = [
        min(len(people) for people in members.values() if subject in people) for subject in set(subjects)
    ]
    found = measure(classes, subjects)
    assert (found.rows, found.subjects, found.classes) == (len(rows), len(set(subjects)), len(members))
    assert found.k == min(map(len, members.values()))
    assert found.unique == smallest.count(1)
    assert found.prosecutor == found.journalist == -(-MILLION // found.k)
    average = sum((Fraction(1, size) for size in smallest), Fraction()) / len(smallest) * MILLION
    assert found.marketer == -(-average.numerator // average.denominator)
    assert sum(classes for _, classes, _ in found.histogram) == len(members)
    assert sum(people for *_, people in found.histogram) == sum(map(len, members.values()))


@given(some_rows, st.booleans())
def test_diversity_and_closeness_are_what_their_definitions_say(
    rows: list[tuple[int, int, int]], ordered: bool
) -> None:
    classes, values = dense([row[0] for row in rows]), np.array([row[2] for row in rows])
    found = diversity(classes, np.arange(len(rows)), Sensitive("it", values, ordered))
    distinct, entropies, distances = [], [], []
    domain = sorted(set(values.tolist()))
    whole = [Fraction(int((values == value).sum()), len(rows)) for value in domain]
    for place in range(int(classes.max()) + 1):
        taken = values[classes == place]
        known = taken[taken != NONE]
        shares = [Fraction(int((taken == value).sum()), len(taken)) for value in domain]
        parts = [float((known == value).mean()) for value in set(known.tolist())]
        distinct.append(max(len(set(known.tolist())), 1))
        entropies.append(exp(-sum(part * log(part) for part in parts)))
        distances.append(_distance(shares, whole, ordered=ordered))
    assert found.distinct == min(distinct)
    assert found.entropy == pytest.approx(min(entropies))
    assert found.distance == pytest.approx(float(max(distances)), abs=1e-12)


def _distance(shares: Sequence[Fraction], whole: Sequence[Fraction], *, ordered: bool) -> Fraction:
    differences = [one - other for one, other in zip(shares, whole, strict=True)]
    if not ordered:
        return sum(map(abs, differences), Fraction()) / 2
    running = [abs(sum(differences[: place + 1], Fraction())) for place in range(len(differences))]
    return sum(running, Fraction()) / max(len(differences) - 1, 1)


def test_rows_of_one_subject_count_once_for_each_value() -> None:
    classes, subjects = np.zeros(5, int), np.array([0, 0, 0, 0, 1])
    found = diversity(classes, subjects, Sensitive("it", np.array([0, 0, 0, 0, 1])))
    assert found.entropy == pytest.approx(2)


def test_of_a_sample_the_journalist_counts_the_population() -> None:
    found = measure(np.array([0, 0, 1]), np.arange(3), population=np.array([10, 2, 5]))
    assert (found.k, found.prosecutor, found.journalist) == (1, MILLION, MILLION // 2)
    assert found.marketer == -(-(MILLION // 10 + MILLION // 10 + MILLION // 2) // 3)
    assert found.presence == (0, MILLION // 2)


def test_up_21_unique_quasi_identifiers_are_told() -> None:
    found = measure(np.arange(7), np.arange(7))
    assert (found.k, found.unique, found.unique_ppm, found.prosecutor) == (1, 7, MILLION, MILLION)


def test_up_21_constant_quasi_identifiers_make_one_class() -> None:
    found = measure(np.zeros(7, int), np.arange(7))
    assert (found.k, found.classes, found.unique) == (7, 1, 0)


def test_of_no_rows_there_is_no_risk_and_no_failure() -> None:
    assert measure(np.array([], int), np.array([], int)) == NOTHING
    assert NOTHING.to_json()["k"] == 0


def test_measures_are_whole_numbers() -> None:
    sensitive = Sensitive("it", np.array([0, 1, 1, 0, 2]), ordered=True)
    found = measure(np.array([0, 0, 0, 1, 1]), np.arange(5), [sensitive]).to_json()
    numbers = [value for value in found.values() if not isinstance(value, list)]
    assert all(type(value) is int for value in [*numbers, *found["presence_ppm"]])
    assert found["sensitive"] == [
        {"column": "it", "l": 2, "entropy_l_ppm": found["entropy_l_ppm"], "t_ppm": found["t_ppm"]}
    ]


def test_k_l_and_t_of_the_census_extract_are_those_of_pycanon() -> None:
    pandas = pytest.importorskip("pandas")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        anonymity = pytest.importorskip("pycanon.anonymity")
    table = adult.rows()
    quasi = ["race", "workclass"]  # all eight: `tests/bench/bench_risk.py`
    frame = pandas.DataFrame(table).astype({"age": int})
    places = dense([hash(tuple(row[name] for name in quasi)) for row in table])
    salary = Sensitive("salary-class", adult.codes([row["salary-class"] for row in table]))
    age = Sensitive("age", np.array([int(row["age"]) for row in table]), ordered=True)
    for column in (salary, age):
        found = measure(places, np.arange(len(table)), [column])
        assert found.k == anonymity.k_anonymity(frame, quasi)
        assert found.least_diversity == anonymity.l_diversity(frame, quasi, [column.name])
        assert int(found.diversities[0][1].entropy + 1e-9) == anonymity.entropy_l_diversity(
            frame, quasi, [column.name]
        )
        distance = found.diversities[0][1].distance
        assert distance == pytest.approx(anonymity.t_closeness(frame, quasi, [column.name]), abs=1e-12)
