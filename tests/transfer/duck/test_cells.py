"""The cells of cubes: exact, and with each subject's part bounded."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dataspace.errors import Malformed, NotFound, Refused, TooLarge, Unprocessable
from dataspace.privacy.spec import CubeSpec
from dataspace.privacy.suppression import Cells
from dataspace.sandbox import Pool
from dataspace.table import Column, Method, Type
from dataspace.transfer.duck.worker import Worker
from dataspace.transfer.engine import WORKER, Engine, Payload
from dataspace.transfer.sql import render
from tests.transfer.duck.test_engine import request_of, sealed

COLUMNS = (
    Column("who", Type.TEXT, subject=True),
    Column("city", Type.TEXT),
    Column("age", Type.INTEGER, method=Method.GENERALIZE, parameters={"width": 10}),
    Column("amount", Type.DECIMAL, aggregable=True),
    Column("visits", Type.INTEGER, aggregable=True),
    Column("income", Type.INTEGER),
    Column("name", Type.TEXT, method=Method.MASK),
    Column("day", Type.DATE),
)
ROWS: list[list[Any]] = [
    ["p1", "b", 25, 1.25, 3, 1, "n", None],
    ["p1", "b", 25, 100.0, None, 1, "n", None],
    ["p1", "b", 31, -7.0, 9, 1, "n", None],
    ["p2", "b", 21, 2.004, 4, 1, "n", None],
    ["p3", "a", None, None, -50, 1, "n", None],
    [None, None, 25, float("nan"), 1, 1, "n", None],
]


def spec(dimensions: list[str], *measures: dict[str, Any], max_rows: int = 10) -> CubeSpec:
    return CubeSpec.from_json(
        {
            "dimensions": dimensions,
            "measures": [{"kind": "count"}, *measures],
            "max_rows": max_rows,
            "epsilon": 10**6,
        }
    )


def summed(column: str, low: int = 0, high: int = 10, precision: int = 2) -> dict[str, Any]:
    return {"kind": "sum", "column": column, "low": low, "high": high, "precision": precision}


def factor(column: str, low: int = 0, high: int = 10, precision: int = 2) -> dict[str, Any]:
    return {"column": column, "low": low, "high": high, "precision": precision}


def squared(column: str) -> dict[str, Any]:
    return {"kind": "product", "factors": [factor(column)] * 2}


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    pool = Pool(WORKER, workers=1, memory=3 << 30, deadline=20)
    yield Engine(pool)
    pool.close()


@pytest.fixture(scope="module")
def payload(tmp_path_factory: pytest.TempPathFactory) -> Payload:
    return sealed(tmp_path_factory.mktemp("cells"), COLUMNS, ROWS)


def test_cells_are_counts_and_clamped_sums_by_key(engine: Engine, payload: Payload) -> None:
    found = engine.cells(payload, spec(["city"], summed("amount"), summed("visits", -5, 5, 0)), COLUMNS)
    assert found == {
        "keys": [["a"], ["b"], [None]],
        "subjects": [1, 2, 1],
        "count": [1, 4, 1],
        # 1.25 + 10 + 0 + 2.00 in hundredths; 3 + 5 + 4.
        "sums": {"amount": [0, 1325, 0], "visits": [-5, 12, 1]},
    }


def test_keys_are_the_leaving_values(engine: Engine, payload: Payload) -> None:
    found = engine.cells(payload, spec(["age", "day"]), COLUMNS)
    assert found["keys"] == [["[20, 30)", None], ["[30, 40)", None], [None, None]]


def test_a_subject_is_in_the_cells_with_max_rows_at_most_and_always_the_same(
    engine: Engine, payload: Payload
) -> None:
    found = engine.cells(payload, spec(["city", "age"], max_rows=1), COLUMNS)
    assert sum(found["count"]) == sum(found["subjects"]) == 4
    assert engine.cells(payload, spec(["city", "age"], max_rows=1), COLUMNS) == found


def test_qy_14_a_subject_that_brings_a_thousand_rows_counts_no_more_than_max_rows(
    engine: Engine, tmp_path: Path
) -> None:
    others = [[f"q{number}", "b", 30, 1.0, 1, 1, "n", None] for number in range(20)]
    intruder = [["p1", "b", 30, 10.0, 5, 1, "n", None] for _ in range(1000)]
    without, withal = (sealed(tmp_path, COLUMNS, rows) for rows in (others, others + intruder))
    asked = spec(["city"], summed("amount"), squared("amount"), max_rows=3)
    before, after = (engine.cells(payload, asked, COLUMNS) for payload in (without, withal))
    assert after["count"][0] - before["count"][0] == 3
    for measure in asked.measures[1:]:
        moved = after["sums"][measure.column][0] - before["sums"][measure.column][0]
        assert moved == asked.sensitivity(measure)
    # Without the bound one subject moves the count by all it brings: a naive sum shows whether it is there.
    naive = spec(["city"], summed("amount"), max_rows=1000)
    assert engine.cells(withal, naive, COLUMNS)["count"][0] == 1020


def test_products_are_of_the_clamped_units(engine: Engine, payload: Payload) -> None:
    mixed = {"kind": "product", "factors": [factor("amount"), factor("visits", -5, 5, 0)]}
    found = engine.cells(payload, spec(["city"], squared("amount"), mixed), COLUMNS)
    # 125^2 + 1000^2 + 0 + 200^2; 125 * 3 + nothing + 0 * 5 + 200 * 4, both in their units.
    assert found["sums"] == {"amount*amount": [0, 1_055_625, 0], "amount*visits": [0, 1175, 0]}


def test_of_a_complete_cube_only_rows_with_all_values_count(engine: Engine, payload: Payload) -> None:
    asked = spec(["city"], summed("amount"), summed("visits", -5, 5, 0))
    found = engine.cells(payload, replace(asked, complete=True), COLUMNS)
    assert (found["keys"], found["count"]) == ([["b"]], [3])
    assert found["sums"] == {"amount": [325], "visits": [12]}


def test_dimensions_in_bins(engine: Engine, payload: Payload) -> None:
    binned = replace(spec(["visits", "age"]), bins={"visits": {"bands": "0,4"}, "age": {"width": 20}})
    found = engine.cells(payload, binned, COLUMNS)
    assert sorted(map(str, found["keys"])) == sorted(
        map(
            str,
            [["[20, 40)", "[0, 4)"], ["[20, 40)", None], ["[20, 40)", ">= 4"], [None, "< 0"]],
        )
    )


def test_without_dimensions_there_is_one_cell(engine: Engine, payload: Payload, tmp_path: Path) -> None:
    found = engine.cells(payload, spec([], summed("visits")), COLUMNS)
    assert (found["keys"], found["count"], found["subjects"]) == ([[]], [6], [4])
    assert engine.cells(sealed(tmp_path, COLUMNS, []), spec([]), COLUMNS)["keys"] == []


def test_cells_fit_the_cube_that_is_built_of_them(engine: Engine, payload: Payload) -> None:
    found = Cells.from_json(engine.cells(payload, spec(["city"], summed("amount"), max_rows=2), COLUMNS))
    assert all(rows <= 2 * few for few, rows in zip(found.subjects, found.count, strict=True))


def test_without_subjects_each_row_is_one(engine: Engine, tmp_path: Path) -> None:
    columns = (Column("city", Type.TEXT),)
    payload = sealed(tmp_path, columns, [["a"], ["a"], ["b"]])
    found = engine.cells(payload, spec(["city"], max_rows=1), columns)
    assert (found["subjects"], found["count"]) == ([2, 1], [2, 1])


def test_an_empty_dataset_has_no_cells(engine: Engine, tmp_path: Path) -> None:
    payload = sealed(tmp_path, COLUMNS, [])
    assert engine.cells(payload, spec(["city"], summed("amount")), COLUMNS)["sums"] == {"amount": []}


@pytest.mark.parametrize(
    ("wanted", "error"),
    [
        (spec(["none"]), NotFound),
        (spec(["name"]), Refused),
        (spec(["amount"]), Malformed),
        (replace(spec(["age"]), bins={"age": {"width": 5}}), Refused),
        (replace(spec(["age"]), bins={"age": {"width": 15}}), Refused),
        (replace(spec(["age"]), bins={"age": {"bands": "20,45"}}), Refused),
        (replace(spec(["city"]), bins={"city": {"width": 5}}), Malformed),
        (spec(["city"], squared("income")), Refused),
        (spec(["city"], summed("income")), Refused),
        (spec(["city"], summed("day")), Malformed),
        (spec(["city"], summed("none")), NotFound),
    ],
)
def test_a_cube_reads_only_what_it_may(engine: Engine, wanted: CubeSpec, error: type[Exception]) -> None:
    with pytest.raises(error):
        engine.plan_cells(wanted, COLUMNS)


def test_uses_of_a_cube_are_told_to_the_policy(engine: Engine) -> None:
    uses = engine.plan_cells(spec(["city", "age"], summed("amount")), COLUMNS).uses()
    assert [(use["name"], use["use"]) for use in uses] == [
        ("age", "group"),
        ("city", "group"),
        ("amount", "measure"),
    ]


def test_too_many_cells_and_sums_beyond_64_bits_are_refused(payload: Payload) -> None:
    worker = Worker()
    request = request_of(payload, COLUMNS) | render.cells_request(spec(["city"], summed("visits")), COLUMNS)
    with pytest.raises(TooLarge):
        worker.cells({**request, "limit": 2})
    with pytest.raises(Unprocessable):
        worker.cells({**request, "sums": [{"column": "visits", "value": "visits", "peak": 2**62}]})
    worker.evict({"dataset": payload.dataset})
