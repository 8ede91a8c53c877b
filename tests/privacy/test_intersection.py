"""The zone's side of an intersection: canaries, the count, and cells of the rows of some items."""

import json
from typing import Any

import msgspec
import pytest

from dataspace.errors import Malformed, TooLarge, Unprocessable
from dataspace.privacy import intersection
from dataspace.privacy.intersection import Intersection, spec_of
from dataspace.privacy.matched import cells
from dataspace.wire.intersection import canaries
from dataspace.wire.oprf import INTERSECTION, Scalar, hashed, pack, unpack

_EPSILON = 100_000_000  # hardly any noise


def _rows(*items: Any) -> bytes:
    return json.dumps({"columns": [], "rows": [[item] for item in items]}).encode()


def _blinded(
    mine: Scalar, items: list[str], zone: bytes, *, ordered: bool = False
) -> tuple[list[bytes], bytes]:
    points = sorted(mine.of(hashed(item, INTERSECTION)) for item in items)
    request = {"points": pack(points), "public": mine.public, "rows": zone, "ordered": ordered}
    made = Intersection().blind(request)
    return unpack(made["points"], 1 << 20), made["kept"]


def _count(kept: bytes, returned: list[bytes], min_group: int = 1) -> Any:
    request = {"kept": kept, "returned": pack(returned), "epsilon": _EPSILON, "min_group": min_group}
    return Intersection().count(request)


def test_the_count_is_of_items_in_both_sets() -> None:
    mine = Scalar.fresh()
    points, kept = _blinded(
        mine, [f"i{n}" for n in range(60)], _rows(*(f"i{n}" for n in range(40, 90)), "i50")
    )
    assert len(points) == 50 + canaries(50), "an item of two rows is one"
    told = _count(kept, sorted(mine.of_all(points)))
    assert told == {"size": 20, "fewer_than": 2, "expected_error": 1}
    assert _count(kept, sorted(mine.of_all(points)), min_group=30)["size"] is None


def test_what_is_no_item_in_the_zone_is_left_out() -> None:
    mine = Scalar.fresh()
    points, _ = _blinded(mine, ["a"], _rows(None, "", "x" * 300, 7, "7"))
    assert len(points) == 1 + canaries(1)
    with pytest.raises(Unprocessable, match="no row"):
        _blinded(mine, ["a"], _rows(None, ""))


def test_a_zone_that_is_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intersection, "ZONE_LIMIT", 3)
    with pytest.raises(TooLarge, match="4 identifiers"):
        _blinded(Scalar.fresh(), ["a"], _rows("a", "b", "c", "d"))


@pytest.mark.parametrize("ordered", [False, True])
def test_a_canary_that_does_not_come_back_costs_what_an_answer_does(ordered: bool) -> None:
    mine = Scalar.fresh()
    points, kept = _blinded(mine, ["a", "b"], _rows("a", "b", "c"), ordered=ordered)
    returned = mine.of_all(points)
    places = msgspec.msgpack.decode(kept)["places"]
    returned[places[7]] = Scalar.fresh().of(hashed("else", INTERSECTION))
    with pytest.raises(Unprocessable, match="exponent of step one") as caught:
        _count(kept, returned if ordered else sorted(returned))
    assert caught.value.facts["epsilon"] == _EPSILON


def test_a_canary_counts_for_nothing_though_it_be_in_the_consumers_set() -> None:
    """A consumer that blinds what it was sent before, among it canaries, finds none of them again."""
    mine = Scalar.fresh()
    points, _ = _blinded(mine, ["a"], _rows("a", "b"))
    request = {"points": pack(points), "public": mine.public, "rows": _rows("x", "y"), "ordered": False}
    made = Intersection().blind(request)
    returned = sorted(mine.of_all(unpack(made["points"], 1 << 20)))
    assert _count(made["kept"], returned)["size"] is None


def test_points_that_are_none_are_malformed() -> None:
    mine = Scalar.fresh()
    points, kept = _blinded(mine, ["a"], _rows("a"))
    with pytest.raises(Malformed):
        _count(kept, [*mine.of_all(points)[:-1], b"\xff" * 32])
    with pytest.raises(Malformed):
        Intersection().blind(
            {"points": b"\xff" * 32, "public": mine.public, "rows": _rows("a"), "ordered": False}
        )


_CUBE: dict[str, Any] = {
    "dimensions": ["city"],
    "measures": [
        {"kind": "count"},
        {"kind": "sum", "column": "amount", "low": 0, "high": 10, "precision": 1},
        {
            "kind": "product",
            "factors": [{"column": "amount", "low": 0, "high": 10, "precision": 0}] * 2,
        },
    ],
    "max_rows": 2,
}
_TABLE: list[list[Any]] = [
    ["a", "x", 1.25],
    ["a", "x", 20],
    ["b", "x", None],
    ["c", "y", 3],
    ["d", "y", 4],
    [None, "y", 4],
    ["e", None, -5],
]


def test_cells_are_of_the_items_inside_and_clamped_and_scaled() -> None:
    found = cells(_TABLE, {"a", "b", "c", "e"}, spec_of(_CUBE, _EPSILON))
    by_key = {key[0]: place for place, key in enumerate(found.keys)}
    assert [found.subjects[by_key[key]] for key in ("x", "y", None)] == [2, 1, 1]
    assert [found.count[by_key[key]] for key in ("x", "y", None)] == [3, 1, 1]
    assert [found.sums["amount"][by_key[key]] for key in ("x", "y", None)] == [112, 30, 0]
    assert [found.sums["amount*amount"][by_key[key]] for key in ("x", "y", None)] == [101, 9, 0]


def test_of_a_subject_so_many_rows_count_and_always_the_same() -> None:
    spec = spec_of({**_CUBE, "max_rows": 1}, _EPSILON)
    rows = [["a", "x", number] for number in range(9)]
    first = cells(rows, {"a"}, spec)
    assert (first.count, first.subjects) == ((1,), (1,))
    assert first == cells([*rows, ["b", "x", 1]], {"a"}, spec)


def test_of_a_complete_cube_rows_without_a_value_do_not_count() -> None:
    found = cells(_TABLE, {"a", "b"}, spec_of({**_CUBE, "complete": True}, _EPSILON))
    assert (found.count, found.subjects) == ((2,), (1,))


def test_a_cube_over_both_sets_counts_what_came_back_in_its_place() -> None:
    mine, items = Scalar.fresh(), [f"i{number}" for number in range(80)]
    points, kept = _blinded(mine, items[:60], _rows(*items), ordered=True)
    rows = {"columns": [], "rows": [[item, "x", 2] for item in items]}
    request = {
        "kept": kept,
        "returned": pack(mine.of_all(points)),
        "rows": json.dumps(rows).encode(),
        "cube": {**_CUBE, "measures": _CUBE["measures"][:2], "max_rows": 1},
        "epsilon": _EPSILON,
        "min_group": 10,
    }
    told = Intersection().cube(request)
    assert told["cells"] == [["x"]]
    assert abs(told["values"]["count"][0] - 60) <= 2
    assert abs(told["values"]["sum(amount)"][0] - 1200) <= 60
