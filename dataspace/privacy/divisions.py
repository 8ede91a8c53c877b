"""The administrative division of an address or of a division's code, as DuckDB SQL.

    浙江省杭州市西湖区文三路 90 号 -> 浙江省杭州市西湖区 (county) -> 浙江省杭州市 (city) -> 浙江省 (province)
    杭州市西湖区…  -> the same: the city tells the province; 浙江杭州市… too: 省 may be missing
    330106         -> 330106 (county) -> 330100 (city) -> 330000 (province); of a longer code too

Names and codes are those of GB/T 2260 with all that were in force since 1980, from
python-stdnum's table `cn/loc`. Only words of that table leave, whatever the rest of
an address holds. An address of no known province has no class at all.
"""

import re
from collections.abc import Collection, Mapping
from functools import cache
from typing import Final, NamedTuple

from stdnum import numdb

_PLACES: Final = {"province": 2, "city": 4, "county": 6}
_NAMELESS: Final = re.compile(r"市辖区|[市县]|林区|.*直辖.*")
_YEARS: Final = re.compile(r"\[[^]]*\]")
_ENDINGS: Final = ("维吾尔自治区", "壮族自治区", "回族自治区", "自治区", "特别行政区", "省", "市")
# The table writes these two in traditional characters.
_SIMPLIFIED: Final = {"香港特別行政區": "香港特别行政区", "澳門特別行政區": "澳门特别行政区"}
_MUNICIPALITIES: Final = "北京市 天津市 上海市 重庆市"
_CODE: Final = "[1-8][0-9]{5}([0-9]{3}|[0-9]{6})?"


class Names(NamedTuple):
    """Full names of provinces by two-digit code, of cities with their province, and of counties."""

    provinces: dict[str, str]
    cities: dict[str, str]
    counties: frozenset[str]


@cache
def names() -> Names:
    """Return what divisions are called."""
    provinces, cities, counties = {}, {}, set()
    municipalities = set(_MUNICIPALITIES.split())
    for _, code, _, properties, children in numdb.get("cn/loc").prefixes:
        province = _SIMPLIFIED.get(properties["province"], properties["province"])
        provinces[code] = province
        for _, place, _, county, _ in children:
            for name in _YEARS.sub("", county["county"]).split(","):
                # 重庆市 was a city of 四川 until 1997.
                if place == "0000" or _NAMELESS.fullmatch(name) or name in municipalities:
                    continue
                if place.endswith("00"):
                    cities[name] = province
                else:
                    counties.add(name)
    return Names(provinces, cities, frozenset(counties))


def division(text: str, level: str) -> str:
    """Return SQL of the division of an address or a code; `text`: its SQL, `level`: as in `parameters`."""
    place = f"CASE WHEN left({text}, 2) = '中国' THEN ltrim(substr({text}, 3)) ELSE ltrim({text}) END"
    code = f"rpad(left({text}, {_PLACES[level]}), 6, '0')"
    parts, rest = [_province(place)], _local(place)
    # A missing name is an empty text, and changes nothing.
    if level != "province":
        parts.append(_found(rest, _cities()))
    if level == "county":
        parts.append(_found(_after(rest, _cities()), _counties()))
    return f"CASE WHEN regexp_full_match({text}, '{_CODE}') THEN {code} ELSE {' || '.join(parts)} END"


def _found(place: str, pattern: str) -> str:
    # The whole match, not a group of it: that RE2 finds ten times faster.
    return f"regexp_extract({place}, '{pattern}')"


def _after(place: str, pattern: str) -> str:
    return f"ltrim(substr({place}, length({_found(place, pattern)}) + 1))"


def _local(place: str) -> str:
    """Return SQL of what follows the province; a place may begin with its city: 吉林市, 海南藏族自治州."""
    starts = {_short(name)[:2] for name in names().provinces.values()}
    cities = ", ".join(
        f"'{start}'" for start in {name[:3]: 0 for name in names().cities if name[:2] in starts}
    )
    return f"CASE WHEN left({place}, 3) IN ({cities}) THEN {place} ELSE {_after(place, _provinces())} END"


def _short(province: str) -> str:
    ending = next(ending for ending in _ENDINGS if province.endswith(ending))
    return province.removesuffix(ending)


def _province(place: str) -> str:
    """Return SQL of the province: by its own first two characters, or by three of a city's."""
    starts = {_short(name)[:2]: name for name in names().provinces.values()}
    cities = {name[:3]: province for name, province in names().cities.items()}
    # 海南藏族自治州 lies in 青海: a city's three characters tell more than a province's two.
    misleading = {start: name for start, name in cities.items() if starts.get(start[:2], name) != name}
    others = {start: name for start, name in cities.items() if start[:2] not in starts}
    tried = ((3, misleading), (2, starts), (3, others))
    return f"COALESCE({', '.join(_looked_up(f'left({place}, {length})', words) for length, words in tried)})"


def _looked_up(key: str, words: Mapping[str, str]) -> str:
    keys, values = (f"CAST('[{', '.join(some)}]' AS VARCHAR[])" for some in (words, words.values()))
    return f"({values})[list_position({keys}, {key})]"


def _provinces() -> str:
    shorts = [(_short(name), name.removeprefix(_short(name))) for name in names().provinces.values()]
    return f"^(?:{'|'.join(f'{short}(?:{ending})?' for short, ending in shorts)})"


def _alternatives(words: Collection[str]) -> str:
    # The longest first: of two that fit, an alternation takes the one that stands first.
    return f"^(?:{'|'.join(sorted(words, key=lambda word: (-len(word), word)))})"


@cache
def _cities() -> str:
    return _alternatives(names().cities)


@cache
def _counties() -> str:
    return _alternatives(names().counties)
