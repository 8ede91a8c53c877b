"""How good a column's values are, and how much of a date everybody may be told."""

from dataclasses import replace
from datetime import date

import duckdb
import pytest

from dataspace.privacy.quality import Quality, freshness, profile
from dataspace.table import Column, Method, Type

DAY = Column("day", Type.DATE)


def test_shares_are_whole_and_unknown_ones_are_null() -> None:
    assert Quality("a", rows=9, present=6, distinct=2, checked=3, valid=2, newest="2024-07").to_json() == {
        "column": "a",
        "completeness_ppm": 666_666,
        "uniqueness_ppm": 333_333,
        "validity_ppm": 666_666,
        "checked": 3,
        "newest": "2024-07",
    }
    empty = Quality("a", rows=9, present=0, distinct=0).to_json()
    assert (empty["completeness_ppm"], empty["uniqueness_ppm"], empty["validity_ppm"]) == (0, None, None)
    assert empty["newest"] is None


def test_a_profile_counts_values_and_not_nulls() -> None:
    values = "(VALUES (DATE '2024-07-09'), (NULL), (DATE '2024-07-09'), (DATE '2023-01-01')) t(day)"
    with duckdb.connect(":memory:") as connection:
        assert connection.execute(profile(DAY, values)).fetchall() == [(3, 2, date(2024, 7, 9))]
        text = Column('a "b', Type.TEXT)
        assert connection.execute(profile(text, '(VALUES (\'x\'), (NULL)) t("a ""b")')).fetchall() == [
            (1, 1, None)
        ]


@pytest.mark.parametrize(
    ("method", "parameters", "told"),
    [
        (Method.KEEP, {}, "2024-07"),
        (Method.GENERALIZE, {"unit": "month"}, "2024-07"),
        (Method.GENERALIZE, {"unit": "quarter"}, "2024-Q3"),
        (Method.GENERALIZE, {"unit": "year"}, "2024"),
        (Method.SHIFT, {"days": 3}, ""),
        (Method.PSEUDONYMIZE, {}, ""),
        (Method.SUPPRESS, {}, ""),
    ],
)
def test_the_newest_date_is_told_no_more_exactly_than_dates_leave(
    method: Method, parameters: dict[str, int | str], told: str
) -> None:
    assert freshness(replace(DAY, method=method, parameters=parameters), date(2024, 7, 9)) == told
    assert freshness(replace(DAY, method=method, parameters=parameters), None) == ""
