"""The engine end to end: a sealed payload, a worker process, and only what may leave in the answer."""

import io
import itertools
import json
import logging
import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dataspace.catalog.models import Form
from dataspace.catalog.payloads import seal
from dataspace.errors import Unavailable, Unsupported
from dataspace.table import Column, Method, Type
from dataspace.transfer.duck.worker import Worker
from dataspace.transfer.engine import Engine, Payload, Result
from dataspace.transfer.sql.query import parse, resolve
from dataspace.wire import ARROW
from tests.transfer.workers import Cold

KEY, PSEUDONYMS = bytes(range(32)), b"p" * 32
_NUMBERS = itertools.count(1)
_ARROW = {
    Type.TEXT: pa.string(),
    Type.INTEGER: pa.int64(),
    Type.DECIMAL: pa.float64(),
    Type.DATE: pa.date32(),
}

PEOPLE = (
    Column("id", Type.TEXT, method=Method.PSEUDONYMIZE, subject=True),
    Column("name", Type.TEXT, method=Method.MASK, parameters={"first": 1}),
    Column("city", Type.TEXT),
    Column("age", Type.INTEGER, method=Method.GENERALIZE, parameters={"width": 10}),
    Column("born", Type.DATE, method=Method.GENERALIZE, parameters={"unit": "year"}),
    Column("income", Type.DECIMAL, aggregable=True),
    Column("visits", Type.INTEGER, aggregable=True),
    Column("note", Type.TEXT, method=Method.SUPPRESS),
)


def sealed(folder: Path, columns: Sequence[Column], rows: Sequence[Sequence[Any]]) -> Payload:
    """Write rows as the intake does, as a dataset of their own, and return where they lie."""
    dataset = f"ds-{next(_NUMBERS)}"
    arrays = [pa.array([row[i] for row in rows], _ARROW[column.type]) for i, column in enumerate(columns)]
    plain = io.BytesIO()
    pq.write_table(pa.table(arrays, names=[column.name for column in columns]), plain)
    plain.seek(0)
    path = folder / f"{dataset}.sealed"
    with path.open("wb") as target:
        seal(plain, target, KEY, dataset.encode())
    return Payload(dataset, 1, str(path), KEY, dataset.encode())


def person(number: int) -> list[Any]:
    """Return a row: 40 persons of each of three cities, one of a fourth."""
    city = ["上海", "北京", "Xi'an"][number % 3] if number else "孤城"
    income = None if number % 10 == 1 else 1000.1 * number
    return [
        f"p{number}",
        f"王{number}",
        city,
        20 + number % 50,
        date(1950 + number % 50, 3, 1),
        income,
        number % 7,
        "secret",
    ]


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Payload:
    return sealed(tmp_path_factory.mktemp("payloads"), PEOPLE, [person(number) for number in range(121)])


def rows(engine: Engine, payload: Payload, text: str, **options: Any) -> Result:
    plan = resolve(parse(text), PEOPLE, Form.ROWS)
    return engine.rows(payload, plan, key=PSEUDONYMS, limit=options.pop("limit", 1000), **options)


def aggregate(engine: Engine, payload: Payload, text: str, min_group: int = 10) -> Result:
    return engine.aggregate(payload, resolve(parse(text), PEOPLE, Form.AGGREGATE), min_group=min_group)


def table(result: Result) -> list[list[Any]]:
    found: list[list[Any]] = json.loads(result.content)["rows"]
    return found


def test_rows_leave_desensitized(engine: Engine, people: Payload) -> None:
    result = rows(engine, people, "SELECT * FROM data WHERE visits = 1")
    answer = json.loads(result.content)
    assert answer["columns"][:2] == [{"name": "id", "type": "text"}, {"name": "name", "type": "text"}]
    assert all(len(row[0]) == 32 for row in answer["rows"])
    assert ["王****", "北京", "[20, 30)", "1951", None, 1] in [row[1:] for row in answer["rows"]]
    assert result.facts == {"rows": len(answer["rows"]), "smallest_group": 0, "complement": 0}


def test_a_suppressed_column_asked_for_is_null(engine: Engine, people: Payload) -> None:
    assert table(rows(engine, people, "SELECT note, visits FROM data LIMIT 1")) == [[None, 0]]


def test_rows_are_limited_by_query_and_by_offer(engine: Engine, people: Payload) -> None:
    assert rows(engine, people, "SELECT city FROM data LIMIT 5").facts["rows"] == 5
    assert rows(engine, people, "SELECT city FROM data LIMIT 5", limit=3).facts["rows"] == 3
    assert rows(engine, people, "SELECT city FROM data", limit=7).facts["rows"] == 7


def test_no_rows_are_an_answer(engine: Engine, people: Payload) -> None:
    result = rows(engine, people, "SELECT city FROM data WHERE city = 'nowhere'")
    assert result.content == b'{"columns":[{"name":"city","type":"text"}],"rows":[]}'


def test_the_same_query_has_the_same_bytes(engine: Engine, people: Payload) -> None:
    for text in ("SELECT id, income FROM data", "SELECT city FROM data WHERE visits > 3"):
        assert rows(engine, people, text).content == rows(engine, people, text).content
    text = "SELECT city, AVG(income), SUM(income) FROM data GROUP BY city"
    assert aggregate(engine, people, text).content == aggregate(engine, people, text).content


def test_rows_as_arrow_are_the_rows_as_json(engine: Engine, people: Payload) -> None:
    text = "SELECT id, city AS 城市, born, income, visits FROM data WHERE visits < 3"
    result = rows(engine, people, text, media_type=ARROW)
    found = pa.ipc.open_stream(result.content).read_all()
    assert found.schema.names == ["id", "城市", "born", "income", "visits"]
    assert found.schema.field("城市").type == pa.string()
    assert [list(row.values()) for row in found.to_pylist()] == table(rows(engine, people, text))
    assert result.media_type == ARROW


def test_another_media_type_is_unsupported(engine: Engine, people: Payload) -> None:
    with pytest.raises(Unsupported):
        rows(engine, people, "SELECT city FROM data", media_type="text/csv")


def test_aggregates_leave_by_group(engine: Engine, people: Payload) -> None:
    result = aggregate(
        engine, people, "SELECT city, COUNT(*), SUM(visits), AVG(income) FROM data GROUP BY city"
    )
    # The city of one is hidden, and the smallest other one with it.
    assert [row[:2] for row in table(result)] == [["上海", 40], ["北京", 40]] or result.suppressed
    assert result.facts["smallest_group"] >= 10
    assert b"\xe5\xad\xa4" not in result.content


def test_aggregates_are_sorted_as_asked_null_last(engine: Engine, people: Payload) -> None:
    text = "SELECT age, COUNT(*) FROM data WHERE visits < 6 GROUP BY age ORDER BY age DESC"
    assert [row[0] for row in table(aggregate(engine, people, text))] == [
        "[60, 70)", "[50, 60)", "[40, 50)", "[30, 40)", "[20, 30)",
    ]  # fmt: skip


def test_qy_05_a_complement_of_few_withholds_the_answer(engine: Engine, people: Payload) -> None:
    result = aggregate(engine, people, "SELECT COUNT(*), SUM(visits) FROM data WHERE city <> '孤城'")
    assert (result.content, result.withheld, result.facts["complement"]) == (b"", True, 1)


def test_qy_05_a_selection_of_few_withholds_the_answer(engine: Engine, people: Payload) -> None:
    result = aggregate(engine, people, "SELECT COUNT(*), SUM(visits) FROM data WHERE city = '孤城'")
    assert (result.content, result.withheld, result.facts["smallest_group"]) == (b"", True, 0)


def test_an_empty_selection_is_zero_and_stands_for_nobody(engine: Engine, people: Payload) -> None:
    result = aggregate(
        engine, people, "SELECT COUNT(*), SUM(visits), AVG(income) FROM data WHERE visits = 99"
    )
    assert (table(result), result.facts["smallest_group"]) == ([[0, None, None]], 0)


def test_qy_13_groups_of_one_are_all_hidden(engine: Engine, people: Payload) -> None:
    columns = [replace(column, method=Method.KEEP, parameters={}) for column in PEOPLE]
    plan = resolve(parse("SELECT id, AVG(income) FROM data GROUP BY id"), columns, Form.AGGREGATE)
    result = engine.aggregate(people, plan, min_group=2)
    assert (table(result), result.suppressed) == ([], True)


def test_an_average_over_few_values_of_a_large_group_is_hidden(engine: Engine, tmp_path: Path) -> None:
    columns = (Column("s", Type.INTEGER, subject=True), Column("v", Type.INTEGER, aggregable=True))
    payload = sealed(tmp_path, columns, [[i, 5 if i == 0 else None] for i in range(50)])
    for text in ("SELECT AVG(v) FROM data", "SELECT COUNT(*), SUM(v) FROM data", "SELECT COUNT(v) FROM data"):
        result = engine.aggregate(payload, resolve(parse(text), columns, Form.AGGREGATE), min_group=10)
        assert table(result) == []


def test_what_is_hidden_does_not_depend_on_how_the_answer_is_sorted(engine: Engine, tmp_path: Path) -> None:
    columns = (Column("s", Type.INTEGER, subject=True), Column("g", Type.TEXT), Column("h", Type.TEXT))
    groups = ["a"] * 10 + ["b"] * 10 + ["c"] * 10 + ["d"] * 2
    payload = sealed(tmp_path, columns, [[i, group, group] for i, group in enumerate(groups)])
    shown = set()
    for tail in ("g", "g ORDER BY g DESC", "g, h", "h, g", "h, g ORDER BY h DESC, g"):
        plan = resolve(parse(f"SELECT g FROM data GROUP BY {tail}"), columns, Form.AGGREGATE)
        shown |= {tuple(sorted(row[0] for row in table(engine.aggregate(payload, plan, min_group=5))))}
    assert shown == {("b", "c")}


def test_without_subjects_rows_are_counted_and_it_is_said(
    engine: Engine, people: Payload, tmp_path: Path
) -> None:
    columns = (Column("g", Type.TEXT), Column("v", Type.INTEGER, aggregable=True))
    payload = sealed(tmp_path, columns, [["a", 1]] * 12)
    plan = resolve(parse("SELECT g, SUM(v) FROM data GROUP BY g"), columns, Form.AGGREGATE)
    result = engine.aggregate(payload, plan, min_group=10)
    assert (table(result), result.counted) == ([["a", 12]], "rows")
    assert aggregate(engine, people, "SELECT COUNT(*) FROM data").counted == "subjects"


def test_many_rows_of_one_subject_are_one_subject(engine: Engine, tmp_path: Path) -> None:
    columns = (
        Column("s", Type.TEXT, subject=True),
        Column("t", Type.INTEGER, subject=True),
        Column("g", Type.TEXT),
    )
    payload = sealed(
        tmp_path, columns, [["x", 1, "a"]] * 90 + [[None, None, "a"]] * 10 + [["x", 2, "a"]] * 20
    )
    plan = resolve(parse("SELECT g, COUNT(*) FROM data GROUP BY g"), columns, Form.AGGREGATE)
    assert table(engine.aggregate(payload, plan, min_group=3)) == [["a", 120]]
    assert engine.aggregate(payload, plan, min_group=4).withheld


def test_sums_of_integers_are_exact_beyond_64_bits(engine: Engine, tmp_path: Path) -> None:
    columns = (Column("v", Type.INTEGER, aggregable=True),)
    payload = sealed(tmp_path, columns, [[2**63 - 1]] * 3)
    plan = resolve(parse("SELECT SUM(v), AVG(v) FROM data"), columns, Form.AGGREGATE)
    assert table(engine.aggregate(payload, plan, min_group=2)) == [[3 * (2**63 - 1), float(2**63 - 1)]]


def test_sums_of_decimals_are_rounded_to_what_is_certain(engine: Engine, tmp_path: Path) -> None:
    columns = (Column("v", Type.DECIMAL, aggregable=True),)
    payload = sealed(tmp_path, columns, [[0.1], [0.2], [None], [math.nan], [math.inf]])
    plan = resolve(parse("SELECT SUM(v), AVG(v), COUNT(v), COUNT(*) FROM data"), columns, Form.AGGREGATE)
    assert table(engine.aggregate(payload, plan, min_group=2)) == [[0.3, 0.15, 2, 5]]


def test_qy_12_numbers_that_json_cannot_hold_leave_as_null(engine: Engine, tmp_path: Path) -> None:
    columns = (Column("v", Type.DECIMAL), Column("t", Type.TEXT))
    payload = sealed(tmp_path, columns, [[math.nan, 'a"\\\0\n\u2028'], [math.inf, ""], [-0.5, None]])
    plan = resolve(parse("SELECT v, t FROM data"), columns, Form.ROWS)
    result = engine.rows(payload, plan, key=PSEUDONYMS, limit=9)
    assert table(result) == [[None, 'a"\\\0\n\u2028'], [None, ""], [-0.5, None]]


def test_qy_12_an_error_of_the_engine_tells_nothing(engine: Engine, people: Payload, caplog: Any) -> None:
    plan = resolve(parse("SELECT city FROM data"), PEOPLE, Form.ROWS)
    broken = replace(plan, where='CAST("name" AS INTEGER) = 1')
    with (
        caplog.at_level(logging.DEBUG),
        pytest.raises(Unavailable, match=r"^the query engine failed$") as caught,
    ):
        engine.rows(people, broken, key=PSEUDONYMS, limit=9)
    assert "王" not in f"{caught.value.facts} {caught.value.__cause__!r} {caplog.text}"


@pytest.mark.parametrize(
    "source",
    [
        "read_csv('/etc/passwd')",
        "read_text('/proc/self/environ')",
        "glob('/*')",
        "read_parquet('/proc/self/fd/0')",
        "duckdb_secrets()",
    ],
)
def test_qy_02_a_worker_reads_no_file_whatever_the_sql(engine: Engine, people: Payload, source: str) -> None:
    plan = resolve(parse("SELECT city FROM data"), PEOPLE, Form.ROWS)
    broken = replace(plan, where=f"EXISTS (SELECT 1 FROM {source})")
    try:
        assert table(engine.rows(people, broken, key=PSEUDONYMS, limit=9)) == []
    except Unavailable:
        return


@pytest.mark.parametrize(
    "statement",
    [
        "SET threads = 2",
        "RESET lock_configuration",
        "COPY data TO '/srv/x'",
        "ATTACH '/srv/x.db'",
        "LOAD httpfs",
        "INSTALL httpfs",
    ],
)
@pytest.mark.parametrize("warm", [False, True])
def test_qy_02_an_opened_database_is_locked(people: Payload, statement: str, *, warm: bool) -> None:
    worker = Worker()
    name = worker._open(request_of(people, PEOPLE)["payload"])
    if warm:
        worker._warm(name)
    with pytest.raises(Unavailable):
        worker._tables[name].all(statement)
    worker.evict({"dataset": people.dataset})


def test_qy_02_a_cold_dataset_is_not_read_from_another(people: Payload) -> None:
    worker = Cold()
    one, other = (
        worker._tables[worker._open(request_of(replace(people, version=version), PEOPLE)["payload"])]
        for version in (1, 2)
    )
    read = f"SELECT count(*) FROM read_parquet('/proc/self/fd/{other.descriptor}')"
    assert other.one(read) == (121,)
    with pytest.raises(Unavailable):
        one.one(read)
    worker.evict({"dataset": people.dataset})


def test_qy_18_pseudonyms_differ_by_agreement_and_agree_within(engine: Engine, people: Payload) -> None:
    plan = resolve(parse("SELECT id FROM data LIMIT 3"), PEOPLE, Form.ROWS)
    one, same, other = (
        engine.rows(people, plan, key=key, limit=9).content for key in (b"a" * 32, b"a" * 32, b"b" * 32)
    )
    assert one == same != other


def test_a_payload_that_does_not_open_is_unavailable(engine: Engine, people: Payload, tmp_path: Path) -> None:
    missing = replace(people, version=2, path=str(tmp_path / "none"))
    wrong = replace(people, version=3, key=bytes(32))
    for payload in (missing, wrong):
        with pytest.raises(Unavailable, match="payload"):
            rows(engine, payload, "SELECT city FROM data")


def test_a_payload_of_other_columns_is_unavailable(engine: Engine, people: Payload) -> None:
    plan = resolve(parse("SELECT x FROM data"), [Column("x", Type.TEXT)], Form.ROWS)
    with pytest.raises(Unavailable, match="columns"):
        engine.rows(replace(people, version=4), plan, key=PSEUDONYMS, limit=9)


def test_an_evicted_dataset_is_gone_from_memory(engine: Engine, people: Payload, tmp_path: Path) -> None:
    copy = replace(people, dataset="ds-copy", path=str(tmp_path / "copy"))
    Path(copy.path).write_bytes(Path(people.path).read_bytes())
    rows(engine, copy, "SELECT city FROM data")
    Path(copy.path).unlink()
    rows(engine, copy, "SELECT city FROM data")
    engine.evict("ds-copy")
    with pytest.raises(Unavailable):
        rows(engine, copy, "SELECT city FROM data")


def test_rows_of_a_decimal_that_is_none_are_the_same_cold_and_warm(engine: Engine, tmp_path: Path) -> None:
    columns = (Column("v", Type.DECIMAL), Column("t", Type.TEXT))
    payload = sealed(tmp_path, columns, [[1.0, "a"], [math.nan, "b"], [3.0, "c"]])
    plan = resolve(parse("SELECT t FROM data WHERE v > 5"), columns, Form.ROWS)
    assert table(engine.rows(payload, plan, key=PSEUDONYMS, limit=9)) == [["b"]]


def test_the_first_answer_comes_before_the_warm_table_and_the_file_goes_after(people: Payload) -> None:
    worker = Cold()
    request = request_of(people, PEOPLE)
    name = worker._open(request["payload"])
    descriptor = worker._tables[name].descriptor
    assert str(Path(f"/proc/self/fd/{descriptor}").readlink()).startswith("/memfd:")
    while Worker._idle(worker):
        pass
    assert worker._tables[name].descriptor == -1
    assert worker._tables[name].most_is_known
    assert not Path(f"/proc/self/fd/{descriptor}").exists()
    worker.evict({"dataset": people.dataset})


def test_a_table_too_large_to_be_warm_is_answered_from_its_file(people: Payload) -> None:
    worker = Cold()
    name = worker._open(request_of(people, PEOPLE)["payload"])
    worker._memory = 0
    while Worker._idle(worker):
        pass
    assert worker._tables[name].descriptor >= 0
    assert worker._tables[name].one("SELECT count(*) FROM data") == (121,)
    worker.evict({"dataset": people.dataset})
    assert not worker._large


def test_a_withdrawn_dataset_is_gone_cold_too(people: Payload) -> None:
    worker = Cold()
    name = worker._open(request_of(people, PEOPLE)["payload"])
    descriptor = worker._tables[name].descriptor
    worker.evict({"dataset": people.dataset})
    assert not worker._tables
    assert not Path(f"/proc/self/fd/{descriptor}").exists()


def test_secrets_are_in_no_repr(engine: Engine, people: Payload) -> None:
    result = rows(engine, people, "SELECT city FROM data LIMIT 1")
    assert KEY.hex() not in repr(people).replace("\\x", "")
    assert repr(KEY)[2:-1] not in repr(people)
    assert "content" not in repr(result)


def test_a_load_tells_rows_and_size(engine: Engine, people: Payload) -> None:
    loaded = engine.load(people, PEOPLE)
    assert loaded["rows"] == 121
    assert loaded["size"] > 0


def test_tables_asked_for_longest_ago_make_room(people: Payload) -> None:
    worker = Worker()
    worker._memory = 256 << 20
    for version in range(1, 4):
        worker.load(request_of(replace(people, version=version), PEOPLE))
    # Of its own: a busy machine's DuckDB has a page more for one of equal tables now and then.
    size = worker._tables[people.dataset, 1].size
    worker._memory = size * 8
    worker.load(request_of(replace(people, version=1), PEOPLE))
    worker._forget(size)
    assert [version for _, version in worker._tables] == [1]
    worker.evict({"dataset": people.dataset})
    assert not worker._tables


def request_of(payload: Payload, columns: Sequence[Column]) -> dict[str, Any]:
    described = [{"name": column.name, "type": column.type.value} for column in columns]
    return {"payload": {**vars(payload), "columns": described,
                        "subjects": [column.name for column in columns if column.subject]}}  # fmt: skip
