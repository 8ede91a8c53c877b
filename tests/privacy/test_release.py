"""Every row of a release is in one tier, and every class that leaves is large enough: counted plainly."""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import replace
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataspace.errors import Malformed
from dataspace.privacy.desensitize import expression, quoted
from dataspace.privacy.hierarchy import suppressed
from dataspace.privacy.release import KEPT, RECODED, WITHHELD, Release, sampled, tiered, tiered_type, tiers
from dataspace.table import Attribute, Column, Method, Type

PERSON = Column("person", Type.TEXT, subject=True, method=Method.PSEUDONYMIZE)
AGE = Column(
    "age", Type.INTEGER, method=Method.GENERALIZE, parameters={"width": 10}, attribute=Attribute.QUASI
)
CITY = Column("city", Type.TEXT, attribute=Attribute.QUASI)
ILLNESS = Column("illness", Type.TEXT, attribute=Attribute.SENSITIVE)
COLUMNS = (PERSON, AGE, CITY, ILLNESS)
COARSE = (replace(AGE, parameters={"width": 50}), suppressed(CITY))
RELEASE = Release(k=3, diversity=2, quasi=("age", "city"), sensitive=("illness",), recoded=COARSE)

Row = tuple[str | None, int | None, str | None, str | None]
people = st.one_of(st.none(), st.sampled_from("abcdefgh"))
rows_of_people = st.lists(
    st.tuples(
        people,
        st.one_of(st.none(), st.integers(-5, 99)),
        st.sampled_from(["x", "y", None]),
        st.sampled_from(["flu", "cold", None]),
    ),
    max_size=40,
)


SCHEMA = pa.schema([("person", "string"), ("age", "int64"), ("city", "string"), ("illness", "string")])


def loaded(rows: Sequence[Row]) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(":memory:")
    columns = list(zip(*rows, strict=True)) or [()] * len(SCHEMA)
    arrays = [pa.array(values, field.type) for values, field in zip(columns, SCHEMA, strict=True)]
    connection.register("given", pa.table(arrays, schema=SCHEMA))
    connection.execute("CREATE TABLE data AS SELECT * FROM given")
    return connection


def found(
    rows: Sequence[Row], release: Release, columns: Sequence[Column] = COLUMNS, subjects: Sequence[str] = ()
) -> list[int]:
    with loaded(rows) as connection:
        taken = connection.execute(tiers(release, columns, subjects, "data", "rowid")).fetchall()
    assert sorted(row for row, _ in taken) == list(range(len(rows)))
    return [tier for _, tier in sorted(taken)]


def counted(rows: Sequence[Row], subjects: Sequence[Hashable]) -> list[int]:
    """Return the tiers of `RELEASE`, counted as its definition says."""

    def small(numbers: Iterable[int], key: Callable[[Row], Hashable]) -> list[int]:
        classes = defaultdict(list)
        for number in numbers:
            classes[key(rows[number])].append(number)
        return [n for members in classes.values() if not enough(members) for n in members]

    def enough(members: Sequence[int]) -> bool:
        illnesses = {rows[n][3] for n in members} - {None}
        return len({subjects[n] for n in members}) >= 3 and max(len(illnesses), 1) >= 2

    first = small(range(len(rows)), lambda row: (None if row[1] is None else row[1] // 10, row[2]))
    second = small(first, lambda row: None if row[1] is None else row[1] // 50)
    return [WITHHELD if n in second else RECODED if n in first else KEPT for n in range(len(rows))]


@given(rows_of_people)
@settings(max_examples=30)
def test_tiers_are_what_counting_the_subjects_of_every_class_gives(rows: list[Row]) -> None:
    assert found(rows, RELEASE, subjects=["person"]) == counted(rows, [row[0] for row in rows])


@given(rows_of_people)
@settings(max_examples=20)
def test_without_subject_columns_each_row_is_a_subject(rows: list[Row]) -> None:
    assert found(rows, RELEASE) == counted(rows, range(len(rows)))


def test_many_rows_of_one_subject_are_no_class() -> None:
    rows: list[Row] = [("a", 30, "x", illness) for illness in ("flu", "cold", "flu", "cold")]
    assert found(rows, RELEASE, subjects=["person"]) == [WITHHELD] * 4
    assert found(rows, RELEASE) == [KEPT] * 4


def test_a_class_of_one_illness_is_not_enough() -> None:
    rows: list[Row] = [(name, 30, "x", "flu") for name in "abcd"]
    assert found(rows, RELEASE, subjects=["person"]) == [WITHHELD] * 4


def test_a_suppressed_sensitive_column_is_not_asked_for_diversity() -> None:
    rows: list[Row] = [(name, 30, "x", "flu") for name in "abcd"]
    assert found(rows, RELEASE, (PERSON, AGE, CITY, suppressed(ILLNESS)), ["person"]) == [KEPT] * 4


def test_columns_may_have_the_names_that_the_sql_uses() -> None:
    names = dict(zip(("person", "age", "city", "illness"), ("u", "a0", "row", 'e"nough'), strict=True))
    columns = [replace(column, name=names[column.name]) for column in COLUMNS]
    recoded = tuple(replace(column, name=names[column.name]) for column in COARSE)
    release = replace(RELEASE, quasi=("a0", "row"), sensitive=('e"nough',), recoded=recoded)
    rows: list[Row] = [
        (name, 30, "x", illness) for name, illness in zip("abc", ["flu", "cold", "flu"], strict=True)
    ]
    with loaded([*rows, ("d", 30, "y", "flu")]) as connection:
        for old, new in names.items():
            connection.execute(f"ALTER TABLE data RENAME {old} TO {quoted(new)}")
        found = connection.execute(tiers(release, columns, ["u"], "data", "rowid")).fetchall()
    assert sorted(found) == [(0, KEPT), (1, KEPT), (2, KEPT), (3, WITHHELD)]


def test_a_sample_is_whole_subjects_and_the_same_for_one_secret() -> None:
    rows: list[Row] = [(f"p{n % 500}", n, None, None) for n in range(1500)]
    with loaded(rows) as connection:

        def taken(secret: bytes) -> list[tuple[Any, ...]]:
            condition = sampled(["person"], "rowid", percent=30, secret=secret)
            return connection.execute(
                f"SELECT person, count(*) FROM data WHERE {condition} GROUP BY 1"
            ).fetchall()

        found = dict(taken(b"1"))
        assert set(found.values()) == {3}
        assert 100 < len(found) < 200
        assert dict(taken(b"1")) == found != dict(taken(b"2"))
    assert sampled(["person"], "rowid", percent=100, secret=b"") == "TRUE"


def test_a_release_of_nothing_keeps_every_row() -> None:
    assert found([("a", 1, "x", None)], Release()) == [KEPT]
    assert not Release().enforced(COLUMNS)


def test_pseudonyms_of_a_quasi_identifier_are_classed_by_its_values() -> None:
    rows: list[Row] = [
        ("a", 30, "x", "flu"),
        ("b", 30, "x", "cold"),
        ("c", 30, "x", "flu"),
        ("d", 30, "y", "flu"),
    ]
    columns = (PERSON, AGE, replace(CITY, method=Method.PSEUDONYMIZE), ILLNESS)
    assert found(rows, RELEASE, columns, ["person"]) == [KEPT, KEPT, KEPT, WITHHELD]


@pytest.mark.parametrize(
    "method", [Method.PSEUDONYMIZE, Method.NOISE, Method.SHIFT, Method.FPE, Method.MICROAGGREGATE]
)
def test_what_an_offer_hides_stays_hidden_in_the_coarser_tier(method: Method) -> None:
    stricter = replace(AGE, method=method, parameters={})
    assert RELEASE.second((PERSON, stricter, CITY))["age"] == suppressed(stricter)
    assert (
        RELEASE.second((PERSON, replace(AGE, parameters={"width": 30}), CITY))["age"].method
        is Method.SUPPRESS
    )
    assert RELEASE.second((PERSON, replace(AGE, parameters={"width": 25}), CITY))["age"] == COARSE[0]


def test_a_recoded_value_leaves_in_the_place_of_the_finer_one() -> None:
    rows: list[Row] = [("a", 31, "x", "flu"), ("b", 31, "x", "cold"), ("c", 31, "x", "flu")]
    rows += [("d", 12, "x", "flu"), ("e", 22, "y", "cold"), ("f", 3, "x", "flu"), ("g", 77, "x", "flu")]
    shown = tiered(AGE, COARSE[0], expression(AGE, bytes(32)), tier="tier")
    with loaded(rows) as connection:
        sql = tiers(RELEASE, COLUMNS, ["person"], "data", "rowid")
        taken = connection.execute(
            f'SELECT {shown} FROM data JOIN ({sql}) t ON data.rowid = t."row" ORDER BY t."row"'
        ).fetchall()
    assert [value for (value,) in taken] == ["[30, 40)"] * 3 + ["[0, 50)"] * 3 + [None]


def test_a_kept_number_and_its_band_leave_as_text() -> None:
    kept = replace(AGE, method=Method.KEEP, parameters={})
    assert tiered_type(kept, kept) is Type.INTEGER
    assert tiered_type(kept, suppressed(kept)) is Type.INTEGER
    assert tiered_type(kept, AGE) is Type.TEXT
    with loaded([("a", 31, "x", None)]) as connection:
        shown = tiered(kept, AGE, '"age"', tier="0")
        assert connection.execute(f"SELECT {shown} FROM data").fetchall() == [("31",)]


def test_a_release_is_read_as_it_was_written() -> None:
    assert Release.from_json(RELEASE.to_json()) == RELEASE
    assert Release.from_json({}) == Release()


@pytest.mark.parametrize(
    "changed",
    [
        *({"k": value} for value in (0, True, "3", None)),
        *({"quasi": value} for value in (None, ["age"])),
        {"l": 1.5},
        {"recoded": [{}]},
        {"sensitive": [1]},
    ],
)
def test_a_malformed_release_is_refused(changed: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        Release.from_json({**RELEASE.to_json(), **changed})
