"""Check digits of whole columns at once.

Values of one length lie in a table of bytes, one value to a column of it, so
that every step works on one place of all values: some nanoseconds for a value.
Blocks are small enough that a step's operands stay in the processor's cache.
"""

import re
from collections.abc import Callable
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dataspace.zones import divisions

Bools = npt.NDArray[np.bool_]
Bytes = npt.NDArray[np.uint8]  # one row for each place, one column for each value

_BLOCK: Final = 1 << 15
_RIC_CHECKS: Final = np.frombuffer(b"10X98765432", np.uint8)  # GB 11643-1999, by the sum modulo 11
_USCC_ALPHABET: Final = b"0123456789ABCDEFGHJKLMNPQRTUWXY"  # GB 32100-2015
_NO_SIGN: Final = 255
_MONTH_DAYS: Final = np.array([0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] + [0] * 87, np.uint8)
_OTHER_SIGNS: Final = r"[^0-9A-Za-z]"


def _prefixes(pattern: str) -> Bools:
    """Return for each number of four digits whether it begins as a pattern says."""
    begins = re.compile(pattern).match
    return np.array([begins(f"{number:04d}") is not None for number in range(10_000)])


# The lengths of card numbers and the prefixes of issuers (ISO/IEC 7812); 9558 is older than the standard.
_CARD_PREFIXES: Final = {
    14: _prefixes("3(0[0-5]|[68])"),
    15: _prefixes("3[47]"),
    16: _prefixes("62|81|4|5[1-5]|2[2-7]|35|6011|65"),
    17: _prefixes("62"),
    18: _prefixes("62|81"),
    19: _prefixes("62|81|9558"),
}
CARD_WIDTHS: Final = tuple(_CARD_PREFIXES)


def _table(alphabet: bytes) -> Bytes:
    """Return for each byte its place in the alphabet, either case."""
    table = np.full(256, _NO_SIGN, np.uint8)
    for text in (alphabet, alphabet.lower()):
        table[np.frombuffer(text, np.uint8)] = np.arange(len(alphabet))
    return table


_BY_31: Final = _table(_USCC_ALPHABET)
_BY_11: Final = _table(b"0123456789X")
_REGISTRARS: Final = _table(b"123456789ANY")  # who registers, by the first sign of GB 32100's code
_LUHN: Final = np.array([0, 2, 4, 6, 8, 1, 3, 5, 7, 9] + [0] * 246, np.uint8)


def of_width(values: pa.StringArray, width: int, test: Callable[[Bytes], Bools]) -> Bools:
    """Return which values are `width` bytes long and pass a test of their places."""
    if not len(values):
        return np.zeros(0, np.bool_)
    offsets = np.frombuffer(values.buffers()[1], np.int32, len(values) + 1, values.offset * 4)
    found = np.asarray(np.diff(offsets) == width)
    if not found.all():
        if not found.any():
            return found
        values = values.filter(pa.array(found))
        offsets = np.frombuffer(values.buffers()[1], np.int32, len(values) + 1, values.offset * 4)
    rows = np.frombuffer(values.buffers()[2], np.uint8)[offsets[0] : offsets[-1]].reshape(-1, width)
    passed = np.empty(len(rows), np.bool_)
    for start in range(0, len(rows), _BLOCK):
        passed[start : start + _BLOCK] = test(np.ascontiguousarray(rows[start : start + _BLOCK].T))
    found[found] = passed
    return found


def any_width(values: pa.StringArray, test: Callable[[Bytes], Bools], widths: range) -> Bools:
    """Return which values pass once what is neither digit nor letter is left out of them."""
    bare = pc.replace_substring_regex(values, _OTHER_SIGNS, "")
    found = np.zeros(len(values), np.bool_)
    for width in set(pc.unique(pc.binary_length(bare)).to_pylist()) & set(widths):
        found |= of_width(bare, width, test)
    return found


def resident_id(places: Bytes) -> Bools:
    """Test numbers of 18 signs by GB 11643-1999: check digit, date of birth, province."""
    digits = places[:17] - 48
    wanted = _RIC_CHECKS[_weighted(digits, [pow(2, 17 - place, 11) for place in range(17)]) % 11]
    check = places[17] & np.where(places[17] == ord("x"), 0xDF, 0xFF).astype(np.uint8)
    good = _digits(digits) & (wanted == check) & divisions.provinces()[_number(digits[:2]) % 100]
    year, month, day = _number(digits[6:10]), _number(digits[10:12]), _number(digits[12:14])
    leap = (month == 2) & (year % 4 == 0) & ((year % 100 != 0) | (year % 400 == 0))
    days = _MONTH_DAYS[month % 100] + leap
    return np.asarray(good & (day >= 1) & (day <= days) & (year >= 1850) & (year <= 2100))


def county(places: Bytes) -> Bools:
    """Test whether a resident number begins with a county's code that was in use at birth or later."""
    digits = places[:10] - 48
    last = divisions.county_years()[_number(digits[:6]) % 1_000_000]
    return np.asarray(_digits(digits) & (last >= np.maximum(_number(digits[6:]), 1)))


def division(places: Bytes) -> Bools:
    """Test whether at most six signs are the code of a division, of today or of the past, zeros left out."""
    digits = places - 48
    code = _number(digits) * 10 ** (6 - len(digits))
    return np.asarray(_digits(digits) & divisions.codes()[code % 1_000_000])


def uscc(places: Bytes) -> Bools:
    """Test codes of 18 signs by GB 32100-2015; letters are legal in the first two places, too."""
    numbers = _BY_31[places]
    good = _digits(places[2:8] - 48) & (_REGISTRARS[places[0]] != _NO_SIGN)
    return np.asarray(good & mod31(places) & (numbers[:17].max(axis=0) != _NO_SIGN))


def luhn(places: Bytes) -> Bools:
    """Test numbers by the last digit of ISO/IEC 7812-1."""
    digits = places - 48
    total = np.zeros(places.shape[1], np.uint16)
    for step, row in enumerate(digits[::-1]):
        total += _LUHN[row] if step % 2 else row
    return np.asarray(_digits(digits) & (total % 10 == 0))


def card(places: Bytes) -> Bools:
    """Test card numbers: the last digit, and an issuer's prefix for the length."""
    digits = places[:4] - 48
    prefixes = _CARD_PREFIXES[len(places)]
    return np.asarray(luhn(places) & _digits(digits) & prefixes[_number(digits) % 10_000])


def mod11_2(places: Bytes) -> Bools:
    """Test numbers by the last sign of ISO/IEC 7064, MOD 11-2; only there may it be an X."""
    digits, last = places[:-1] - 48, _BY_11[places[-1]]
    total = _weighted(digits, [pow(2, len(digits) - place, 11) for place in range(len(digits))])
    return np.asarray(_digits(digits) & (last != _NO_SIGN) & ((total + last) % 11 == 1))


def mod31(places: Bytes) -> Bools:
    """Test codes by the last sign as GB 32100-2015 counts it."""
    numbers = _BY_31[places]
    total = _weighted(numbers[:-1], [pow(3, place, 31) for place in range(len(numbers) - 1)])
    return np.asarray((numbers.max(axis=0) != _NO_SIGN) & ((total + numbers[-1]) % 31 == 0))


def _weighted(digits: Bytes, weights: list[int]) -> npt.NDArray[np.uint16]:
    total = np.zeros(digits.shape[1], np.uint16)
    for row, weight in zip(digits, weights, strict=True):
        total += row * np.uint16(weight)
    return total


def _digits(digits: Bytes) -> Bools:
    return np.asarray(digits.max(axis=0) <= 9)


def _number(digits: Bytes) -> npt.NDArray[np.int32]:
    number = np.zeros(digits.shape[1], np.int32)
    for row in digits:
        number = number * 10 + row
    return number
