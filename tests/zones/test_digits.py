from random import Random

import pyarrow as pa
import pytest
from stdnum import luhn
from stdnum.cn import ric, uscc
from stdnum.iso7064 import mod_11_2

from dataspace.zones import divisions
from dataspace.zones.digits import any_width
from dataspace.zones.digits import luhn as luhn_digits
from dataspace.zones.digits import mod11_2 as mod11_2_digits
from dataspace.zones.schema import Check
from dataspace.zones.validators import counties
from dataspace.zones.validators import test as passes
from tests.zones import drawn


def noisy(draw: drawn.Draw, count: int = 3000) -> list[str]:
    """Return numbers of which about half have one sign changed."""
    random = Random(11643)
    found = []
    for _ in range(count):
        value = draw(random)
        place = random.randrange(len(value))
        changed = value[:place] + random.choice("0123456789") + value[place + 1 :]
        found.append(changed if random.random() < 0.5 else value)
    return found


def test_resident_numbers_are_judged_as_stdnum_does() -> None:
    values = noisy(drawn.resident_id)
    ours = passes(Check.RESIDENT_ID, pa.array(values)) & counties(pa.array(values))
    # stdnum asks that the county existed at birth; numbers were only given out from 1984 on.
    recent = [(value, bool(good)) for value, good in zip(values, ours, strict=True) if value[6:10] > "1996"]
    assert len(recent) > 300
    assert [good for _, good in recent] == [ric.is_valid(value) for value, _ in recent]
    assert not any(ric.is_valid(value) and not good for value, good in zip(values, ours, strict=True))


def test_nobody_is_born_in_a_county_that_is_no_more() -> None:
    values = pa.array(["110103201101010000", "110103200901010000", "310115196608132213"])
    assert counties(values).tolist() == [False, True, True]


def test_digit_only_credit_codes_are_judged_as_stdnum_does() -> None:
    values = [value for value in noisy(drawn.uscc) if value[:8].isdigit()]
    assert passes(Check.USCC, pa.array(values)).tolist() == [
        uscc.is_valid(value) and value[0] != "0" for value in values
    ]


def test_a_luhn_number_of_any_length_is_judged_as_stdnum_does() -> None:
    values = noisy(lambda random: drawn.luhn("".join(random.choices("0123456789", k=random.randint(3, 20)))))
    assert any_width(pa.array(values), luhn_digits, range(2, 41)).tolist() == [
        luhn.is_valid(value) for value in values
    ]


def test_mod_11_2_of_any_length_is_judged_as_stdnum_does() -> None:
    def draw(random: Random) -> str:
        body = "".join(random.choices("0123456789", k=random.randint(3, 20)))
        return body + mod_11_2.calc_check_digit(body)

    values = noisy(draw)
    assert any_width(pa.array(values), mod11_2_digits, range(2, 41)).tolist() == [
        mod_11_2.is_valid(value) for value in values
    ]


def test_a_slice_of_an_array_is_judged_by_its_own_values() -> None:
    array = pa.array(["x", "11010519491231002X", None, "11010519491231002X", "440524188001010014"])
    sliced = array.slice(1).drop_null()
    assert passes(Check.RESIDENT_ID, sliced).tolist() == [True, True, True]
    assert passes(Check.RESIDENT_ID, array.slice(3, 2)).tolist() == [True, True]
    assert passes(Check.RESIDENT_ID, array.slice(0, 0)).tolist() == []


@pytest.mark.parametrize("code", ["110103", "320401", "110105"])
def test_counties_of_the_past_are_known(code: str) -> None:
    assert divisions.county_years()[int(code)]


def test_collective_codes_are_no_county() -> None:
    assert not divisions.county_years()[310000]
    assert not divisions.county_years()[110100]
    assert divisions.codes()[310000]


def test_residents_from_taiwan_have_a_code_of_their_own() -> None:
    body = "83000019900307001"
    total = sum(int(sign) * pow(2, 17 - place, 11) for place, sign in enumerate(body))
    assert passes(Check.RESIDENT_ID, pa.array([body + "10X98765432"[total % 11]])).all()
