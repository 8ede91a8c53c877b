import random
from typing import Any

import pytest

from dataspace.errors import Malformed, TooLarge, Unprocessable
from dataspace.privacy.cube import Builder, Cube, build
from dataspace.privacy.spec import CubeSpec
from dataspace.privacy.suppression import Cells
from dataspace.wire.frame import join_parts, split_parts

AMOUNT = {"kind": "sum", "column": "amount", "low": 0, "high": 100, "precision": 0}
SPEC: dict[str, Any] = {
    "dimensions": ["city"],
    "measures": [{"kind": "count"}, AMOUNT],
    "max_rows": 1,
    "epsilon": 90_000_000,
    "presence": "exact",
}


def cells(subjects: dict[str, int]) -> Cells:
    """Return one cell for each city, with as many rows as subjects, of 7 each."""
    few = list(subjects.values())
    keys = [[city] for city in subjects]
    return Cells.from_json(
        {"keys": keys, "subjects": few, "count": few, "sums": {"amount": [7 * rows for rows in few]}}
    )


def spec(**changes: Any) -> CubeSpec:
    return CubeSpec.from_json({**SPEC, **changes})


def test_values_are_the_exact_ones_with_little_noise_at_a_great_epsilon() -> None:
    cube = build(cells({"x": 1000, "y": 2000}), spec(), 10)
    assert cube.keys == (("x",), ("y",))
    assert all(
        abs(found - exact) < 10 for found, exact in zip(cube.values["count"], (1000, 2000), strict=True)
    )
    assert all(
        abs(found - 7000 * n) < 100 for found, n in zip(cube.values["sum(amount)"], (1, 2), strict=True)
    )


def test_every_build_draws_noise_anew() -> None:
    first, second = (build(cells({"x": 1000}), spec(epsilon=1000), 10) for _ in range(2))
    assert first.values != second.values


def test_suppressed_cells_leave_no_trace() -> None:
    cube = build(cells({"x": 1000, "rare disease": 3, "y": 1000, "z": 1000}), spec(), 10)
    assert b"rare" not in cube.to_bytes()
    assert "rare" not in str(cube.layout("cb-1"))
    assert len(cube.keys) == 2  # and the smallest other, which would have given it away


def test_slots_follow_the_keys_and_not_the_rows() -> None:
    names = [f"city {number}" for number in range(50)]
    random.Random(3).shuffle(names)
    cube = build(cells(dict.fromkeys(names, 100)), spec(), 10)
    assert list(cube.keys) == sorted((name,) for name in names)


def test_a_noised_presence_hides_cells_near_the_minimum() -> None:
    chosen, large = spec(epsilon=3_000_000, presence="noised"), {"x": 5000, "y": 6000, "z": 7000}
    near = build(cells({f"{number}": 10 for number in range(400)} | large), chosen, 10)
    # One of the large ones may have to cover what noise lifted a little above nothing.
    assert {("y",), ("z",)} <= set(near.keys) <= {("x",), ("y",), ("z",)}
    far = build(cells({f"{number}": 100 for number in range(400)}), chosen, 10)
    assert len(far.keys) == 400


def test_a_noised_presence_never_shows_fewer_than_the_minimum() -> None:
    chosen = spec(epsilon=9, presence="noised", measures=[{"kind": "count"}])
    few = [9] * 2000
    many = Cells.from_json({"keys": [[n] for n in range(2000)], "subjects": few, "count": few, "sums": {}})
    for _ in range(3):
        with pytest.raises(Unprocessable, match="no cell has enough"):
            build(many, chosen, 10)


def test_a_cube_larger_than_a_ciphertext_is_refused() -> None:
    with pytest.raises(TooLarge, match="more than 8192 cells"):
        build(cells({f"{number}": 50 for number in range(8193)}), spec(), 10)


def test_a_cube_without_cells_is_refused_and_costs_its_epsilon() -> None:
    with pytest.raises(Unprocessable) as refusal:
        build(cells({"x": 3}), spec(), 10)
    assert refusal.value.facts == {"epsilon": 90_000_000}


def test_a_value_beyond_the_plain_modulus_and_the_doubles_is_kept_to_the_last_unit() -> None:
    high = {**AMOUNT, "high": 1 << 30}
    exact = [(10**8 << 30) - 1]
    data = {"keys": [["x"]], "subjects": [10**8], "count": [10**8], "sums": {"amount": exact}}
    cube = build(Cells.from_json(data), spec(measures=[high]), 10)
    [value] = cube.values["sum(amount)"]
    assert abs(value - exact[0]) < 40 * cube.spec.noise(cube.spec.measures[0])
    assert Cube.from_bytes(cube.to_bytes()) == cube


def test_a_cube_without_dimensions_is_one_cell() -> None:
    data = {"keys": [[]], "subjects": [500], "count": [500], "sums": {"amount": [900]}}
    cube = build(Cells.from_json(data), spec(dimensions=[]), 10)
    assert cube.keys == ((),)


@pytest.mark.parametrize(
    "change",
    [
        {"count": [200], "subjects": [100]},  # a subject with two rows, of one allowed
        {"sums": {"amount": [10_001]}},  # not clamped
        {"sums": {}},
        {"sums": {"amount": [1], "salary": [1]}},
        {"keys": [["x", 2024]]},
    ],
)
def test_cells_on_which_the_sensitivity_cannot_rest_are_refused(change: dict[str, Any]) -> None:
    good = {"keys": [["x"]], "subjects": [100], "count": [100], "sums": {"amount": [10_000]}}
    assert build(Cells.from_json(good), spec(), 10)
    with pytest.raises(Malformed):
        build(Cells.from_json({**good, **change}), spec(), 10)


def test_a_minimum_below_one_is_refused() -> None:
    with pytest.raises(Malformed, match="at least 1"):
        build(cells({"x": 3}), spec(), 0)


def test_a_cube_is_read_as_it_was_kept() -> None:
    cube = build(cells({"西湖区": 500, "y": 600}), spec(), 10)
    assert Cube.from_bytes(cube.to_bytes()) == cube


def test_bytes_that_are_no_cube_are_refused_with_one_error() -> None:
    kept = build(cells({"x": 500, "y": 600}), spec(), 10).to_bytes()
    head, *columns = map(bytes, split_parts(kept, b"DSCB\x01"))
    broken = [b"", kept[:-1], join_parts(b"DSCB\x01", [head, columns[0]])]
    broken += [join_parts(b"DSCB\x01", [text, *columns]) for text in (b"{", b"[]", b'{"spec":1,"cells":[]}')]
    broken += [join_parts(b"DSCB\x01", [head, columns[0], columns[1] + b"x"])]
    for data in broken:
        with pytest.raises(Malformed):
            Cube.from_bytes(data)


def test_the_layout_bounds_the_noised_values_by_a_power_of_two() -> None:
    cube = build(cells({"x": 500, "y": 600}), spec(), 10)
    count, amount = cube.layout("cb-1")["measures"]
    assert (count["name"], count["bound"]) == ("count", 1023)
    assert (amount["name"], amount["bound"]) == ("sum(amount)", 8191)


def test_the_worker_builds_from_plain_values() -> None:
    data = {"keys": [["x"]], "subjects": [500], "count": [500], "sums": {"amount": [900]}}
    built = Builder().build({"cells": data, "spec": SPEC, "min_group": 10})
    assert built["cells"] == 1
    assert Cube.from_bytes(built["cube"]).keys == (("x",),)


def test_the_layout_tells_the_scale_of_the_noise_from_the_specification_alone() -> None:
    chosen = spec(epsilon=1_000_000, max_rows=3, presence="noised")
    layout = Cube(chosen, (("x",),), {"count": (500,), "sum(amount)": (1,)}).layout("cb-1")
    # Three shares: two measures and the presence; three rows of a subject, each of 1 and of 100.
    assert [measure["noise"] for measure in layout["measures"]] == [
        -(-3 * 1_000_000 // 333_333),
        -(-3 * chosen.measures[1].peak * 1_000_000 // 333_333),
    ]
    assert layout["max_rows"] == 3


def test_noise_is_of_the_scale_the_layout_tells() -> None:
    chosen = spec(epsilon=200_000)
    cube = build(cells({f"{number}": 5000 for number in range(2000)}), chosen, 10)
    mean = sum(abs(value - 5000) for value in cube.values["count"]) / 2000
    assert 0.8 < mean / chosen.noise(chosen.measures[0]) < 1.2


def test_a_cube_without_cells_says_what_to_change_and_what_it_cost() -> None:
    with pytest.raises(Unprocessable, match="smaller max_rows; 3000000 millionths of epsilon are spent"):
        build(cells({"x": 1}), spec(epsilon=3_000_000, presence="noised"), 10)
    with pytest.raises(Unprocessable, match="coarser dimensions; 90000000 millionths"):
        build(cells({"x": 1}), spec(), 10)
