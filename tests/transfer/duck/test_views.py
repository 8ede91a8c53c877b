"""Rows under a release, a sample and costly methods: what leaves, what it tells, and that it stays."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from dataspace.catalog.models import Form
from dataspace.catalog.payloads import open_sealed
from dataspace.client.answer import Answer
from dataspace.errors import Unavailable
from dataspace.privacy.release import Release
from dataspace.table import Attribute, Column, Method, Type
from dataspace.transfer.engine import Engine, Payload, Result, Sealed, needs_view
from dataspace.transfer.sql.leaving import Protection
from dataspace.transfer.sql.query import parse, resolve
from dataspace.wire import ARROW, JSON
from tests.transfer.duck.test_engine import sealed
from tests.transfer.workers import Cold

AGREED, OTHER = b"a" * 32, b"b" * 32
QUASI, SENSITIVE = Attribute.QUASI, Attribute.SENSITIVE
COLUMNS = (
    Column("id", Type.TEXT, method=Method.PSEUDONYMIZE, subject=True, attribute=Attribute.IDENTIFIER),
    Column("age", Type.INTEGER, attribute=QUASI),
    Column("city", Type.TEXT, attribute=QUASI),
    Column("illness", Type.TEXT, attribute=SENSITIVE),
    Column("_tier", Type.INTEGER),
)
PLAIN = (replace(COLUMNS[0], method=Method.KEEP), *COLUMNS[1:])
RECODED = (
    replace(COLUMNS[1], method=Method.GENERALIZE, parameters={"width": 20}),
    replace(COLUMNS[2], method=Method.SUPPRESS),
)
RELEASE = Release(5, 1, ("age", "city"), (), RECODED)


def people() -> list[list[Any]]:
    """40 persons of one age and city, of two rows each; 6 alone at their ages, not in their band; 1 alone."""
    rows = [[f"p{number}", 30, "上海", f"i{number % 3}", number] for number in range(40) for _ in range(2)]
    rows += [[f"q{number}", 40 + number, "北京", "i1", 100 + number] for number in range(6)]
    return [*rows, ["last", 99, "孤城", "i0", 999]]


@pytest.fixture(scope="module")
def payload(tmp_path_factory: pytest.TempPathFactory) -> Payload:
    return sealed(tmp_path_factory.mktemp("payloads"), COLUMNS, people())


def rows(
    engine: Engine,
    payload: Payload,
    text: str,
    columns: Sequence[Column] = PLAIN,
    release: Release = RELEASE,
    *,
    sample: int = 100,
    key: bytes = AGREED,
    **options: Any,
) -> Result:
    plan = resolve(parse(text), columns, Form.ROWS, Protection.of(release, sample, columns))
    return engine.rows(payload, plan, key=key, limit=options.pop("limit", 1000), **options)


def table(result: Result) -> list[list[Any]]:
    found: list[list[Any]] = json.loads(result.content)["rows"]
    return found


def test_rows_of_small_classes_leave_coarser_or_not_at_all(engine: Engine, payload: Payload) -> None:
    result = rows(engine, payload, "SELECT age, city, illness FROM data")
    found = table(result)
    assert Counter((age, city) for age, city, _ in found) == {("30", "上海"): 80, ("[40, 60)", None): 6}
    assert result.facts == {"rows": 86, "smallest_group": 0, "complement": 0, "withheld": 1}
    told = json.loads(result.content)
    assert (told["withheld"], told["recoded"]) == (True, True)
    assert [column["type"] for column in told["columns"]] == ["text", "text", "text"]


def test_classes_count_subjects_and_not_rows(engine: Engine, tmp_path: Path) -> None:
    payload = sealed(tmp_path, COLUMNS, [["same", 30, "上海", "i", 0]] * 50)
    result = rows(engine, payload, "SELECT age FROM data")
    assert (table(result), result.facts["withheld"]) == ([], 50)


def test_too_few_sensitive_values_make_a_class_too_small(engine: Engine, tmp_path: Path) -> None:
    people = [[f"p{n}", 30, "上海", "same", 0] for n in range(9)]
    people += [[f"q{n}", 50, "北京", f"i{n}", 0] for n in range(9)]
    payload = sealed(tmp_path, COLUMNS, people)
    diverse = replace(RELEASE, diversity=3, sensitive=("illness",))
    assert {
        tuple(row) for row in table(rows(engine, payload, "SELECT age, city FROM data", PLAIN, diverse))
    } == {("50", "北京")}


@pytest.mark.parametrize(
    ("condition", "count"),
    [
        ("age = 30", 80), ("age >= 40", 0), ("age = 43", 0), ("NOT age = 30", 0), ("age <> 30", 0),
        ("city = '北京'", 0), ("city = '孤城'", 0), ("NOT (city = '上海')", 0), ("city IS NULL", 0),
        ("city IS NOT NULL", 80), ("NOT (age >= 40 AND city = '北京')", 80),
        ("illness = 'i1' AND age = 30", 26), ("illness = 'i1' OR age = 99", 32),
        ('"_tier" >= 100', 6), ('"_tier" = 999', 0),
    ],
)  # fmt: skip
def test_qy_16_a_condition_never_sees_more_than_the_row_shows(
    engine: Engine, payload: Payload, condition: str, count: int
) -> None:
    assert len(table(rows(engine, payload, f"SELECT illness FROM data WHERE {condition}"))) == count


@pytest.mark.parametrize(
    ("expression", "values"),
    [
        ("age || ''", {"30", "[40, 60)"}),
        ("LENGTH(COALESCE(city, '-'))", {2, 1}),
        ("CASE WHEN age = 43 THEN 'there' WHEN age = 30 THEN 'many' ELSE 'other' END", {"many", "other"}),
        ("CASE WHEN NOT age = 43 THEN 'not' ELSE 'perhaps' END", {"not", "perhaps"}),
        ("CAST(age AS BIGINT)", {30, None}),
    ],
)
def test_qy_17_an_expression_sees_the_coarser_value_too(
    engine: Engine, payload: Payload, expression: str, values: set[Any]
) -> None:
    found = table(rows(engine, payload, f"SELECT {expression} AS x, age FROM data"))
    assert {row[0] for row in found} == values
    recoded = {row[0] for row in found if row[1] == "[40, 60)"}
    assert len(recoded) == 1, "what is computed tells recoded rows apart"


def test_what_an_answer_tells_of_withheld_rows_does_not_depend_on_the_condition(
    engine: Engine, payload: Payload
) -> None:
    for condition in ("age = 30", "age = 99", "illness = 'i0'", "illness = 'none'"):
        result = rows(engine, payload, f"SELECT illness FROM data WHERE {condition}")
        assert (json.loads(result.content)["withheld"], result.facts["withheld"]) == (True, 1)


def test_a_stricter_method_of_an_offer_is_never_undone_by_the_release(
    engine: Engine, payload: Payload
) -> None:
    stricter = (
        PLAIN[0],
        replace(PLAIN[1], method=Method.SUPPRESS),
        replace(PLAIN[2], method=Method.GENERALIZE, parameters={"first": 1}),
        *PLAIN[3:],
    )
    found = table(rows(engine, payload, "SELECT age, city FROM data", stricter))
    assert Counter(map(tuple, found)) == {(None, "上*"): 80, (None, "北*"): 6}


def test_the_place_of_a_row_does_not_tell_what_it_was_recoded_from(engine: Engine, tmp_path: Path) -> None:
    cities = [f"city {number}" for number in range(20)]
    persons = [[f"{city} {n}", 70 if n == 9 else 30, city, "i", n] for city in cities for n in range(10)]
    sorted_by_city = sealed(tmp_path, COLUMNS, persons)
    found = table(rows(engine, sorted_by_city, "SELECT city FROM data"))
    recoded = [place for place, (city,) in enumerate(found[:-1]) if city is None and place]
    assert len(recoded) > 10
    between = [found[place - 1][0] == cities[n] for n, place in enumerate(recoded)]
    assert sum(between) < len(between) / 2
    again = table(rows(engine, sorted_by_city, "SELECT city FROM data", key=OTHER))
    assert found == again, "one order for all agreements: no other one to compare it with"


def test_rows_as_arrow_tell_the_same(engine: Engine, payload: Payload) -> None:
    text = "SELECT age, city, illness AS 病 FROM data"
    result = rows(engine, payload, text, media_type=ARROW)
    found = pa.ipc.open_stream(result.content).read_all()
    assert found.schema.metadata == {b"withheld": b"true", b"recoded": b"true"}
    assert [list(row.values()) for row in found.to_pylist()] == table(rows(engine, payload, text))
    assert {field.type for field in found.schema} == {pa.string()}


@pytest.mark.parametrize("media_type", [JSON, ARROW])
def test_a_client_reads_what_an_answer_tells_of_a_release(
    engine: Engine, payload: Payload, media_type: str
) -> None:
    told = []
    for release in (RELEASE, Release()):
        result = rows(engine, payload, "SELECT age, illness FROM data", PLAIN, release, media_type=media_type)
        answer = Answer(result.content, media_type, 1, 1, 100, lambda _: b"")
        told.append((answer.withheld, answer.recoded))
    assert told == [(True, True), (False, False)]


def test_nothing_to_enforce_is_answered_as_ever(engine: Engine, payload: Payload) -> None:
    plain = resolve(parse("SELECT age, city FROM data"), PLAIN, Form.ROWS)
    result = engine.rows(payload, plain, key=AGREED, limit=1000)
    assert not needs_view(plain)
    assert result.content == rows(engine, payload, "SELECT age, city FROM data", PLAIN, Release()).content
    assert "withheld" not in json.loads(result.content)
    assert result.facts == {"rows": 87, "smallest_group": 0, "complement": 0}


def test_a_sample_is_of_subjects_and_larger_ones_hold_smaller_ones(engine: Engine, payload: Payload) -> None:
    drawn = []
    for sample in (10, 40, 40, 100):
        result = rows(engine, payload, 'SELECT id, "_tier" FROM data', PLAIN, Release(), sample=sample)
        drawn.append(Counter(name for name, _ in table(result)))
    assert drawn[0] <= drawn[1] == drawn[2] <= drawn[3]
    assert 8 <= len(drawn[1]) <= 32
    assert all(count == drawn[3][name] for name, count in drawn[1].items()), (
        "a subject is there with all rows"
    )


def test_a_sample_of_a_dataset_without_subjects_is_of_rows(engine: Engine, tmp_path: Path) -> None:
    columns = (Column("v", Type.INTEGER),)
    payload = sealed(tmp_path, columns, [[n] for n in range(1000)])
    found = table(rows(engine, payload, "SELECT v FROM data", columns, Release(), sample=30))
    assert 230 <= len({row[0] for row in found}) == len(found) <= 370


def test_qy_18_pseudonyms_are_of_one_agreement_and_in_an_order_of_its_own(
    engine: Engine, payload: Payload
) -> None:
    text = 'SELECT id, "_tier" FROM data'
    one, same, other = (
        table(rows(engine, payload, text, COLUMNS, Release(), key=key)) for key in (AGREED, AGREED, OTHER)
    )
    assert one == same
    assert not {row[0] for row in one} & {row[0] for row in other}
    assert sorted(row[1] for row in one) == sorted(row[1] for row in other)
    assert sum(a[1] == b[1] for a, b in zip(one, other, strict=True)) < 15
    assert len({row[0] for row in one}) == 47


def test_qy_18_a_limit_takes_the_first_rows_of_that_order(engine: Engine, payload: Payload) -> None:
    text = 'SELECT id, "_tier" FROM data'
    whole = table(rows(engine, payload, text, COLUMNS, RELEASE))
    assert table(rows(engine, payload, f"{text} LIMIT 7", COLUMNS, RELEASE)) == whole[:7]
    assert table(rows(engine, payload, text, COLUMNS, RELEASE, limit=9)) == whole[:9]


def test_a_costly_column_is_computed_with_as_it_leaves(engine: Engine, payload: Payload) -> None:
    text = "SELECT id, SUBSTR(id, 1, 4) AS head, LENGTH(id) AS n FROM data"
    for pseudonym, head, length in table(rows(engine, payload, text, COLUMNS, Release())):
        assert (pseudonym[:4], 32) == (head, length)


def test_costly_columns_are_prepared_once_and_sealed(
    engine: Engine, payload: Payload, tmp_path: Path
) -> None:
    noisy = (*COLUMNS[:4], replace(COLUMNS[4], method=Method.NOISE, parameters={"scale": 50}))
    into = Sealed(str(tmp_path / "prep-1.sealed"), bytes(32), b"prepared")
    engine.prepare(payload, noisy, AGREED, into)
    assert b"prep" not in Path(into.path).read_bytes()
    text = 'SELECT id, "_tier" FROM data'
    one = rows(engine, payload, text, noisy, Release(), prepared=into)
    engine.evict(payload.dataset)
    assert rows(engine, payload, text, noisy, Release(), prepared=into).content == one.content
    stored = pa.ipc.open_stream(b"".join(open_sealed(into.path, into.key, into.context))).read_all()
    assert sorted(stored.column("_tier").to_pylist()) == sorted(row[1] for row in table(one))
    assert stored.column_names == ["id", "_tier"]


def test_prepared_columns_that_do_not_open_are_unavailable(
    engine: Engine, payload: Payload, tmp_path: Path
) -> None:
    into = Sealed(str(tmp_path / "prep-2.sealed"), bytes(32), b"prepared")
    with pytest.raises(Unavailable, match="prepared columns cannot be opened"):
        rows(engine, payload, "SELECT id FROM data", COLUMNS, Release(), prepared=into)
    other = sealed(tmp_path, COLUMNS, people()[:9])
    engine.prepare(other, COLUMNS, AGREED, into)
    with pytest.raises(Unavailable, match="another dataset"):
        rows(engine, payload, "SELECT id FROM data", COLUMNS, Release(), prepared=into)
    wrong = replace(into, key=b"w" * 32)
    with pytest.raises(Unavailable, match="cannot be opened"):
        rows(engine, payload, "SELECT id FROM data", COLUMNS, Release(), prepared=wrong)


def test_a_file_that_is_there_is_never_written_over(engine: Engine, payload: Payload, tmp_path: Path) -> None:
    path = tmp_path / "prep-3.sealed"
    path.write_bytes(b"of another agreement")
    with pytest.raises(Unavailable):
        engine.prepare(payload, COLUMNS, AGREED, Sealed(str(path), bytes(32), b"x"))
    assert path.read_bytes() == b"of another agreement"


def test_a_view_that_does_not_fit_is_joined_anew_and_answers_the_same(payload: Payload) -> None:
    worker, narrow = Cold(), Cold()
    plan = resolve(
        parse("SELECT id, age FROM data"), COLUMNS, Form.ROWS, Protection.of(RELEASE, 100, COLUMNS)
    )
    asked: list[dict[str, Any]] = []

    class Recorder:
        def call(self, method: str, request: dict[str, Any], **_: Any) -> Any:
            asked.append(request)
            return getattr(worker, method)(request)

    content = Engine(Recorder()).rows(payload, plan, key=AGREED, limit=99).content  # type: ignore[arg-type]
    name = narrow._open(asked[0]["payload"])
    real = narrow._tables[name].connection
    narrow._tables[name].connection = _Full(real)  # type: ignore[assignment]
    narrow._large.add(name)
    assert narrow.rows(asked[0])["body"] == content
    (view,) = narrow._tables[name].views.values()
    assert not view.source.isidentifier()
    assert view.order
    for one in (worker, narrow):
        one.evict({"dataset": payload.dataset})


class _Full:
    """A connection to a database in which no further table fits."""

    def __init__(self, real: Any) -> None:
        self._real = real

    def execute(self, sql: str) -> Any:
        if sql.startswith("CREATE TABLE"):
            raise duckdb.OutOfMemoryException("no")
        return self._real.execute(sql)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)
