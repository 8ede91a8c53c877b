"""An upload is measured as its columns would let it leave: what is told, and what is proposed instead."""

import json
import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dataspace.catalog.assess import assess
from dataspace.catalog.payloads import SealWriter
from dataspace.errors import Malformed, Unavailable
from dataspace.privacy.desensitize import expression
from dataspace.privacy.release import Release, tiered, tiers
from dataspace.table import Attribute, Column, Method, Type

KEY, CONTEXT = bytes(range(32)), b"up-1"
THRESHOLDS = {
    "k": 5, "l": 2, "t_ppm": 1_000_000, "unique_ppm": 0, "prosecutor_ppm": 200_000, "marketer_ppm": 100_000,
    "suppressed_ppm": 50_000,
}  # fmt: skip
PERSON = Column("person", Type.TEXT, category="mrn", level=4, method=Method.PSEUDONYMIZE, subject=True)
AGE = Column("age", Type.INTEGER, category="age", level=2, attribute=Attribute.QUASI)
CITY = Column("city", Type.TEXT, category="postcode", level=2, attribute=Attribute.QUASI)
BY_YEAR = {"unit": "year"}
BORN = Column("born", Type.DATE, "date", 3, Method.GENERALIZE, BY_YEAR, attribute=Attribute.QUASI)
ILLNESS = Column("illness", Type.TEXT, level=3, attribute=Attribute.SENSITIVE)
NOTE = Column("note", Type.TEXT, level=4, method=Method.MASK, parameters={"first": 1})
COLUMNS = (PERSON, AGE, CITY, BORN, ILLNESS, NOTE)


def people(number: int) -> list[dict[str, Any]]:
    """Return rows of `number` persons, one to three of each."""
    drawn = random.Random(7)
    rows = []
    for person in range(number):
        own = {
            "person": f"p{person:05}",
            "age": drawn.randint(20, 60),
            "city": drawn.choice(["200001", "200002", "100001"]),
            "born": date(1950 + drawn.randint(0, 3), 7, 9),
        }
        rows += [
            {**own, "illness": drawn.choice(["flu", "cold", "cough", None]), "note": f"note {person}"}
            for _ in range(drawn.randint(1, 3))
        ]
    return rows


@pytest.fixture(scope="module")
def payload(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return sealed(tmp_path_factory.mktemp("payload") / "up-1", pa.Table.from_pylist(people(2000)))


def sealed(path: Path, table: pa.Table) -> dict[str, Any]:
    with path.open("xb") as file:
        writer = SealWriter(file, KEY, CONTEXT)
        pq.write_table(table, writer)
        writer.close()
    return {"path": str(path), "key": KEY, "context": CONTEXT}


def asked(payload: Mapping[str, Any], columns: Sequence[Column] = COLUMNS, **more: Any) -> dict[str, Any]:
    request = {"payload": payload, "columns": [column.to_json() for column in columns], "fields": FIELDS}
    return {**request, "risk": THRESHOLDS, "max_rows_level": 3, **more}


FIELDS = [
    {
        "category": "age", "title": {"zh": "年龄", "en": "Age"}, "level": 2, "method": "keep", "check": "age",
        "clause": {"document": "GB/T 37964-2019", "text": "6"},
    },
    {
        "category": "postcode", "title": {"zh": "邮编", "en": "Postal code"}, "level": 2, "method": "keep",
        "check": "postcode", "clause": {"document": "GB/T 37964-2019", "text": "6"},
    },
]  # fmt: skip


def test_what_leaves_is_in_classes_of_enough_subjects(payload: dict[str, Any]) -> None:
    found = assess(asked(payload))
    assert found["subjects"] == 2000
    assert found["rows"] > 2000
    assert found["before"]["k"] == 1
    assert found["after"]["k"] >= 5
    assert found["after"]["l"] >= 2
    assert found["recoded_ppm"] > 0
    release = Release.from_json(found["release"])
    assert (release.k, release.diversity, release.quasi) == (5, 2, ("age", "city", "born"))


def test_the_release_enforced_row_by_row_gives_what_was_measured(payload: dict[str, Any]) -> None:
    found = assess(asked(payload))
    release = Release.from_json(found["release"])
    second = release.second(COLUMNS)
    shown = [tiered(c, second[c.name], expression(c, b""), tier="tier") for c in (AGE, CITY, BORN)]
    sql = tiers(release, COLUMNS, ["person"], "data", "rowid")
    with duckdb.connect(":memory:") as connection:
        connection.register("given", pa.Table.from_pylist(people(2000)))
        connection.execute("CREATE TABLE data AS SELECT * FROM given")
        rows = connection.execute(
            f'SELECT {", ".join(shown)}, person, illness FROM data JOIN ({sql}) t ON data.rowid = t."row" '
            "WHERE tier < 2"
        ).fetchall()
    classes: dict[tuple[Any, ...], set[str]] = defaultdict(set)
    for *looks, person, _ in rows:
        classes[tuple(looks)].add(person)
    after = found["after"]
    assert after["rows"] == len(rows)
    assert after["classes"] == len(classes)
    assert after["k"] == min(map(len, classes.values())) >= 5
    assert found["suppressed_ppm"] == -(-(found["rows"] - len(rows)) * 1_000_000 // found["rows"])


def test_everything_but_the_sample_is_the_same_each_time_and_whole(payload: dict[str, Any]) -> None:
    first, second = (assess(asked(payload, search=True)) for _ in range(2))
    first["sample"] = second["sample"] = None
    assert first == second
    assert json.loads(json.dumps(first), parse_float=pytest.fail) == first


def test_columns_that_pass_need_no_suggestion(payload: dict[str, Any]) -> None:
    lax = {**THRESHOLDS, "suppressed_ppm": 1_000_000, "marketer_ppm": 1_000_000}
    found = assess(asked(payload, risk=lax, search=True))
    assert found["passes"]
    assert found["failing"] == []
    assert found["suggestion"] is None


def test_up_21_columns_that_fail_are_answered_with_columns_that_pass(tmp_path: Path) -> None:
    rows = [
        {"age": n, "born": date(1900 + n % 100, 1 + n % 12, 1 + n % 28), "it": n % 7} for n in range(3000)
    ]
    columns = [
        AGE,
        replace(BORN, method=Method.KEEP, parameters={}),
        Column("it", Type.INTEGER, attribute=Attribute.SENSITIVE),
    ]
    payload = sealed(tmp_path / "unique", pa.Table.from_pylist(rows))
    strict = {**THRESHOLDS, "suppressed_ppm": 0, "k": 20, "marketer_ppm": 20_000}
    found = assess(asked(payload, columns, risk=strict, search=True))
    assert found["before"]["unique_ppm"] == 1_000_000
    assert [failing["measure"] for failing in found["failing"]] == ["marketer_ppm"]
    suggested = found["suggestion"]
    assert suggested["passes"]
    assert suggested["after"]["k"] >= 20
    changed = {column["name"]: Column.from_json(column) for column in suggested["columns"]}
    again = assess(asked(payload, [changed.get(c.name, c) for c in columns], risk=strict))
    assert again["passes"]
    assert again["after"] == suggested["after"]


def test_up_21_a_constant_quasi_identifier_hides_everybody(tmp_path: Path) -> None:
    payload = sealed(tmp_path / "constant", pa.table({"age": pa.array([40] * 50)}))
    found = assess(asked(payload, [AGE]))
    assert (found["after"]["k"], found["after"]["classes"], found["passes"]) == (50, 1, True)
    assert found["utility"]["whole_ppm"] == 1_000_000


def test_too_few_subjects_leave_nothing_at_all(tmp_path: Path) -> None:
    payload = sealed(tmp_path / "few", pa.table({"age": pa.array([40, 41, 42])}))
    found = assess(asked(payload, [AGE], search=True))
    assert found["suppressed_ppm"] == 1_000_000
    assert found["after"]["rows"] == 0
    assert not found["passes"]
    assert found["suggestion"] is None
    assert found["sample"] is None


def test_without_quasi_identifiers_all_rows_are_one_class(payload: dict[str, Any]) -> None:
    plain = [replace(column, attribute=Attribute.OTHER) for column in COLUMNS]
    found = assess(asked(payload, plain))
    assert (found["after"]["k"], found["after"]["l"], found["suppressed_ppm"]) == (2000, None, 0)


def test_an_offer_measures_its_own_methods_and_its_sample(payload: dict[str, Any]) -> None:
    methods = {"age": {"method": "generalize", "parameters": {"width": 20}}}
    whole = assess(asked(payload, methods=methods))
    assert whole["recoded_ppm"] < assess(asked(payload))["recoded_ppm"]
    part = assess(asked(payload, methods=methods, sample=30))
    assert 400 < part["after"]["subjects"] < 800
    assert part["after"]["journalist_ppm"] < part["after"]["prosecutor_ppm"]
    assert 200_000 < part["after"]["presence_ppm"][1] < 1_000_000


def test_the_sample_shows_desensitized_values_of_columns_that_may_leave_as_rows(
    payload: dict[str, Any],
) -> None:
    sample = assess(asked(payload))["sample"]
    names = [column["name"] for column in sample["columns"]]
    assert names == ["age", "city", "born", "illness"]
    assert 0 < len(sample["rows"]) <= 20
    assert all(row[2] in {"1950", "1951", "1952", "1953"} for row in sample["rows"])


@pytest.mark.parametrize("more", [{"max_rows_level": 0}, {"offered": ["aggregate"]}])
def test_no_sample_is_shown_where_rows_do_not_leave(payload: dict[str, Any], more: dict[str, Any]) -> None:
    assert assess(asked(payload, **more))["sample"] is None


def test_quality_tells_of_every_column(tmp_path: Path) -> None:
    table = pa.table(
        {
            "age": pa.array([40, 400, None, 41]),
            "born": pa.array([date(1990, 5, 4), date(2001, 2, 3), None, None]),
            "city": pa.array(["200001", "200001", "no", "200002"]),
        }
    )
    found = assess(asked(sealed(tmp_path / "quality", table), [AGE, BORN, CITY]))
    age, born, city = found["quality"]
    assert age == {
        "column": "age", "completeness_ppm": 750_000, "uniqueness_ppm": 1_000_000, "validity_ppm": 666_666,
        "checked": 3, "newest": None,
    }  # fmt: skip
    assert (born["validity_ppm"], born["newest"]) == (None, "2001")
    assert (city["uniqueness_ppm"], city["validity_ppm"]) == (750_000, 750_000)


def test_utility_falls_with_what_is_hidden(payload: dict[str, Any]) -> None:
    def worth(*columns: Column) -> dict[str, int]:
        told = assess(asked(payload, columns, risk={**THRESHOLDS, "k": 1, "l": 1}))["utility"]["columns"]
        return {column["column"]: column["utility_ppm"] for column in told}

    other = replace(AGE, attribute=Attribute.OTHER)
    noisy = replace(other, method=Method.NOISE, parameters={"scale": 5})
    assert worth(PERSON, other, NOTE)["person"] == worth(PERSON, other)["age"] == 1_000_000
    assert 600_000 < worth(noisy)["age"] < 800_000  # 144 / (144 + 50) of the variance
    assert worth(replace(other, method=Method.SUPPRESS))["age"] == 0
    assert worth(PERSON, NOTE)["note"] < 100_000


@pytest.mark.parametrize(
    "more",
    [
        {"sample": 0},
        {"risk": {}},
        {"nonsense": 1},
        {"methods": {"age": {"method": "x"}}},
        {"methods": {"age": {"method": "generalize", "parameters": {"width": 0}}}},
    ],
)
def test_a_malformed_request_is_refused(payload: dict[str, Any], more: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        assess(asked(payload, **more))


def test_a_payload_that_does_not_open_is_told_as_such(payload: dict[str, Any]) -> None:
    with pytest.raises(Unavailable):
        assess(asked({**payload, "key": bytes(32)}))
