import csv
import io
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.catalog.uploads import lines, read, refused, types

KEPT = [
    "00123",
    "110101199003077571",
    "1e5",
    "07/08/2024",
    "+1",
    "1,000",
    " 7",
    "0x1F",
    "1_000",
    "--1",
    ".5",
    "5.",
    "1.2.3",
    "2024-02-30",
    "0000-01-01",
    "9" * 16,
    "TRUE",
    "null",
    "NA",
    "N/A",
    "0.12345678901234567",
    "1.5e-400",
    "1.2345678e-320",
    "二",
]


@pytest.mark.parametrize("value", KEPT)
def test_up_15_what_would_change_stays_text(value: str) -> None:
    target = io.StringIO()
    csv.writer(target).writerows([["v", "n"], [value, "1"], ["1", "2"]])
    found, table = read(target.getvalue())
    assert types(found) == {"v": "text", "n": "integer"}
    assert table.column("v").to_pylist() == [value, "1"]


@pytest.mark.parametrize("name", ["客户编号", "ID", "order_no", "zip_code", "person_id", "手机号"])
def test_up_15_numbers_that_name_things_stay_text(name: str) -> None:
    assert types(read(f"{name},n\n13800001234,1\n13800004321,2\n")[0])["n"] == "integer"
    assert set(types(read(f"{name},n\n13800001234,1\n13800004321,2\n")[0]).values()) == {"text", "integer"}


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["0", "-7", "999999999999999"], "integer"),
        (["1e+05", "20000", ""], "integer"),
        (["1.5e+02", "3"], "integer"),
        (["1.5", "-0.25", "3"], "decimal"),
        (["2e-05", "1"], "decimal"),
        (["-0", "1"], "decimal"),
        (["2024-02-29", ""], "date"),
        (["", ""], "text"),
    ],
)
def test_up_15_types_are_found_where_they_do_no_harm(values: list[str], kind: str) -> None:
    found, table = read("v,x\n" + "".join(f"{value},a\n" for value in values))
    assert types(found)["v"] == kind
    for value, stored in zip(values, table.column("v").to_pylist(), strict=True):
        assert (stored is None) if not value else kind == "date" or Decimal(value) == Decimal(str(stored))


def test_up_15_exponents_may_be_codes_unless_declared() -> None:
    found, table = read("v,x\n1e5,a\n2,b\n")
    assert table.column("v").to_pylist() == ["1e5", "2"]
    assert "may be codes" in found["warnings"][0]
    assert read("v,x\n1e5,a\n2,b\n", declared={"exponents": True})[1].column("v").to_pylist() == [100000, 2]


@pytest.mark.parametrize("token", ["NaN", "inf", "-Infinity", "1e400", "-1E+999"])
def test_up_16_what_is_no_finite_number_follows_the_declared_rule(token: str) -> None:
    content = f"v,x\n1.5,a\n{token},b\n2,c\n"
    found, table = read(content)
    assert table.column("v").to_pylist() == ["1.5", token, "2"]
    assert "finite" in found["warnings"][0]
    found, table = read(content, declared={"not_finite": "null"})
    assert table.column("v").to_pylist() == [1.5, None, 2.0]
    assert found["preview"]["desensitized"][1][0] is None
    assert lines(refused(content, declared={"not_finite": "error"})) == [3]


def test_up_16_minus_zero_is_zero() -> None:
    values = read("v,x\n-0.0,a\n1.5,b\n")[1].column("v").to_pylist()
    assert str(values[0]) == "0.0"


@pytest.mark.parametrize("cell", ["=cmd|'/C calc'!A0", "+1+1", "-2+3", "@SUM(A1)", "\t=1"])
def test_up_17_formulas_are_stored_as_they_are(cell: str) -> None:
    target = io.StringIO()
    csv.writer(target, quoting=csv.QUOTE_ALL).writerows([["v", "x"], [cell, "a"]])
    assert read(target.getvalue())[1].column("v").to_pylist() == [cell]


@settings(max_examples=60)
@given(
    st.lists(
        st.sampled_from(
            [
                "1",
                "-1",
                "0.5",
                "1e5",
                "1e+05",
                "1e+400",
                "NaN",
                "",
                "00",
                "-0",
                "2024-01-01",
                "0.1234567890123456",
                "9" * 15,
            ]
        ),
        min_size=1,
        max_size=6,
    ),
    st.sampled_from(["text", "null"]),
)
def test_numbers_in_are_the_same_numbers_out(values: list[str], rule: str) -> None:
    _, table = read("v,x\n" + "".join(f"{value},a\n" for value in values), declared={"not_finite": rule})
    for value, stored in zip(values, table.column("v").to_pylist(), strict=True):
        if stored is None:
            assert value in ("", "NaN", "1e+400")
        elif isinstance(stored, int | float):
            assert Decimal(value) == Decimal(repr(stored))
        else:
            assert value == str(stored)
