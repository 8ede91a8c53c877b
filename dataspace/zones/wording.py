"""The evidence of a proposal as a sentence, in English and in Chinese."""

from collections.abc import Mapping
from dataclasses import dataclass

from dataspace.zones.schema import Check, Title

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
    Check.IP: "the form of an IP address",
    Check.COORDINATE: "the form of a coordinate",
    Check.DIVISION: "the table of administrative divisions",
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
CHINESE: Mapping[Check, str] = {
    Check.RESIDENT_ID: "GB 11643 的校验码与出生日期",
    Check.USCC: "GB 32100 的校验码",
    Check.BANK_CARD: "Luhn 校验及卡号的前缀与长度",
    Check.MOBILE: "手机号码的格式",
    Check.LANDLINE: "固定电话号码的格式",
    Check.EMAIL: "电子邮箱的格式",
    Check.PLATE: "车牌号的格式",
    Check.PASSPORT: "护照号的格式",
    Check.IP: "IP 地址的格式",
    Check.COORDINATE: "经纬度的格式",
    Check.DIVISION: "行政区划表",
    Check.ICD10: "ICD-10 编码的格式",
    Check.DATE: "日期的格式",
    Check.AMOUNT: "金额的格式",
    Check.AGE: "年龄的范围",
    Check.SEX: "表示性别的词",
    Check.POSTCODE: "邮政编码的格式",
    Check.ADDRESS: "地址的格式",
    Check.PERSON_NAME: "姓名的格式",
    Check.COMPANY_NAME: "机构名称的格式",
    Check.IDENTIFIER: "编号的格式",
}


@dataclass(frozen=True)
class Sentence:
    """A sentence in both languages; joined ones are told one after another."""

    en: str
    zh: str

    def __add__(self, other: "Sentence") -> "Sentence":
        if not self.en or not other.en:
            return self if self.en else other
        return Sentence(f"{self.en}; {other.en}", f"{self.zh}；{other.zh}")


NOTHING = Sentence("", "")
NAMED = Sentence("its name says so", "列名表明如此")
RULED = Sentence("its provider said so before", "提供方以前如此更正过")
UNMATCHED = Sentence("no rule of the zone matches its name or its values", "领域的规则都不符合它的列名和取值")
COUNTING = Sentence("its values only count up, as row numbers do", "取值依次递增，与行号相同")


def passing(passed: int, seen: int, check: Check | None, title: Title) -> Sentence:
    """Tell how many values pass a check, or the pattern of a field of this title."""
    wanted = (
        (DESCRIPTIONS[check], CHINESE[check])
        if check
        else (f"the pattern of {title.en}", f"“{title.zh}”的规则")
    )
    return Sentence(
        f"{passed:,} of {seen:,} values pass {wanted[0]}", f"{seen:,} 个取值中有 {passed:,} 个符合{wanted[1]}"
    )


def assigned(known: int, seen: int) -> Sentence:
    """Tell how many resident numbers begin with a county's code."""
    return Sentence(
        f"{known:,} of {seen:,} begin with the code of a county, past ones included (GB/T 2260)",
        f"{seen:,} 个中有 {known:,} 个以县级区划代码（GB/T 2260，含历史代码）开头",
    )


def all_distinct(seen: int) -> Sentence:
    """Tell that a column's name and values are an identifier's."""
    return Sentence(
        f"its name is an identifier's and its {seen:,} values are all distinct",
        f"列名像编号，且 {seen:,} 个取值互不相同",
    )


def mostly_distinct(distinct: int, seen: int) -> Sentence:
    """Tell that nearly every value is another."""
    return Sentence(
        f"{distinct:,} of {seen:,} values are distinct and no rule explains them",
        f"{seen:,} 个取值中有 {distinct:,} 个互不相同，没有规则可以解释",
    )


def shape(text: str, percent: int) -> Sentence:
    """Tell the one shape that the values of an identifier have."""
    return Sentence(
        f"its values have the shape {text} and {percent}% of them are distinct",
        f"取值的形状是 {text}，其中 {percent}% 互不相同",
    )


def long_texts(length: int) -> Sentence:
    """Tell that values are sentences."""
    return Sentence(
        f"its values are texts of {length} characters on average", f"取值是平均 {length} 个字符的文本"
    )
