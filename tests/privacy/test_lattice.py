"""The search finds what looking at every node finds, and the census extract fast enough to wait for."""

import itertools
from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataspace.privacy.lattice import Axis, Node, Wanted, combined, search
from tests.privacy import adult

Rows = list[tuple[int, int, int, int]]
# Values 0..7 of three columns, whose levels join two, four and all; and a subject or a sensitive value.
LEVELS = [np.arange(8) >> level for level in range(4)]
numbers = st.integers(0, 7)
some_rows = st.lists(st.tuples(numbers, numbers, numbers, numbers), min_size=1, max_size=30)


def axes_of(rows: Rows) -> list[Axis]:
    return [Axis.of(np.array([row[place] for row in rows]), LEVELS) for place in range(3)]


def enough(rows: Rows, node: Node, wanted: Wanted, *, subjects: bool, sensitive: bool) -> list[bool]:
    classes: dict[Node, set[int]] = defaultdict(set)
    values: dict[Node, set[int]] = defaultdict(set)

    def place(row: Sequence[int]) -> Node:
        return tuple(value >> level for value, level in zip(row[:3], node, strict=True))

    for number, row in enumerate(rows):
        classes[place(row)].add(row[3] if subjects else number)
        values[place(row)].add(row[3])
    diverse = wanted.diversity if sensitive else 1
    return [len(classes[place(row)]) >= wanted.k and len(values[place(row)]) >= diverse for row in rows]


def least(
    axes: Sequence[Axis], rows: Rows, wanted: Wanted, *, subjects: bool, sensitive: bool
) -> float | None:
    found = []
    for node in itertools.product(range(4), repeat=3):
        kept = enough(rows, node, wanted, subjects=subjects, sensitive=sensitive)
        out = kept.count(False) / len(rows)
        loss = sum(axis.losses[level] for axis, level in zip(axes, node, strict=True)) / 3
        if out <= wanted.outliers:
            found.append(loss * (1 - out) + out)
    return min(found, default=None)


@given(some_rows, st.integers(1, 4), st.sampled_from([0.0, 0.2, 1.0]), st.booleans(), st.booleans())
@settings(max_examples=80)
def test_the_search_finds_the_least_loss_of_all_nodes(
    rows: Rows, k: int, outliers: float, subjects: bool, sensitive: bool
) -> None:
    axes, wanted = axes_of(rows), Wanted(k, 2, outliers)
    persons = np.array([row[3] for row in rows])
    found = search(
        axes, wanted, subjects=persons if subjects else None, sensitive=[persons] if sensitive else []
    )
    expected = least(axes, rows, wanted, subjects=subjects, sensitive=sensitive)
    assert (found is None) == (expected is None)
    if found is not None:
        assert found.loss == pytest.approx(expected)
        assert found.kept.tolist() == enough(
            rows, found.levels, wanted, subjects=subjects, sensitive=sensitive
        )


def test_of_the_census_extract_few_nodes_are_looked_at() -> None:
    axes = adult.axes()
    found = search(axes, Wanted(5, outliers=0.05))
    assert found is not None
    assert found.checked < 1000  # of 6,480
    kept = combined([axis.at(level)[found.kept] for axis, level in zip(axes, found.levels, strict=True)])
    assert np.bincount(kept).min() >= 5
    assert found.kept.mean() >= 0.95
    assert found.checked < 6480 / 5


def test_a_lattice_of_many_columns_is_thinned_to_what_can_be_searched() -> None:
    values = np.arange(64)
    levels = [values >> level for level in range(7)]
    axes = [Axis.of(np.roll(np.repeat(values, 4), place), levels) for place in range(20)]
    found = search(axes, Wanted(3))
    assert found is not None
    assert found.kept.all()
    assert len(found.levels) == 20


def test_nothing_is_found_for_too_few_subjects() -> None:
    axes = [Axis.of(np.array([0, 1]), LEVELS)]
    assert search(axes, Wanted(3)) is None
    assert search(axes, Wanted(1), subjects=np.array([0, 0])) is not None
    assert search([], Wanted(1)) is None


def test_combinations_beyond_64_bits_stay_apart() -> None:
    columns = [np.array([0, 1 << 40, 1 << 40]), np.array([0, 1 << 40, 0]), np.array([5, 5, 5])]
    assert combined(columns).tolist() == [0, 2, 1]
