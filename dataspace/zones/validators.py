"""Tests of values, each over a whole column at once: could this text be such a thing at all.

Each function takes a pyarrow array of non-null texts and returns a numpy array
of booleans. Regular expressions are RE2's, which run in linear time, and are
constants of this file: a pack names a test, it never brings one.
"""

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dataspace.zones import surnames
from dataspace.zones.regions import PROVINCES
from dataspace.zones.schema import Check

Bools = npt.NDArray[np.bool_]
Validator = Callable[[pa.StringArray], Bools]

_PLATES = "".join(province.plate for province in PROVINCES if province.code < "70")
_SHORT = "|".join(province.short for province in PROVINCES)
_SURNAMES = "".join(surnames.COMMON + surnames.FURTHER)
_USCC_ALPHABET = b"0123456789ABCDEFGHJKLMNPQRTUWXY"
_USCC_SET = "0-9A-HJ-NPQRTUWXY"
_RIC_WEIGHTS = np.array(
    [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2]
)  # GB 11643-1999, 2^(18-i) mod 11
_RIC_CHECKS = np.frombuffer(b"10X98765432", np.uint8)
_USCC_WEIGHTS = np.array([pow(3, i, 31) for i in range(17)])  # GB 32100-2015
_MONTH_DAYS = np.array([0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])
_DATE = (
    r"^((1[6-9]|20|21)\d\d([-/.](0?[1-9]|1[0-2])[-/.](0?[1-9]|[12]\d|3[01])|(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])"
    r"|年(0?[1-9]|1[0-2])月((0?[1-9]|[12]\d|3[01])日)?)"
    r"|(0?[1-9]|[12]\d|3[01])[-/.](0?[1-9]|[12]\d|3[01])[-/.](1[6-9]|20|21)\d\d)"
    r"([ T]\d{1,2}:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:?\d\d)?)?$"
)
# What tests look for, in a sentence's words: "9,871 of 10,000 values pass <this>".
DESCRIPTIONS: Mapping[Check, str] = {
    Check.RESIDENT_ID: "the GB 11643 check of digit and birth date",
    Check.USCC: "the GB 32100 check",
    Check.BANK_CARD: "the Luhn check with a card's prefix and length",
    Check.MOBILE: "the form of a mobile number",
    Check.LANDLINE: "the form of a landline number",
    Check.EMAIL: "the form of an e-mail address",
    Check.PLATE: "the form of a vehicle plate",
    Check.PASSPORT: "the form of a passport number",
    Check.ICD10: "the form of an ICD-10 code",
    Check.DATE: "the form of a date",
    Check.AMOUNT: "the form of an amount",
    Check.AGE: "the range of an age",
    Check.SEX: "the words for a sex",
    Check.POSTCODE: "the form of a postal code",
    Check.ADDRESS: "the form of an address",
    Check.PERSON_NAME: "the form of a personal name",
    Check.COMPANY_NAME: "the form of an organisation's name",
    Check.IDENTIFIER: "the form of an identifier",
}


def test(check: Check, values: pa.StringArray) -> Bools:
    """Return for each value whether it passes."""
    return VALIDATORS[check](values)


def _matching(pattern: str) -> Validator:
    def validator(values: pa.StringArray) -> Bools:
        return _bools(pc.match_substring_regex(values, pattern))

    return validator


def _bools(array: pa.BooleanArray) -> Bools:
    return np.asarray(array.to_numpy(zero_copy_only=False), dtype=np.bool_)


def _among(values: pa.StringArray, pattern: str, inner: Callable[[npt.NDArray[np.uint8]], Bools]) -> Bools:
    """Test with `inner` the bytes (one row each, all of one length) of the values that match `pattern`."""
    shaped = _bools(pc.match_substring_regex(values, pattern))
    if shaped.any():
        texts = values.filter(pa.array(shaped))
        width = len(texts[0].as_py())
        rows = np.frombuffer("".join(texts.to_pylist()).encode(), np.uint8).reshape(-1, width)
        shaped[shaped] = inner(rows)
    return shaped


def _resident_id(values: pa.StringArray) -> Bools:
    return _among(pc.utf8_upper(values), r"^[1-8]\d{16}[0-9X]$", _resident_rows)


def _resident_rows(rows: npt.NDArray[np.uint8]) -> Bools:
    digits = rows[:, :17].astype(np.int64) - 48
    good = _RIC_CHECKS[digits @ _RIC_WEIGHTS % 11] == rows[:, 17]
    year, month, day = (
        digits[:, a:b] @ 10 ** np.arange(b - a)[::-1] for a, b in ((6, 10), (10, 12), (12, 14))
    )
    leap = (month == 2) & (year % 4 == 0) & ((year % 100 != 0) | (year % 400 == 0))
    known = (month >= 1) & (month <= 12)
    days = _MONTH_DAYS[np.where(known, month, 0)] + leap
    return np.asarray(good & known & (day >= 1) & (day <= days) & (year >= 1850) & (year <= 2100))


def _uscc(values: pa.StringArray) -> Bools:
    # Letters are legal in the first two places; only the six digits of the division follow them.
    return _among(pc.utf8_upper(values), rf"^[{_USCC_SET}]{{2}}\d{{6}}[{_USCC_SET}]{{10}}$", _uscc_rows)


def _uscc_rows(rows: npt.NDArray[np.uint8]) -> Bools:
    places = np.zeros(256, np.int64)
    places[np.frombuffer(_USCC_ALPHABET, np.uint8)] = np.arange(31)
    numbers = places[rows]
    return np.asarray((31 - numbers[:, :17] @ _USCC_WEIGHTS % 31) % 31 == numbers[:, 17])


def _bank_card(values: pa.StringArray) -> Bools:
    passed = np.zeros(len(values), np.bool_)
    for shape in (
        r"^3[47]\d{13}$",
        r"^(62|4\d|5[1-5]|35)\d{14}$",
        r"^62\d{15}$",
        r"^62\d{16}$",
        r"^62\d{17}$",
    ):
        passed |= _among(values, shape, _luhn_rows)
    return passed


def _luhn_rows(rows: npt.NDArray[np.uint8]) -> Bools:
    digits = rows[:, ::-1].astype(np.int64) - 48
    doubled = digits[:, 1::2] * 2
    total = digits[:, ::2].sum(axis=1) + (doubled - 9 * (doubled > 9)).sum(axis=1)
    return np.asarray(total % 10 == 0)


VALIDATORS: Mapping[Check, Validator] = {
    Check.RESIDENT_ID: _resident_id,
    Check.USCC: _uscc,
    Check.BANK_CARD: _bank_card,
    Check.MOBILE: _matching(r"^(\+?86[- ]?)?1[3-9]\d{9}$"),
    Check.LANDLINE: _matching(r"^(\(0\d{2,3}\)|0\d{2,3}[- ]?)[2-8]\d{6,7}([-转]\d{1,6})?$"),
    Check.EMAIL: _matching(r"^[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,24}$"),
    # GA 36: no I and no O; new-energy plates have one place more.
    Check.PLATE: _matching(rf"^[{_PLATES}][A-HJ-NP-Z][·• ]?[A-HJ-NP-Z0-9]{{4,5}}[A-HJ-NP-Z0-9挂学警港澳]$"),
    Check.PASSPORT: _matching(r"^([EGDSP]\d{8}|E[A-HJ-NP-Z]\d{7})$"),
    Check.ICD10: _matching(r"^[A-Z]\d{2}(\.[0-9x]\d{0,2}(x\d{3})?)?[+*]?$"),
    Check.DATE: _matching(_DATE),
    Check.AMOUNT: _matching(r"^-?[¥￥]?(\d{1,15}|\d{1,3}(,\d{3}){1,5})(\.\d{1,15})?([eE][+-]\d{2})?$"),
    Check.AGE: _matching(r"^(\d{1,2}|1[0-2]\d)$"),
    Check.SEX: _matching(r"^([男女]性?|未知|未说明|[MFmf]|[Mm]ale|[Ff]emale|MALE|FEMALE|[0129])$"),
    Check.POSTCODE: _matching(r"^\d{5,6}(-\d{4})?$"),
    Check.ADDRESS: _matching(
        rf"^(中国)?({_SHORT}).*[市区县镇乡村路街道号楼栋室弄巷]|^.{{2,12}}[市区县].*[镇乡村路街道号楼栋室弄巷]"
    ),
    Check.PERSON_NAME: _matching(rf"^([{_SURNAMES}]|{'|'.join(surnames.COMPOUND)})\p{{Han}}{{1,2}}$"),
    Check.COMPANY_NAME: _matching(
        r"^.{2,}(公司|集团|厂|中心|合作社|银行|支行|医院|事务所|委员会|学校|大学|研究院|研究所|商行|经营部|工作室)$"
        r"|^.{2,}[ ,](Ltd|Inc|LLC|Corp|GmbH|PLC|Limited|Company)\.?$"
    ),
    Check.IDENTIFIER: _matching(r"^[A-Za-z0-9][A-Za-z0-9_/-]{0,63}$"),
}
