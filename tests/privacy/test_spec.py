from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataspace.errors import Malformed
from dataspace.privacy.spec import CubeSpec, Presence

AMOUNT = {"kind": "sum", "column": "amount", "low": -20, "high": 50, "precision": 2}
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


def test_epsilon_is_shared_by_measures_and_presence() -> None:
    assert CubeSpec.from_json(SPEC).share == 333_333
    assert CubeSpec.from_json({**SPEC, "presence": "exact"}).share == 500_000


def test_presence_is_noised_unless_it_is_said() -> None:
    assert CubeSpec.from_json(SPEC).presence is Presence.NOISED


@pytest.mark.parametrize(
    "change",
    [
        {"dimensions": []},
        {"dimensions": ["a", "a"]},
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


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*SPEC, *AMOUNT]), inner),
    max_leaves=8,
)


@settings(deadline=None)
@given(_JSON, st.dictionaries(st.sampled_from([*SPEC, "presence", "parameters"]), _JSON))
def test_noise_is_refused_with_one_error(noise: Any, members: dict[str, Any]) -> None:
    for data in (noise, {**SPEC, **members}, {**SPEC, "measures": [noise]}):
        try:
            CubeSpec.from_json(data)
        except Malformed:
            continue
