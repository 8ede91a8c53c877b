"""How the values of labelled columns are drawn, from a generator and nothing else."""

from collections.abc import Callable
from datetime import date, timedelta
from random import Random

ROWS = 400  # of each column
Draw = Callable[[Random], str]


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_COUNTIES = _words(
    "110105 120103 130104 210102 310115 320583 330106 350211 370102 420106 440305 510107 610113 650102"
)
_PAST = _words("110103 110104 310103 320401 510103")  # of counties that are no more
_FAMILY = (
    "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧程曹袁邓许傅沈曾彭吕苏卢蒋蔡贾丁魏薛"
    "叶阎余潘杜戴夏钟汪田任姜范方石姚谭廖邹熊金陆郝孔白崔康毛邱秦江史顾侯邵孟龙万段雷钱汤尹黎易常武乔"
    "贺赖龚文"
)
_GIVEN = (
    "伟芳娜秀英敏静丽强磊军洋勇艳杰娟涛明超霞平刚桂兰玉萍红建国志文华海波宇轩子涵欣怡梓晨浩然思雨佳琪"
    "俊雅婷雪梅晓东少峰立新春生德福"
)
TOWNS = _words(
    "北京市朝阳区 上海市浦东新区 广东省深圳市南山区 浙江省杭州市西湖区 四川省成都市武侯区 湖北省武汉市洪山区 "
    "江苏省南京市鼓楼区 山东省青岛市市南区 陕西省西安市雁塔区 天津市和平区 杭州市余杭区 苏州市吴中区"
)
_ROADS = _words("中山 解放 人民 建设 文化 科技 创业 滨海 长江 学院 青年 望江 丰潭")
_FIRMS = _words("华为 天工 远景 明德 凯旋 博雅 中科 国信 星海 大地 同创 安达 金石 九州")
_TRADES = _words("科技 贸易 物流 建筑工程 餐饮管理 信息技术 医疗器械 文化传媒 电子商务")
_MOBILES = _words(
    "134 135 136 137 138 139 147 150 151 152 157 158 159 178 182 183 187 188 198 130 131 155 166 "
    "176 185 186 133 153 173 177 180 189 199"
)
_ENDINGS = ("有限公司", "股份有限公司", "有限责任公司")
_MAILS = ("qq.com", "163.com", "example.com.cn", "mail.example.org")
_SIGNS = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_DISEASES = _words(
    "I10 I25.1 I63.9 J18.9 J44.9 E11.9 E78.5 K29.7 K80.2 M51.2 N18.9 A09.9 C34.9 F32.9 G40.9 H25.9 "
    "L20.9 R50.9 S72.0 Z51.1"
)


def day(random: Random, first: int, last: int) -> date:
    return date(first, 1, 1) + timedelta(days=random.randrange((last - first) * 365))


def resident_id(random: Random) -> str:
    county = random.choice(_PAST if random.random() < 0.1 else _COUNTIES)
    body = f"{county}{day(random, 1945, 2010):%Y%m%d}{random.randrange(1, 1000):03d}"
    total = sum(int(sign) * pow(2, 17 - place, 11) for place, sign in enumerate(body))
    check = "10X98765432"[total % 11]
    return body + (check.lower() if random.random() < 0.3 else check)


def uscc(random: Random) -> str:
    head = random.choice(["91", "91", "92", "52", "12", "N2", "Y1", "A1", "31"])
    body = head + random.choice(_COUNTIES) + "".join(random.choices(_SIGNS, k=9))
    total = sum(_SIGNS.index(sign) * pow(3, place, 31) for place, sign in enumerate(body))
    return body + _SIGNS[-total % 31]


def luhn(body: str) -> str:
    total = 0
    for place, sign in enumerate(reversed(body)):
        doubled = int(sign) * (2 if place % 2 == 0 else 1)
        total += doubled - 9 if doubled > 9 else doubled
    return body + str(-total % 10)


def bank_card(random: Random) -> str:
    prefix, length = random.choice(
        [("622848", 19), ("621700", 19), ("622588", 16), ("436742", 16), ("518710", 16)]
    )
    return luhn(prefix + "".join(random.choices("0123456789", k=length - 1 - len(prefix))))


def mobile(random: Random) -> str:
    return random.choice(_MOBILES) + f"{random.randrange(10**8):08d}"


def landline(random: Random) -> str:
    return random.choice(["010-6", "021-5", "0571-8", "(0755)2", "028-8"]) + f"{random.randrange(10**7):07d}"


def email(random: Random) -> str:
    word = "".join(random.choices("abcdefghiklmnorstuwz", k=random.randint(4, 9)))
    return f"{word}{random.randrange(1000)}@{random.choice(_MAILS)}"


def passport(random: Random) -> str:
    return random.choice("EEEG") + f"{random.randrange(10**8):08d}"


def plate(random: Random) -> str:
    letters = "ABCDEFGHJKLMNPQRSTUVWXYZ0123456789"
    tail = "".join(random.choices(letters, k=5))
    return random.choice("京沪粤浙苏川鲁") + random.choice("ABCDEFG") + random.choice(["", "", "D"]) + tail


def ip(random: Random) -> str:
    return ".".join(str(random.randrange(1, 255)) for _ in range(4))


def pair(random: Random) -> str:
    return f"{random.uniform(73, 135):.6f},{random.uniform(18, 53):.6f}"


def address(random: Random) -> str:
    road, number = random.choice(_ROADS), random.randint(1, 400)
    return f"{random.choice(TOWNS)}{road}路{number}号{random.randint(1, 20)}幢{random.randint(101, 2400)}室"


def person_name(random: Random) -> str:
    if random.random() < 0.02:
        return random.choice(["欧阳", "上官", "司马"]) + random.choice(_GIVEN)
    return random.choice(_FAMILY) + "".join(random.choices(_GIVEN, k=random.choice([1, 2, 2])))


def company_name(random: Random) -> str:
    place = random.choice(["北京", "深圳市", "杭州", "江苏", ""])
    return f"{place}{random.choice(_FIRMS)}{random.choice(_TRADES)}{random.choice(_ENDINGS)}"


def diagnosis_code(random: Random) -> str:
    code = random.choice(_DISEASES)
    return code + random.choice(["", "", "00"]) if "." in code else code + random.choice(["", ".x00"])


def county_code(random: Random) -> str:
    return random.choice(_COUNTIES + _PAST)


def iso(first: int, last: int) -> Draw:
    return lambda random: f"{day(random, first, last)}"


def compact(first: int, last: int) -> Draw:
    return lambda random: f"{day(random, first, last):%Y%m%d}"


def among(*words: str) -> Draw:
    return lambda random: random.choice(words)


def number(least: int, most: int) -> Draw:
    return lambda random: str(random.randint(least, most))


def amount(random: Random) -> str:
    return f"{random.lognormvariate(5, 1.5):.2f}"


def numbered(form: str, most: int) -> Draw:
    return lambda random: form.format(random.randrange(most))


def counting(form: str, first: int = 1) -> list[str | None]:
    return [form.format(number) for number in range(first, first + ROWS)]


def ordered(random: Random, digits: int) -> str:
    return f"{day(random, 2022, 2025):%Y%m%d}{random.randrange(10 ** (digits - 8)):0{digits - 8}d}"


def digits(first: str, length: int) -> Draw:
    return lambda random: first + "".join(random.choices("0123456789", k=length - len(first)))


def failing(random: Random) -> str:
    number = resident_id(random).upper()
    return number[:-1] + random.choice([sign for sign in "0123456789X" if sign != number[-1]])


def failing_card(random: Random) -> str:
    number = bank_card(random)
    return number[:-1] + str((int(number[-1]) + random.randint(1, 9)) % 10)


def hexadecimal(length: int) -> Draw:
    return lambda random: "".join(random.choices("0123456789abcdef", k=length))


FOOD = _words(
    "苹果 香蕉 白菜 黄瓜 石榴 马铃薯 胡萝卜 金针菇 龙眼 荔枝 西瓜 韭菜 方便面 牛奶 豆腐 茄子 木耳 "
    "冬瓜 芹菜 葡萄"
)
BRANDS = _words(
    "王老吉 李宁 张小泉 张裕 陈克明 周大福 吴裕泰 谢馥春 马应龙 李锦记 王致和 杨国福 周黑鸭 何大屋"
)
CLASSES = _words("高一 高二 高三 初一 初二 初三")
PARTS = _words("财务部 技术部 市场部 人事部 客服中心 法务部 行政部")


def moment(random: Random) -> str:
    return f"{day(random, 2020, 2025):%Y/%m/%d} {random.randrange(24):02d}:30:00"


def product_code(random: Random) -> str:
    return f"{random.choice('ABCDEFGHJKLMNPQRSTUVWXYZ')}{random.randrange(100):02d}.{random.randrange(10)}"


def version(random: Random) -> str:
    return f"{random.randint(1, 12)}.{random.randrange(30)}.{random.randrange(10)}.{random.randrange(60)}"


def minutes(random: Random) -> str:
    return (
        f"会议纪要第{random.randrange(900)}条：需要在下周之前完成全部材料的整理"
        "并且提交给上级部门审核，逾期不候，其余事项由办公室另行通知各处室负责人。"
    )
