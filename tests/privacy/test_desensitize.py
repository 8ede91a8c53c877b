import hashlib
import hmac
import math
from collections.abc import Mapping
from datetime import date
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataspace.errors import Malformed
from dataspace.privacy.desensitize import SQL_TYPES, expression, group, label, leaving_type, quoted
from dataspace.table import Column, Method, Type

KEY = bytes(range(32))
_CONNECTION = duckdb.connect(config={"threads": 1})

_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
_VALUES: Mapping[Type, st.SearchStrategy[Any]] = {
    Type.TEXT: _TEXT,
    Type.INTEGER: st.integers(-(2**63), 2**63 - 1),
    Type.DECIMAL: st.floats(),
    Type.DATE: st.dates(),
}


def leave(column: Column, *values: Any, sql: str = "") -> list[Any]:
    """Return what the values become, by the SQL of the column."""
    _CONNECTION.execute(f"CREATE OR REPLACE TABLE data ({quoted(column.name)} {SQL_TYPES[column.type]})")
    for value in values:
        _CONNECTION.execute("INSERT INTO data VALUES (?)", [value])
    return [
        row[0] for row in _CONNECTION.execute(f"SELECT {sql or expression(column, KEY)} FROM data").fetchall()
    ]


def text(method: Method, **parameters: int | str) -> Column:
    return Column("c", Type.TEXT, method=method, parameters=parameters)


def test_a_kept_value_leaves_as_it_is() -> None:
    assert leave(text(Method.KEEP), "浙江", "", None) == ["浙江", "", None]


@pytest.mark.parametrize("kind", list(Type))
def test_a_suppressed_value_leaves_as_null_of_its_type(kind: Type) -> None:
    column = Column("c", kind, method=Method.SUPPRESS)
    assert leave(column, None) == [None]
    assert leave(column, None, sql=f"typeof({expression(column, KEY)})") == [SQL_TYPES[kind]]


def test_a_mask_keeps_ends_and_hides_the_length() -> None:
    column = text(Method.MASK, first=3, last=4)
    assert leave(column, "13812345678", "1381234567890") == ["138****5678", "138****7890"]


def test_a_mask_of_a_name_keeps_characters_not_bytes() -> None:
    assert leave(text(Method.MASK, first=1), "欧阳小明", "王五") == ["欧****", "王****"]


def test_a_mask_shows_nothing_of_a_value_it_would_show_whole() -> None:
    assert leave(text(Method.MASK, first=3, last=4), "1234567", "12", "", None) == ["****"] * 3 + [None]


@pytest.mark.parametrize(
    ("kind", "value", "masked"),
    [
        (Type.INTEGER, 6222020200, "62****"),
        (Type.DATE, date(1990, 5, 17), "19****"),
        (Type.DECIMAL, 1.25, "1.****"),
    ],
)
def test_any_type_can_be_masked(kind: Type, value: object, masked: str) -> None:
    assert leave(Column("c", kind, method=Method.MASK, parameters={"first": 2}), value) == [masked]


@pytest.mark.parametrize(("unit", "out"), [("year", "2024"), ("quarter", "2024-Q3"), ("month", "2024-07")])
def test_a_date_is_generalized_to_its_unit(unit: str, out: str) -> None:
    column = Column("c", Type.DATE, method=Method.GENERALIZE, parameters={"unit": unit})
    assert leave(column, date(2024, 7, 31), date(1, 1, 1), None)[::2] == [out, None]


@pytest.mark.parametrize(
    ("value", "band"),
    [(0, "[0, 10)"), (9, "[0, 10)"), (10, "[10, 20)"), (-10, "[-10, 0)"), (-11, "[-20, -10)"),
     (2**63 - 1, "[9223372036854775800, 9223372036854775810)"),
     (-(2**63), "[-9223372036854775810, -9223372036854775800)")],
)  # fmt: skip
def test_a_number_is_generalized_to_its_band(value: int, band: str) -> None:
    assert leave(Column("c", Type.INTEGER, method=Method.GENERALIZE, parameters={"width": 10}), value) == [
        band
    ]


def test_a_decimal_is_generalized_to_its_band_or_to_null() -> None:
    column = Column("c", Type.DECIMAL, method=Method.GENERALIZE, parameters={"width": 10})
    given = [29.99, -0.01, 3e9, math.nan, math.inf, -math.inf, 1e300]
    assert leave(column, *given) == ["[20, 30)", "[-10, 0)", "[3000000000, 3000000010)", *[None] * 4]


def test_a_text_is_generalized_to_its_prefix() -> None:
    assert leave(text(Method.GENERALIZE, first=3), "310115", "31", None) == ["310*", "31*", None]


def test_qy_18_a_pseudonym_is_the_keyed_hash_of_column_and_value() -> None:
    derived = hmac.digest(KEY, b"pseudonym\0" + "身份证".encode(), "sha256")
    expected = hmac.new(derived, b"11010519491231002X", hashlib.sha256).hexdigest()[:32]
    column = Column("身份证", Type.TEXT, method=Method.PSEUDONYMIZE)
    assert leave(column, "11010519491231002X", None) == [expected, None]


def test_qy_18_pseudonyms_of_two_agreements_or_columns_do_not_join() -> None:
    one, two = (
        Column("a", Type.TEXT, method=Method.PSEUDONYMIZE),
        Column("b", Type.TEXT, method=Method.PSEUDONYMIZE),
    )
    seen = {leave(one, "x")[0], leave(two, "x")[0], leave(one, "x", sql=expression(one, bytes(32)))[0]}
    assert len(seen) == 3


@given(_TEXT)
@settings(max_examples=60, deadline=None)
def test_qy_18_a_pseudonym_is_hmac_for_any_text(value: str) -> None:
    derived = hmac.digest(KEY, b"pseudonym\0c", "sha256")
    expected = hmac.new(derived, value.encode(), hashlib.sha256).hexdigest()[:32]
    assert leave(text(Method.PSEUDONYMIZE), value) == [expected]


@pytest.mark.parametrize("name", ['a"b', "a]b", "姓名", "a b", "select", "a;--", "'", "%s {0}"])
@pytest.mark.parametrize("method", list(Method))
def test_qy_01_any_name_is_only_a_name(name: str, method: Method) -> None:
    column = Column(name, Type.TEXT, method=method, parameters={"first": 1})
    assert len(leave(column, "value")) == 1


_PARAMETERS: Mapping[str, int | str] = {"first": 2, "last": 1, "unit": "quarter", "width": 7}


@given(st.data(), st.sampled_from(Type), st.sampled_from(Method))
@settings(max_examples=150, deadline=None)
def test_qy_12_no_value_makes_any_method_fail(data: st.DataObject, kind: Type, method: Method) -> None:
    column = Column("c", kind, method=method, parameters=_PARAMETERS)
    values = data.draw(st.lists(st.none() | _VALUES[kind], max_size=5))
    assert len(leave(column, *values)) == len(values)


@pytest.mark.parametrize("value", ["infinity", "-infinity", "290309-12-22 (BC)", "5881580-07-10"])
@pytest.mark.parametrize("unit", ["year", "quarter", "month"])
def test_qy_12_dates_beyond_the_calendar_leave_as_null(value: str, unit: str) -> None:
    column = Column("c", Type.DATE, method=Method.GENERALIZE, parameters={"unit": unit})
    assert leave(column, value) == [None]


@given(st.data(), st.sampled_from(Type))
@settings(max_examples=60, deadline=None)
def test_equal_groups_are_equal_labels(data: st.DataObject, kind: Type) -> None:
    column = Column("c", kind, method=Method.GENERALIZE, parameters=_PARAMETERS)
    values = data.draw(st.lists(_VALUES[kind], max_size=8))
    groups = leave(column, *values, sql=group(column))
    labels = leave(column, *values, sql=label(column, group(column)))
    assert labels == leave(column, *values)
    assert len(set(groups)) == len(set(labels)) == len(set(zip(groups, labels, strict=True)))


@pytest.mark.parametrize("kind", list(Type))
@pytest.mark.parametrize("method", list(Method))
def test_the_leaving_type_is_the_types_of_what_leaves(kind: Type, method: Method) -> None:
    column = Column("c", kind, method=method, parameters=_PARAMETERS)
    leaves = leave(column, None, sql=f"typeof({expression(column, KEY)})")
    assert leaves == [SQL_TYPES[leaving_type(column)]]


@pytest.mark.parametrize(
    "column",
    [
        text(Method.MASK, first=-1),
        text(Method.MASK, last="2"),
        text(Method.GENERALIZE),
        Column("c", Type.INTEGER, method=Method.GENERALIZE, parameters={"width": 0}),
        Column("c", Type.DECIMAL, method=Method.GENERALIZE, parameters={"width": True}),
        Column("c", Type.DATE, method=Method.GENERALIZE, parameters={"unit": "day"}),
        Column("c", Type.DATE, method=Method.GENERALIZE),
    ],
)
def test_a_parameter_out_of_range_is_malformed(column: Column) -> None:
    with pytest.raises(Malformed):
        expression(column, KEY)
