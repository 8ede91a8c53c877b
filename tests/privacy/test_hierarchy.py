"""Every step of a hierarchy is a column of its own whose values follow from those of the step before."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from itertools import pairwise
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataspace.privacy.hierarchy import coarser, steps, suppressed
from dataspace.privacy.release import class_key
from dataspace.privacy.strictness import check_parameters
from dataspace.table import Column, Method, Type

NUMBER, DECIMAL = Column("n", Type.INTEGER), Column("x", Type.DECIMAL)
DAY, TEXT = Column("d", Type.DATE), Column("t", Type.TEXT)
ARROW = {Type.INTEGER: pa.int64(), Type.DECIMAL: pa.float64(), Type.DATE: pa.date32(), Type.TEXT: pa.string()}
VALUES: dict[Type, st.SearchStrategy[Any]] = {
    Type.INTEGER: st.integers(-(10**12), 10**12) | st.integers(-50, 150),
    Type.DECIMAL: st.floats(allow_nan=True, allow_infinity=True) | st.floats(-100, 100),
    Type.DATE: st.dates(date(1, 1, 1), date(9999, 12, 31)),
    Type.TEXT: st.text(max_size=20)
    | st.sampled_from(["310115", "310101", "I10.x", "上海市浦东新区世纪大道", "上海市黄浦区"]),
}


def as_(column: Column, method: Method, **parameters: int | str) -> Column:
    return replace(column, method=method, parameters=parameters)


COLUMNS = [
    NUMBER, DECIMAL, DAY, TEXT,
    replace(TEXT, category="region"), replace(TEXT, category="diagnosis_code"),
    as_(NUMBER, Method.GENERALIZE, width=7), as_(NUMBER, Method.GENERALIZE, bands="-5,0,18,35,60"),
    as_(DECIMAL, Method.GENERALIZE, width=10), as_(NUMBER, Method.TOP_CODE, bottom=0, top=90),
    as_(DECIMAL, Method.TOP_CODE, top=50), as_(NUMBER, Method.ROUND, to=10),
    as_(DECIMAL, Method.ROUND, digits=1),
    as_(DAY, Method.GENERALIZE, unit="month"), as_(TEXT, Method.GENERALIZE, first=6),
    as_(TEXT, Method.GENERALIZE, division="city"), as_(TEXT, Method.GENERALIZE, icd="category"),
    as_(TEXT, Method.MASK, first=3, last=4), as_(TEXT, Method.MASK, **{"as": "name"}),
    as_(TEXT, Method.PSEUDONYMIZE), as_(NUMBER, Method.NOISE, scale=2), as_(DAY, Method.SHIFT, days=9),
    as_(TEXT, Method.SUPPRESS),
]  # fmt: skip
ROUNDED = {
    Method.ROUND
}  # a rounded value may lie in the band beside its own: steps from it are wider, not unions


def classes(column: Column, values: pa.Array) -> list[Any]:
    key = class_key(column) or "NULL"
    with duckdb.connect(":memory:", config={"threads": 1}) as connection:
        connection.register("given", pa.table({column.name: values}))
        found = connection.execute(f"SELECT CAST({key} AS VARCHAR) FROM given").fetchall()
    return [value for (value,) in found]


@pytest.mark.parametrize("column", COLUMNS, ids=lambda c: f"{c.method}-{c.type}-{dict(c.parameters)}")
@given(st.data())
@settings(max_examples=4)
def test_classes_only_grow_from_step_to_step(column: Column, data: st.DataObject) -> None:
    drawn = data.draw(st.lists(VALUES[column.type], min_size=1, max_size=40, unique_by=repr))
    values = pa.array([*drawn, None], ARROW[column.type])
    found = steps(column, values)
    assert found[0] == column
    assert found[-1] == suppressed(column)
    for step in found:
        check_parameters(step)
        assert coarser(step, column)
    finer = classes(found[0], values)
    for before, step in pairwise(found):
        wider = classes(step, values)
        if before.method not in ROUNDED:
            assert follows(wider, finer), (before, step)
        finer = wider


def follows(wider: Sequence[Any], finer: Sequence[Any]) -> bool:
    return len(set(zip(finer, wider, strict=True))) == len(set(finer))


def test_amounts_are_banded_at_their_quantiles() -> None:
    found = [step.parameters.get("bands") for step in steps(NUMBER, pa.array(range(1, 33)))]
    assert found[1] == "3,5,7,9,11,13,15,17,19,21,23,25,27,29,31"
    assert found[2:] == ["5,9,13,17,21,25,29", "9,17,25", "17", None]


def test_the_bounds_of_bands_are_no_cells() -> None:
    (bands,) = {step.parameters["bands"] for step in steps(NUMBER, pa.array([12_345, 67_891, 98_765]))[1:2]}
    assert bands == "67000,98000"


def test_a_column_of_few_numbers_is_kept_or_suppressed() -> None:
    assert steps(NUMBER, pa.array([0, 1])) == [NUMBER, suppressed(NUMBER)]


@pytest.mark.parametrize(
    ("step", "column"),
    [
        (NUMBER, as_(NUMBER, Method.GENERALIZE, width=5)),
        (as_(NUMBER, Method.GENERALIZE, width=10), as_(NUMBER, Method.GENERALIZE, width=15)),
        (as_(NUMBER, Method.GENERALIZE, bands="0,18"), as_(NUMBER, Method.GENERALIZE, bands="0,17,30")),
        (as_(NUMBER, Method.GENERALIZE, bands="50,95"), as_(NUMBER, Method.TOP_CODE, top=90)),
        (as_(NUMBER, Method.GENERALIZE, width=20), as_(NUMBER, Method.TOP_CODE, top=90)),
        (as_(DAY, Method.GENERALIZE, unit="year"), as_(DAY, Method.SHIFT, days=3)),
        (as_(TEXT, Method.GENERALIZE, first=3), as_(TEXT, Method.PSEUDONYMIZE)),
        (as_(TEXT, Method.GENERALIZE, first=3), as_(TEXT, Method.MASK, first=1)),
        (as_(TEXT, Method.MASK, first=1), as_(TEXT, Method.MASK, first=3, last=4)),  # of "00" it shows more
        (as_(TEXT, Method.MASK, first=1), as_(TEXT, Method.MASK, **{"as": "name"})),
        (as_(TEXT, Method.GENERALIZE, division="county"), as_(TEXT, Method.GENERALIZE, division="city")),
        (as_(TEXT, Method.PSEUDONYMIZE), TEXT),
        (as_(NUMBER, Method.NOISE, scale=9), NUMBER),
    ],
)
def test_what_might_show_more_is_not_coarser(step: Column, column: Column) -> None:
    assert not coarser(step, column)
