import hashlib
import hmac
import math
from collections import Counter
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataspace.errors import Malformed
from dataspace.privacy.desensitize import COSTLY, SQL_TYPES, expression, group, label, leaving_type
from dataspace.table import Column, Method, Type
from tests.privacy.ways import KEY, OTHER, PREPARED, TEXTS, VALUES, WRITTEN, leave, told


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
    seen = {leave(one, "x")[0], leave(two, "x")[0], leave(one, "x", key=OTHER)[0]}
    assert len(seen) == 3


@given(TEXTS)
@settings(max_examples=60)
def test_qy_18_a_pseudonym_is_hmac_for_any_text(value: str) -> None:
    derived = hmac.digest(KEY, b"pseudonym\0c", "sha256")
    expected = hmac.new(derived, value.encode(), hashlib.sha256).hexdigest()[:32]
    assert leave(text(Method.PSEUDONYMIZE), value) == [expected]


@pytest.mark.parametrize("name", ['a"b', "a]b", "姓名", "a b", "select", "a;--", "'", "%s {0}"])
def test_qy_01_any_name_is_only_a_name(name: str) -> None:
    for way in WRITTEN:
        if way.type is Type.TEXT:
            column = Column(name, way.type, method=way.method, parameters=way.parameters)
            assert len(leave(column, "value")) == 1


@given(st.data(), st.sampled_from(WRITTEN))
@settings(max_examples=200)
def test_qy_12_no_value_makes_any_method_fail(data: st.DataObject, way: Column) -> None:
    values = data.draw(st.lists(st.none() | VALUES[way.type], max_size=5))
    assert len(leave(way, *values)) == len(values)


@pytest.mark.parametrize("way", WRITTEN, ids=told)
def test_null_leaves_as_null(way: Column) -> None:
    assert leave(way, None) == [None]


@pytest.mark.parametrize("way", PREPARED, ids=told)
def test_a_costly_method_never_gives_the_value_itself(way: Column) -> None:
    assert way.method in COSTLY
    if way.method is not Method.PSEUDONYMIZE:
        with pytest.raises(Malformed, match="computed beforehand"):
            expression(way, KEY)


@given(st.dates(), st.sampled_from(["year", "quarter", "month"]))
@settings(max_examples=60)
def test_a_period_of_a_row_is_spelled_as_that_of_a_group(day: date, unit: str) -> None:
    column = Column("c", Type.DATE, method=Method.GENERALIZE, parameters={"unit": unit})
    assert leave(column, day) == leave(column, day, sql=label(column, group(column)))


@pytest.mark.parametrize("value", ["infinity", "-infinity", "290309-12-22 (BC)", "5881580-07-10"])
@pytest.mark.parametrize("unit", ["year", "quarter", "month"])
def test_qy_12_dates_beyond_the_calendar_leave_as_null(value: str, unit: str) -> None:
    column = Column("c", Type.DATE, method=Method.GENERALIZE, parameters={"unit": unit})
    assert leave(column, value) == [None]


@given(st.data(), st.sampled_from([way for way in WRITTEN if way.method is Method.GENERALIZE]))
@settings(max_examples=100)
def test_equal_groups_are_equal_labels(data: st.DataObject, way: Column) -> None:
    values = data.draw(st.lists(VALUES[way.type], max_size=8))
    groups = leave(way, *values, sql=group(way))
    labels = leave(way, *values, sql=label(way, group(way)))
    assert labels == leave(way, *values)
    assert len(set(groups)) == len(set(labels)) == len(set(zip(groups, labels, strict=True)))


@pytest.mark.parametrize("way", WRITTEN, ids=told)
def test_the_leaving_type_is_the_types_of_what_leaves(way: Column) -> None:
    leaves = leave(way, None, sql=f"typeof({expression(way, KEY)})")
    assert leaves == [SQL_TYPES[leaving_type(way)]]


def test_an_enumeration_leaves_as_its_texts_do() -> None:
    texts = ["330106", "浙江省杭州市西湖区", "欧阳小明", "I21.9", "a@b.cn"]
    kind = ", ".join(f"'{value}'" for value in texts)
    for way in [way for way in WRITTEN if way.type is Type.TEXT]:
        sql = expression(way, KEY).replace('"c"', f'CAST("c" AS ENUM({kind}))')
        assert leave(way, *texts, sql=sql) == leave(way, *texts)


def number(method: Method, kind: Type = Type.INTEGER, **parameters: int | str) -> Column:
    return Column("c", kind, method=method, parameters=parameters)


def test_a_number_is_rounded_half_away_from_zero() -> None:
    assert leave(number(Method.ROUND, to=10), 14, 15, -14, -15, 0, None) == [10, 20, -10, -20, 0, None]


def test_a_whole_number_that_rounds_beyond_64_bits_leaves_as_null() -> None:
    assert leave(number(Method.ROUND, to=10), 2**63 - 1, -(2**63), 2**63 - 8) == [None, None, 2**63 - 8]


def test_a_decimal_is_rounded_to_digits_or_to_a_multiple() -> None:
    given = [1234.567, -0.04, math.nan, math.inf, 1e300]
    assert leave(number(Method.ROUND, Type.DECIMAL, digits=1), *given) == [1234.6, 0, None, None, None]
    assert leave(number(Method.ROUND, Type.DECIMAL, to=50), *given) == [1250, 0, None, None, None]


@given(st.integers(-(10**17), 10**17), st.integers(1, 10**15))
@settings(max_examples=80)
def test_a_rounded_number_is_a_multiple_next_to_the_value(value: int, to: int) -> None:
    (found,) = leave(number(Method.ROUND, to=to), value)
    assert found % to == 0
    assert abs(found - value) * 2 <= to


def test_numbers_beyond_the_bounds_leave_as_the_bounds() -> None:
    assert leave(number(Method.TOP_CODE, bottom=0, top=90), -1, 0, 50, 90, 104, None) == [
        0,
        0,
        50,
        90,
        90,
        None,
    ]
    assert leave(number(Method.TOP_CODE, top=90), -1, 104) == [-1, 90]


def test_qy_19_top_coding_leaves_no_number_that_is_none() -> None:
    column = number(Method.TOP_CODE, Type.DECIMAL, top=90)
    assert leave(column, math.nan, math.inf, -math.inf, 1e300, 0.5) == [None, None, None, 90, 0.5]


@given(VALUES[Type.INTEGER])
@settings(max_examples=60)
def test_qy_19_what_is_top_coded_lies_within_the_bounds(value: int) -> None:
    (found,) = leave(number(Method.TOP_CODE, bottom=-5, top=90), value)
    assert found == min(max(value, -5), 90)


def test_a_number_leaves_as_its_band_of_those_declared() -> None:
    column = number(Method.GENERALIZE, bands="0,18,35")
    assert leave(column, -1, 0, 17, 18, 35, 10**18) == [
        "< 0",
        "[0, 18)",
        "[0, 18)",
        "[18, 35)",
        ">= 35",
        ">= 35",
    ]
    column = number(Method.GENERALIZE, Type.DECIMAL, bands="0,18")
    assert leave(column, 17.999, math.nan, math.inf, None) == ["[0, 18)", None, None, None]


def test_qy_18_columns_of_one_domain_have_pseudonyms_that_join_within_an_agreement() -> None:
    payer, payee = (
        Column(name, Type.TEXT, method=Method.PSEUDONYMIZE, parameters={"domain": "accounts"})
        for name in ("payer", "payee")
    )
    assert leave(payer, "x") == leave(payee, "x") != leave(payee, "x", key=OTHER)
    alone = Column("accounts", Type.TEXT, method=Method.PSEUDONYMIZE)
    assert leave(alone, "x") != leave(payer, "x")


@given(st.lists(TEXTS, min_size=2, max_size=6))
@settings(max_examples=40)
def test_qy_18_pseudonyms_keep_which_values_are_equal_and_nothing_else(values: list[str]) -> None:
    column = text(Method.PSEUDONYMIZE)
    found = leave(column, *values)
    assert Counter(map(found.count, found)) == Counter(map(values.count, values))
    assert not set(found) & set(leave(column, *values, key=OTHER))


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
        Column("c", Type.INTEGER, method=Method.ROUND, parameters={"digits": 1}),
        Column("c", Type.TEXT, method=Method.ROUND, parameters={"to": 1}),
        Column("c", Type.INTEGER, method=Method.TOP_CODE),
        Column("c", Type.INTEGER, method=Method.TOP_CODE, parameters={"bottom": 5, "top": 5}),
        Column("c", Type.INTEGER, method=Method.GENERALIZE, parameters={"bands": "18,0"}),
        Column("c", Type.INTEGER, method=Method.GENERALIZE, parameters={"bands": "0; DROP"}),
        text(Method.GENERALIZE, division="village"),
        text(Method.MASK, **{"as": "poem"}),
        text(Method.PSEUDONYMIZE, domain=""),
    ],
)
def test_a_parameter_out_of_range_is_malformed(column: Column) -> None:
    with pytest.raises(Malformed):
        expression(column, KEY)
