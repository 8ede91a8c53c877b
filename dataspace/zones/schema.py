"""The tables of a zone pack's files, each key with its type; `pack.py` reads and compares them."""

from datetime import date
from enum import StrEnum
from typing import Annotated, Literal

import msgspec

from dataspace.table import Attribute, Column, Method, Type

Count = Annotated[int, msgspec.Meta(ge=0)]
Positive = Annotated[int, msgspec.Meta(ge=1)]
Percent = Annotated[int, msgspec.Meta(ge=0, le=100)]
Ppm = Annotated[int, msgspec.Meta(ge=0, le=1_000_000)]
Text = Annotated[str, msgspec.Meta(min_length=1)]
Name = Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9_-]{0,62}$")]
Form = Literal["rows", "aggregate", "encrypted"]

# The categories of columns that match no other field; every pack says what they mean in its zone.
GENERAL, FREE_TEXT, UNKNOWN_IDENTIFIER = "general", "free_text", "unknown_identifier"

_NUMBERS = (Type.INTEGER, Type.DECIMAL)
# A rule may have parameters for several types; of those that are for a type the first it has is taken.
_PARAMETERS = {
    Method.GENERALIZE: {
        Type.DATE: ("unit",),
        Type.INTEGER: ("bands", "width"),
        Type.DECIMAL: ("bands", "width"),
        Type.TEXT: ("division", "icd", "first"),
    },
    Method.ROUND: {Type.INTEGER: ("to",), Type.DECIMAL: ("digits", "to")},
}
# What a method can be done to; those not named take any type.
_TAKES = {
    Method.ROUND: _NUMBERS,
    Method.TOP_CODE: _NUMBERS,
    Method.MICROAGGREGATE: _NUMBERS,
    Method.NOISE: _NUMBERS,
    Method.SHIFT: (Type.DATE,),
    Method.FPE: (Type.TEXT,),
}


class Check(StrEnum):
    """What values can be tested for; `validators.py` holds one function for each."""

    RESIDENT_ID = "resident_id"
    USCC = "uscc"
    BANK_CARD = "bank_card"
    MOBILE = "mobile"
    LANDLINE = "landline"
    EMAIL = "email"
    PLATE = "plate"
    PASSPORT = "passport"
    IP = "ip"
    COORDINATE = "coordinate"
    DIVISION = "division"
    ICD10 = "icd10"
    DATE = "date"
    AMOUNT = "amount"
    AGE = "age"
    SEX = "sex"
    POSTCODE = "postcode"
    ADDRESS = "address"
    PERSON_NAME = "person_name"
    COMPANY_NAME = "company_name"
    IDENTIFIER = "identifier"


_CHECKED = (Check.RESIDENT_ID, Check.USCC, Check.BANK_CARD)


class CheckDigit(StrEnum):
    """How the last sign of a number follows from the others."""

    NONE = "none"
    LUHN = "luhn"  # ISO/IEC 7812-1
    MOD11_2 = "mod11-2"  # ISO/IEC 7064, as in GB 11643
    MOD31 = "mod31"  # GB 32100


class _Read(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of a pack's file: every key is known, and required unless it has a default."""


class Title(_Read, frozen=True, kw_only=True):
    """A text in the two languages of the portal."""

    zh: Text
    en: Text


class Document(_Read, frozen=True, kw_only=True):
    """A published document that rules of the pack come from; `date` is when it was issued."""

    id: Text
    title: Text
    date: date


class Level(_Read, frozen=True, kw_only=True):
    """One step of the zone's grading; a greater number is more sensitive."""

    number: Positive
    name: Title
    what: Title


class Purpose(_Read, frozen=True, kw_only=True):
    """One entry of the zone's closed list of purposes."""

    name: Name
    title: Title


class Clause(_Read, frozen=True, kw_only=True):
    """Where a field's rule comes from; `document` is the id of one of the pack's documents."""

    document: Text
    text: Text


class Field(_Read, frozen=True, kw_only=True):
    """A kind of column.

    `names`: words of a column's name, Chinese, English or pinyin; Latin words
    match whole words, and `=word` the whole name. `check` tests values; with
    `by_value` they decide without the name, when `share` percent pass and at
    least `distinct` percent differ. `text`: digits that are
    no number. `subject`: 1 for the best sign of whom a row is about, greater
    for lesser ones, 0 for none; `organisation`: it is no person who is told of.
    `attribute` is what measures of risk take the column for. A `pattern` is a
    regular expression that whole values match, of the dialect of `patterns.py`;
    with a `check_digit` their digits and letters must pass that, too.
    """

    category: Name
    title: Title
    level: Positive
    method: Method
    clause: Clause
    parameters: dict[str, int | str] = {}
    names: list[Text] = []
    check: Check | None = None
    by_value: bool = False
    share: Percent = 90
    distinct: Percent = 0
    text: bool = False
    aggregable: bool = False
    subject: Count = 0
    organisation: bool = False
    attribute: Attribute = Attribute.OTHER
    pattern: str = ""
    check_digit: CheckDigit = CheckDigit.NONE

    @property
    def tests(self) -> bool:
        """Whether values can be tested."""
        return self.check is not None or bool(self.pattern)

    @property
    def strict(self) -> bool:
        """Whether a value that passes can hardly be anything else: it has a check digit."""
        return self.check in _CHECKED or self.check_digit is not CheckDigit.NONE


class Risk(_Read, frozen=True, kw_only=True):
    """What a release as rows must not pass, over distinct subjects; shares in parts per million.

    `k`: subjects of the smallest class, at least. `l`: distinct sensitive values
    of a class, at least. `t_ppm`: distance of a class's sensitive values from
    all, at most. `unique_ppm`: subjects alone in their class; `prosecutor_ppm`:
    the highest risk of one subject; `marketer_ppm`: the mean; `suppressed_ppm`:
    rows withheld for it; all at most.
    """

    k: Positive
    l: Positive  # noqa: E741 - the literature's name
    t_ppm: Ppm
    unique_ppm: Ppm
    prosecutor_ppm: Ppm
    marketer_ppm: Ppm
    suppressed_ppm: Ppm

    def to_json(self) -> dict[str, int]:
        """Return the thresholds as plain data."""
        found: dict[str, int] = msgspec.to_builtins(self)
        return found


class SampleColumn(_Read, frozen=True, kw_only=True):
    """A column of the zone's sample: a kind of `samples.py`, drawn once for each row or each subject."""

    name: Text
    kind: Name
    per: Literal["subject", "row"] = "row"
    choices: list[Text] = []
    weights: list[Positive] = []
    least: int = 0
    most: int = 0
    prefix: str = ""


class ExampleSum(_Read, frozen=True, kw_only=True):
    """A sum of an example's cube, with the bounds that its values are clamped to."""

    column: Text
    low: int
    high: int


class ExampleCube(_Read, frozen=True, kw_only=True):
    """A cube of counts and `sums`; `epsilon` in millionths."""

    dimensions: list[Text]
    sums: list[ExampleSum]
    max_rows: Positive
    epsilon: Positive


class Examples(_Read, frozen=True, kw_only=True):
    """What to ask of the sample, form by form; an empty query is not asked."""

    purpose: Name
    subjects: list[Text]
    rows: str = ""
    aggregate: str = ""
    cube: ExampleCube | None = None


class Sample(_Read, frozen=True, kw_only=True):
    """The zone's synthetic sample; `most_rows` is the most rows about one subject."""

    file: Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9_-]*\.csv$")]
    title: Title
    seed: Count
    rows: Positive
    most_rows: Positive
    first_day: date
    last_day: date
    columns: list[SampleColumn]
    examples: Examples


class Zone(_Read, frozen=True, kw_only=True):
    """The file zone.toml; `Pack` says what its keys mean."""

    name: Name
    title: Title
    documents: list[Document]
    levels: list[Level]
    purposes: list[Purpose]
    refused_purposes: list[Name]
    forms: list[Form]
    min_group: Positive
    max_rows_level: Count
    max_aggregate_level: Count
    row_limit: Positive
    epsilon_micro: Positive
    price: Count
    risk: Risk


class Fields(_Read, frozen=True, kw_only=True):
    """The file fields.toml."""

    fields: list[Field]


def ruled(field: Field, name: str, kind: Type) -> Column:
    """Return a column of the field's category under the field's rule, as far as its type allows.

    A method that cannot be done to the type, or has no parameter for it,
    suppresses the column. So does a generalized date that stayed text: its
    first characters may be its day.
    """
    method, parameters = _allowed(field, kind)
    return Column(
        name=name,
        type=kind,
        category=field.category,
        level=field.level,
        method=method,
        parameters=parameters,
        aggregable=field.aggregable and kind in _NUMBERS,
        attribute=field.attribute,
    )


def _allowed(field: Field, kind: Type) -> tuple[Method, dict[str, int | str]]:
    if kind not in _TAKES.get(field.method, Type):
        return Method.SUPPRESS, {}
    if field.method not in _PARAMETERS:
        return field.method, dict(field.parameters)
    key = next((key for key in _PARAMETERS[field.method][kind] if key in field.parameters), "")
    if not key or (field.check is Check.DATE and kind is Type.TEXT):
        return Method.SUPPRESS, {}
    return field.method, {key: field.parameters[key]}
