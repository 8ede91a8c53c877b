from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pytest

from dataspace.table import Attribute, Method, Type
from dataspace.zones.classify import Proposal, Sampled, classify, looks_like_identifier, rule_name
from dataspace.zones.pack import load_packs

PACKS = load_packs(Path(__file__).parents[2] / "zones")
RESIDENT = "11010519491231002X"
SURNAMES = "王李张刘陈杨黄赵吴周"


def propose(
    name: str, values: Sequence[str | None], kind: Type = Type.TEXT, zone: str = "government"
) -> Proposal:
    sampled = Sampled(name, kind, pa.array(values, pa.string()))
    return classify([sampled], [name], PACKS[zone].fields)[0]


def test_values_decide_without_a_name_and_say_why() -> None:
    found = propose("c1", [RESIDENT] * 9 + ["110105194912310021"])
    assert (found.column.category, found.confidence) == ("resident_id", 90)
    assert found.evidence.startswith("9 of 10 values pass the GB 11643 check of digit and birth date; ")
    assert found.evidence.endswith("10 of 10 begin with the code of a county, past ones included (GB/T 2260)")
    assert found.evidence_zh.startswith("10 个取值中有 9 个符合GB 11643")


def test_name_and_values_together_say_more_than_either() -> None:
    both = propose("身份证号", [RESIDENT] * 10)
    assert both.confidence > propose("c1", [RESIDENT] * 9 + ["x"]).confidence
    assert both.evidence.endswith("; its name says so")
    assert both.confidence < 100


def test_a_name_that_its_values_contradict_is_still_proposed_with_doubt() -> None:
    found = propose("手机号", ["unknown"] * 10)
    assert found.column.category == "mobile"
    assert found.confidence < 50


def test_a_column_without_values_is_known_by_its_name() -> None:
    assert propose("手机号", [None, None]).column.category == "mobile"


@pytest.mark.parametrize(
    ("name", "category"),
    [
        ("姓名", "person_name"),
        ("xingming", "person_name"),
        ("customerName", "person_name"),
        ("full_name", "person_name"),
        ("申请人身份证号", "resident_id"),
        ("SFZH", "resident_id"),
        ("homeAddress", "address"),
        ("baseline", "general"),
        ("bank_card_no", "bank_card"),
        ("tel", "mobile"),
        ("hotel", "general"),
        ("name", "person_name"),
        ("product name", "general"),
    ],
)
def test_names_are_read_in_chinese_english_and_pinyin(name: str, category: str) -> None:
    assert propose(name, [None]).column.category == category


def test_many_people_repeated_are_still_people() -> None:
    names = [f"{SURNAMES[number % 4]}伟" for number in range(500)]
    assert propose("姓名", names).column.category == "person_name"
    assert (
        propose("c1", [f"{surname}{given}" for surname in SURNAMES for given in "伟芳娜敏静"]).column.category
        == "person_name"
    )


def test_levels_of_schooling_are_not_people() -> None:
    assert propose("c1", ["高中", "本科", "小学", "硕士"] * 100).column.category == "general"


def test_free_text_is_suppressed() -> None:
    found = propose(
        "remark",
        [f"the caller, number {number}, said that he lives near the station" for number in range(60)],
    )
    assert (found.column.category, found.column.method) == ("free_text", Method.SUPPRESS)


def test_nearly_unique_values_that_nothing_explains_become_pseudonyms() -> None:
    found = propose("ref", [f"R/{number:x}" for number in range(100)])
    assert (found.column.category, found.column.method) == ("unknown_identifier", Method.PSEUDONYMIZE)


def test_row_numbers_are_no_quantity() -> None:
    found = propose("rownames", [str(number) for number in range(1, 100)], Type.INTEGER)
    assert (found.column.category, found.column.type) == ("unknown_identifier", Type.TEXT)


def test_a_general_number_is_aggregable_and_a_general_word_is_not() -> None:
    assert propose("score", ["3", "1", "2"] * 30, Type.INTEGER).column.aggregable
    assert not propose("colour", ["red", "blue"] * 30).column.aggregable


def test_digits_that_are_no_number_become_text() -> None:
    assert propose("手机号", ["13800001234", "13900004321"], Type.INTEGER).column.type is Type.TEXT


def test_dates_are_generalized_as_far_as_their_form_allows() -> None:
    iso = propose("出生日期", ["1990-01-31"] * 9, Type.DATE).column
    compact = propose("出生日期", ["19900131"] * 9, Type.INTEGER).column
    day_first = propose("出生日期", ["31/01/1990"] * 9).column
    assert (iso.method, iso.parameters) == (Method.GENERALIZE, {"unit": "year"})
    assert (compact.type, compact.method, compact.parameters) == (Type.TEXT, Method.GENERALIZE, {"first": 4})
    assert day_first.method is Method.SUPPRESS


def test_the_best_filled_identifier_is_the_subject() -> None:
    columns = [
        Sampled("病历号", Type.TEXT, pa.array(["M1", "M2", "M1", "M3"])),
        Sampled("身份证号", Type.TEXT, pa.array([RESIDENT, None, None, None], pa.string())),
        Sampled("性别", Type.TEXT, pa.array(["男", "女", "男", "女"])),
    ]
    proposals = classify(columns, ["mrn", "id", "sex"], PACKS["healthcare"].fields)
    assert [proposal.column.subject for proposal in proposals] == [True, False, False]
    assert [proposal.column.name for proposal in proposals] == ["mrn", "id", "sex"]


@pytest.mark.parametrize("zone", PACKS)
def test_no_zone_lets_an_identity_number_leave_as_it_is(zone: str) -> None:
    for name, value in (("身份证号", RESIDENT), ("手机号", "13800001234"), ("银行卡号", "6200000000000005")):
        found = propose(name, [value] * 10, zone=zone).column
        assert found.method in (Method.PSEUDONYMIZE, Method.FPE, Method.MASK, Method.SUPPRESS)
        assert found.level >= 3


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("id", True),
        ("customerID", True),
        ("order_no", True),
        ("编号", True),
        ("paid", False),
        ("number_of_visits", False),
        ("amount", False),
    ],
)
def test_identifiers_are_told_by_their_names(name: str, expected: bool) -> None:
    assert looks_like_identifier(name) is expected


@pytest.mark.parametrize("name", ["condition_occurrence_id", "drug_exposure_id", "visit_no"])
@pytest.mark.parametrize("kind", [Type.TEXT, Type.INTEGER])
def test_an_identifier_of_rows_is_one_whatever_else_its_name_says(name: str, kind: Type) -> None:
    found = propose(name, [str(7 * number % 100 + 1000) for number in range(100)], kind, "healthcare")
    assert (found.column.category, found.column.method) == ("unknown_identifier", Method.PSEUDONYMIZE)
    assert found.evidence == "its name is an identifier's and its 100 values are all distinct"


def test_an_identifier_that_repeats_is_what_its_name_says() -> None:
    found = propose("condition_concept_id", [str(number % 7) for number in range(100)], zone="healthcare")
    assert (found.column.category, found.column.method) == ("diagnosis", Method.KEEP)


def test_codes_that_their_values_prove_stay_codes() -> None:
    found = propose("diagnosis_code", [f"E{number}.9" for number in range(10, 90)], zone="healthcare")
    assert found.column.category == "diagnosis_code"


def test_a_better_known_identifier_is_kept() -> None:
    found = propose("patient_id", [f"P{number}" for number in range(100)], zone="healthcare")
    assert found.column.category == "mrn"


def asked(name: str, values: Sequence[str | None], rules: dict[str, str]) -> Proposal:
    sampled = Sampled(name, Type.TEXT, pa.array(values, pa.string()))
    return classify([sampled], [name], PACKS["government"].fields, rules)[0]


def test_a_correction_becomes_a_rule_for_columns_of_that_name() -> None:
    values = ["A1", "B2", "C3"] * 30
    assert asked("批注", values, {}).column.category == "general"
    found = asked("批注", values, {rule_name("批注"): "free_text"})
    assert (found.column.category, found.column.method, found.ruled) == ("free_text", Method.SUPPRESS, True)
    assert found.evidence == "its provider said so before"


def test_a_rule_is_kept_under_a_name_however_it_is_written() -> None:
    assert rule_name("customerName") == rule_name("CUSTOMER_NAME") == rule_name("customer name")
    assert rule_name("姓名") != rule_name("户名")
    assert rule_name("***") == "***"


def test_a_rule_does_not_silence_a_check_digit() -> None:
    found = asked("备用", [RESIDENT] * 60, {rule_name("备用"): "general"})
    assert (found.column.category, found.strong, found.ruled) == ("resident_id", True, False)
    stricter = asked("手机", ["13800001234"] * 60, {rule_name("手机"): "credential"})
    assert stricter.column.category == "credential"


def test_a_rule_of_a_category_that_is_no_more_says_nothing() -> None:
    assert asked("手机号", ["13800001234"] * 60, {rule_name("手机号"): "gone"}).column.category == "mobile"


def test_a_proposal_tells_what_else_it_could_be() -> None:
    named = propose("手机号", [RESIDENT] * 60)
    assert (named.column.category, named.strong) == ("resident_id", True)
    assert [other.category for other in named.alternatives] == ["mobile"]
    assert named.to_json()["alternatives"][0]["confidence"] < 50


def test_a_form_alone_is_not_strong() -> None:
    assert not propose("手机号", ["13800001234"] * 60).strong


@pytest.mark.parametrize(
    ("name", "category"),
    [
        ("身份证住址", "address"),
        ("银行卡余额", "amount"),
        ("客户姓名拼音", "person_name"),
        ("公司地址", "address"),
        ("account_balance", "amount"),
        ("联系人电话", "mobile"),
        ("birth_city", "region"),
    ],
)
def test_the_last_word_says_what_a_thing_is(name: str, category: str) -> None:
    assert propose(name, [None]).column.category in (category, "landline")


def test_what_is_told_about_a_thing_is_not_the_thing() -> None:
    assert propose("手机型号", ["P40", "X2"] * 60).column.category == "general"
    assert propose("account_type", ["1", "2"] * 60).column.category == "general"


def test_rows_about_organisations_have_no_quasi_identifiers() -> None:
    code = "914403001922038216"
    register = [Sampled("信用代码", Type.TEXT, pa.array([code, "91350100M000100Y43"] * 30))]
    register.append(Sampled("所在城市", Type.TEXT, pa.array(["深圳市", "福州市"] * 30)))
    found = classify(register, ["code", "city"], PACKS["government"].fields)
    assert found[0].column.subject
    assert {proposal.column.attribute for proposal in found} == {Attribute.OTHER}
    people = [*register, Sampled("年龄", Type.INTEGER, pa.array(["30", "41"] * 30))]
    found = classify(people, ["code", "city", "age"], PACKS["government"].fields)
    assert {proposal.column.attribute for proposal in found} == {Attribute.QUASI}


def test_unnamed_values_are_doubted_where_their_form_is_common() -> None:
    assert (
        propose("c1", [f"{number}" for number in range(13800000000, 13800000100)]).column.category != "mobile"
    )
    assert propose("c1", ["10.2.0.1", "10.3.1.7", "11.0.0.2"] * 30).column.category != "ip"
    assert propose("c1", ["高一", "高二", "高三"] * 30).column.category != "person_name"


def test_the_evidence_is_told_in_chinese_too() -> None:
    found = propose("手机号", ["13800001234"] * 9 + ["x"])
    assert found.evidence == "9 of 10 values pass the form of a mobile number; its name says so"
    assert found.evidence_zh == "10 个取值中有 9 个符合手机号码的格式；列名表明如此"
