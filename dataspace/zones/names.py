"""The names of columns, as words: Chinese, English and pinyin, in whatever way words are joined."""

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

_WORDS: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_a-zA-Z]+")
_ID_NAME: Final = re.compile(
    r"(^|_)(id|ids|no|nr|num|number|code|key|uuid|serial)$|(编号|编码|代码|号|号码|流水)$"
)
# What a column tells of a thing when its name ends so: `手机型号`, `card_type`, `email verified`.
_ABOUT: Final = re.compile(
    r"(类型|类别|种类|型号|品牌|状态|等级|级别|次数|数量|个数|人数|标志|标识位|来源|占比|比例|版本|评分|时长|长度)$|(^|_)是否|^(是否|有无)"
    r"|(^|_)(type|kind|model|brand|status|state|flag|count|grade|rank|level|verified|category|version|source|ratio|"
    r"rate|score|length|size|qty|quantity|leixing|lx|zhuangtai)$|^(is|has|num|n)_"
)
# Things that have numbers and codes of their own, which look like those of persons.
_THINGS: Final = re.compile(
    r"(^|_)(order|orders|product|products|sku|goods|item|items|serial|sn|invoice|batch|lot|version|ver|build|"
    r"firmware|release|model|part|asset|device|equipment|tracking|waybill|barcode|ean|isbn|ticket|contract|"
    r"dingdan|chanpin|ddh|ddbh|cpbh|xlh|fph)(_|$)"
    r"|订单|产品|商品|序列|发票|批次|批号|版本|型号|货号|物料|设备|资产|运单|快递|条码|工单|零件|固件|规格|仓库|合同"
)


@lru_cache(maxsize=4096)
def words(name: str) -> tuple[str, ...]:
    """Return the words of a column's name: `customerID_no` has three, `客户身份证号` one."""
    return tuple(word.lower() for word in _WORDS.findall(unicodedata.normalize("NFKC", name)))


def rule_name(name: str) -> str:
    """Return the name that a rule for a column is kept under: the same however its words are joined."""
    return "_".join(words(name)) or unicodedata.normalize("NFKC", name).strip().casefold()


def looks_like_identifier(name: str) -> bool:
    """Tell whether a column's name says that its digits are no number."""
    return bool(_ID_NAME.search("_".join(words(name))))


def tells_about(name: str) -> bool:
    """Tell whether a column's name says that it holds something about what it names: `手机型号`."""
    return bool(_ABOUT.search("_".join(words(name))))


def names_a_thing(name: str) -> bool:
    """Tell whether a column's name is of a thing, whose codes may look like a person's."""
    return bool(_THINGS.search("_".join(words(name))))


@dataclass(frozen=True, order=True)
class Match:
    """Where a field's pattern names a column: the characters before its end, and how many it explains."""

    end: int
    length: int


def matched(pattern: str, name: str) -> Match | None:
    """Return where a field's pattern names a column, or None.

    Latin words match whole words, Chinese ones anywhere, `=word` the whole name.
    """
    wanted, column = _read(pattern.removeprefix("=")), _read(name)
    if not wanted.joined or wanted.joined not in column.joined:
        return None
    length = len(wanted.joined)
    if wanted.joined == column.joined:
        return Match(length, length)
    if pattern.startswith("="):
        return None
    if not pattern.isascii():
        return Match(column.joined.rfind(wanted.joined) + length, length)
    for start in range(len(column.words) - len(wanted.words), -1, -1):
        end = start + len(wanted.words)
        if column.words[start:end] == wanted.words:
            return Match(len("".join(column.words[:end])), length)
    return None


@dataclass(frozen=True)
class _Name:
    words: tuple[str, ...]
    joined: str


@lru_cache(maxsize=8192)
def _read(name: str) -> _Name:
    found = words(name)
    return _Name(found, "".join(found))
