"""What a title, a description or the name of a file seems to tell of persons.

These texts are public, and entries of the ledger hold some of them for ever, so
that they are looked through before. Numbers are found however they are spaced;
names only where the text itself says that a name follows.
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping
from typing import Final

import pyarrow as pa

from dataspace.zones import surnames
from dataspace.zones.schema import Check
from dataspace.zones.validators import test

_LONGEST: Final = 100_000
_BEFORE: Final = r"(?<![0-9A-Za-z])"
_AFTER: Final = r"(?![0-9A-Za-z])"
_NAME: Final = (
    rf"(?:[{''.join(surnames.COMMON + surnames.FURTHER)}]|{'|'.join(surnames.COMPOUND)})[一-鿿]{{1,2}}"
)
# Candidates of each kind; the check then decides.
_CANDIDATES: Final[Mapping[Check, re.Pattern[str]]] = {
    Check.RESIDENT_ID: re.compile(rf"{_BEFORE}\d{{6}}[ -]?\d{{4}}[ -]?\d{{4}}[ -]?\d{{3}}[\dXx]{_AFTER}"),
    Check.BANK_CARD: re.compile(rf"{_BEFORE}(?:\d{{4}}[ -]?){{3}}\d{{2,4}}(?:[ -]?\d{{1,3}})?{_AFTER}"),
    Check.MOBILE: re.compile(r"(?<!\d)(?:\+?86[ -]?)?1[3-9]\d[ -]?\d{4}[ -]?\d{4}(?!\d)"),
    Check.LANDLINE: re.compile(r"(?<!\d)(?:\(0\d{2,3}\)|0\d{2,3}-)\d{7,8}(?:-\d{1,6})?(?!\d)"),
    Check.EMAIL: re.compile(r"[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9.-]{1,190}"),
    Check.PLATE: re.compile(rf"[一-鿿][A-HJ-NP-Z][·• ]?[A-HJ-NP-Z0-9]{{4,6}}[挂学警港澳]?{_AFTER}"),
    Check.PASSPORT: re.compile(rf"{_BEFORE}(?:[EG]\d{{8}}|E[A-HJ-NP-Z]\d{{7}}){_AFTER}"),
    Check.PERSON_NAME: re.compile(
        rf"(?:姓名|患者|病人|联系人|户名)[ ]?[:：为是][ ]?({_NAME})(?![一-鿿])|({_NAME})(?:先生|女士|同志)"
    ),
}
_SPACED: Final = (Check.RESIDENT_ID, Check.BANK_CARD, Check.MOBILE)


def personal(text: str) -> list[Check]:
    """Return the kinds of personal data that a text seems to hold, each once; none is the good case."""
    plain = unicodedata.normalize("NFKC", text[:_LONGEST])
    found = []
    for check in _CANDIDATES:
        values = pa.array(sorted(set(_candidates(check, plain))), pa.string())
        if len(values) and test(check, values).any():
            found.append(check)
    return found


def _candidates(check: Check, text: str) -> Iterator[str]:
    for match in _CANDIDATES[check].finditer(text):
        value = next((group for group in match.groups() if group), match.group())
        yield re.sub(r"[ -]", "", value) if check in _SPACED else value.rstrip(".")
