import statistics
from datetime import date, timedelta

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataspace.errors import Malformed
from dataspace.privacy.desensitize import COSTLY, leaving_type
from dataspace.privacy.prepared import prepare
from dataspace.table import Column, Method, Type
from tests.privacy.ways import ARROW, KEY, OTHER, PREPARED, VALUES, leave, ready, told


def way(kind: Type, method: Method, **parameters: int | str) -> Column:
    return Column("c", kind, method=method, parameters=parameters)


_SHIFT = way(Type.DATE, Method.SHIFT, days=30)
_NOISE = way(Type.INTEGER, Method.NOISE, scale=5)
_MEAN = way(Type.INTEGER, Method.MICROAGGREGATE, size=3)
_HASH = way(Type.TEXT, Method.PSEUDONYMIZE)


@pytest.mark.parametrize("column", PREPARED, ids=told)
@given(st.data())
@settings(max_examples=25)
def test_qy_12_no_value_makes_preparing_fail(column: Column, data: st.DataObject) -> None:
    values = data.draw(st.lists(st.none() | VALUES[column.type], max_size=6))
    who = data.draw(
        st.none() | st.lists(st.none() | st.text(max_size=2), min_size=len(values), max_size=len(values))
    )
    found = ready(column, *values, who=who)
    assert len(found) == len(values)
    assert all(out is None for value, out in zip(values, found, strict=True) if value is None)


@pytest.mark.parametrize("column", PREPARED, ids=told)
def test_the_leaving_type_is_the_type_of_what_is_prepared(column: Column) -> None:
    rows = pa.table({"c": pa.array([None], ARROW[column.type])})
    assert prepare(rows, [column], [], KEY).schema.types == [ARROW[leaving_type(column)]]


def test_only_costly_columns_are_prepared_under_their_names_in_their_order() -> None:
    names = {"b": Method.PSEUDONYMIZE, "kept": Method.KEEP, "a": Method.PSEUDONYMIZE}
    columns = [Column(name, Type.TEXT, method=method) for name, method in names.items()]
    rows = pa.table({name: ["x", "y"] for name in ("a", "b")})
    assert prepare(rows, columns, [], KEY).column_names == ["b", "a"]
    assert prepare(rows, columns[1:2], [], KEY).num_columns == 0


def test_rows_may_come_in_pieces_and_as_enumerations() -> None:
    texts = ["x", "y", None, "x"]
    pieces = pa.chunked_array(
        [pa.array(texts[:1]).dictionary_encode(), pa.array(texts[1:]).dictionary_encode()]
    )
    found = prepare(pa.table({"c": pieces}), [_HASH], [], KEY).column("c").to_pylist()
    assert found == ready(_HASH, *texts)


@pytest.mark.parametrize("kind", list(Type))
@given(st.data())
@settings(max_examples=25)
def test_qy_18_a_prepared_pseudonym_is_the_one_that_sql_makes(kind: Type, data: st.DataObject) -> None:
    values = data.draw(st.lists(st.none() | VALUES[kind], max_size=4))
    values = [None if value != value else value for value in values]  # noqa: PLR0124 - NaN
    assert ready(way(kind, Method.PSEUDONYMIZE), *values) == leave(way(kind, Method.PSEUDONYMIZE), *values)


@pytest.mark.parametrize(
    ("method", "parameters", "value"),
    [
        (Method.PSEUDONYMIZE, {}, "x"),
        (Method.FPE, {"as": "resident_id"}, "11010519491231002X"),
        (Method.FPE, {"as": "uscc"}, "9144030071526726XG"),
        (Method.FPE, {"as": "bank_card"}, "4111111111111111"),
        (Method.FPE, {"as": "mobile"}, "13812345678"),
    ],
)
def test_qy_18_agreements_and_columns_do_not_join_but_domains_do(
    method: Method, parameters: dict[str, int | str], value: str
) -> None:
    rows = pa.table({name: [value] for name in ("a", "b")})
    scopes: list[dict[str, int | str]] = [{}, {"domain": "one"}]
    alone, joined = (
        [Column(name, Type.TEXT, method=method, parameters={**parameters, **scope}) for name in ("a", "b")]
        for scope in scopes
    )
    own, shared, other = (
        prepare(rows, columns, [], key).to_pylist()[0]
        for columns, key in ((alone, KEY), (joined, KEY), (joined, OTHER))
    )
    assert own["a"] != own["b"]
    assert shared["a"] == shared["b"] != other["a"]
    assert None not in {own["a"], shared["a"], other["a"]}


def test_an_agreement_shifts_all_dates_of_a_subject_by_the_same_days() -> None:
    days = [date(2024, 1, 1), date(2024, 3, 1), date(2024, 1, 1), None]
    first, second, other, missing = ready(_SHIFT, *days, who=["a", "a", "b", "a"])
    assert second - first == timedelta(days=60)
    assert missing is None
    assert (first, other) != (ready(_SHIFT, *days, who=["a", "a", "b", "a"], key=OTHER)[0], other)
    assert [first, second] == ready(_SHIFT, *days[:2], who=["a", "a"])


@given(st.lists(st.dates(date(1900, 1, 1), date(2100, 1, 1)), min_size=1, max_size=20))
@settings(max_examples=40)
def test_a_shift_moves_every_date_and_no_further_than_its_days(values: list[date]) -> None:
    for value, found in zip(values, ready(_SHIFT, *values), strict=True):
        assert 1 <= abs((found - value).days) <= 30


def test_shifts_are_all_days_but_none() -> None:
    day = date(2024, 1, 1)
    found = {(moved - day).days for moved in ready(way(Type.DATE, Method.SHIFT, days=2), *[day] * 200)}
    assert found == {-2, -1, 1, 2}


def test_a_date_at_the_calendar_s_end_leaves_as_null_rather_than_unshifted() -> None:
    found = ready(_SHIFT, *[date.max, date.min] * 20)
    assert all(out is None or out not in {date.max, date.min} for out in found)


def test_rows_of_unknown_subjects_are_shifted_each_for_itself() -> None:
    assert len(set(ready(_SHIFT, *[date(2024, 1, 1)] * 30, who=[None] * 30))) > 1


def test_two_columns_that_together_name_a_subject_are_not_run_into_one_text() -> None:
    rows = pa.table(
        {
            "c": [date(2024, 1, 1)] * 40,
            "p": ["a" * (i + 1) for i in range(40)],
            "q": ["a" * (41 - i) for i in range(40)],
        }
    )
    assert len(set(prepare(rows, [_SHIFT], ["p", "q"], KEY).column("c").to_pylist())) > 1


def test_qy_07_noise_drawn_again_is_the_same_and_another_key_s_is_another() -> None:
    assert ready(_NOISE, *[50] * 40) == ready(_NOISE, *[50] * 40)
    assert ready(_NOISE, *[50] * 40) != ready(_NOISE, *[50] * 40, key=OTHER)


def test_two_scales_and_two_columns_of_noise_tell_nothing_of_each_other() -> None:
    twice = way(Type.INTEGER, Method.NOISE, scale=10)
    one, other = (ready(column, *[0] * 200) for column in (_NOISE, twice))
    # Of one draw the greater noise would be twice the lesser, but for rounding.
    assert sum(abs(2 * less - more) <= 2 for less, more in zip(one, other, strict=True)) < 100
    rows = pa.table({"c": [0] * 200, "d": [0] * 200})
    columns = [_NOISE, Column("d", Type.INTEGER, method=Method.NOISE, parameters={"scale": 5})]
    found = prepare(rows, columns, [], KEY)
    assert found.column("c").to_pylist() != found.column("d").to_pylist()


def test_qy_08_what_is_drawn_is_the_consumer_s_whatever_the_agreement() -> None:
    rows = pa.table({"c": [50] * 40, "p": [str(row) for row in range(40)]})
    for column, method in ((_NOISE, Method.NOISE), (_SHIFT, Method.SHIFT)):
        given = rows if method is Method.NOISE else rows.set_column(0, "c", pa.array([date(2024, 1, 1)] * 40))
        one, other, stranger = (
            prepare(given, [column], ["p"], key, steady=steady)
            for key, steady in ((KEY, KEY), (OTHER, KEY), (KEY, OTHER))
        )
        assert one.equals(other)
        assert not one.equals(stranger)


def test_noise_is_of_its_scale_and_around_the_value() -> None:
    found = ready(_NOISE, *[1000] * 20_000)
    # Laplace noise of scale 5 has a mean distance of 5 and a median of 0.
    assert statistics.mean(abs(out - 1000) for out in found) == pytest.approx(5, rel=0.1)
    assert abs(statistics.mean(found) - 1000) < 0.3


def test_qy_07_repeating_a_subject_s_value_repeats_its_noise() -> None:
    found = ready(_NOISE, *[50] * 100, who=["a"] * 100)
    assert len(set(found)) == 1
    assert len(set(ready(_NOISE, *[50] * 100, who=[str(row) for row in range(100)]))) > 1


def test_noise_on_decimals_leaves_hundredths_and_nothing_of_the_last_bits() -> None:
    column = way(Type.DECIMAL, Method.NOISE, scale=1)
    found = ready(column, 0.1234567, 1e300, float("nan"), float("inf"), 12.3)
    assert found[1:4] == [None] * 3
    assert all(round(out * 100) / 100 == out for out in (found[0], found[4]))


@given(st.lists(st.integers(-(10**6), 10**6), min_size=3, max_size=40))
@settings(max_examples=60)
def test_microaggregated_values_are_shared_by_a_group_and_keep_the_order(values: list[int]) -> None:
    found = ready(_MEAN, *values)
    assert all(found.count(out) >= 3 for out in found)
    pairs = sorted(zip(values, found, strict=True))
    assert [out for _, out in pairs] == sorted(found)


def test_microaggregation_counts_subjects_not_rows() -> None:
    found = ready(_MEAN, 1, 2, 3, 40, 50, 60, who=["a", "a", "a", "b", "c", "d"])
    assert len(set(found)) == 1
    assert ready(_MEAN, 1, 2, 3, who=["a", "a", "b"]) == [None] * 3


def test_a_mean_of_whole_numbers_is_whole_and_of_decimals_is_not() -> None:
    assert ready(_MEAN, 1, 2, 4) == [2, 2, 2]
    (found, *_) = ready(way(Type.DECIMAL, Method.MICROAGGREGATE, size=3), 1.0, 2.0, 4.0)
    assert found == pytest.approx(7 / 3)


@pytest.mark.parametrize(
    "column", [_SHIFT, _NOISE, _MEAN, way(Type.TEXT, Method.FPE, **{"as": "mobile"})], ids=told
)
def test_a_parameter_out_of_range_is_malformed(column: Column) -> None:
    rows = pa.table({"c": pa.array([None], ARROW[column.type])})
    for parameters in ({}, dict.fromkeys(column.parameters, 0), dict.fromkeys(column.parameters, "many")):
        with pytest.raises(Malformed):
            prepare(rows, [Column("c", column.type, method=column.method, parameters=parameters)], [], KEY)


def test_costly_methods_are_those_that_have_no_cheap_sql() -> None:
    assert {column.method for column in PREPARED} == COSTLY
