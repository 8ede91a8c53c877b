"""Columns with the category that somebody who reads them would give them; the same for every run.

`identifiers` are of the zones' categories, under names in Chinese, English and
pinyin and under none, clean and with gaps and typing errors; `look_alikes` are
of no such category and look as if they were.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

import pyarrow as pa

from dataspace.table import Type
from dataspace.zones.classify import Sampled, looks_like_identifier
from tests.zones.drawn import (
    BRANDS,
    CLASSES,
    FOOD,
    PARTS,
    ROWS,
    TOWNS,
    Draw,
    address,
    among,
    amount,
    bank_card,
    compact,
    company_name,
    counting,
    county_code,
    diagnosis_code,
    digits,
    email,
    failing,
    failing_card,
    ip,
    iso,
    landline,
    luhn,
    minutes,
    mobile,
    moment,
    number,
    numbered,
    ordered,
    pair,
    passport,
    person_name,
    plate,
    product_code,
    resident_id,
    uscc,
    version,
)

NOTHING = ""  # the label of what no category of a zone explains
_INTEGER = re.compile(r"^-?(0|[1-9]\d{0,14})$")
_DECIMAL = re.compile(r"^-?(0|[1-9]\d{0,14})(\.\d{1,10})?$")
_ISO = re.compile(r"^\d{4}-\d\d-\d\d$")


@dataclass(frozen=True)
class Labelled:
    """A column, its label, and the zones where it is of that category."""

    sampled: Sampled
    label: str
    zones: tuple[str, ...]


ALL = ("government", "finance", "healthcare")


def kind_of(name: str, values: list[str | None]) -> Type:
    """Return the type that an intake infers."""
    seen = [value for value in values if value]
    if not seen or looks_like_identifier(name):
        return Type.DATE if seen and all(_ISO.match(value) for value in seen) else Type.TEXT
    for kind, shape in ((Type.INTEGER, _INTEGER), (Type.DECIMAL, _DECIMAL), (Type.DATE, _ISO)):
        if all(shape.match(value) for value in seen):
            return kind
    return Type.TEXT


def column(name: str, values: list[str | None], label: str, zones: tuple[str, ...] = ALL) -> Labelled:
    return Labelled(Sampled(name, kind_of(name, values), pa.array(values, pa.string())), label, zones)


# Category, zones, how a value is drawn, names ("" is a column whose name says nothing).
IDENTIFIERS: list[tuple[str, tuple[str, ...], Draw, str]] = [
    (
        "resident_id",
        ALL,
        resident_id,
        "身份证号 申请人证件号码 id_card SFZH identityNo 公民身份号码 c1 字段三",
    ),
    ("uscc", ALL, uscc, "统一社会信用代码 credit_code tyshxydm 纳税人识别号 c2"),
    ("bank_card", ALL, bank_card, "银行卡号 card_no yhkh 收款卡号 c3"),
    ("mobile", ALL, mobile, "手机号 mobile phone_number lxdh 联系人手机 c4"),
    ("landline", ALL, landline, "固定电话 office_phone gddh 办公电话 c5"),
    ("email", ALL, email, "电子邮箱 email EMAIL_ADDRESS youxiang c6"),
    ("passport", ALL, passport, "护照号 passport_no huzhao c7"),
    ("plate", ALL, plate, "车牌号 license_plate cph c8"),
    ("ip", ALL, ip, "IP地址 client_ip lastLoginIP c9"),
    ("coordinate", ALL, pair, "经纬度 gps c10"),
    ("address", ALL, address, "家庭住址 homeAddress dizhi 收货地址 c11"),
    ("person_name", ALL, person_name, "姓名 customerName xm 法定代表人 patient_name c12"),
    ("company_name", ALL, company_name, "单位名称 employer qymc 商户名称 c13"),
    ("region", ALL, county_code, "区划代码 county_code xzqh c14"),
    ("region", ALL, among(*TOWNS), "所在地区 c15"),
    (
        "region",
        ALL,
        among("北京市", "上海市", "广东省", "浙江省", "四川省", "新疆维吾尔自治区"),
        "省份 province c16",
    ),
    ("birth_date", ALL, iso(1940, 2010), "出生日期 birthday csrq date_of_birth"),
    ("birth_date", ALL, compact(1940, 2010), "出生年月 dob"),
    ("date", ALL, iso(2020, 2025), "登记日期 created_date jyrq c17"),
    ("date", ALL, moment, "操作时间 c18"),
    ("sex", ALL, among("男", "女"), "性别 sex xb c19"),
    ("sex", ALL, among("1", "2"), "gender 患者性别"),
    ("age", ALL, number(0, 95), "年龄 age nl patient_age"),
    ("postcode", ALL, number(100000, 859999), "邮政编码 zip_code yzbm"),
    ("amount", ALL, amount, "交易金额 total_amount jine 账户余额 salary 医疗费用"),
    ("account_no", ("government", "finance"), numbered("6228{:015d}", 10**15), "账号 account_no zhanghao"),
    ("account_no", ("finance",), numbered("C{:08d}", 900), "客户编号 customer_id cust_no"),
    ("mrn", ("healthcare",), numbered("MR{:07d}", 300), "病历号 patient_id 住院号 blh"),
    ("insurance_no", ("healthcare",), numbered("YB{:09d}", 10**9), "医保号 insurance_no ybkh"),
    ("social_insurance_no", ("government",), numbered("{:012d}", 10**12), "社保号 ssn 社会保障卡号"),
    ("diagnosis_code", ("healthcare",), diagnosis_code, "诊断编码 icd10 主要诊断代码 c20"),
    (
        "diagnosis",
        ("healthcare",),
        among("高血压", "糖尿病", "冠心病", "肺炎", "胃炎"),
        "诊断 主要疾病 diagnosis",
    ),
    ("measurement", ("healthcare",), number(60, 190), "收缩压 RestingBP heart_rate"),
    ("medication", ("healthcare",), among("阿司匹林", "二甲双胍", "氨氯地平"), "药品名称 drug"),
    ("special_disease", ("healthcare",), among("0", "1"), "艾滋病筛查 hiv"),
    ("credit_history", ("finance",), among("0", "1", "2"), "逾期次数 overdue 征信等级"),
    ("account_opening", ("finance",), among("城东支行", "城西支行", "滨江支行"), "开户机构 branch 开户网点"),
    ("bill", ("finance",), number(0, 90000), "账单金额 BILL_AMT1 statement_amt"),
    (
        "provider_name",
        ("healthcare",),
        among("市第一医院", "省中医院", "儿童医院"),
        "就诊医院 care_site 医疗机构",
    ),
    ("genetic", ("healthcare",), among("AA", "AG", "GG"), "基因型 genotype"),
    ("transaction_type", ("finance",), among("消费", "转账"), "交易类型 channel"),
    ("education", ("government", "finance"), among("本科", "高中", "硕士"), "学历 education"),
    ("marital_status", ("government", "finance"), among("已婚", "未婚"), "婚姻状况 marital_status"),
    ("ethnicity", ("government", "healthcare"), among("汉族", "回族", "满族"), "民族 race"),
    ("employment", ("government",), among("教师", "司机", "工人"), "职业 occupation"),
    ("credential", ALL, numbered("{:06d}", 10**6), "密码 pwd 账户口令"),
]


def identifiers() -> Iterator[Labelled]:
    """Yield the columns that identify or are sensitive; every third one has gaps, every fifth errors."""
    random = Random(20240315)
    for label, zones, draw, names in IDENTIFIERS:
        for position, name in enumerate(names.split()):
            values: list[str | None] = [draw(random) for _ in range(ROWS)]
            if position % 3 == 1:
                values = [None if random.random() < 0.1 else value for value in values]
            if position % 5 == 2 and label not in ("birth_date", "date", "age", "amount", "measurement"):
                values = ["不详" if value and random.random() < 0.04 else value for value in values]
            yield column(name, values, label, zones)


LOOK_ALIKES: list[tuple[Draw, str]] = [
    (lambda random: ordered(random, 18), "订单号 order_no 流水编号 k1"),
    (digits("17", 18), "snowflake_id k2"),
    (failing, "产品序列号 k3"),
    (failing_card, "交易参考号 k4"),
    (digits("2", 11), "设备编号 k5"),
    (digits("0000", 11), "工单编号 k6"),
    (product_code, "产品编码 sku 规格代码 k7"),
    (lambda random: f"{random.choice('ABCDEFGH')}{random.randint(1, 12):02d}", "孔位 well"),
    (version, "固件版本 version 章节 k8"),
    (
        lambda random: f"{random.randint(1, 9)}.{random.randrange(20)}.{random.randrange(90)}",
        "app_version release",
    ),
    (lambda random: luhn(f"35{random.randrange(10**12):012d}"), "imei 终端标识"),
    (lambda random: luhn(f"898600{random.randrange(10**13):013d}"), "iccid"),
    (lambda random: ":".join(f"{random.randrange(256):02x}" for _ in range(6)), "mac 网卡"),
    (lambda random: f"{random.getrandbits(128):032x}", "trace_id 哈希值"),
    (digits("978", 13), "isbn 书号"),
    (digits("69", 13), "商品条码 ean"),
    (numbered("16{:08d}", 10**8), "epoch_seconds"),
    (numbered("16{:011d}", 10**11), "epoch_ms k9"),
    (among("iPhone 13", "华为 P40", "小米 12"), "手机型号 phone_model"),
    (among("居民身份证", "护照", "军官证"), "身份证类型 证件类型"),
    (among("已验证", "未验证"), "邮箱状态 email_verified"),
    (among("储蓄", "信用", "理财"), "account_type 账户类型 银行卡类型"),
    (number(0, 5), "手机号数量 账户个数"),
    (among(*CLASSES), "班级 k10"),
    (among(*BRANDS), "品牌 brand"),
    (among(*FOOD), "商品名称 菜名 k11"),
    (among(*PARTS), "部门 k12"),
    (lambda random: f"{random.uniform(0, 100):.4f}", "完成率 k13"),
    (number(1, 90), "件数 数量 k14"),
    (number(2015, 2025), "年度 k15"),
    (lambda random: f"{random.randint(2020, 2025)}{random.randint(1, 12):02d}", "账期 period"),
    (digits("60", 6), "股票代码 stock_code"),
    (digits("", 6), "随机码 k16"),
    (lambda random: f"SF{random.randrange(10**13):013d}", "运单号 tracking_no"),
    (digits("", 8), "发票号码 k17"),
    (
        lambda random: random.choice("CMHZ") + random.choice("AUF") + str(random.randint(1000, 9999)),
        "航班 flight",
    ),
    (lambda random: f"{random.randint(1, 30)}排{random.randint(1, 40)}座", "座位"),
    (lambda random: f"https://example.com/p/{random.randrange(10**6)}", "链接 url"),
    (lambda random: f"host-{random.randrange(300)}.example.net", "主机 host"),
    (among("USD", "CNY", "EUR"), "币种 currency"),
    (among("是", "否"), "是否本地 有无异议"),
    (among("0", "1"), "k18 标志"),
    (among("red", "green", "blue"), "colour k19"),
    (lambda random: f"{random.choice('ABC')}-{random.randint(1, 40)}-{random.randint(1, 9)}", "库位"),
    (minutes, "备注 k20"),
]


def look_alikes() -> Iterator[Labelled]:
    """Yield the columns that are of no category."""
    random = Random(20190830)
    for draw, names in LOOK_ALIKES:
        for name in names.split():
            yield column(name, [draw(random) for _ in range(ROWS)], NOTHING)
    yield column("序列号", counting("138000{:05d}"), NOTHING)
    yield column("k21", counting("138000{:05d}"), NOTHING)
    yield column("k22", counting("E{:08d}"), NOTHING)
    yield column("资产编号", counting("E{:08d}", 5000), NOTHING)
    yield column("rownames", counting("{}"), NOTHING)
    yield column("k23", counting("{:08d}", 20_000_000), NOTHING)
