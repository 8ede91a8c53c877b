"""The administrative divisions of GB/T 2260, past ones included: their codes and their names.

The table is that of python-stdnum (`cn/loc`): whoever was registered in a
county that has since been merged keeps the county's code in the number.
"""

import re
from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt
from stdnum import numdb

Bools = npt.NDArray[np.bool_]

# Of the numbers on residence permits for people from Hong Kong, Macau and Taiwan, which name no county.
_PERMITS: Final = (810000, 820000, 830000)
_OPEN: Final = 9999
_YEARS: Final = re.compile(r"\[\d{0,4}-(\d{0,4})\]")
_DEPTH: Final = 4  # province, prefecture, county, and what a county is named twice by
# Of no use as a name: divisions that only hold others.
_COLLECTIVE: Final = re.compile(r"^(市辖区|县|省直辖.*|自治区直辖.*)$")
_ENDINGS: Final = re.compile(
    r"(特别行政区|特別行政區|(维吾尔|壮族|回族)?自治区|省|市|地区|盟|(?<=..)(区|县|旗))$"
)


@lru_cache(maxsize=1)
def codes() -> Bools:
    """Return for each number below a million whether it was ever the code of a division."""
    found = np.zeros(1_000_000, np.bool_)
    for code, _ in _divisions():
        found[int(code)] = True
    found[list(_PERMITS)] = True
    found.setflags(write=False)
    return found


@lru_cache(maxsize=1)
def county_years() -> npt.NDArray[np.int16]:
    """Return for each number below a million the last year in which it was a county's code, or 0.

    Nobody born after a county's end has its code. Many who were born before its
    beginning have: numbers were given out from 1984 on, where people lived then.
    """
    found = np.zeros(1_000_000, np.int16)
    for code, text in _divisions():
        if not code.endswith("00"):
            ends = [int(last or _OPEN) for last in _YEARS.findall(text)]
            found[int(code)] = max(ends, default=_OPEN)
    found[list(_PERMITS)] = _OPEN
    found.setflags(write=False)
    return found


@lru_cache(maxsize=1)
def provinces() -> Bools:
    """Return for each number below a hundred whether codes of divisions begin with it."""
    found = np.zeros(100, np.bool_)
    found[np.flatnonzero(codes()) // 10_000] = True
    found.setflags(write=False)
    return found


def begins(text: str) -> bool:
    """Tell whether an address begins with the name of a division, and goes on."""
    rest = _after(text.removeprefix("中国"))
    return rest is not None and bool(rest)


def names_only(text: str) -> bool:
    """Tell whether a text is the name of a division, or of several within one another."""
    rest: str | None = text.removeprefix("中国").strip()
    for _ in range(_DEPTH):
        rest = _after(rest) if rest else rest
        if not rest:
            return rest == "" and bool(text)
        rest = rest.lstrip(" /-")
    return False


def _after(text: str) -> str | None:
    """Return what follows the longest name of a division that a text begins with, or None."""
    for name in _by_beginning().get(text[:2], ()):
        if text.startswith(name):
            return text[len(name) :]
    return None


@lru_cache(maxsize=1)
def _by_beginning() -> dict[str, list[str]]:
    """Return the names of divisions by their first two characters, the longest first."""
    found: dict[str, list[str]] = {}
    for name in sorted(_names(), key=len, reverse=True):
        found.setdefault(name[:2], []).append(name)
    return found


@lru_cache(maxsize=1)
def _names() -> frozenset[str]:
    """Return the names of divisions, in full and as people say them."""
    full = {name for _, text in _divisions() for name in _YEARS.sub("", text).split(",")}
    full = {name for name in full if len(name) > 1 and not _COLLECTIVE.match(name)}
    said = {_ENDINGS.sub("", name) for name in full}
    return frozenset(full | {name for name in said if len(name) > 1})


def _divisions() -> list[tuple[str, str]]:
    """Return the codes of six digits, and the names that they had."""
    found = []
    for _, province, _, properties, children in numdb.get("cn/loc").prefixes:
        found.append((f"{province}0000", properties["province"]))
        found += [(f"{province}{county}", named["county"]) for _, county, _, named, _ in children]
    return found
