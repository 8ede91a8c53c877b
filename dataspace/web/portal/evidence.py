"""The evidence of a proposal in Chinese, from its fields; in English `classify` words it itself."""

from collections.abc import Mapping
from typing import Any, Final

from dataspace.zones.schema import FREE_TEXT, UNKNOWN_IDENTIFIER, Check

# What `zones.validators.DESCRIPTIONS` says, in Chinese.
_CHECKS: Final[Mapping[str, str]] = {
    Check.RESIDENT_ID: "GB 11643 的校验码与出生日期",
    Check.USCC: "GB 32100 的校验码",
    Check.BANK_CARD: "Luhn 校验及卡号的前缀与长度",
    Check.MOBILE: "手机号码的格式",
    Check.LANDLINE: "固定电话号码的格式",
    Check.EMAIL: "电子邮箱的格式",
    Check.PLATE: "车牌号的格式",
    Check.PASSPORT: "护照号的格式",
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
_UNEXPLAINED: Final[Mapping[str, str]] = {
    FREE_TEXT: "取值是较长的文本",
    UNKNOWN_IDENTIFIER: "列名或取值像编号：取值（大多）互不相同或依次递增，没有规则可以解释",
}


def evidence(proposal: Mapping[str, Any]) -> str:
    """Return why a column is proposed to be what it is; `proposal` is that of `Proposal.to_json`."""
    parts = []
    if proposal["check"] and proposal["seen"]:
        wanted = _CHECKS.get(proposal["check"], proposal["check"])
        parts.append(f"{proposal['seen']:,} 个取值中有 {proposal['passed']:,} 个符合{wanted}")
    if proposal["named"]:
        parts.append("列名表明如此")
    return "；".join(parts) or _UNEXPLAINED.get(proposal["category"], "领域的规则都不符合它的列名和取值")
