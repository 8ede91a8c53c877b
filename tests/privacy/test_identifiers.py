import re
from datetime import date, timedelta

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stdnum import luhn, numdb
from stdnum.cn import ric, uscc

from dataspace.privacy.forms import FORMS, FREE
from dataspace.privacy.fpe import LEAST
from dataspace.privacy.identifiers import pseudonyms
from dataspace.privacy.parameters import Kind
from tests.privacy.ways import KEY, OTHER, TEXTS

_PROVINCES = {prefix for _, prefix, *_ in numdb.get("cn/loc").prefixes}
_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"


@st.composite
def residents(draw: st.DrawFn) -> str:
    born = date(1900, 1, 1) + timedelta(days=draw(st.integers(0, 51_133)))
    body = f"{draw(st.sampled_from(sorted(_PROVINCES)))}{draw(st.integers(0, 9999)):04}{born:%Y%m%d}"
    body += f"{draw(st.integers(0, 999)):03}"
    return body + ric.calc_check_digit(body + "0")


@st.composite
def credit_codes(draw: st.DrawFn, *, right: bool | None = None) -> str:
    body = draw(st.text("0123456789ABCDEFGHJKLMNPQRTUWXY", min_size=8, max_size=8))
    check = (
        organisation_check(body)
        if right or (right is None and draw(st.booleans()))
        else draw(st.sampled_from(_ALPHABET))
    )
    head = draw(st.sampled_from("123456789ANY")) + str(draw(st.integers(1, 9)))
    division = f"{draw(st.sampled_from(sorted(_PROVINCES)))}{draw(st.integers(0, 9999)):04}"
    number = head + division + body + check
    total = sum(_ALPHABET.index(letter) * pow(3, place, 31) for place, letter in enumerate(number))
    return number + _ALPHABET[-total % 31]


@st.composite
def cards(draw: st.DrawFn) -> str:
    start, length = draw(
        st.sampled_from([("62", 16), ("62", 17), ("62", 18), ("62", 19), ("4", 16), ("55", 16), ("37", 15)])
    )
    digits = draw(st.text("0123456789", min_size=length - 1 - len(start), max_size=length - 1 - len(start)))
    return start + digits + str(luhn.calc_check_digit(start + digits))


mobiles = st.from_regex(re.compile(r"1[3-9][0-9]{9}", re.ASCII), fullmatch=True)
_STRATEGIES = {
    Kind.RESIDENT_ID: residents(),
    Kind.USCC: credit_codes(),
    Kind.BANK_CARD: cards(),
    Kind.MOBILE: mobiles,
}


def organisation_check(body: str) -> str:
    """GB 11714: eight characters of an organisation code, and their check digit."""
    total = sum(
        int(letter, 36) * weight for letter, weight in zip(body, (3, 7, 9, 10, 5, 8, 4, 2), strict=True)
    )
    return "0123456789X"[-total % 11]


def made(kind: Kind, *values: str | None, key: bytes = KEY) -> list[str | None]:
    return list(pseudonyms(pa.array(values, pa.string()), kind, key).to_pylist())


@given(st.lists(residents(), min_size=1, max_size=5))
@settings(max_examples=60)
def test_a_resident_number_becomes_one_with_a_right_check_digit_of_no_province(values: list[str]) -> None:
    for found in made(Kind.RESIDENT_ID, *values):
        assert found is not None
        assert len(found) == 18
        assert found[-1] == ric.calc_check_digit(found)
        assert date(1900, 1, 1) <= ric.get_birth_date(found) < date(2025, 1, 1)
        assert numdb.get("cn/loc").info(found[:6])[0][1] == {}
        assert found[:2] not in {"10", "83"}
        assert not ric.is_valid(found)


@given(st.lists(credit_codes(), min_size=1, max_size=5))
@settings(max_examples=60)
def test_a_credit_code_becomes_one_with_right_check_digits_of_no_province(values: list[str]) -> None:
    for value, found in zip(values, made(Kind.USCC, *values), strict=True):
        assert found is not None
        assert found[2:4] not in _PROVINCES
        total = sum(_ALPHABET.index(letter) * pow(3, place, 31) for place, letter in enumerate(found[:17]))
        assert found[17] == _ALPHABET[-total % 31]
        was, now = ((organisation_check(code[8:16]) == code[16]) for code in (value, found))
        assert was == now


def test_a_credit_code_passes_the_check_of_python_stdnum() -> None:
    # Of codes with letters in the first place it knows nothing.
    assert uscc.calc_check_digit("9144030071526726X") == "G"
    (found,) = made(Kind.USCC, "9144030071526726XG")
    assert found is not None
    assert uscc.calc_check_digit(found[:17]) == found[17]


@given(st.lists(cards(), min_size=1, max_size=5))
@settings(max_examples=60)
def test_a_card_number_becomes_one_of_its_length_that_passes_luhn_of_no_issuer(values: list[str]) -> None:
    for value, found in zip(values, made(Kind.BANK_CARD, *values), strict=True):
        assert found is not None
        assert len(found) == len(value)
        assert luhn.is_valid(found)
        assert re.match(r"0[2-9]|1[0-79]|8[12356]", found)
        assert not found.startswith("103")


@given(st.lists(mobiles, min_size=1, max_size=5))
@settings(max_examples=60)
def test_a_mobile_number_becomes_eleven_digits_that_no_network_has(values: list[str]) -> None:
    for found in made(Kind.MOBILE, *values):
        assert re.fullmatch(r"[2-8][0-9]{10}", found or "")


@pytest.mark.parametrize("kind", FORMS)
@given(st.data())
@settings(max_examples=40)
def test_qy_18_equal_identifiers_have_equal_pseudonyms_and_different_ones_different(
    kind: Kind, data: st.DataObject
) -> None:
    values = data.draw(st.lists(_STRATEGIES[kind], min_size=1, max_size=6))
    found = made(kind, *values, *values)
    assert found[: len(values)] == found[len(values) :]
    assert len(set(found)) == len(set(values))
    assert not set(found) & set(values)


@pytest.mark.parametrize("kind", FORMS)
@given(st.data())
@settings(max_examples=20)
def test_qy_18_pseudonyms_of_two_agreements_do_not_join(kind: Kind, data: st.DataObject) -> None:
    values = data.draw(st.lists(_STRATEGIES[kind], min_size=3, max_size=6, unique=True))
    assert made(kind, *values) != made(kind, *values, key=OTHER)


@pytest.mark.parametrize("kind", FORMS)
@given(st.lists(st.none() | TEXTS | st.text("0123456789X", max_size=19), max_size=5))
@settings(max_examples=40)
def test_what_is_no_identifier_has_no_pseudonym(kind: Kind, values: list[str | None]) -> None:
    for value, found in zip(values, made(kind, *values), strict=True):
        assert found is None or (value is not None and len(found) >= 11 and found != value)


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (Kind.RESIDENT_ID, ["11010519491231002X", "11010519491231002x", " 11010519491231002X "]),
        (Kind.BANK_CARD, ["4111111111111111", "4111 1111 1111 1111", "4111-1111-1111-1111"]),
        (Kind.MOBILE, ["13812345678", "+86 138 1234 5678", "8613812345678", "138-1234-5678"]),
        (Kind.USCC, ["9144030071526726XG", "9144030071526726xg"]),
    ],
)
def test_one_number_written_in_several_ways_has_one_pseudonym(kind: Kind, values: list[str]) -> None:
    found = made(kind, *values)
    assert None not in found
    assert len(set(found)) == 1


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (Kind.RESIDENT_ID, "110105194912310021"),  # its check digit
        (Kind.RESIDENT_ID, "110105194902300020"),  # its date
        (Kind.RESIDENT_ID, "721352192809263924"),  # its province, being a pseudonym
        (Kind.USCC, "9144030071526726XH"),
        (Kind.BANK_CARD, "4111111111111112"),
        (Kind.MOBILE, "12012345678"),
    ],
)
def test_what_fails_its_check_has_no_pseudonym(kind: Kind, value: str) -> None:
    assert made(kind, value) == [None]


def test_a_foreigner_s_number_has_a_pseudonym_too() -> None:
    body = "91115619900101012"
    (found,) = made(Kind.RESIDENT_ID, body + ric.calc_check_digit(body + "0"))
    assert found is not None
    assert int(found[:2]) in FREE


def test_no_province_of_the_table_is_taken_for_free() -> None:
    assert not {str(code) for code in FREE} & _PROVINCES
    assert len(FREE) == 44


@pytest.mark.parametrize("kind", FORMS)
def test_every_domain_has_a_million_places_and_more_than_are_read(kind: Kind) -> None:
    for form in FORMS[kind]:
        assert form.domain.rows * form.domain.columns >= LEAST
