"""What queries see of columns by each method that has an order or classes: in conditions and groups."""

import json
import math
from pathlib import Path
from typing import Any

import pytest

from dataspace.catalog.models import Form
from dataspace.errors import Malformed, Refused
from dataspace.table import Column, Method, Type
from dataspace.transfer.engine import Engine, Payload
from dataspace.transfer.sql.query import parse, resolve
from tests.transfer.duck.test_engine import sealed

GENERALIZE = Method.GENERALIZE
COLUMNS = (
    Column("round", Type.INTEGER, method=Method.ROUND, parameters={"to": 10}, aggregable=True),
    Column("digits", Type.DECIMAL, method=Method.ROUND, parameters={"digits": 1}),
    Column("top", Type.INTEGER, method=Method.TOP_CODE, parameters={"top": 50}),
    Column("band", Type.INTEGER, method=GENERALIZE, parameters={"bands": "0,18,35,60"}),
    Column("share", Type.DECIMAL, method=GENERALIZE, parameters={"bands": "0,18,35,60"}),
    Column("place", Type.TEXT, method=GENERALIZE, parameters={"division": "city"}),
    Column("illness", Type.TEXT, method=GENERALIZE, parameters={"icd": "chapter"}),
    Column("noisy", Type.INTEGER, method=Method.NOISE, parameters={"scale": 5}),
    Column("day", Type.DATE, method=Method.SHIFT, parameters={"days": 9}),
    Column("mean", Type.INTEGER, method=Method.MICROAGGREGATE, parameters={"size": 5}),
)


def values() -> list[list[Any]]:
    rows: list[list[Any]] = [
        [n * 7 % 100, (n * 7 % 100) / 7, n % 100, n % 90, float(n % 90), ["310115", "110101"][n % 2],
         ["I10", "J45.0"][n % 2], n, None, n]
        for n in range(400)
    ]  # fmt: skip
    return [*rows, [None, math.nan, None, None, math.nan, None, None, None, None, None]]


@pytest.fixture(scope="module")
def payload(tmp_path_factory: pytest.TempPathFactory) -> Payload:
    return sealed(Path(tmp_path_factory.mktemp("payloads")), COLUMNS, values())


def counted(engine: Engine, payload: Payload, condition: str) -> int:
    plan = resolve(parse(f"SELECT COUNT(*) FROM data WHERE {condition}"), COLUMNS, Form.AGGREGATE)
    ((found,),) = json.loads(engine.aggregate(payload, plan, min_group=1).content)["rows"]
    return int(found)


@pytest.mark.parametrize(
    ("condition", "count"),
    [
        ("round = 30", 40), ("round = 33", 0), ("round < 10", 20), ("digits <= 0.9", 28),
        ("top > 50", 0), ("top >= 50", 200), ("top = 50", 200), ("band >= 60", 120), ("band < 18", 90),
        ("band = '[18, 35)'", 85), ("band IN ('[0, 18)', '>= 60')", 210), ("band IS NULL", 1),
        ("share >= 60", 120), ("share < 0", 0), ("share IS NULL", 1), ("NOT share >= 60", 280),
        ("place = '310100'", 200), ("place <> '310100'", 200), ("illness = 'J00-J99'", 200),
    ],
)  # fmt: skip
def test_a_condition_compares_what_leaves(
    engine: Engine, payload: Payload, condition: str, count: int
) -> None:
    assert counted(engine, payload, condition) == count


@pytest.mark.parametrize(
    "condition",
    ["band >= 20", "band > 18", "band <= 18", "band = 18", "share >= '18'", "place < '31'", "place = 310100",
     "illness >= 'I00-I99'", "round = '30'", "digits = 'x'"],
)  # fmt: skip
def test_what_no_class_begins_with_is_not_compared(condition: str) -> None:
    with pytest.raises(Malformed):
        resolve(parse(f"SELECT band FROM data WHERE {condition}"), COLUMNS, Form.ROWS)


@pytest.mark.parametrize("column", ["noisy", "day", "mean"])
def test_qy_16_what_is_drawn_or_averaged_is_in_no_condition_and_no_group(column: str) -> None:
    for text, form in (
        (f"SELECT band FROM data WHERE {column} IS NULL", Form.ROWS),
        (f"SELECT {column}, COUNT(*) FROM data GROUP BY {column}", Form.AGGREGATE),
    ):
        with pytest.raises(Refused):
            resolve(parse(text), COLUMNS, form)


def test_groups_are_the_leaving_values_in_their_order(engine: Engine, payload: Payload) -> None:
    for column, groups in {
        "round": [0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100, None],
        "band": ["[0, 18)", "[18, 35)", "[35, 60)", ">= 60", None],
        "place": ["110100", "310100", None],
        "illness": ["I00-I99", "J00-J99", None],
    }.items():
        text = f"SELECT {column}, COUNT(*) FROM data GROUP BY {column} ORDER BY {column}"
        plan = resolve(parse(text), COLUMNS, Form.AGGREGATE)
        found = json.loads(engine.aggregate(payload, plan, min_group=1).content)["rows"]
        assert [row[0] for row in found] == groups


def test_a_decimal_that_is_none_is_null_in_rounded_groups(engine: Engine, payload: Payload) -> None:
    plan = resolve(parse("SELECT digits, COUNT(*) FROM data GROUP BY digits"), COLUMNS, Form.AGGREGATE)
    found = json.loads(engine.aggregate(payload, plan, min_group=1).content)["rows"]
    assert found[-1] == [None, 1]
    assert found[1] == [0.1, 4]


def test_rows_of_every_method_are_the_same_in_a_view_and_without(engine: Engine, payload: Payload) -> None:
    plain = "SELECT round, digits, top, band, share, place, illness FROM data"
    viewed = f"{plain[:-10]}, noisy FROM data"
    one, other = (
        json.loads(
            engine.rows(payload, resolve(parse(text), COLUMNS, Form.ROWS), key=bytes(32), limit=999).content
        )
        for text in (plain, viewed)
    )
    assert sorted(map(str, one["rows"])) == sorted(str(row[:-1]) for row in other["rows"])
    assert one["columns"] == other["columns"][:-1]
