import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dataspace.privacy.divisions import names
from dataspace.table import Column, Method, Type
from tests.privacy.ways import TEXTS, leave

LEVELS = ("province", "city", "county")


def division(level: str, *values: str | None) -> list[str | None]:
    return leave(Column("c", Type.TEXT, method=Method.GENERALIZE, parameters={"division": level}), *values)


@pytest.mark.parametrize(
    ("address", "found"),
    [
        ("浙江省杭州市西湖区文三路90号", ["浙江省", "浙江省杭州市", "浙江省杭州市西湖区"]),
        ("浙江杭州市余杭区", ["浙江省", "浙江省杭州市", "浙江省杭州市余杭区"]),
        ("杭州市西湖区文三路", ["浙江省", "浙江省杭州市", "浙江省杭州市西湖区"]),
        ("中国广东省 深圳市南山区", ["广东省", "广东省深圳市", "广东省深圳市南山区"]),
        ("上海市浦东新区城市路1号", ["上海市", "上海市", "上海市浦东新区"]),
        ("重庆市渝中区", ["重庆市", "重庆市", "重庆市渝中区"]),
        ("吉林市昌邑区", ["吉林省", "吉林省吉林市", "吉林省吉林市昌邑区"]),
        ("海南藏族自治州共和县", ["青海省", "青海省海南藏族自治州", "青海省海南藏族自治州共和县"]),
        ("海南省三亚市", ["海南省", "海南省三亚市", "海南省三亚市"]),
        ("内蒙古呼和浩特市", ["内蒙古自治区", "内蒙古自治区呼和浩特市", "内蒙古自治区呼和浩特市"]),
        ("香港中西区", ["香港特别行政区"] * 3),
        ("330106", ["330000", "330100", "330106"]),
        ("330106001002", ["330000", "330100", "330106"]),
        ("文三路90号", [None] * 3),
        ("", [None] * 3),
    ],
)
def test_an_address_or_a_code_leaves_as_its_division(address: str, found: list[str | None]) -> None:
    assert [division(level, address)[0] for level in LEVELS] == found


@given(st.sampled_from(sorted(names().provinces.values())), TEXTS)
@example("上海市", "东城区")  # two words of one length
@settings(max_examples=25)
def test_only_words_of_the_table_leave(province: str, rest: str) -> None:
    words = {*names().provinces.values(), *names().cities, *names().counties}
    made_of_words = re.compile(f"(?:{'|'.join(map(re.escape, words))})*")
    for level in LEVELS:
        (found,) = division(level, province + rest)
        assert made_of_words.fullmatch(found or "")


def test_the_wider_division_follows_from_the_narrower() -> None:
    given = [f"{province}{city}" for city, province in names().cities.items()] + ["110105", "33", "x"]
    county, city, province = (division(level, *given) for level in reversed(LEVELS))
    for fine, coarse in ((county, city), (city, province)):
        assert len(set(zip(fine, coarse, strict=True))) == len(set(fine))
    assert None not in city[: len(names().cities)]
