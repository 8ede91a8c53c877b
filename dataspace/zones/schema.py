"""The tables of a zone pack's files, each key with its type; `pack.py` reads and compares them."""

from datetime import date
from enum import StrEnum
from typing import Annotated, Literal

import msgspec

from dataspace.table import Column, Method, Type

Count = Annotated[int, msgspec.Meta(ge=0)]
Positive = Annotated[int, msgspec.Meta(ge=1)]
Percent = Annotated[int, msgspec.Meta(ge=0, le=100)]
Text = Annotated[str, msgspec.Meta(min_length=1)]
Name = Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9_-]{0,62}$")]
Form = Literal["rows", "aggregate", "encrypted"]

# The categories of columns that match no other field; every pack says what they mean in its zone.
GENERAL, FREE_TEXT, UNKNOWN_IDENTIFIER = "general", "free_text", "unknown_identifier"


_GENERALIZES = {Type.DATE: "unit", Type.INTEGER: "width", Type.DECIMAL: "width", Type.TEXT: "first"}


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
    for lesser ones, 0 for none.
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


class Fields(_Read, frozen=True, kw_only=True):
    """The file fields.toml."""

    fields: list[Field]


def ruled(field: Field, name: str, kind: Type) -> Column:
    """Return a column of the field's category under the field's rule, as far as its type allows.

    A generalization needs a parameter for the type; without one the column is
    suppressed. So is a date that stayed text: its first characters may be its day.
    """
    method, parameters = field.method, dict(field.parameters)
    if method is Method.GENERALIZE:
        key = _GENERALIZES[kind]
        unsure = key not in parameters or (field.check is Check.DATE and kind is Type.TEXT)
        method = Method.SUPPRESS if unsure else method
        parameters = {} if unsure else {key: parameters[key]}
    return Column(
        name=name,
        type=kind,
        category=field.category,
        level=field.level,
        method=method,
        parameters=parameters,
        aggregable=field.aggregable and kind in (Type.INTEGER, Type.DECIMAL),
    )
