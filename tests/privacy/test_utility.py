"""What a release is worth: entropy of what was joined, variance of what was drawn."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataspace.privacy.utility import Utility, discernibility, kept, kept_variance
from dataspace.table import Column, Method, Type

NUMBER = Column("n", Type.INTEGER)


def drawn(method: Method, **parameters: int) -> Column:
    return Column("n", Type.INTEGER, method=method, parameters=parameters)


@given(st.lists(st.integers(1, 9), min_size=1, max_size=20))
def test_joining_nothing_keeps_all_and_joining_everything_keeps_nothing(counts: list[int]) -> None:
    numbers = np.array(counts)
    assert kept(numbers, np.arange(len(counts))) == pytest.approx(1)
    assert kept(numbers, np.zeros(len(counts), int)) == pytest.approx(1 if len(counts) == 1 else 0)


def test_half_as_many_even_values_keep_their_bits() -> None:
    assert kept(np.full(16, 7), np.arange(16) // 4) == pytest.approx(2 / 4)


@pytest.mark.parametrize(
    ("method", "parameters", "share"),
    [
        (Method.NOISE, {"scale": 10}, 833.25 / (833.25 + 200)),
        (Method.SHIFT, {"days": 1}, 833.25 / (833.25 + 1)),  # one day before or after, even chances
        (Method.MICROAGGREGATE, {"size": 4}, 832 / 833.25),
        (Method.KEEP, {}, 1),
    ],
)
def test_what_is_drawn_keeps_its_own_share_of_the_variance(
    method: Method, parameters: dict[str, int], share: float
) -> None:
    values = np.random.default_rng(1).permutation(np.arange(100.0))
    assert kept_variance(drawn(method, **parameters), values, np.ones(100, int)) == pytest.approx(share)


def test_values_that_are_none_count_for_nothing() -> None:
    noise = drawn(Method.NOISE, scale=1)
    assert kept_variance(noise, np.array([np.nan]), np.array([3])) == 1
    assert kept_variance(noise, np.array([1.0, 3.0, np.nan]), np.array([1, 1, 9])) == pytest.approx(1 / 3)
    assert kept_variance(drawn(Method.MICROAGGREGATE, size=3), np.array([5.0]), np.array([9])) == 1


def test_discernibility_counts_what_each_row_looks_like() -> None:
    assert discernibility(np.array([3, 2]), 1, 6) == 9 + 4 + 6
    assert discernibility(np.array([4_000_000_000]), 0, 4_000_000_000) == 16 * 10**18


def test_the_whole_is_the_average_of_the_columns() -> None:
    found = Utility({"a": 1_000_000, "b": 500_000}, 10, 3, 42).to_json()
    assert (found["whole_ppm"], found["average_class"], found["discernibility"]) == (750_000, 3, 42)
    assert Utility({}, 0, 0, 0).to_json()["whole_ppm"] == 0
