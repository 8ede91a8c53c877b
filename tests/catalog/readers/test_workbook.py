import contextlib
import io
import struct
import tempfile
import zipfile
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dataspace.errors import DataSpaceError, Malformed, TooLarge, Unavailable, Unprocessable
from dataspace.sandbox import Pool
from tests.catalog.uploads import read, refused, request, types
from tests.catalog.workbooks import archive, book, sheet, workbook

SECRET = "Zhang-San-4711"
ENTITIES = '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>'
EXTERNAL = '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>'


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    pool = Pool("dataspace.catalog.intake:Intake", workers=1, memory=2 << 30, deadline=60)
    yield pool
    pool.close()


def rows(error: Malformed) -> list[int]:
    return [row["row"] for row in error.facts["rows"]]


def test_cells_are_what_they_say() -> None:
    day, moment = date(2024, 2, 29), datetime(2024, 2, 29, 8, 30)  # noqa: DTZ001 - cells have no zone
    content = workbook(
        [
            ["code", "n", "x", "day", "at", "ok"],
            ["00123", 12, 1.5, day, moment, True],
            ["7", None, 2, None, None, False],
        ]
    )
    found, table = read(content)
    assert types(found) == {
        "code": "text", "n": "integer", "x": "decimal", "day": "date", "at": "text", "ok": "text",
    }  # fmt: skip
    assert table.to_pylist() == [
        {"code": "00123", "n": 12, "x": 1.5, "day": day, "at": "2024-02-29 08:30:00", "ok": "true"},
        {"code": "7", "n": None, "x": 2.0, "day": None, "at": None, "ok": "false"},
    ]
    assert (found["sheets"], found["sheet"]) == (["Sheet1"], "Sheet1")


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["00123", "7"], "text"),
        (["110101199003077571"], "text"),
        (["1e5", "2"], "text"),
        ([1, "x"], "text"),
        ([1, 2.5], "decimal"),
        ([1e300, 0.5], "decimal"),
        ([999_999_999_999_999], "integer"),
        (["2024-02-29"], "date"),
        (["07/08/2024"], "text"),
    ],
)
def test_up_15_values_stay_what_they_are(values: list[Any], kind: str) -> None:
    found, table = read(workbook([["v"], *([value] for value in values)]))
    assert types(found) == {"v": kind}
    for value, stored in zip(values, table.column("v").to_pylist(), strict=True):
        assert stored == value or str(stored) == str(value)


def test_up_15_a_number_that_the_spreadsheet_cut_is_a_text_and_told() -> None:
    found, table = read(workbook([["v"], [110101199003077000], [3]]))
    assert table.column("v").to_pylist() == ["110101199003077000", "3"]
    assert "more digits" in found["warnings"][0]


def test_up_15_days_among_moments_stay_days() -> None:
    day, moment = date(2024, 2, 29), datetime(2024, 2, 29, 8, 30)  # noqa: DTZ001 - cells have no zone
    found, table = read(workbook([["v"], [day], [moment]]))
    assert table.column("v").to_pylist() == ["2024-02-29", "2024-02-29 08:30:00"]
    assert "mixes day, moment" in found["warnings"][0]


@pytest.mark.parametrize("token", ["1e400", "-1e999", "NaN"])
def test_up_16_what_is_no_finite_number_follows_the_declared_rule(token: str) -> None:
    content = workbook([["v"], [1.5], [7], [2]])
    parts = {
        "xl/worksheets/sheet1.xml": sheet([["v"], [1.5], [7], [2]]).replace("<v>7</v>", f"<v>{token}</v>")
    }
    content = archive({**book({"Sheet1": ""}), **parts})
    assert read(content, declared={"not_finite": "null"})[1].column("v").to_pylist() == [1.5, None, 2.0]
    assert types(read(content)[0]) == {"v": "text"}
    assert rows(refused(content, declared={"not_finite": "error"})) == [3]


def test_the_first_row_that_holds_anything_names_the_columns() -> None:
    rows: list[list[Any]] = [[], [], ["a", "b"], [1, "x"], [2, "y"]]
    found, table = read(workbook(rows))
    assert table.to_pydict() == {"a": [1, 2], "b": ["x", "y"]}
    assert found["rows"] == 2


@pytest.mark.parametrize(
    ("table", "bad", "reason"),
    [
        ([["a", "b"], [1, 2], [1, 2, 3]], [3], "beyond the 2 columns"),
        ([["a", "b"], [1, 2], [], [], [3, 4]], [3, 4], "an empty row"),
        ([["a"], ["x" * 40_000], ["y"]], [2], "want at most"),
    ],
)
def test_up_13_bad_rows_are_named_by_their_number(
    table: list[list[Any]], bad: list[int], reason: str
) -> None:
    error = refused(workbook(table), limits={"field": 33_000})
    assert rows(error) == bad
    assert reason in error.facts["rows"][0]["reason"]


def test_up_13_empty_rows_between_blocks_are_seen_and_those_at_the_end_left_out() -> None:
    many: list[list[Any]] = [["a"], *([n] for n in range(1, 4_096)), [], [], [], *([n] for n in range(5))]
    assert rows(refused(workbook(many))) == [4_097, 4_098, 4_099]
    end: list[list[Any]] = [["a"], [1], ["x"]]
    content = workbook(end, {"xl/worksheets/sheet1.xml": sheet([*end, [""], [""]])})
    found, table = read(content)
    assert table.num_rows == 2
    assert "empty rows at the end" in found["warnings"][0]


def test_up_13_merged_cells_are_refused() -> None:
    xml = sheet([["a", "b"], [1, 2], [3, 4]], '<mergeCells count="1"><mergeCell ref="A2:A3"/></mergeCells>')
    error = refused(archive(book({"Sheet1": xml})))
    assert rows(error) == [2]
    assert "merged" in str(error)


def test_the_declared_worksheet_is_read_and_hidden_ones_only_then() -> None:
    content = archive(
        book({"one": sheet([["a"], [1]]), "two": sheet([["b"], [2]]), "three": sheet([["c"], [3]])}, ["one"])
    )
    found, table = read(content)
    assert table.column_names == ["b"]
    assert found["sheets"] == ["one", "two", "three"]
    assert "2 worksheets" in found["warnings"][0]
    assert read(content, declared={"sheet": "one"})[1].column_names == ["a"]
    with pytest.raises(Unprocessable, match="declared name"):
        read(content, declared={"sheet": "four"})


def test_cells_with_an_error_become_null_and_are_counted() -> None:
    xml = sheet([["a", "b"], [1, "x"], [2, "y"]]).replace(
        '<c r="A2"><v>1</v>', '<c r="A2" t="e"><v>#REF!</v>'
    )
    found, table = read(archive(book({"Sheet1": xml})))
    assert table.column("a").to_pylist() == [None, 2]
    assert "became null: 1" in found["warnings"][0]


@pytest.mark.parametrize(
    ("cell", "told"),
    [
        ('<c r="A2"><f>B2*2</f></c>', 1),
        ('<c r="A2"><f>B2*2</f><v></v></c>', 1),
        ('<c r="A2"><f t="shared" si="0"/><v/></c>', 1),
        ('<c r="A2" t="str"><f>""</f><v></v></c>', 0),
        ('<c r="A2"><f>B2*2</f><v>4</v></c>', 0),
    ],
)
def test_up_15_formulas_that_nobody_calculated_are_told(cell: str, told: int) -> None:
    """Programs that write workbooks leave the results out; the cells became null without a word."""
    xml = sheet([["a", "b"], [7, "x"], [2, "y"]]).replace('<c r="A2"><v>7</v></c>', cell)
    found, table = read(archive(book({"Sheet1": xml})))
    assert table.column("a").to_pylist()[1] == 2
    assert [w.partition("null: ")[2][:1] for w in found["warnings"] if "nobody calculated" in w] == [
        "1"
    ] * told


def test_a_formula_at_the_edge_of_a_piece_is_counted_once() -> None:
    rows_ = "".join(
        f'<row r="{n}"><c r="A{n}"><f>1+1</f></c><c r="B{n}"><v>1</v></c></row>' for n in range(2, 60_000)
    )
    xml = sheet([["a", "b"]]).replace("</sheetData>", f"{rows_}</sheetData>")
    assert any("became null: 59998 " in one for one in read(archive(book({"Sheet1": xml})))[0]["warnings"])


def test_up_08_a_workbook_that_unpacks_to_too_much_is_refused_before_it_is_parsed() -> None:
    bomb = workbook([["a"], [1]], {"xl/media/image1.png": bytes(164 << 20)})
    assert len(bomb) < 1 << 20
    assert "times its size" in str(refused(bomb))
    with pytest.raises(TooLarge, match="unpacked"):
        read(workbook([["a"], *([n] for n in range(3_000))]), limits={"plain": 50_000})


def test_up_08_a_size_that_lies_is_found_by_unpacking() -> None:
    content = bytearray(workbook([["a"], [1]], {"xl/media/image1.png": bytes(4 << 20)}))
    place = content.rindex(b"PK\x01\x02")
    content[place + 24 : place + 28] = struct.pack("<L", 10)
    assert "another size than it claims" in str(refused(bytes(content)))


def test_up_08_two_cells_far_apart_take_no_memory() -> None:
    xml = sheet([["a"], [1]]).replace(
        "</row></sheetData>", '</row><row r="1048576"><c r="XFD1048576"><v>1</v></c></row></sheetData>'
    )
    with pytest.raises(TooLarge, match="cells"):
        read(archive(book({"Sheet1": xml})))


@pytest.mark.parametrize("place", ["AAAAAAA2", "A33333333333", "ZZZZZZZZZZZZ33333333333"])
@pytest.mark.parametrize("gap", ["", " " * 1000])
def test_up_08_a_cell_at_a_place_that_is_none_takes_no_memory(place: str, gap: str) -> None:
    # The parser counts in 32 bits, and wraps around: the seventh letter led it to column 309 million.
    xml = sheet([["a"], [1]]).replace('r="A2"', f'r{gap}="{place}"')
    assert place in xml
    with pytest.raises(TooLarge, match="cells"):
        read(archive(book({"Sheet1": xml})))


def test_up_08_a_parser_that_runs_out_of_memory_dies_alone(pool: Pool, tmp_path: Path) -> None:
    far = '</row><row r="1048576"><c r="XFD1048576"><v>1</v></c></row></sheetData>'
    xml = sheet([["a"], [1]]).replace("</row></sheetData>", far)
    asked = request(tmp_path, archive(book({"Sheet1": xml})), limits={"cells": 1 << 60})
    with pytest.raises(DataSpaceError):
        pool.call("read", asked)
    assert not any(tmp_path.glob("target"))
    (tmp_path / "next").mkdir()
    assert pool.call("read", request(tmp_path / "next", b"a,b\n1,2\n"))["rows"] == 1


def test_up_08_a_wide_table_within_the_limit_is_read() -> None:
    header = [f"c{n}" for n in range(60)]
    assert read(workbook([header, list(range(60))]))[0]["rows"] == 1
    with pytest.raises(TooLarge, match="cells"):
        read(workbook([header, list(range(60))]), limits={"cells": 119})


@pytest.mark.parametrize("head", [ENTITIES, EXTERNAL])
@pytest.mark.parametrize("part", ["xl/worksheets/sheet1.xml", "xl/workbook.xml", "xl/sharedStrings.xml"])
def test_up_09_entities_are_refused_wherever_they_stand(head: str, part: str) -> None:
    xml = sheet([["a"], [1]]).partition("?>")[2]
    assert "entities" in str(refused(workbook([["a"], [1]], {part: head + xml})))


def test_up_09_entities_in_another_encoding_do_not_pass() -> None:
    xml = (ENTITIES + sheet([["a"], [1]]).partition("?>")[2]).encode("utf-16")
    assert "no XML in UTF-8" in str(refused(workbook([["a"], [1]], {"xl/worksheets/sheet1.xml": xml})))


def test_up_09_entities_at_the_edge_of_a_piece_are_seen() -> None:
    padding = "<!--" + "x" * ((1 << 20) - 4 - 22 - 6) + "-->"
    xml = '<?xml version="1.0"?>\n' + padding + ENTITIES.partition("?>")[2]
    assert "entities" in str(refused(workbook([["a"], [1]], {"xl/theme.xml": xml})))


def test_up_09_links_to_other_files_are_refused_and_hyperlinks_are_text() -> None:
    relation = (
        '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
        '<Relationship Id="r" '
        'Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/{}" '
        'Target="http://169.254.169.254/" TargetMode="External"/></Relationships>'
    )
    part = "xl/worksheets/_rels/sheet1.xml.rels"
    assert read(workbook([["a"], [1]], {part: relation.format("hyperlink")}))[0]["rows"] == 1
    assert "links" in str(refused(workbook([["a"], [1]], {part: relation.format("externalLinkPath")})))
    assert "links" in str(refused(workbook([["a"], [1]], {"xl/externalLinks/externalLink1.xml": "<x/>"})))


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("../../../tmp/x.xml", "outside"),
        ("/etc/x.xml", "outside"),
        ("xl/../../x.xml", "outside"),
        ("xl\\x.xml", "outside"),
        ("c:x.xml", "outside"),
        ("xl/nested.zip", "files inside"),
        ("xl/embeddings/oleObject1.bin", "files inside"),
        ("xl/vbaProject.bin", "macros"),
    ],
)
def test_up_10_parts_that_no_table_has_are_refused(name: str, reason: str) -> None:
    assert reason in str(refused(workbook([["a"], [1]], {name: "<x/>"})))


def _with_entry(change: str) -> bytes:
    target = io.BytesIO(workbook([["a"], [1]]))
    with zipfile.ZipFile(target, "a") as file:
        entry = zipfile.ZipInfo("xl/extra.xml")
        if change == "link":
            entry.external_attr = 0o120777 << 16
        if change == "bzip2":
            entry.compress_type = zipfile.ZIP_BZIP2
        file.writestr(entry, "<x/>")
        if change == "twice":
            file.writestr("xl/Extra.xml", "<x/>")
    return target.getvalue()


@pytest.mark.parametrize(
    ("change", "reason"), [("link", "a link"), ("twice", "one name"), ("bzip2", "unusual")]
)
def test_up_10_odd_entries_are_refused(change: str, reason: str) -> None:
    assert reason in str(refused(_with_entry(change)))


@pytest.mark.parametrize("header", [b"PK\x03\x04", b"PK\x01\x02"])
def test_up_10_an_encrypted_archive_is_refused(header: bytes) -> None:
    content = bytearray(workbook([["a"], [1]]))
    place = content.rindex(header) + (6 if header == b"PK\x03\x04" else 8)
    content[place] |= 1
    assert "encrypted" in str(refused(bytes(content))) or "two things" in str(refused(bytes(content)))


def test_up_10_parts_that_share_bytes_are_refused() -> None:
    content = bytearray(workbook([["a"], [1]], {"xl/a.xml": "<x/>", "xl/b.xml": "<x/>"}))
    last = content.rindex(b"PK\x01\x02")
    before = content.rindex(b"PK\x01\x02", 0, last)
    content[last + 42 : last + 46] = content[before + 42 : before + 46]
    error = refused(bytes(content))
    assert "overlap" in str(error) or "damaged" in str(error) or "two things" in str(error)


def test_up_10_a_thousand_parts_too_many_are_refused() -> None:
    assert "parts" in str(refused(workbook([["a"], [1]], {f"xl/p{n}.xml": "<x/>" for n in range(3_000)})))


def test_up_13_no_error_quotes_the_content() -> None:
    xml = sheet([["a", "b"], [SECRET, 1], [SECRET, 1, 2]])
    for broken in (xml, xml.replace("</row>", "</rowx>"), xml.replace('t="inlineStr"', 't="s"')):
        with pytest.raises(Malformed) as caught:
            read(archive(book({SECRET: broken})))
        assert SECRET not in repr(caught.value) + repr(caught.value.__cause__)


def _read_or_refused(pool: Pool, content: bytes) -> None:
    """Read a workbook in a child: where nothing else helps it dies of one (`catalog.reading` says so)."""
    with tempfile.TemporaryDirectory() as folder, contextlib.suppress(Malformed):
        try:
            pool.call("read", request(Path(folder), content))
        except Unavailable as error:
            if not error.facts.get("died"):
                raise


@settings(max_examples=80, suppress_health_check=[HealthCheck.too_slow])
@given(st.binary(min_size=1, max_size=40), st.integers(0, 3_000))
def test_a_spoiled_workbook_raises_one_kind_of_error(pool: Pool, noise: bytes, place: int) -> None:
    rows: list[list[Any]] = [["a", "b"], *([n, "x"] for n in range(20))]
    content = workbook(rows)
    _read_or_refused(pool, content[:place] + noise + content[place + len(noise) :])


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(st.text(st.sampled_from('<>/"=crtvis A1&;#x0'), max_size=80), st.integers(0, 400))
def test_spoiled_markup_raises_one_kind_of_error(pool: Pool, noise: str, place: int) -> None:
    xml = sheet([["a", "b"], [1, "x"], [2, "y"]])
    _read_or_refused(pool, archive(book({"Sheet1": xml[:place] + noise + xml[place:]})))
