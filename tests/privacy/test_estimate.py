"""What error is told before anything is computed, held against noise that is drawn."""

import math

import pytest

from dataspace.privacy.estimate import Number, expected, needed, relative
from dataspace.privacy.noise import Mechanism, add_noise
from dataspace.privacy.noised import LEAST_EPSILON, Noise, Part

ROWS = Number("count", "count", (Part("", 1),))
TOTAL = Number("total", "sum", (Part("s0", 500_000),), 100)
MEAN = Number("mean", "avg", (Part("s0", 500_000), Part("n1", 1)), 100)
DRAWS = 20_000


@pytest.mark.parametrize("mechanism", list(Mechanism))
@pytest.mark.parametrize("parts", [1, 3])
def test_half_of_what_is_drawn_is_within_half_and_95_of_100_within_wide(
    mechanism: Mechanism, parts: int
) -> None:
    noise = Noise(100_000, 2, mechanism=mechanism)
    error = expected(ROWS, noise, parts)
    drawn = add_noise([0] * DRAWS, sensitivity=2, epsilon=100_000, mechanism=mechanism, parts=parts + 1)
    for share, bound in ((0.5, error.half), (0.95, error.wide)):
        within = sum(abs(draw) <= bound for draw in drawn) / DRAWS
        # Six deviations of a share of 20,000 draws, and what the discrete noise is off by.
        assert abs(within - share) < 6 * math.sqrt(0.25 / DRAWS) + 0.02


def test_the_error_of_a_sum_is_in_its_own_unit() -> None:
    noise = Noise(1_000_000, 1)
    assert math.isclose(expected(TOTAL, noise, 1).scale, 500_000 * 2 / 100, rel_tol=1e-9)


def test_the_error_of_an_average_is_at_least_what_is_drawn() -> None:
    noise, rows = Noise(2_000_000, 1), 1000
    error = expected(MEAN, noise, 2)
    assert error.per_row
    sums = add_noise([rows * 400_000] * DRAWS, sensitivity=500_000, epsilon=noise.epsilon, parts=3)
    counts = add_noise([rows] * DRAWS, sensitivity=1, epsilon=noise.epsilon, parts=3)
    off = [abs(total / 100 / count - 4000) for total, count in zip(sums, counts, strict=True)]
    assert sum(one <= error.wide / rows for one in off) / DRAWS >= 0.95


@pytest.mark.parametrize("mechanism", list(Mechanism))
def test_the_epsilon_that_is_needed_is_the_least_that_is_exact_enough(mechanism: Mechanism) -> None:
    noise = Noise(LEAST_EPSILON, 3, mechanism=mechanism)
    found = needed([ROWS, TOTAL], noise, parts=2, rows=1000, points=500)
    assert found
    assert max(relative(one, Noise(found, 3, mechanism=mechanism), 2, 1000) for one in (ROWS, TOTAL)) <= 500
    less = Noise(found - 1, 3, mechanism=mechanism)
    assert max(relative(one, less, 2, 1000) for one in (ROWS, TOTAL)) > 500


def test_what_no_epsilon_makes_exact_enough_needs_none() -> None:
    assert needed([ROWS], Noise(1000, 1000), parts=1, rows=1, points=1) is None


def test_of_many_parts_each_has_a_millionth_of_the_epsilon_that_is_needed() -> None:
    # A cube of 32 measures: with 17 millionths some of them would have none.
    rows = 10**9
    assert needed([ROWS], Noise(LEAST_EPSILON), parts=32, rows=rows, points=10_000) == 33


def test_the_words_say_the_figures_in_two_languages() -> None:
    told = expected(ROWS, Noise(1_000_000, 1), 1).to_json()
    assert (told["scale"], told["half"], told["wide"]) == (2.0, 1.4, 6.0)
    assert told["words"] == {
        "en": "half of the values are within 1.4 of the exact one, 95 of 100 within 6.0",
        "zh": "一半的数值与真实值相差不超过 1.4，95% 不超过 6.0",
    }
    average = expected(MEAN, Noise(1_000_000, 1), 2).to_json()
    assert "divided by the rows of the group" in average["words"]["en"]
