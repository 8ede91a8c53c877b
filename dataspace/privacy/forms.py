"""Identifiers as places of a domain: read from their characters, and written as numbers that nobody has.

`identifiers` says which numbers those are and why. A `Form` reads only what is
right in every respect, so that no two values have one place, and writes only what
is right in every respect but one: its division, issuer or prefix.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np
import numpy.typing as npt

from dataspace.privacy.fpe import Domain
from dataspace.privacy.parameters import Kind

Bytes = npt.NDArray[np.uint8]  # a row of characters for each value
Places = npt.NDArray[np.int64]
Read = tuple[npt.NDArray[np.bool_], Places, Places]  # which rows are of the form; the row and column of all

# Provinces of GB/T 2260, and 83 of the residence permits for Taiwan residents.
PROVINCES: Final = (
    *(11, 12, 13, 14, 15, 21, 22, 23, 31, 32, 33, 34, 35, 36, 37, 41, 42, 43, 44, 45, 46),
    *(50, 51, 52, 53, 54, 61, 62, 63, 64, 65, 71, 81, 82),
)
_PERMITS: Final = (*PROVINCES, 83)
_BODIES: Final = (10, *_PERMITS)  # 10: registered with an authority of the state
FREE: Final = tuple(code for code in range(11, 90) if code not in _PERMITS)
_RESIDENT_WEIGHTS: Final = np.array([7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2])  # GB 11643-1999
_RESIDENT_CHECKS: Final = np.frombuffer(b"10X98765432", np.uint8)
_CREDIT_LETTERS: Final = b"0123456789ABCDEFGHJKLMNPQRTUWXY"  # GB 32100-2015, table 1
_CREDIT_WEIGHTS: Final = np.array([pow(3, place, 31) for place in range(17)])
_BODY_WEIGHTS: Final = np.array([3, 7, 9, 10, 5, 8, 4, 2])  # GB 11714-1997
_AUTHORITIES: Final = b"123456789ANY"  # GB 32100-2015, table 2
# Birth dates that are read: 1900 to 2039; and written: 1900 to 2024, no day of the future.
_EPOCH: Final = np.datetime64("1900-01-01")
_READ_DAYS: Final = int((np.datetime64("2040-01-01") - _EPOCH).astype(int))
_WRITTEN_DAYS: Final = int((np.datetime64("2025-01-01") - _EPOCH).astype(int))
# By length: how card numbers begin that are read. Of all banks' there are more than free numbers.
_ISSUERS: Final[Mapping[int, str]] = {
    15: "34 37 69",
    16: "35 4 51 52 53 54 55 589 60 62 68 69 940 95 998",
    17: "589 60 62 68 69 90 940 95 96 998",
    18: "589 60 62 68 69 90 940 95 96 998",
    19: "103 589 60 62 68 69 90 940 95 96 984 998",
}
_FREE_ISSUERS: Final = "02 03 04 05 06 07 08 09"
_MORE_ISSUERS: Final = "100 101 102 104 105 106 107 108 109 11 12 13 14 15 16 17 19 81 82 83 85 86"
_BRANCH: Final = 31**4


@dataclass(frozen=True)
class Form:
    """One way to read and write identifiers; `width`: characters, `pattern`: RE2 of upper-case text."""

    name: str
    pattern: str
    width: int
    domain: Domain
    read: Callable[[Bytes], Read]
    write: Callable[[Places, Places], Bytes]


def _number(rows: Bytes, start: int, end: int) -> Places:
    """Return the whole numbers that the digits from `start` to `end` of each row write."""
    total = np.zeros(len(rows), np.int64)
    for place in range(start, end):
        total = total * 10 + (rows[:, place] - 48)
    return total


def _digits(rows: Bytes, start: int, end: int, numbers: Places) -> None:
    """Write numbers as digits from `start` to `end`."""
    for place in range(end - 1, start - 1, -1):
        numbers, digit = np.divmod(numbers, 10)
        rows[:, place] = digit + 48


def _ranks(words: Sequence[int], size: int) -> Places:
    """Return for each number below `size` its place among `words`, -1 if it is none of them."""
    found = np.full(size, -1, np.int64)
    found[list(words)] = np.arange(len(words))
    return found


def _split(total: int) -> Domain:
    """Return the domain of `total` places that is closest to a square."""
    sizes = [
        2**i * 3**j * 5**k * 11**m for i in range(24) for j in range(4) for k in range(20) for m in range(2)
    ]
    columns = min((size for size in sizes if total % size == 0), key=lambda size: abs(size - total // size))
    return Domain(total // columns, columns)


def _resident_check(rows: Bytes) -> Bytes:
    digits = rows[:, :17].astype(np.int64) - 48
    return np.asarray(_RESIDENT_CHECKS[digits @ _RESIDENT_WEIGHTS % 11])


def _read_resident(rows: Bytes) -> Read:
    ranks, province = _ranks(_PERMITS, 100), _number(rows, 0, 2)
    # Of foreigners with permanent residence: 9, the province, the nationality.
    foreign = _ranks(PROVINCES, 100)[_number(rows, 1, 3)]
    division = ranks[province] * 10_000 + _number(rows, 2, 6)
    abroad = (len(_PERMITS) * 10 + foreign) * 1000 + _number(rows, 3, 6)
    is_abroad = rows[:, 0] == ord("9")
    known = np.where(is_abroad, foreign, ranks[province]) >= 0
    year, month, day = _number(rows, 6, 10), _number(rows, 10, 12), _number(rows, 12, 14)
    months = (year - 1970).astype("M8[Y]").astype("M8[M]") + np.clip(month - 1, 0, 11)
    dates = months.astype("M8[D]") + (day - 1).astype("m8[D]")
    born: Places = (dates - np.full(1, _EPOCH)).astype(np.int64)
    dated = (
        (dates.astype("M8[M]") == months) & (month >= 1) & (month <= 12) & (born >= 0) & (born < _READ_DAYS)
    )
    place = (np.where(is_abroad, abroad, division) * _READ_DAYS + born) * 1000 + _number(rows, 14, 17)
    fits = known & dated & (_resident_check(rows) == rows[:, 17])
    row, column = np.divmod(place, _RESIDENTS.columns)
    return fits, row, column


def _write_resident(row: Places, column: Places) -> Bytes:
    place, sequence = np.divmod(row * _RESIDENTS.columns + column, 1000)
    division, born = np.divmod(place, _WRITTEN_DAYS)
    dates = np.full(1, _EPOCH) + born.astype("m8[D]")
    years, months = dates.astype("M8[Y]"), dates.astype("M8[M]")
    rows = np.empty((len(row), 18), np.uint8)
    _digits(rows, 0, 2, np.array(FREE)[division // 10_000])
    _digits(rows, 2, 6, division % 10_000)
    _digits(rows, 6, 10, years.astype(np.int64) + 1970)
    _digits(rows, 10, 12, (months - years.astype("M8[M]")).astype(np.int64) + 1)
    _digits(rows, 12, 14, (dates - months.astype("M8[D]")).astype(np.int64) + 1)
    _digits(rows, 14, 17, sequence)
    rows[:, 17] = _resident_check(rows)
    return rows


def _table(letters: bytes) -> Places:
    """Return for each character its place among `letters`, -1 if it is none of them."""
    return _ranks(tuple(letters), 256)


def _body_check(rows: Bytes) -> Places:
    """Return the right check character of each organisation code, as its place in the alphabet."""
    values = _table(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ")[rows[:, 8:16]]
    check = (11 - values @ _BODY_WEIGHTS % 11) % 11
    return np.where(check == 10, _CREDIT_LETTERS.index(b"X"), check)


def _letters(numbers: Places, size: int) -> Bytes:
    """Return numbers written with the alphabet of credit codes, in `size` characters."""
    powers = 31 ** np.arange(size)[::-1]
    return np.asarray(np.frombuffer(_CREDIT_LETTERS, np.uint8)[numbers[:, None] // powers % 31])


def _read_credit(rows: Bytes, *, wrong: bool) -> Read:
    """Read credit codes whose organisation code has a right check digit, or those where it is wrong.

    How far it is off is a part of the place of the wrong ones, so that it does not stay.
    """
    letters = _table(_CREDIT_LETTERS)[rows]
    authority, province = _table(_AUTHORITIES)[rows[:, 0]], _ranks(_BODIES, 100)[_number(rows, 2, 4)]
    off = (letters[:, 16] - _body_check(rows)) % 31
    right = (31 - letters[:, :17] @ _CREDIT_WEIGHTS % 31) % 31 == letters[:, 17]
    fits = right & (authority >= 0) & (province >= 0) & ((off > 0) == wrong)
    powers = 31 ** np.arange(4)[::-1]
    high, low = letters[:, 8:12] @ powers, letters[:, 12:16] @ powers
    head = (authority * 9 + rows[:, 1] - ord("1")) * len(FREE) + province
    local = _number(rows, 4, 8)
    if wrong:
        head, local = head * 10 + local // 1000, (off - 1) * 1000 + local % 1000
    return fits, head * _BRANCH + high, local * _BRANCH + low


def _write_credit(row: Places, column: Places, *, wrong: bool) -> Bytes:
    (head, high), (local, low) = np.divmod(row, _BRANCH), np.divmod(column, _BRANCH)
    off = np.zeros_like(local)
    if wrong:
        (head, first), (off, local) = np.divmod(head, 10), np.divmod(local, 1000)
        local, off = first * 1000 + local, off + 1
    kind, province = np.divmod(head, len(FREE))
    rows = np.empty((len(row), 18), np.uint8)
    rows[:, 0] = np.frombuffer(_AUTHORITIES, np.uint8)[kind // 9]
    _digits(rows, 1, 2, kind % 9 + 1)
    _digits(rows, 2, 4, np.array(FREE)[province])
    _digits(rows, 4, 8, local)
    rows[:, 8:12], rows[:, 12:16] = _letters(high, 4), _letters(low, 4)
    rows[:, 16:17] = _letters((_body_check(rows) + off) % 31, 1)
    letters = _table(_CREDIT_LETTERS)[rows[:, :17]]
    rows[:, 17:] = _letters((31 - letters @ _CREDIT_WEIGHTS % 31) % 31, 1)
    return rows


def _issuers(words: str) -> tuple[int, ...]:
    """Return all three-digit beginnings of numbers that begin with one of some words."""
    beginnings = tuple(words.split())
    return tuple(number for number in range(1000) if f"{number:03}".startswith(beginnings))


def _luhn(rows: Bytes) -> Places:
    """Return the right check digit of card numbers (ISO/IEC 7812-1, annex B), whatever their last place."""
    digits = rows[:, -2::-1].astype(np.int64) - 48
    doubled = digits[:, ::2] * 2
    total = digits[:, 1::2].sum(axis=1) + (doubled - 9 * (doubled > 9)).sum(axis=1)
    return np.asarray(-total % 10)


def _read_card(rows: Bytes, *, issuers: Places, domain: Domain) -> Read:
    length = rows.shape[1]
    issuer = issuers[_number(rows, 0, 3)]
    place = issuer * 10 ** (length - 4) + _number(rows, 3, length - 1)
    fits = (issuer >= 0) & (_luhn(rows) + 48 == rows[:, -1])
    row, column = np.divmod(place, domain.columns)
    return fits, row, column


def _write_card(row: Places, column: Places, *, length: int, free: Places, domain: Domain) -> Bytes:
    issuer, account = np.divmod(row * domain.columns + column, 10 ** (length - 4))
    rows = np.full((len(row), length), 48, np.uint8)
    _digits(rows, 0, 3, free[issuer])
    _digits(rows, 3, length - 1, account)
    rows[:, -1] = _luhn(rows) + 48
    return rows


def _read_mobile(rows: Bytes) -> Read:
    row, column = np.divmod(_number(rows, 1, 11), _MOBILES.columns)
    return np.ones(len(rows), np.bool_), row, column


def _write_mobile(row: Places, column: Places) -> Bytes:
    rows = np.empty((len(row), 11), np.uint8)
    _digits(rows, 0, 11, row * _MOBILES.columns + column + 2 * 10**10)
    return rows


def _card(length: int) -> Form:
    free = np.array(_issuers(f"{_FREE_ISSUERS} {_MORE_ISSUERS}" if length == 16 else _FREE_ISSUERS))
    domain = _split(len(free) * 10 ** (length - 4))
    issuers = _ranks(_issuers(_ISSUERS[length]), 1000)
    read = partial(_read_card, issuers=issuers, domain=domain)
    write = partial(_write_card, length=length, free=free, domain=domain)
    return Form(f"card {length}", rf"^[0-9]{{{length}}}$", length, domain, read, write)


def _credit(name: str, domain: Domain, *, wrong: bool) -> Form:
    read, write = partial(_read_credit, wrong=wrong), partial(_write_credit, wrong=wrong)
    return Form(name, r"^[0-9A-Z][1-9][0-9]{6}[0-9A-HJ-NPQRTUWXY]{10}$", 18, domain, read, write)


_RESIDENTS: Final = _split(len(FREE) * 10_000 * _WRITTEN_DAYS * 1000)
_MOBILES: Final = _split(7 * 10**10)
_HEADS: Final = len(_AUTHORITIES) * 9 * len(FREE)
FORMS: Final[Mapping[Kind, Sequence[Form]]] = {
    Kind.RESIDENT_ID: [
        Form("resident", r"^[1-9][0-9]{16}[0-9X]$", 18, _RESIDENTS, _read_resident, _write_resident)
    ],
    Kind.USCC: [
        _credit("credit", Domain(_HEADS * _BRANCH, 10_000 * _BRANCH), wrong=False),
        _credit("credit off", Domain(_HEADS * 10 * _BRANCH, 30_000 * _BRANCH), wrong=True),
    ],
    Kind.BANK_CARD: [_card(length) for length in _ISSUERS],
    Kind.MOBILE: [Form("mobile", r"^1[3-9][0-9]{9}$", 11, _MOBILES, _read_mobile, _write_mobile)],
}
