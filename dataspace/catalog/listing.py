"""The record of a data product: what its listing says beside title, description and columns.

Words of the provider's, with limits; none may name a person. Dates are days.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from enum import StrEnum
from typing import Annotated, Any

import msgspec

from dataspace.errors import Unprocessable
from dataspace.table import Column
from dataspace.zones.personal import personal
from dataspace.zones.schema import Check

_LONG = 2000
_OFFICE = {Check.EMAIL, Check.LANDLINE}  # what an office is reached by


def _text(most: int, description: str, example: str) -> Any:
    return msgspec.Meta(max_length=most, description=description, examples=[example])


Short = Annotated[str, msgspec.Meta(max_length=110)]


class Frequency(StrEnum):
    """How often a new version is to be expected."""

    ONCE = "once"
    CONTINUOUS = "continuous"
    DAILY = "daily"
    WEEKLY = "weekly"
    MONTHLY = "monthly"
    QUARTERLY = "quarterly"
    YEARLY = "yearly"
    IRREGULAR = "irregular"


class _Words(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A part of a listing: every field is known, and may be left out."""


class Coverage(_Words, frozen=True, kw_only=True):
    """What the data are of: from when to when, where, and how fine."""

    start: Annotated[date, msgspec.Meta(examples=["2024-01-01"])] | None = None
    end: Annotated[date, msgspec.Meta(examples=["2024-12-31"])] | None = None
    region: Annotated[str, _text(200, "where", "上海市")] = ""
    granularity: Annotated[str, _text(110, "what one row stands for", "每户每月一行")] = ""


class Meaning(_Words, frozen=True, kw_only=True):
    """A column in the data dictionary."""

    zh: Annotated[str, _text(110, "its name in Chinese", "月用电量")] = ""
    en: Annotated[str, _text(110, "its name in English", "Monthly consumption")] = ""
    unit: Annotated[str, _text(40, "the unit of its values", "kWh")] = ""
    description: Annotated[str, _text(1000, "what its values say", "按抄表日期归月")] = ""


class Example(_Words, frozen=True, kw_only=True):
    """A query that the provider recommends."""

    title: Annotated[str, _text(110, "what it answers", "各区平均用电量")]
    sql: Annotated[str, _text(4000, "the query", "SELECT 区, AVG(用电量) FROM data GROUP BY 区")]


class Product(_Words, frozen=True, kw_only=True):
    """A data product's record, as exchanges ask for it; personal data in it are refused."""

    title_en: Annotated[str, _text(200, "the title in English", "Monthly power consumption")] = ""
    subtitle: Annotated[str, _text(110, "one line under the title", "区县级，按月")] = ""
    industry: Annotated[str, _text(110, "the industry it is of", "电力、热力生产和供应业")] = ""
    provenance: Annotated[str, _text(_LONG, "where the data come from", "电网营销系统")] = ""
    compliance: Annotated[str, _text(_LONG, "on what legal ground, by which review", "数据出境不涉及")] = ""
    coverage: Coverage | None = None
    frequency: Frequency = Frequency.ONCE
    updated: (
        Annotated[
            date,
            msgspec.Meta(description="when the data were last brought up to date", examples=["2026-10-31"]),
        ]
        | None
    ) = None
    restrictions: Annotated[str, _text(_LONG, "limits of use beyond the offer's", "不得再分发")] = ""
    needs: Annotated[
        list[Short], msgspec.Meta(max_length=6, description="what it is good for", examples=[["负荷预测"]])
    ] = []
    examples: Annotated[list[Example], msgspec.Meta(max_length=10)] = []
    keywords: Annotated[list[Short], msgspec.Meta(max_length=20, examples=[["电力", "区县"]])] = []
    dictionary: Annotated[
        dict[str, Meaning], msgspec.Meta(description="by column", examples=[{"kwh": {"unit": "kWh"}}])
    ] = {}
    contact: Annotated[str, _text(200, "whom to ask: an office, not a person", "数据资源部")] = ""


def read_listing(data: Mapping[str, Any], columns: Sequence[Column]) -> dict[str, Any]:
    """Return a listing's record as it is stored.

    Raises:
        Unprocessable: it breaks a limit, has an unknown field, or explains a
            column that is not there.

    """
    try:
        product = msgspec.convert(dict(data), Product)
    except msgspec.ValidationError as error:
        raise Unprocessable(f"the listing does not fit: {error}") from error
    unknown = sorted(product.dictionary.keys() - {column.name for column in columns})
    if unknown:
        raise Unprocessable(f"the listing explains a column {unknown[0]!r}, and there is none of that name")
    read: dict[str, Any] = msgspec.to_builtins(product)
    return read


def check_impersonal(texts: Mapping[str, Any]) -> None:
    """Let pass what everybody may read (attack UP-20); `texts` are JSON, by the name they go by.

    Raises:
        Unprocessable: a text seems to name a person; the error says where and what, never the text.

    """
    found = [
        {"where": where, "what": sorted(str(check) for check in checks)}
        for where, text in _texts(texts, "")
        if (checks := set(personal(text)) - (_OFFICE if where.endswith(".contact") else set()))
    ]
    if found:
        first = found[0]
        raise Unprocessable(
            f"{first['where']} seems to hold personal data ({', '.join(first['what'])}): everybody reads it",
            personal=found,
        )


def _texts(value: Any, where: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield where, value
    elif isinstance(value, Mapping):
        for name, member in value.items():
            yield from _texts(member, f"{where}.{name}".removeprefix("."))
    elif isinstance(value, list | tuple):
        for number, member in enumerate(value):
            yield from _texts(member, f"{where}[{number}]")
