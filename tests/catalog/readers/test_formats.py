import gzip
import io
import zipfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dataspace.catalog.intake import Intake
from dataspace.errors import Unprocessable, Unsupported
from tests.catalog.uploads import read, request, types
from tests.catalog.workbooks import archive, workbook

ROWS: list[list[Any]] = [["city", "n"], ["北京市", 1], ["广州市", 2]]


def parquet(table: pa.Table) -> bytes:
    target = io.BytesIO()
    pq.write_table(table, target)
    return target.getvalue()


CONTENTS = {
    "csv": "city,n\n北京市,1\n广州市,2\n".encode(),
    "jsonl": '{"city":"北京市","n":1}\n{"city":"广州市","n":2}\n'.encode(),
    "xlsx": workbook(ROWS),
    "parquet": parquet(pa.table({"city": ["北京市", "广州市"], "n": [1, 2]})),
}


@pytest.mark.parametrize("kind", CONTENTS)
@pytest.mark.parametrize("packed", [False, True])
def test_every_format_is_found_and_means_the_same_table(kind: str, packed: bool) -> None:
    content = gzip.compress(CONTENTS[kind]) if packed else CONTENTS[kind]
    found, table = read(content)
    assert (found["format"], found["compression"]) == (kind, "gzip" if packed else "")
    assert types(found) == {"city": "text", "n": "integer"}
    assert table.to_pydict() == {"city": ["北京市", "广州市"], "n": [1, 2]}
    assert found["preview"]["original"][0] == ["北京市", "1"]
    assert (found["bytes"], found["rows"]) == (len(content), 2)


@pytest.mark.parametrize("kind", CONTENTS)
def test_a_declared_format_must_be_true(kind: str) -> None:
    assert read(CONTENTS[kind], declared={"format": kind})[0]["format"] == kind
    for other in {"xlsx", "parquet"} - {kind}:
        with pytest.raises(Unsupported):
            read(CONTENTS[kind], declared={"format": other})
    with pytest.raises(Unsupported, match="not known"):
        read(CONTENTS[kind], declared={"format": "ods"})


def test_up_07_a_binary_file_is_what_it_is_and_not_what_its_name_says() -> None:
    found, _ = read(CONTENTS["xlsx"], filename="table.csv")
    assert found["format"] == "xlsx"
    assert found["warnings"] == [
        "the file's name says delimited text, and it was read as an Excel workbook, which it is"
    ]
    with pytest.raises(Unsupported, match="PDF"):
        read(b"%PDF-1.7\n1 0 obj\n", filename="table.xlsx")


@pytest.mark.parametrize("declared", [{}, {"format": "csv"}, {"format": "jsonl"}])
def test_up_07_programs_inside_gzip_are_refused(declared: dict[str, str]) -> None:
    with pytest.raises(Unsupported, match="ELF"):
        read(gzip.compress(b"\x7fELF\x02\x01\x01" + bytes(64)), declared=declared)


def test_up_07_an_archive_behind_something_else_is_no_workbook() -> None:
    for content in (b"a,b\n" + CONTENTS["xlsx"], b"MZ\0\0" + CONTENTS["xlsx"]):
        with pytest.raises((Unprocessable, Unsupported)):
            read(content)


def test_up_07_other_archives_are_told_apart_from_workbooks() -> None:
    for name in ("word/document.xml", "content.xml", "a.csv"):
        with pytest.raises(Unsupported, match="ZIP archive"):
            read(archive({name: "<x/>", "[Content_Types].xml": "<x/>"}))


def test_up_07_a_json_array_is_told_what_is_wanted() -> None:
    with pytest.raises(Unsupported, match="one object on each line"):
        read('[{"a": 1}]')


def test_text_whose_header_begins_with_a_brace_is_csv_by_its_name() -> None:
    found, _ = read('{"a"},b\n1,2\n'.replace('"', ""), filename="a.csv")
    assert found["format"] == "csv"


@pytest.mark.parametrize("delimiter", ["^", "~", ":", "\x01"])
def test_rare_delimiters_are_found_where_no_common_one_fits(delimiter: str) -> None:
    found, table = read(f"a{delimiter}b\n1{delimiter}x\n2{delimiter}y\n")
    assert found["delimiter"] == delimiter
    assert table.to_pydict() == {"a": [1, 2], "b": ["x", "y"]}


def test_a_colon_inside_values_cuts_nothing() -> None:
    assert read("at:utc,n\n12:30,1\n12:31,2\n")[0]["delimiter"] == ","
    assert read("at\n12:30\n12:31\n")[1].column_names == ["at"]


@pytest.mark.parametrize("delimiter", ["x", "1", '"', "\n", "\r", "\0", ",,", "，"])
def test_a_declared_delimiter_is_one_ascii_character_that_values_are_not_made_of(delimiter: str) -> None:
    with pytest.raises(Unsupported, match="delimiter"):
        read("a,b\n1,2\n", declared={"delimiter": delimiter})


@pytest.mark.parametrize("delimiter", ["*", "!", " ", "\x1f", "$"])
def test_any_other_delimiter_can_be_declared(delimiter: str) -> None:
    _, table = read(f"a{delimiter}b\n1{delimiter}x\n", declared={"delimiter": delimiter})
    assert table.to_pydict() == {"a": [1], "b": ["x"]}


@pytest.mark.parametrize("kind", CONTENTS)
def test_the_stages_are_told_in_their_order(tmp_path: Path, kind: str) -> None:
    told: list[tuple[str, int]] = []
    intake = Intake()
    intake.report = lambda stage, percent: told.append((stage, percent))
    intake.read(request(tmp_path, CONTENTS[kind]))
    stages = [stage for stage, _ in told]
    assert sorted(set(stages), key=stages.index) == ["scanning", "classifying", "encrypting"]
    assert told[-1] == ("encrypting", 100)


def _names(header: list[str]) -> list[bytes]:
    lines = "{" + ",".join(f'"{name}":1' for name in header) + "}\n"
    table = pa.Table.from_arrays([pa.array([1])] * len(header), names=header)
    return [lines.encode(), workbook([header, [1] * len(header)]), parquet(table)]


@pytest.mark.parametrize("content", _names(["order", "x]", "a/b", "金额（元）"]))
def test_up_14_strange_names_of_every_format_are_changed_and_shown(content: bytes) -> None:
    found, table = read(content)
    assert table.column_names == ["order_", "x", "a_b", "金额_元"]
    assert {"from": "x]", "to": "x"} in found["mapping"]


@pytest.mark.parametrize("header", [["a", "A"], ["a", " "], [f"c{n}" for n in range(1_001)]])
def test_up_14_names_that_cannot_be_taken_are_refused_in_every_format(header: list[str]) -> None:
    for content in _names(header):
        with pytest.raises(Unprocessable):
            read(content)


def test_up_17_formulas_are_texts_in_every_format() -> None:
    cells = ["=cmd|'/C calc'!A0", "+1+1", "-2+3", "@SUM(A1)", "\t=1"]
    lines = "".join('{"v":"' + cell.replace("\t", "\\t") + '"}\n' for cell in cells)
    for content in (
        lines.encode(),
        workbook([["v"], *([cell] for cell in cells)]),
        parquet(pa.table({"v": cells})),
    ):
        assert read(content)[1].column("v").to_pylist() == cells


def test_an_upload_that_is_zipped_alone_is_no_table() -> None:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as file:
        file.writestr("a.csv", "a,b\n1,2\n")
    with pytest.raises(Unsupported, match="ZIP"):
        read(target.getvalue())
