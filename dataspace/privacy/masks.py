"""Masks as DuckDB SQL: what stays visible of a text, by place or by what kind of text it is.

    first, last  13812345678 -> 138****5678         always four asterisks: the length of a name tells much
    name         欧阳小明 -> 欧阳****, 王五 -> 王****  the surname; of other scripts the first letter
    resident_id  11010519491231002X -> 1101051949********     division and year of birth
    mobile       +86 138... -> 138****5678          network and last digits, without the country code
    bank_card    6222021234567890123 -> 622202****0123        issuer and last digits (JR/T 0171, annex A)
    email        li.lei@example.com -> ****@example.com       the domain

What is not of its kind, or has nothing left to hide, becomes the asterisks alone;
NULL stays NULL.
"""

from collections.abc import Callable, Mapping
from typing import Final

from dataspace.privacy.parameters import Kind, Mask

HIDDEN: Final = "****"
# Two-character surnames; of everybody else the first character is the surname.
_COMPOUND: Final = (
    "欧阳 太史 端木 上官 司马 东方 独孤 南宫 万俟 闻人 夏侯 诸葛 尉迟 公羊 赫连 澹台 皇甫 宗政 濮阳 公冶 "
    "太叔 申屠 公孙 慕容 仲孙 钟离 长孙 宇文 司徒 鲜于 司空 闾丘 子车 亓官 司寇 巫马 公西 颛孙 壤驷 公良 "
    "漆雕 乐正 宰父 谷梁 拓跋 夹谷 轩辕 令狐 段干 百里 呼延 东郭 南门 羊舌 微生 梁丘 左丘 东门 西门 第五 "
    "即墨 达奚 褚师 歐陽 司馬 諸葛 東方 尉遲 鍾離 長孫 公孫 鮮于"
)
COMPOUND: Final = tuple(_COMPOUND.split())


def masked(text: str, shown: Mask) -> str:
    """Return SQL of a text, given as the SQL `text`, masked."""
    if shown.kind is not None:
        return _KINDS[shown.kind](text)
    left = f"left({text}, {shown.first}) || " if shown.first else ""
    right = f" || right({text}, {shown.last})" if shown.last else ""
    return (
        f"CASE WHEN length({text}) > {shown.first + shown.last} THEN {left}'{HIDDEN}'{right} "
        f"WHEN {text} IS NOT NULL THEN '{HIDDEN}' END"
    )


def _name(text: str) -> str:
    name = f"trim({text})"
    compound = ", ".join(f"'{surname}'" for surname in COMPOUND)
    # Of two characters the second is the given name, whatever the two might be together.
    return (
        f"CASE WHEN length({name}) > 2 AND left({name}, 2) IN ({compound}) "
        f"THEN left({name}, 2) || '{HIDDEN}' "
        f"WHEN length({name}) > 1 THEN left({name}, 1) || '{HIDDEN}' "
        f"WHEN {text} IS NOT NULL THEN '{HIDDEN}' END"
    )


def _resident_id(text: str) -> str:
    number = f"trim({text})"
    # Before 2000 numbers had fifteen digits, two of them the year.
    return (
        f"CASE WHEN regexp_full_match({number}, '[1-9][0-9]{{16}}[0-9Xx]') "
        f"THEN left({number}, 10) || '********' "
        f"WHEN regexp_full_match({number}, '[1-9][0-9]{{14}}') "
        f"THEN left({number}, 6) || '19' || substr({number}, 7, 2) || '********' "
        f"WHEN {text} IS NOT NULL THEN '{HIDDEN}' END"
    )


def _mobile(text: str) -> str:
    plain = f"right({_joined(text)}, 11)"
    return (
        f"CASE WHEN regexp_full_match({text}, '1[3-9][0-9]{{9}}') THEN {_ends(text, 3)} "
        f"WHEN regexp_full_match({_joined(text)}, '(\\+?86)?1[3-9][0-9]{{9}}') THEN {_ends(plain, 3)} "
        f"WHEN {text} IS NOT NULL THEN '{HIDDEN}' END"
    )


def _bank_card(text: str) -> str:
    return (
        f"CASE WHEN regexp_full_match({text}, '[0-9]{{13,19}}') THEN {_ends(text, 6)} "
        f"WHEN regexp_full_match({_joined(text)}, '[0-9]{{13,19}}') THEN {_ends(_joined(text), 6)} "
        f"WHEN {text} IS NOT NULL THEN '{HIDDEN}' END"
    )


def _joined(text: str) -> str:
    # Only of what is not digits alone: it takes as long as all the rest.
    return f"regexp_replace({text}, '[ -]', '', 'g')"


def _ends(digits: str, first: int) -> str:
    return f"left({digits}, {first}) || '{HIDDEN}' || right({digits}, 4)"


def _email(text: str) -> str:
    return (
        f"CASE WHEN regexp_full_match({text}, '[^@]+@[A-Za-z0-9-]+([.][A-Za-z0-9-]+)+') "
        f"THEN '{HIDDEN}@' || split_part({text}, '@', 2) "
        f"WHEN {text} IS NOT NULL THEN '{HIDDEN}' END"
    )


_KINDS: Final[Mapping[Kind, Callable[[str], str]]] = {
    Kind.NAME: _name,
    Kind.RESIDENT_ID: _resident_id,
    Kind.MOBILE: _mobile,
    Kind.BANK_CARD: _bank_card,
    Kind.EMAIL: _email,
}
