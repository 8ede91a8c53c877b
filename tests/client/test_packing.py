"""The arithmetic of encrypted statistics: digits, remainders, and errors to first order."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataspace.client.encrypted import Errand, Keys
from dataspace.client.keyring import KeyRing, combined
from dataspace.client.layout import Layout, limits
from dataspace.client.moments import UNKNOWN, Moment, covariance, mean, regression, variance
from dataspace.client.packing import Packing
from dataspace.errors import Malformed, Unprocessable, VerificationError
from dataspace.wire.parameters import CUBE_SETS, PARAMETER_SETS
from tests.privacy.scene import AGREEMENT, CUBE, answer, cube, keys

MODULI = [PARAMETER_SETS[name].plain_modulus for name in CUBE_SETS]
CAPACITIES = [MODULI[0], MODULI[0] * MODULI[1]]


@pytest.fixture(scope="module")
def ring() -> KeyRing:
    return KeyRing(keys(), Keys.create(CUBE_SETS[1]))


def layout(counts: list[int], sums: list[int]) -> Layout:
    return Layout.from_json(cube(counts, sums).layout(CUBE))


def errands(ring: KeyRing) -> dict[str, Errand]:
    return {one.id: Errand(AGREEMENT, 2_000_000_000) for one in ring}


@given(st.lists(st.lists(st.integers(-900, 900), min_size=1, max_size=3), min_size=1, max_size=40))
def test_the_digits_of_a_total_are_those_of_its_groups(groups: list[list[int]]) -> None:
    values = [value for group in groups for value in group]
    slots = iter(range(len(values)))
    places = [[next(slots) for _ in group] for group in groups]
    table = layout(values, [-value for value in values])
    packing = Packing.plan(table, places, CAPACITIES)
    found: dict[int, dict[str, int]] = {}
    for query in packing.queries:
        assert limits(table, query.weights, CAPACITIES[1])
        weighed = sum(map(int.__mul__, values, query.weights))
        found |= packing.unpack(query, {"count": weighed, "sum(amount)": -weighed})
    assert [found[place]["count"] for place in range(len(groups))] == list(map(sum, groups))
    assert all(told["sum(amount)"] == -told["count"] for told in found.values())


@pytest.mark.parametrize(
    ("bound", "groups", "queries"),
    [
        (1000, 9, 3),  # 11 bits with the sign: three to a query
        (1 << 38, 3, 3),  # one to a query
        (1 << 39, 3, 3),  # only both moduli hold one
        (1 << 24, 3, 1),  # three under both moduli for two units, where one modulus takes three
        (1 << 19, 1, 1),
    ],
)
def test_a_plan_takes_the_fewest_units(bound: int, groups: int, queries: int) -> None:
    table = layout([bound] * groups, [1] * groups)
    packing = Packing.plan(table, [[place] for place in range(groups)], CAPACITIES)
    assert len(packing.queries) == queries


def test_a_group_that_no_modulus_holds_is_refused() -> None:
    table = layout([1 << 61] * 2, [1] * 2)
    assert Packing.plan(table, [[0], [1]], CAPACITIES)
    with pytest.raises(Unprocessable, match="plain moduli"):
        Packing.plan(table, [[0], [1]], CAPACITIES[:1])


@given(st.integers(-(CAPACITIES[1] // 2), CAPACITIES[1] // 2))
def test_a_number_is_known_by_what_it_leaves_modulo_both_primes(number: int) -> None:
    assert combined([(modulus, number % modulus) for modulus in MODULI]) == number


def test_a_total_of_seventy_bits_is_exact_under_two_keys(ring: KeyRing) -> None:
    table = cube([3, -1], [(1 << 61) + 12345, -(1 << 60) + 7])
    told = Layout.from_json(table.layout(CUBE))
    weighed = ring.weigh(told, [201, -99], errands(ring))
    assert [one.parameters.id for one, _ in weighed.queries] == list(CUBE_SETS)
    totals = weighed.decrypt([answer(table, query.body) for _, query in weighed.queries])
    assert totals == {"count": 702, "sum(amount)": 201 * ((1 << 61) + 12345) - 99 * (7 - (1 << 60))}
    with pytest.raises(Unprocessable, match="might pass"):
        ring.weigh(told, [1 << 20, 0], errands(ring))


def test_a_total_that_one_key_holds_is_asked_under_it_alone(ring: KeyRing) -> None:
    assert len(ring.weigh(layout([3, 4], [5, 6]), [1, 1], errands(ring)).queries) == 1


def test_he_05_totals_that_do_not_fit_together_are_refused(ring: KeyRing) -> None:
    table, other = cube([1, 1], [1 << 60] * 2), cube([1, 1], [1 << 59] * 2)
    weighed = ring.weigh(Layout.from_json(table.layout(CUBE)), [1, 1], errands(ring))
    answers = [
        answer(one, query.body) for one, (_, query) in zip((table, other), weighed.queries, strict=True)
    ]
    with pytest.raises(VerificationError, match="beyond what the weights allow"):
        weighed.decrypt(answers)


def test_a_ring_has_one_key_of_each_parameter_set() -> None:
    with pytest.raises(Malformed):
        KeyRing(keys(), keys())
    with pytest.raises(Malformed):
        KeyRing()
    with pytest.raises(Unprocessable, match="want one of Keys"):
        KeyRing(keys()).of(CUBE_SETS[1])


def _drawn(size: int = 4000) -> dict[str, Any]:
    """Return samples of noised moments of fixed data, and the moments themselves."""
    chance = np.random.default_rng(3)
    x, z = chance.normal(50, 12, 5000), chance.normal(9, 2, 5000)
    y = 3 * x - 4 * z + chance.normal(0, 5, 5000)
    columns = {"": np.ones(5000), "x": x, "z": z, "y": y}
    names = [*columns]
    exact = {(a, b): float((columns[a] * columns[b]).sum()) for a in names for b in names}
    noise = {pair: abs(value) / 3000 for pair, value in exact.items()}
    draws = [
        {
            pair: Moment(value + chance.laplace(0, noise[pair]), noise[pair] * math.sqrt(2))
            for pair, value in exact.items()
        }
        for _ in range(size)
    ]
    return {
        "draws": draws,
        "told": {pair: Moment(value, noise[pair] * math.sqrt(2)) for pair, value in exact.items()},
    }


@pytest.mark.parametrize("statistic", ["mean", "variance", "covariance"])
def test_errors_are_those_of_repeated_draws(statistic: str) -> None:
    of: dict[str, Callable[[dict[Any, Moment]], Moment]] = {
        "mean": lambda m: mean(m["", ""], m["", "x"]),
        "variance": lambda m: variance(m["", ""], m["", "x"], m["x", "x"]),
        "covariance": lambda m: covariance(m["", ""], m["", "x"], m["", "y"], m["x", "y"]),
    }
    drawn, compute = _drawn(), of[statistic]
    spread = np.std([compute(moments).value for moments in drawn["draws"]])
    assert compute(drawn["told"]).error == pytest.approx(spread, rel=0.1)


def test_errors_of_a_regression_are_those_of_repeated_draws() -> None:
    drawn, terms = _drawn(1500), ["", "x", "z"]

    def solve(moments: dict[Any, Moment]) -> list[Moment]:
        gram = [[moments[tuple(sorted((a, b)))] for b in terms] for a in terms]
        small = [[Moment(one.value, one.error / 50) for one in row] for row in gram]
        return regression(small, [Moment(moments[a, "y"].value, moments[a, "y"].error / 50) for a in terms])

    exact = drawn["told"]
    shrunk = [
        {
            pair: Moment(exact[pair].value + (one.value - exact[pair].value) / 50, one.error)
            for pair, one in each.items()
        }
        for each in drawn["draws"]
    ]
    found = np.array([[one.value for one in solve(moments)] for moments in shrunk])
    for place, told in enumerate(solve(exact)):
        assert told.error == pytest.approx(np.std(found[:, place]), rel=0.15)


def test_a_group_that_noise_left_without_rows_has_no_mean() -> None:
    empty = Moment(-2.0, 3.0)
    some = Moment(5.0, 1.0)
    for found in (mean(empty, some), variance(empty, some, some), covariance(empty, some, some, some)):
        assert math.isnan(found.value)
        assert found.error == UNKNOWN.error == math.inf


def test_equations_without_one_solution_are_refused() -> None:
    gram = [[Moment(float(value), 1.0) for value in row] for row in ((4, 8), (8, 16))]
    with pytest.raises(Unprocessable, match="no one solution"):
        regression(gram, [Moment(1.0, 1.0)] * 2)
    with pytest.raises(Unprocessable):
        regression([[Moment(-1.0, 1.0)]], [Moment(1.0, 1.0)])
