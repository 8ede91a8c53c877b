"""Tests of values, each over a whole column at once: could this text be such a thing at all.

Each function takes a pyarrow array of non-null texts and returns a numpy array
of booleans. Regular expressions are RE2's, which run in linear time; those of
the checks are constants of this file, those that packs and providers bring are
of the dialect of `patterns.py`.
"""

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dataspace.zones import digits, divisions, surnames
from dataspace.zones.patterns import matches
from dataspace.zones.regions import PROVINCES
from dataspace.zones.schema import Check, CheckDigit, Field

Bools = npt.NDArray[np.bool_]
Validator = Callable[[pa.StringArray], Bools]

_PLATES = "".join(province.plate for province in PROVINCES if province.code < "70")
_SURNAMES = "".join(surnames.COMMON + surnames.FURTHER)
_DATE = (
    r"^((1[6-9]|20|21)\d\d([-/.](0?[1-9]|1[0-2])[-/.](0?[1-9]|[12]\d|3[01])|(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])"
    r"(([01]\d|2[0-3])[0-5]\d[0-5]\d)?|年(0?[1-9]|1[0-2])月((0?[1-9]|[12]\d|3[01])日)?)"
    r"|(0?[1-9]|[12]\d|3[01])[-/.](0?[1-9]|[12]\d|3[01])[-/.](1[6-9]|20|21)\d\d)"
    r"([ T]\d{1,2}:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:?\d\d)?)?$"
)


def test(check: Check, values: pa.StringArray) -> Bools:
    """Return for each value whether it passes."""
    return VALIDATORS[check](values)


def conforms(field: Field, values: pa.StringArray) -> Bools | None:
    """Return for each value whether it is what the field says, or None when the field does not say."""
    if not field.tests:
        return None
    passed = np.ones(len(values), np.bool_)
    if field.check is not None:
        passed &= test(field.check, values)
    if field.pattern:
        passed &= matches(field.pattern, values)
    if field.check_digit is not CheckDigit.NONE:
        passed &= digits.any_width(values, _DIGITS[field.check_digit], range(2, 41))
    return passed


_DIGITS = {CheckDigit.LUHN: digits.luhn, CheckDigit.MOD11_2: digits.mod11_2, CheckDigit.MOD31: digits.mod31}


def counties(values: pa.StringArray) -> Bools:
    """Return which resident numbers begin with the code that a county had at birth or later."""
    return digits.of_width(values, 18, digits.county)


def _matching(pattern: str) -> Validator:
    def validator(values: pa.StringArray) -> Bools:
        return _bools(pc.match_substring_regex(values, pattern))

    return validator


def _bools(array: pa.BooleanArray) -> Bools:
    return np.asarray(array.to_numpy(zero_copy_only=False), dtype=np.bool_)


def _bank_card(values: pa.StringArray) -> Bools:
    passed = np.zeros(len(values), np.bool_)
    for width in digits.CARD_WIDTHS:
        passed |= digits.of_width(values, width, digits.card)
    return passed


def _address(values: pa.StringArray) -> Bools:
    """Test for a place in a division; an organisation's name that begins with one is no address."""
    shaped = _STREET(values)
    if shaped.any():
        texts = values.filter(pa.array(shaped))
        shaped[shaped] = _each(texts, divisions.begins) & ~VALIDATORS[Check.COMPANY_NAME](texts)
    return np.asarray(shaped | _WESTERN_ADDRESS(values))


def _division(values: pa.StringArray) -> Bools:
    """Test for names, and for codes of counties (six digits), prefectures (four) and provinces (two)."""
    found = _each(values, divisions.names_only)
    for width in (2, 4, 6):
        found |= digits.of_width(values, width, digits.division)
    return found


def _each(values: pa.StringArray, test: Callable[[str], bool]) -> Bools:
    """Return which values pass a test of single ones, each distinct one tested once."""
    encoded = pc.dictionary_encode(values)
    passed = np.fromiter((test(text) for text in encoded.dictionary.to_pylist()), np.bool_)
    return np.asarray(passed[encoded.indices.to_numpy()]) if len(passed) else np.zeros(0, np.bool_)


_STREET = _matching(
    r"^\p{Han}{2}[^,，;；。]*"
    r"(路|街|道|巷|弄|胡同|里|村|屯|社区|镇|乡|园|苑|小区|大厦|广场|号|楼|栋|幢|座|单元|室|组|队)"
)
_WESTERN_ADDRESS = _matching(
    r"^\d{1,6} [A-Z].*"
    r"\b(St|Street|Ave|Avenue|Rd|Road|Blvd|Ln|Lane|Dr|Drive|Way|Ct|Court|Pl|Place|Parkway|Run)\b"
)
_OCTET = r"(25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)"
_LATITUDE = r"[-+]?(90(\.0+)?|[0-8]?\d\.\d{1,15})"
_LONGITUDE = r"[-+]?(180(\.0+)?|(1[0-7]\d|\d{1,2})\.\d{1,15})"


VALIDATORS: Mapping[Check, Validator] = {
    Check.RESIDENT_ID: lambda values: digits.of_width(values, 18, digits.resident_id),
    Check.USCC: lambda values: digits.of_width(values, 18, digits.uscc),
    Check.BANK_CARD: _bank_card,
    Check.MOBILE: _matching(r"^(\+?86[- ]?)?1[3-9]\d{9}$"),
    Check.LANDLINE: _matching(
        r"^(\(0([12]\d|[3-9]\d{2})\)|0([12]\d|[3-9]\d{2})[- ]?)[2-8]\d{6,7}([-转]\d{1,6})?$"
    ),
    Check.EMAIL: _matching(r"^[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,24}$"),
    # GA 36: no I and no O; new-energy plates have one place more.
    Check.PLATE: _matching(rf"^[{_PLATES}][A-HJ-NP-Z][·• ]?[A-HJ-NP-Z0-9]{{4,5}}[A-HJ-NP-Z0-9挂学警港澳]$"),
    Check.PASSPORT: _matching(r"^([EGDSP]\d{8}|E[A-HJ-NP-Z]\d{7})$"),
    Check.IP: _matching(
        rf"^(({_OCTET}\.){{3}}{_OCTET}|([0-9A-Fa-f]{{1,4}}:){{7}}[0-9A-Fa-f]{{1,4}}"
        r"|([0-9A-Fa-f]{1,4}:){1,6}(:[0-9A-Fa-f]{1,4}){1,6}|::1)$"
    ),
    Check.COORDINATE: _matching(
        rf"^({_LONGITUDE}|[(\[]?({_LATITUDE}[,; ] ?{_LONGITUDE}|{_LONGITUDE}[,; ] ?{_LATITUDE})[)\]]?)$"
    ),
    Check.DIVISION: _division,
    Check.ICD10: _matching(r"^[A-Z]\d{2}(\.[0-9x]\d{0,2}(x\d{3})?)?[+*]?$"),
    Check.DATE: _matching(_DATE),
    Check.AMOUNT: _matching(r"^-?[¥￥]?(\d{1,15}|\d{1,3}(,\d{3}){1,5})(\.\d{1,15})?([eE][+-]\d{2})?$"),
    Check.AGE: _matching(r"^(\d{1,2}|1[0-2]\d)$"),
    Check.SEX: _matching(r"^([男女]性?|未知|未说明|[MFmf]|[Mm]ale|[Ff]emale|MALE|FEMALE|[0129])$"),
    Check.POSTCODE: _matching(r"^\d{5,6}(-\d{4})?$"),
    Check.ADDRESS: _address,
    Check.PERSON_NAME: _matching(
        rf"^([{_SURNAMES}]|{'|'.join(surnames.COMPOUND)})\p{{Han}}{{1,2}}$|^\p{{Han}}{{2,10}}[·•]\p{{Han}}{{1,10}}$"
    ),
    Check.COMPANY_NAME: _matching(
        r"^.{2,}(公司|集团|厂|中心|合作社|银行|支行|医院|事务所|委员会|学校|大学|研究院|研究所|商行|经营部|工作室)$"
        r"|^.{2,}[ ,](Ltd|Inc|LLC|Corp|GmbH|PLC|Limited|Company)\.?$"
    ),
    Check.IDENTIFIER: _matching(r"^[A-Za-z0-9][A-Za-z0-9_/-]{0,63}$"),
}
