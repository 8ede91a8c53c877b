from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataspace.errors import Malformed, TooLarge
from dataspace.privacy.suppression import CELLS_LIMIT, Cells, Key, suppress

GRID: list[Key] = [(row, column) for row in "abc" for column in (1, 2, 3)]


def shown(subjects: list[int], min_group: int = 10, max_rows: int = 1) -> set[Key]:
    found = suppress(GRID, subjects, min_group, max_rows)
    return {key for key, present in zip(GRID, found, strict=True) if present}


def test_cells_with_enough_subjects_are_shown() -> None:
    assert shown([10] * 9) == set(GRID)


def test_a_single_hidden_cell_takes_others_with_it_until_no_margin_has_one_alone() -> None:
    subjects = [3, 20, 30, 25, 40, 50, 35, 60, 70]
    # (a, 1) is small; (a, 2) and (b, 1) cover it in its row and column; (b, 2) covers these two.
    assert set(GRID) - shown(subjects) == {("a", 1), ("a", 2), ("b", 1), ("b", 2)}


def test_hidden_cells_that_are_enough_together_take_none_with_them() -> None:
    subjects = [6, 6, 50, 6, 6, 50, 50, 50, 50]
    assert set(GRID) - shown(subjects) == {("a", 1), ("a", 2), ("b", 1), ("b", 2)}


def test_a_subject_that_may_be_in_several_cells_counts_once() -> None:
    subjects = [6, 6, 50, 6, 6, 50, 50, 50, 50]
    assert len(shown(subjects, max_rows=1)) > len(shown(subjects, max_rows=3))


def test_cells_without_subjects_are_as_if_they_were_not_there() -> None:
    assert shown([0, 20, 20, 20, 20, 20, 20, 20, 20]) == set(GRID) - {("a", 1)}


def test_true_and_one_are_different_values() -> None:
    keys: list[Key] = [(True, "x"), (1, "x")]
    assert suppress(keys, [10, 10], 10) == [True, True]
    assert Cells.from_json({"keys": keys, "subjects": [1, 1], "count": [1, 1], "sums": {}}).keys == tuple(
        keys
    )


@given(st.lists(st.integers(1, 40), min_size=9, max_size=9), st.integers(2, 15), st.integers(1, 3))
def test_no_margin_gives_a_small_group_away(subjects: list[int], min_group: int, max_rows: int) -> None:
    found = suppress(GRID, subjects, min_group, max_rows)
    for fixed in [dims for size in range(2) for dims in combinations(range(2), size)]:
        for values in {tuple(key[dim] for dim in fixed) for key in GRID}:
            margin = [cell for cell, key in enumerate(GRID) if tuple(key[dim] for dim in fixed) == values]
            hidden = [subjects[cell] for cell in margin if not found[cell]]
            together = max([*hidden, -(-sum(hidden) // max_rows)], default=0)
            enough = len(hidden) > 1 and together >= min_group
            assert not hidden or enough or len(hidden) == len(margin)
    assert all(subjects[cell] >= min_group for cell, present in enumerate(found) if present)


@pytest.mark.parametrize(
    "change",
    [
        {"keys": [["a"], ["a"]]},
        {"keys": [["a"], ["b", 1]]},
        {"keys": [["a"], [1.5]]},
        {"keys": [["a"], [["b"]]]},
        {"keys": [["a"]]},
        {"keys": 7},
        {"subjects": [1, 0]},
        {"subjects": [1, 3]},
        {"subjects": [1, True]},
        {"count": [2, 2.0]},
        {"count": [2]},
        {"sums": {"amount": [1]}},
        {"sums": [1]},
        {"sums": {"amount": [1, None]}},
    ],
)
def test_cells_that_do_not_fit_together_are_refused(change: dict[str, object]) -> None:
    good = {"keys": [["a"], [None]], "subjects": [1, 2], "count": [2, 2], "sums": {"amount": [5, -5]}}
    assert Cells.from_json(good)
    with pytest.raises(Malformed):
        Cells.from_json({**good, **change})


def test_more_cells_than_can_be_weighed_are_refused() -> None:
    many = CELLS_LIMIT + 1
    data = {
        "keys": [[number] for number in range(many)],
        "subjects": [1] * many,
        "count": [1] * many,
        "sums": {},
    }
    with pytest.raises(TooLarge):
        Cells.from_json(data)


def test_exact_numbers_stay_out_of_the_repr() -> None:
    assert "12345" not in repr(
        Cells.from_json({"keys": [["a"]], "subjects": [12345], "count": [12345], "sums": {}})
    )
