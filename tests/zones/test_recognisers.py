import contextlib
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataspace.errors import Malformed
from dataspace.table import Attribute, Method, Type
from dataspace.zones.classify import Sampled, classify
from dataspace.zones.pack import load_packs, read_fields
from dataspace.zones.recognisers import read_recogniser
from tests.zones.drawn import luhn

PACK = load_packs(Path(__file__).parents[2] / "zones")["government"]
MEMBER = {
    "category": "member_card",
    "title": {"zh": "会员卡", "en": "Member card"},
    "level": 3,
    "names": ["会员卡"],
    "pattern": r"77\d{10}",
    "check_digit": "luhn",
}


def proposed(name: str, values: list[str], data: dict[str, Any]) -> Any:
    pack = PACK.extended([read_recogniser(data, PACK)])
    return classify([Sampled(name, Type.TEXT, pa.array(values))], [name], pack.fields)[0]


def cards(count: int = 60) -> list[str]:
    return [luhn(f"77{number * 7919:09d}") for number in range(count)]


def test_a_recogniser_finds_its_columns_by_their_values() -> None:
    found = proposed("c1", cards(), MEMBER)
    assert (found.column.category, found.column.level, found.strong) == ("member_card", 3, True)
    assert (found.column.method, found.column.attribute) == (Method.PSEUDONYMIZE, Attribute.IDENTIFIER)
    assert found.evidence == "60 of 60 values pass the pattern of Member card"


def test_the_level_of_an_own_category_cites_no_clause_of_another() -> None:
    unknown = next(field for field in PACK.fields if field.category == "unknown_identifier")
    clause = read_recogniser(MEMBER, PACK).clause
    assert clause.document in {document.id for document in PACK.documents}
    assert clause.text != unknown.clause.text
    assert "提供方" in clause.text


def test_a_check_digit_separates_what_a_pattern_does_not() -> None:
    wrong = [value[:-1] + str((int(value[-1]) + 1) % 10) for value in cards()]
    assert proposed("c1", wrong, MEMBER).column.category != "member_card"


def test_signs_between_digits_are_no_part_of_the_number() -> None:
    spaced = {**MEMBER, "pattern": r"77\d{2} \d{4} \d{4}"}
    values = [f"{value[:4]} {value[4:8]} {value[8:]}" for value in cards()]
    assert proposed("c1", values, spaced).strong


def test_a_category_of_the_zone_keeps_the_zones_rule() -> None:
    field = read_recogniser({"category": "plate", "names": ["牌照"], "pattern": r"T-\d{4}"}, PACK)
    rule = PACK.column("x", Type.TEXT, "plate")
    extended = PACK.extended([field]).column("x", Type.TEXT, "plate")
    assert extended == rule
    assert (
        proposed(
            "c1",
            [f"T-{number}" for number in range(1000, 1060)],
            {"category": "plate", "pattern": r"T-\d{4}"},
        ).column.category
        == "plate"
    )


def test_no_recogniser_hides_what_a_check_digit_proves() -> None:
    public = {
        **MEMBER,
        "level": 2,
        "method": "keep",
        "pattern": r"\d{17}[\dX]",
        "check_digit": "none",
        "names": ["c1"],
    }
    found = proposed("c1", ["11010519491231002X"] * 60, public)
    assert found.column.category == "resident_id"
    assert found.alternatives[0].category == "member_card"


def test_a_recogniser_crosses_as_data() -> None:
    field = read_recogniser(MEMBER, PACK)
    assert read_fields([msgspec.to_builtins(field)]) == [field]


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"category": "general"}, "'general'"),
        ({"category": "Member card"}, "category"),
        ({"level": 1}, "level is 1"),
        ({"level": 9}, "level is 9"),
        ({"level": None}, "level"),
        ({"title": None}, "title"),
        ({"pattern": "(a+)+"}, "pattern is refused"),
        ({"pattern": ""}, "check digit"),
        ({"pattern": "", "check_digit": "none", "names": []}, "names"),
        ({"check_digit": "mod97"}, "check_digit"),
        ({"method": "generalize"}, "parameters"),
        ({"method": "mask", "parameters": {"first": -1}}, "parameters.first"),
        ({"parameters": {"first": 1}}, "method"),
        ({"category": "plate"}, "title"),
        ({"by_value": False}, "by_value"),
        ({"names": ["x"] * 51}, "names"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_key(changed: dict[str, Any], told: str) -> None:
    with pytest.raises(Malformed, match="recogniser") as caught:
        read_recogniser({**MEMBER, **changed}, PACK)
    assert told in str(caught.value)


@given(
    st.dictionaries(
        st.sampled_from([*MEMBER, "method", "parameters", "share", "attribute", "more"]),
        st.one_of(st.text(max_size=9), st.integers(), st.none(), st.lists(st.text(max_size=3), max_size=3)),
    )
)
def test_noise_is_refused_with_one_error(noise: dict[str, Any]) -> None:
    with contextlib.suppress(Malformed):
        read_recogniser({**MEMBER, **noise}, PACK)


def test_a_name_of_signs_alone_names_nothing() -> None:
    data = {"category": "plate", "names": ["***"]}
    assert proposed("colour", ["red", "blue"] * 30, data).column.category == "general"
