"""Synthetic samples for trying a zone out: the same bytes for the same pack, and no living person's data.

What is made up cannot be someone's: resident numbers have a right check digit
and a province's own code (`310000`), where GB 11643 puts that of a county, so
that none is ever issued; card numbers pass Luhn and lie in 6200 00, which
payment processors use for test cards; a unified credit code holds an organisation code
whose own check (GB 11714) fails. Mobile numbers have 0000 in their middle, which
makes a real one unlikely, not impossible. A column `synthetic` marks every row in the file itself, where it
survives renaming. Names, addresses and amounts are drawn independently of one
another, except that a subject's sex, birth date, age, resident number, province
and address agree.
"""

import csv
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from random import Random

from dataspace.errors import Malformed
from dataspace.zones import surnames
from dataspace.zones.pack import Pack
from dataspace.zones.regions import PROVINCES, Province
from dataspace.zones.schema import Sample, SampleColumn


def _pairs(text: str) -> tuple[str, ...]:
    return tuple(text[start : start + 2] for start in range(0, len(text), 2))


_MAINLAND = tuple(province for province in PROVINCES if province.code < "70")
_GIVEN = {
    "男": "伟强磊军勇杰涛明超斌浩鹏宇轩俊博文志建国平辉刚健飞鑫龙波",
    "女": "芳娜敏静丽艳娟霞秀兰玲桂英梅洁琳雪倩婷莹悦怡欣颖慧燕红",
}
_STREETS = _pairs("人民中山解放建设和平文化长江黄河新华光明胜利朝阳滨河学府工业花园")
_TRADES = _pairs("科技贸易物流餐饮建材医药食品服饰机电软件传媒能源")
_WORDS = _pairs("华信盛达恒通瑞丰新元天合博远嘉禾宏图安泰启明金桥")
_RIC_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_USCC_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
MARK = "合成"


@dataclass(frozen=True)
class _Subject:
    """Whom rows are about."""

    number: int
    sex: str
    birth: date
    province: Province


@dataclass(frozen=True)
class _Draw:
    """What a cell is drawn from: the generator, the subject, the row's number, and the sample's limits."""

    random: Random
    subject: _Subject
    row: int
    sample: Sample


def write_sample(pack: Pack, target: Path, rows: int = 0) -> Path:
    """Write the zone's sample as a CSV file into the folder `target`, which it makes, and return its path.

    The bytes depend on the pack and on `rows` (0: as many as the pack says), on nothing else.

    Raises:
        Malformed: the pack asks for a kind of column that is not known.

    """
    sample = pack.sample
    for column in sample.columns:
        if column.kind not in KINDS:
            raise Malformed(
                f"sample of zone {pack.name}: unknown kind {column.kind!r}, want {', '.join(KINDS)}"
            )
    target.mkdir(parents=True, exist_ok=True)
    path = target / sample.file
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([column.name for column in sample.columns])
        writer.writerows(_rows(sample, rows or sample.rows))
    return path


def _rows(sample: Sample, wanted: int) -> list[list[str]]:
    random = Random(sample.seed)  # noqa: S311 - reproducible by intent, and nothing is secret
    rows: list[list[str]] = []
    number = 0
    while len(rows) < wanted:
        number += 1
        rows += _about(sample, _subject(random, number, sample), random, len(rows))
    del rows[wanted:]
    # Rows of one subject lie apart, as they do in a register by date.
    random.shuffle(rows)
    return rows


def _about(sample: Sample, subject: _Subject, random: Random, first: int) -> list[list[str]]:
    constant = {
        column.name: KINDS[column.kind](column, _Draw(random, subject, first, sample))
        for column in sample.columns
        if column.per == "subject"
    }
    return [
        [
            constant.get(column.name) or KINDS[column.kind](column, _Draw(random, subject, row, sample))
            for column in sample.columns
        ]
        for row in range(first, first + random.randint(1, sample.most_rows))
    ]


def _subject(random: Random, number: int, sample: Sample) -> _Subject:
    # Adults of 18 to 90 years on the sample's last day.
    birth = sample.last_day - timedelta(days=random.randint(18 * 366, 90 * 365))
    return _Subject(number, random.choice("男女"), birth, random.choice(_MAINLAND))


def _person_name(_: SampleColumn, draw: _Draw) -> str:
    given = _GIVEN[draw.subject.sex]
    second = draw.random.choice(given) if draw.random.random() < 0.7 else ""
    return draw.random.choice(surnames.COMMON) + draw.random.choice(given) + second


def _resident_id(_: SampleColumn, draw: _Draw) -> str:
    subject = draw.subject
    # The sequence is odd for men, GB 11643-1999.
    sequence = draw.random.randrange(1 if subject.sex == "男" else 2, 1000, 2)
    body = f"{subject.province.code}0000{subject.birth:%Y%m%d}{sequence:03d}"
    total = sum(int(digit) * weight for digit, weight in zip(body, _RIC_WEIGHTS, strict=True))
    return body + "10X98765432"[total % 11]


def _age(_: SampleColumn, draw: _Draw) -> str:
    last, birth = draw.sample.last_day, draw.subject.birth
    return str(last.year - birth.year - ((last.month, last.day) < (birth.month, birth.day)))


def _mobile(_: SampleColumn, draw: _Draw) -> str:
    return (
        f"1{draw.random.choice('356789')}{draw.random.randrange(10)}0000{draw.random.randrange(10_000):04d}"
    )


def _address(_: SampleColumn, draw: _Draw) -> str:
    random, province = draw.random, draw.subject.province
    return (
        f"{province.name}{random.choice(province.places)}{random.choice(_STREETS)}路"
        f"{random.randint(1, 300)}号{random.randint(1, 30)}栋{random.randint(101, 1899)}室"
    )


def _company_name(_: SampleColumn, draw: _Draw) -> str:
    random = draw.random
    place = random.choice(draw.subject.province.places).removesuffix("市")
    return f"{place}{random.choice(_WORDS)}{random.choice(_TRADES)}有限公司"


def _uscc(_: SampleColumn, draw: _Draw) -> str:
    organisation = "".join(draw.random.choices(_USCC_ALPHABET, k=8))
    body = f"91{draw.subject.province.code}0000{organisation}{_wrong_check(organisation)}"
    total = sum(_USCC_ALPHABET.index(sign) * pow(3, place, 31) for place, sign in enumerate(body))
    return body + _USCC_ALPHABET[(31 - total % 31) % 31]


def _wrong_check(organisation: str) -> str:
    """Return a check digit that GB 11714 does not give: for the right one, the next."""
    weights = (3, 7, 9, 10, 5, 8, 4, 2)
    total = sum(int(sign, 36) * weight for sign, weight in zip(organisation, weights, strict=True))
    right = (11 - total % 11) % 11
    return str((right + 1) % 10)


def _bank_card(_: SampleColumn, draw: _Draw) -> str:
    body = f"620000{draw.random.randrange(10**12):012d}"
    doubled = (int(digit) * (2 - place % 2) for place, digit in enumerate(reversed(body)))
    total = sum(value - 9 if value > 9 else value for value in doubled)
    return body + str(-total % 10)


def _account_no(column: SampleColumn, draw: _Draw) -> str:
    # A stride prime to the modulus gives every subject a number of its own that does not count up.
    return f"{column.prefix}{draw.subject.number * 7_368_787 % 10**8:08d}"


def _choice(column: SampleColumn, draw: _Draw) -> str:
    return draw.random.choices(column.choices, column.weights or None)[0]


def _date(_: SampleColumn, draw: _Draw) -> str:
    sample = draw.sample
    days = draw.random.randint(0, (sample.last_day - sample.first_day).days)
    return str(sample.first_day + timedelta(days=days))


def _integer(column: SampleColumn, draw: _Draw) -> str:
    return str(draw.random.randint(column.least, column.most))


def _amount(column: SampleColumn, draw: _Draw) -> str:
    """Draw in fen, small amounts more often than large ones."""
    share = draw.random.random() ** 3
    return f"{(column.least * 100 + int(share * (column.most - column.least) * 100)) / 100:.2f}"


def _decimal(column: SampleColumn, draw: _Draw) -> str:
    return f"{draw.random.triangular(column.least, column.most):.1f}"


KINDS: Mapping[str, Callable[[SampleColumn, _Draw], str]] = {
    "person_name": _person_name,
    "resident_id": _resident_id,
    "sex": lambda _, draw: draw.subject.sex,
    "birth_date": lambda _, draw: str(draw.subject.birth),
    "age": _age,
    "province": lambda _, draw: draw.subject.province.name,
    "mobile": _mobile,
    "address": _address,
    "company_name": _company_name,
    "uscc": _uscc,
    "bank_card": _bank_card,
    "account_no": _account_no,
    "sequence": lambda column, draw: f"{column.prefix}{draw.row + 1:08d}",
    "choice": _choice,
    "date": _date,
    "integer": _integer,
    "amount": _amount,
    "decimal": _decimal,
    "synthetic": lambda _column, _draw: MARK,
}
