import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataspace.table import Column, Method, Type
from tests.privacy.ways import TEXTS, leave


def masked(kind: str, *values: str | None) -> list[str | None]:
    return leave(Column("c", Type.TEXT, method=Method.MASK, parameters={"as": kind}), *values)


@pytest.mark.parametrize(
    ("kind", "value", "shown"),
    [
        ("name", "王五", "王****"),
        ("name", "王小五", "王****"),
        ("name", "欧阳小明", "欧阳****"),
        ("name", "司马光", "司马****"),
        ("name", "欧阳", "欧****"),
        ("name", " 王五 ", "王****"),
        ("name", "John Smith", "J****"),
        ("name", "王", "****"),
        ("resident_id", "11010519491231002X", "1101051949********"),
        ("resident_id", "11010519491231002x", "1101051949********"),
        ("resident_id", "110105491231002", "1101051949********"),
        ("resident_id", "11010549123100", "****"),
        ("mobile", "13812345678", "138****5678"),
        ("mobile", "+86 138 1234 5678", "138****5678"),
        ("mobile", "010-12345678", "****"),
        ("bank_card", "6222 0212 3456 7890 128", "622202****0128"),
        ("bank_card", "62220212345", "****"),
        ("email", "li.lei@mail.example.com", "****@mail.example.com"),
        ("email", "li.lei", "****"),
        ("email", "a@b@example.com", "****"),
        ("email", "secret@张三", "****"),
    ],
)
def test_a_mask_shows_what_is_told_of_its_kind(kind: str, value: str, shown: str) -> None:
    assert masked(kind, value) == [shown]


_SHAPES = {
    "name": r".{0,2}\*{4}",
    "resident_id": r"([0-9]{10}\*{4})?\*{4}",
    "mobile": r"(1[0-9]{2})?\*{4}([0-9]{4})?",
    "bank_card": r"([0-9]{6}\*{4}[0-9]{4})|\*{4}",
    "email": r"\*{4}(@[A-Za-z0-9.-]+)?",
}


@pytest.mark.parametrize("kind", _SHAPES)
@given(st.lists(TEXTS | st.from_regex(re.compile(r"[0-9Xx@.a -]{1,20}"), fullmatch=True), max_size=5))
@settings(max_examples=30)
def test_a_masked_value_has_the_form_of_its_kind_and_hides_the_rest(kind: str, values: list[str]) -> None:
    for value, shown in zip(values, masked(kind, *values), strict=True):
        assert re.fullmatch(_SHAPES[kind], shown or "", re.DOTALL)
        assert value != shown or value.startswith("****")


def test_two_persons_of_one_surname_look_alike() -> None:
    assert len(set(masked("name", "王五", "王小五", "王大锤"))) == 1
