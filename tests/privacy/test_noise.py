import math
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from dataspace.errors import Malformed, Unavailable
from dataspace.privacy import noise
from dataspace.privacy.noise import Mechanism, add_noise, margin
from tests.running import script

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
        spread = noise.scale(sensitivity=sensitivity, epsilon=epsilon)
        loss = noise._laplace(spread, sensitivity, epsilon, 1).map(sensitivity)
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


@pytest.mark.parametrize("epsilon", [100, 100_000, 1_000_000, 20_000_000])
def test_gaussian_noise_has_the_deviation_of_its_scale(epsilon: int) -> None:
    spread = noise.scale(sensitivity=3, epsilon=epsilon, mechanism=Mechanism.GAUSSIAN)
    drawn = add_noise([0] * DRAWS, sensitivity=3, epsilon=epsilon, mechanism=Mechanism.GAUSSIAN)
    assert abs(sum(drawn) / DRAWS) < 6 * spread / math.sqrt(DRAWS)
    # The mean of squares of a Gaussian deviates by sqrt(2 / n) of itself; discreteness adds a twelfth.
    squares = sum(draw * draw for draw in drawn) / DRAWS
    assert abs(squares - spread**2) < 6 * spread**2 * math.sqrt(2 / DRAWS) + 1 / 12


@pytest.mark.parametrize("parts", [1, 2, 7, 17])
@pytest.mark.parametrize("epsilon", [17, 100_000, 1_000_000, 99_999_999])
def test_the_library_says_that_all_gaussian_parts_together_lose_at_most_epsilon(
    epsilon: int, parts: int
) -> None:
    dp = noise._library()
    spread = noise.scale(sensitivity=5, epsilon=epsilon, mechanism=Mechanism.GAUSSIAN, parts=parts)
    one = noise._gaussian(spread, 5, epsilon, parts)
    whole = dp.combinators.make_composition([one] * parts)
    lost = dp.combinators.make_zCDP_to_approxDP(whole).map(5).epsilon(noise.DELTA)
    assert lost <= epsilon / 1e6 * (1 + 1e-9)


def test_a_scale_that_loses_more_than_is_charged_is_refused_by_the_library() -> None:
    for draw in (noise._laplace, noise._gaussian):
        with pytest.raises(Unavailable, match="more privacy"):
            draw(0.5, 1, 1000, 1)


def test_parts_share_an_epsilon_equally() -> None:
    for mechanism, factor in ((Mechanism.LAPLACE, 4.0), (Mechanism.GAUSSIAN, 2.0)):
        alone = noise.scale(sensitivity=1, epsilon=1_000_000, mechanism=mechanism)
        shared = noise.scale(sensitivity=1, epsilon=1_000_000, mechanism=mechanism, parts=4)
        assert math.isclose(shared, factor * alone)
        with pytest.raises(Malformed):
            noise.scale(sensitivity=1, epsilon=3, mechanism=mechanism, parts=4)


def test_qy_24_there_is_no_seed_and_two_processes_draw_different_noise() -> None:
    source = Path(noise.__file__).read_text().partition('"""')[2].partition('"""')[2]
    assert not {"seed", "random", "numpy"} & set(re.findall(r"[a-z]+", source))
    program = (
        "from dataspace.privacy.noise import add_noise;"
        "print(add_noise([0] * 20, sensitivity=1000, epsilon=1000))"
    )
    first, second = (script(program, [], {}).stdout for _ in range(2))
    assert first.startswith("[")
    assert first != second
