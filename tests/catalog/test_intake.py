import contextlib
import csv
import hashlib
import io
import zipfile
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dataspace.catalog.intake import Intake
from dataspace.errors import Malformed, Unavailable, Unprocessable, VerificationError
from dataspace.sandbox import Pool
from dataspace.table import Column
from tests.catalog.uploads import PACKS, ZONE, lines, read, refused, request, types
from tests.programs import shared

TEXT = "姓名,城市,金额\n张伟,北京市,12\n李娜,上海市,7\n王芳,广州市,9\n"


def test_a_small_table_comes_through_with_its_digests() -> None:
    content = b"city,amount,day\nA,1.50,2024-02-29\nB,,2024-03-01\n"
    found, table = read(content)
    assert types(found) == {"city": "text", "amount": "decimal", "day": "date"}
    assert table.to_pydict()["amount"] == [1.5, None]
    assert [str(day) for day in table.to_pydict()["day"]] == ["2024-02-29", "2024-03-01"]
    assert (found["rows"], found["bytes"]) == (2, len(content))
    assert found["source_sha256"] == hashlib.sha256(content).hexdigest()


def test_the_result_crosses_a_worker_process(tmp_path: Path) -> None:
    pool = Pool("dataspace.catalog.intake:Intake", workers=1, memory=2 << 30, deadline=60)
    try:
        found = pool.call("read", request(tmp_path, "姓名,amount\n张三,1\n".encode()))
        assert [Column.from_json(column).name for column in found["columns"]] == ["姓名", "amount"]
        bad = tmp_path / "bad"
        bad.mkdir()
        with pytest.raises(Unprocessable) as caught:
            pool.call("read", request(bad, b"a,b\n1\n"))
        assert lines(caught.value) == [2]
    finally:
        pool.close()


def test_the_preview_shows_both_sides() -> None:
    found, _ = read("姓名,手机号\n" + "张三,13800001234\n" * 60)
    preview = found["preview"]
    assert len(preview["original"]) == len(preview["desensitized"]) == 20
    assert preview["original"][0] == ["张三", "13800001234"]
    assert preview["desensitized"][0] == ["张****", "138****1234"]


def test_a_request_of_another_form_is_malformed(tmp_path: Path) -> None:
    good = request(tmp_path, b"a,b\n1,2\n")
    for broken in ({}, {**good, "more": 1}, {**good, "source_key": b"short"}, {**good, "pack": [{}]}):
        with pytest.raises(Malformed):
            Intake().read(broken)


def test_a_source_that_does_not_open_is_no_upload(tmp_path: Path) -> None:
    with pytest.raises(VerificationError):
        Intake().read({**request(tmp_path, b"a,b\n1,2\n"), "source_context": b"other"})


def test_a_failed_reading_leaves_no_payload(tmp_path: Path) -> None:
    with pytest.raises(Unprocessable):
        Intake().read(request(tmp_path, b"a,b\n1\n"))
    assert not (tmp_path / "target").exists()


def test_a_payload_is_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "target").write_bytes(b"precious")
    with pytest.raises(Unavailable):
        Intake().read(request(tmp_path, b"a,b\n1,2\n"))
    assert (tmp_path / "target").read_bytes() == b"precious"


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("a,b,a", "columns with the name of an earlier one: 3"),
        ("a,A", "earlier one: 2"),
        ("a,,b,", "without a name: 2, 4"),
        ("1,2,3", "only numbers"),
        (",".join(f"c{n}" for n in range(10_000)), "10000 columns, want at most 1000"),
    ],
)
def test_up_14_a_header_that_cannot_be_taken_is_refused(header: str, message: str) -> None:
    assert message in str(refused(f"{header}\n" + ",".join("1" * len(header.split(","))) + "\n"))


def test_up_14_strange_names_are_changed_and_the_mapping_shown() -> None:
    found, table = read(
        'order,x],"a""b",a/b,ｆｕｌｌ,金额（元）,2024,native-country,=cmd\n1,2,3,4,5,6,7,8,9\n'
    )
    assert table.column_names == [
        "order_",
        "x",
        "a_b",
        "a_b_2",
        "full_",
        "金额_元",
        "c_2024",
        "native-country",
        "cmd",
    ]
    assert {"from": "x]", "to": "x"} in found["mapping"]
    assert "native-country" not in {change["from"] for change in found["mapping"]}


CELL = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(CELL, CELL), min_size=1, max_size=8))
def test_text_in_is_text_out(rows: list[tuple[str, str]]) -> None:
    target = io.StringIO()
    writer = csv.writer(target, quoting=csv.QUOTE_ALL, lineterminator="\n")
    # A word among the values keeps the columns text.
    writer.writerows([("a", "b"), ("word", "word"), *rows])
    _, table = read(target.getvalue())
    assert table.column("a").to_pylist()[1:] == [first or None for first, _ in rows]
    assert table.column("b").to_pylist()[1:] == [second or None for _, second in rows]


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@given(st.binary(max_size=200), st.booleans())
def test_arbitrary_bytes_raise_one_kind_of_error(noise: bytes, headed: bool) -> None:
    with contextlib.suppress(Malformed):
        read(b"a,b\n1,2\n" + noise if headed else noise)


def test_the_census_extract_goes_through() -> None:
    content = (shared() / "data" / "adult_census" / "adult.csv").read_bytes()
    found, table = read(content)
    assert (found["delimiter"], found["rows"], table.num_rows) == (";", 30_162, 30_162)
    assert types(found)["age"] == "integer"


def test_the_credit_cards_go_through() -> None:
    content = (shared() / "data" / "uci_credit_card" / "UCI_Credit_Card.csv").read_bytes()
    found, table = read(content)
    assert found["rows"] == 30_000
    # R wrote 100000 as 1e+05.
    assert types(found)["LIMIT_BAL"] == "integer"
    assert sum(table.column("LIMIT_BAL").to_pylist()) == _sum(content, 1)


def _sum(content: bytes, column: int) -> int:
    rows = csv.reader(io.StringIO(content.decode()))
    next(rows)
    return sum(int(Decimal(row[column])) for row in rows)


def test_the_heart_data_go_through() -> None:
    found, _ = read((shared() / "data" / "heart" / "heartdisease.csv").read_bytes())
    assert found["rows"] == 918
    assert types(found)["HeartPeakReading"] == "decimal"


def test_the_omop_tables_go_through() -> None:
    with zipfile.ZipFile(next((shared() / "data" / "synthea_omop").glob("*.zip"))) as archive:
        members = [name for name in archive.namelist() if not name.startswith("__")]
        for name in members:
            content = archive.read(name)
            if content.count(b"\n") > 1 and len(content) < 3 << 20:
                assert read(content)[0]["rows"] == len(list(csv.reader(io.StringIO(content.decode())))) - 1


def test_up_15_real_tables_come_out_as_they_went_in() -> None:
    content = (shared() / "data" / "uci_credit_card" / "UCI_Credit_Card.csv").read_bytes()
    _, table = read(content)
    rows = list(csv.reader(io.StringIO(content.decode())))[1:]
    for position, name in enumerate(table.column_names):
        stored = table.column(name).to_pylist()
        for row, value in zip(rows[::97], stored[::97], strict=True):
            assert value == row[position] if isinstance(value, str) else float(row[position]) == value


def test_every_zone_reads_an_upload() -> None:
    for zone in PACKS:
        found, _ = read(TEXT, zone)
        assert len(found["columns"]) == 3
        assert found["level"] == max(column["level"] for column in found["columns"])
    assert ZONE in PACKS
