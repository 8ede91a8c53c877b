from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataspace.errors import Malformed
from dataspace.privacy.spec import CubeSpec, Presence

FACTOR = {"column": "amount", "low": -20, "high": 50, "precision": 2}
AMOUNT = {"kind": "sum", **FACTOR}
SPEC: dict[str, Any] = {
    "dimensions": ["year", "city"],
    "measures": [AMOUNT, {"kind": "count"}],
    "max_rows": 3,
    "epsilon": 1_000_000,
}


def test_a_specification_is_read_as_it_was_written() -> None:
    spec = CubeSpec.from_json(SPEC)
    assert CubeSpec.from_json(spec.to_json()) == spec


def test_qy_07_the_same_wish_in_another_order_is_the_same_specification() -> None:
    turned = {
        **SPEC,
        "dimensions": ["city", "year"],
        "measures": SPEC["measures"][::-1],
        "presence": "noised",
    }
    assert CubeSpec.from_json(turned).canonical() == CubeSpec.from_json(SPEC).canonical()


def test_one_subject_changes_a_count_by_its_rows_and_a_sum_by_the_greater_bound_times_them() -> None:
    spec = CubeSpec.from_json(SPEC)
    assert {measure.name: spec.sensitivity(measure) for measure in spec.measures} == {
        "count": 3,
        "sum(amount)": 3 * 50 * 100,
    }


@pytest.mark.parametrize(
    ("bounds", "peak"),
    [
        (((-20, 50), (-3, 2)), 150),  # 50 * -3
        (((-20, 10), (-3, 2)), 60),  # -20 * -3
        (((-5, -1), (0, 7)), 35),
        (((-20, 10), (-20, 10)), 400),  # of a square
    ],
)
def test_a_product_changes_by_what_its_bounds_give_at_most_and_reaches_it(
    bounds: tuple[tuple[int, int], tuple[int, int]], peak: int
) -> None:
    names = ("a", "a" if bounds[0] == bounds[1] else "b")
    factors = [
        {"column": name, "low": low, "high": high, "precision": place}
        for place, (name, (low, high)) in enumerate(zip(names, bounds, strict=True))
    ]
    if names == ("a", "a"):
        factors = [factors[0]] * 2
    spec = CubeSpec.from_json({**SPEC, "measures": [{"kind": "product", "factors": factors}]})
    [measure] = spec.measures
    unit = 10**measure.precision
    values = [range(low, high + 1) for low, high in bounds]
    pairs = zip(*values, strict=False) if names == ("a", "a") else product(*values)
    assert max(abs(one * other) for one, other in pairs) * unit == measure.peak == peak * unit
    assert spec.sensitivity(measure) == 3 * measure.peak


def test_a_product_is_the_same_in_either_order_and_is_read_as_it_was_written() -> None:
    other = {**FACTOR, "column": "age", "precision": 0}
    turned = [
        CubeSpec.from_json({**SPEC, "measures": [{"kind": "product", "factors": factors}]})
        for factors in ([FACTOR, other], [other, FACTOR])
    ]
    assert turned[0] == turned[1] == CubeSpec.from_json(turned[0].to_json())
    assert turned[0].measures[0].name == "sum(age*amount)"


def test_bins_and_completeness_are_of_the_specification() -> None:
    asked = {**SPEC, "dimensions": [{"column": "age", "bands": "18,35"}, "city"], "complete": True}
    spec = CubeSpec.from_json(asked)
    assert spec == CubeSpec.from_json(spec.to_json())
    assert (spec.dimensions, spec.bins) == (("age", "city"), {"age": {"bands": "18,35"}})
    plain = CubeSpec.from_json({**asked, "complete": False})
    assert b"complete" not in plain.canonical()
    assert spec.canonical() != plain.canonical()


def test_epsilon_is_shared_by_measures_and_presence() -> None:
    assert CubeSpec.from_json(SPEC).share == 333_333
    assert CubeSpec.from_json({**SPEC, "presence": "exact"}).share == 500_000


def test_presence_is_noised_unless_it_is_said() -> None:
    assert CubeSpec.from_json(SPEC).presence is Presence.NOISED


@pytest.mark.parametrize(
    "change",
    [
        {"dimensions": ["a", "a"]},
        {"dimensions": ["a", {"column": "a", "width": 10}]},
        {"dimensions": [{"column": "a"}]},
        {"dimensions": [{"column": "a", "width": 0}]},
        {"dimensions": [{"column": "a", "width": 10, "bands": "1,2"}]},
        {"dimensions": [{"column": "a", "bands": "2,1"}]},
        {"dimensions": [{"column": "a", "unit": "year"}]},
        {"complete": 1},
        {"dimensions": ["a", "b", "c", "d", "e"]},
        {"dimensions": ["a\n"]},
        {"dimensions": "city"},
        {"measures": []},
        {"measures": [{"kind": "count"}, {"kind": "count"}]},
        {"measures": [{"kind": "mean", "column": "amount"}]},
        {"measures": [{**AMOUNT, "low": 50}]},
        {"measures": [{**AMOUNT, "high": 0.5}]},
        {"measures": [{**AMOUNT, "high": 1 << 41}]},
        {"measures": [{**AMOUNT, "precision": 7}]},
        {"measures": [{**AMOUNT, "column": ""}]},
        {"measures": [{"kind": "product", "factors": [FACTOR]}]},
        {"measures": [{"kind": "product", "factors": [FACTOR, FACTOR, FACTOR]}]},
        {"measures": [{"kind": "product", "factors": [FACTOR, {**FACTOR, "high": 51}]}]},
        # Beyond what numbers can be: of a subject's part, and of the noise.
        {"measures": [{"kind": "product", "factors": [{**FACTOR, "high": 1 << 33}] * 2}]},
        {"measures": [{**AMOUNT, "high": 1 << 33}], "epsilon": 2},
        {"measures": [{**AMOUNT, "column": f"c{n}"} for n in range(33)]},
        {"max_rows": 0},
        {"max_rows": True},
        {"epsilon": 0},
        {"epsilon": -1},
        {"epsilon": float("nan")},
        {"epsilon": "1000000"},
        {"epsilon": 200_000_000},
        {"presence": "secret"},
        {"presence": ["noised"]},
        {"parameters": "bfv-1024"},
        {"parameters": 5},
        {"min_group": 1},
    ],
)
def test_qy_11_a_specification_beyond_its_limits_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        CubeSpec.from_json({**SPEC, **change})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"high": 1 << 41}, "high of amount is not an integer from -10995116277 to 10995116277"),
        ({"precision": 7}, "precision of amount is not an integer from 0 to 6"),
    ],
)
def test_what_is_out_of_range_is_named_with_its_column(change: dict[str, Any], said: str) -> None:
    with pytest.raises(Malformed, match=said):
        CubeSpec.from_json({**SPEC, "measures": [{**AMOUNT, **change}]})


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*SPEC, *AMOUNT]), inner),
    max_leaves=8,
)


@given(_JSON, st.dictionaries(st.sampled_from([*SPEC, "presence", "parameters"]), _JSON))
def test_noise_is_refused_with_one_error(noise: Any, members: dict[str, Any]) -> None:
    for data in (noise, {**SPEC, **members}, {**SPEC, "measures": [noise]}):
        try:
            CubeSpec.from_json(data)
        except Malformed:
            continue
