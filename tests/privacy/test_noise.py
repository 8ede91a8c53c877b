import math
from collections import Counter
from typing import Any

import pytest

from dataspace.errors import Malformed
from dataspace.privacy import noise
from dataspace.privacy.noise import add_noise, margin

DRAWS = 40_000


@pytest.mark.parametrize(("sensitivity", "epsilon"), [(1, 500_000), (3, 1_000_000), (500_000, 100_000)])
def test_noise_has_the_scale_of_sensitivity_over_epsilon(sensitivity: int, epsilon: int) -> None:
    scale = sensitivity * 1e6 / epsilon
    drawn = add_noise([0] * DRAWS, sensitivity=sensitivity, epsilon=epsilon)
    # Laplace noise of scale s: mean 0 and deviation s * sqrt(2); |noise| has mean s and deviation s.
    # Six deviations of a mean of 40,000 draws; discrete noise is off by less than a tenth at these scales.
    assert abs(sum(drawn) / DRAWS) < 6 * math.sqrt(2) * scale / math.sqrt(DRAWS)
    assert abs(sum(map(abs, drawn)) / DRAWS - scale) < 6 * scale / math.sqrt(DRAWS) + 0.1


def test_outcomes_of_neighbours_are_as_likely_within_epsilon() -> None:
    epsilon, counts = math.log(2), Counter[int]()
    counts.update(add_noise([0] * DRAWS, sensitivity=1, epsilon=round(epsilon * 1e6)))
    for outcome in range(-3, 3):
        here, there = counts[outcome], counts[outcome + 1]
        assert abs(math.log(here / there)) < epsilon + 6 * math.sqrt(1 / here + 1 / there)


def test_the_library_says_that_the_loss_is_at_most_epsilon() -> None:
    for sensitivity, epsilon in ((1, 1), (7, 333_333), (1 << 50, 99_999_999), (3, 1_000_003)):
        loss = noise._mechanism(sensitivity, epsilon).map(sensitivity)
        assert loss <= epsilon / 1e6 * (1 + 1e-12)


def test_noise_is_drawn_anew_every_time() -> None:
    first, second = (add_noise([0] * 100, sensitivity=1000, epsilon=1_000_000) for _ in range(2))
    assert first != second


def test_values_beyond_32_bits_keep_their_place() -> None:
    [found] = add_noise([1 << 40], sensitivity=1, epsilon=1_000_000)
    assert abs(found - (1 << 40)) < 100


@pytest.mark.parametrize("value", [1.0, math.nan, math.inf, True, None, "1", 1 << 53, -(1 << 53)])
def test_qy_23_what_is_no_integer_never_reaches_the_mechanism(value: Any) -> None:
    for arguments in ([value], 1, 1), ([1], value, 1), ([1], 1, value):
        values, sensitivity, epsilon = arguments
        with pytest.raises(Malformed):
            add_noise(values, sensitivity=sensitivity, epsilon=epsilon)


@pytest.mark.parametrize(("sensitivity", "epsilon"), [(0, 1), (1, 0), (-1, 1), (1, -1)])
def test_qy_11_epsilon_and_sensitivity_are_positive(sensitivity: int, epsilon: int) -> None:
    with pytest.raises(Malformed):
        add_noise([1], sensitivity=sensitivity, epsilon=epsilon)


def test_no_values_need_no_noise() -> None:
    assert add_noise([], sensitivity=1, epsilon=1) == []


def test_the_margin_is_passed_once_in_a_million() -> None:
    scale, bound = 2.0, margin(sensitivity=1, epsilon=500_000)
    at_least = math.exp(-bound / scale) / (1 + math.exp(-1 / scale))
    assert at_least <= 1e-6
    drawn = add_noise([0] * DRAWS, sensitivity=1, epsilon=500_000)
    near = sum(draw >= bound // 2 for draw in drawn) / DRAWS
    assert near <= 2 * math.exp(-(bound // 2) / scale)
