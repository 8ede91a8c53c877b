import csv
import io
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataspace.catalog.names import column_names, display_name, escape_formula
from dataspace.errors import Unprocessable


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("../../../tmp/x", "x"),
        ("..\\..\\windows\\system32\\cards.csv", "cards.csv"),
        ("a\0b.csv", "ab.csv"),
        ("invoice\u202evsc.exe", "invoicevsc.exe"),
        ("CON", "_CON"),
        ("nul.csv", "_nul.csv"),
        ("com1.tar.gz", "_com1.tar.gz"),
        ("console.csv", "console.csv"),
        ("缴费😀.csv", "缴费😀.csv"),
        ("a\r\nSet-Cookie: x=1", "aSet-Cookie: x=1"),
        (" .hidden ", "hidden"),
        ("", "upload"),
        ("..", "upload"),
        ("/", "upload"),
        ("\u200b\u2066", "upload"),
    ],
)
def test_up_06_a_file_name_is_shown_without_its_traps(raw: str, shown: str) -> None:
    assert display_name(raw) == shown


def test_up_06_a_name_of_4_kb_keeps_its_ending() -> None:
    shown = display_name("x" * 4096 + ".csv")
    assert len(shown) == 120
    assert shown.endswith("….csv")


@given(st.text(max_size=300))
def test_up_06_no_name_shows_a_path_or_a_control_character(raw: str) -> None:
    shown = display_name(raw)
    assert 0 < len(shown) <= 121
    assert not set(shown) & set("/\\")
    assert not any(unicodedata.category(character) in ("Cc", "Cf", "Cs") for character in shown)
    assert not shown.startswith(".")


@given(st.lists(st.text(min_size=1, max_size=80), min_size=1, max_size=12))
def test_up_14_names_are_refused_or_become_safe_and_distinct(header: list[str]) -> None:
    try:
        names = column_names(header, 1000)
    except Unprocessable:
        return
    assert len({name.casefold() for name in names}) == len(header)
    assert not any(set(name) & set("\"'`[]();\\/\n\0") or not name for name in names)


def test_up_14_good_names_stay() -> None:
    header = [
        "id",
        "Total_2024",
        "身份证号",
        "native-country",
        "default.payment.next.month",
        "Blood pressure",
    ]
    assert column_names(header, 10) == header


@pytest.mark.parametrize(
    "cell", ["=1+1", "+cmd|x", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "＝1", "  =1", "=cmd|'/C calc'!A0"]
)
def test_up_17_an_export_escapes_what_a_spreadsheet_would_run(cell: str) -> None:
    assert escape_formula(cell) == f"'{cell}"


@pytest.mark.parametrize("cell", ["", "-5", "+1.5", "-1e-05", "text", "a=b", "张三", "1+1", "2024-01-01"])
def test_up_17_numbers_and_words_are_exported_as_they_are(cell: str) -> None:
    assert escape_formula(cell) == cell


@given(st.text(max_size=30))
def test_up_17_no_exported_cell_begins_a_formula(cell: str) -> None:
    target = io.StringIO()
    csv.writer(target).writerow([escape_formula(cell)])
    back = next(iter(csv.reader(io.StringIO(target.getvalue(), newline=""))), [""])
    shown = (back or [""])[0].lstrip(" ")
    assert shown[:1] not in ("=", "@", "\t", "\r") or not shown
