import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataspace.table import Column, Method, Type
from tests.privacy.ways import leave

KINDS = ("category", "block", "chapter")


def classes(kind: str, *values: str | None) -> list[str | None]:
    return leave(Column("c", Type.TEXT, method=Method.GENERALIZE, parameters={"icd": kind}), *values)


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("I21.900x001", ["I21", "I20-I25", "I00-I99"]),
        ("i219", ["I21", "I20-I25", "I00-I99"]),
        ("A00", ["A00", "A00-A09", "A00-B99"]),
        ("D48.9", ["D48", "D37-D48", "C00-D48"]),
        ("D50", ["D50", "D50-D53", "D50-D89"]),
        ("H60", ["H60", "H60-H62", "H60-H95"]),
        ("U07.1", ["U07", "U00-U49", "U00-U99"]),
        ("X90", ["X90", "X85-Y09", "V01-Y98"]),
        ("Y09", ["Y09", "X85-Y09", "V01-Y98"]),
        ("Z99.1", ["Z99", "Z80-Z99", "Z00-Z99"]),
        ("C50", ["C50", "C50-C50", "C00-D48"]),
        ("A12", ["A12", None, None]),
        ("I 2", [None] * 3),
        ("I2", [None] * 3),
        ("急性心梗", [None] * 3),
        ("", [None] * 3),
    ],
)
def test_a_code_leaves_as_its_class(code: str, found: list[str | None]) -> None:
    assert [classes(kind, code)[0] for kind in KINDS] == found


def test_the_wider_class_follows_from_the_narrower() -> None:
    codes = [f"{chr(65 + number // 100)}{number % 100:02}" for number in range(2600)]
    category, block, chapter = (classes(kind, *codes) for kind in KINDS)
    assert category == codes
    for fine, coarse in ((category, block), (block, chapter)):
        assert len(set(zip(fine, coarse, strict=True))) == len(set(fine))
    assert len(set(chapter) - {None}) == 22


@given(st.from_regex(r"[A-Z][0-9]{2}.*", fullmatch=True), st.sampled_from(KINDS))
@settings(max_examples=40)
def test_nothing_but_a_class_leaves_of_whatever_follows_the_code(value: str, kind: str) -> None:
    assert classes(kind, value) == classes(kind, value[:3])
