"""What a column is: proposed from its name and a sample of its values, with the evidence in a sentence.

A proposal is never a decision: the provider confirms or corrects it. In doubt
it errs towards the more sensitive: a column whose name claims to hold what its
values do not is still proposed, with a low confidence; and a text column that
nothing explains is held for free text or for an unknown identifier.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dataspace.table import Column, Method, Type
from dataspace.zones.schema import FREE_TEXT, GENERAL, UNKNOWN_IDENTIFIER, Check, Field, ruled
from dataspace.zones.validators import DESCRIPTIONS, test

_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_a-zA-Z]+")
_ID_NAME = re.compile(r"(^|_)(id|ids|no|nr|num|number|code|key|uuid|serial)$|(编号|编码|代码|号|号码|流水)$")
_LONG_TEXT = 40  # characters on average; answers to questions are longer than codes and words
_MANY = 50  # values from which a share of distinct ones says something
_FEW = 20  # values that are not all distinct by chance


@dataclass(frozen=True)
class Sampled:
    """A column as the sample shows it: `name` as uploaded, `values` its texts and nulls."""

    name: str
    type: Type
    values: pa.StringArray


@dataclass(frozen=True)
class Proposal:
    """What a column seems to be; `confidence` in percent; `passed` of `seen` values passed the check."""

    column: Column
    confidence: int
    evidence: str
    named: bool
    check: str
    passed: int
    seen: int

    def to_json(self) -> dict[str, Any]:
        """Return the proposal as plain data; the column lies beside it, under its name."""
        return {
            "column": self.column.name,
            "category": self.column.category,
            "confidence": self.confidence,
            "evidence": self.evidence,
            "named": self.named,
            "check": self.check,
            "passed": self.passed,
            "seen": self.seen,
        }


@dataclass(frozen=True)
class _Values:
    """The distinct non-null values of a sample, how often each stands, and what is cheap to know of them."""

    distinct: pa.StringArray
    counts: Any
    seen: int
    rows: int

    @property
    def distinct_percent(self) -> int:
        return 100 * len(self.distinct) // self.seen if self.seen else 0

    def passing(self, check: Check) -> int:
        """Return how many values pass."""
        return int(self.counts[test(check, self.distinct)].sum()) if self.seen else 0


def classify(columns: Sequence[Sampled], names: Sequence[str], fields: Sequence[Field]) -> list[Proposal]:
    """Return a proposal for each column; `names` are the names the columns go by from now on."""
    read = [(column, _values(column.values)) for column in columns]
    proposals = [
        _propose(column, name, values, fields) for (column, values), name in zip(read, names, strict=True)
    ]
    subject = _subject(proposals, [values for _, values in read], fields)
    return [
        replace(proposal, column=replace(proposal.column, subject=position == subject))
        for position, proposal in enumerate(proposals)
    ]


def looks_like_identifier(name: str) -> bool:
    """Tell whether a column's name says that its digits are no number."""
    return bool(_ID_NAME.search("_".join(_words(name))))


def _values(array: pa.StringArray) -> _Values:
    counted = pc.value_counts(array.drop_null())
    counts = counted.field("counts").to_numpy(zero_copy_only=False)
    return _Values(counted.field("values"), counts, int(counts.sum()), len(array))


def _propose(column: Sampled, name: str, values: _Values, fields: Sequence[Field]) -> Proposal:
    words = _words(column.name)
    found = [proposal for field in fields if (proposal := _match(field, column, words, values)) is not None]
    # The more sensitive of two equally good explanations.
    best = max(found, key=lambda proposal: (proposal.confidence, proposal.column.level), default=None)
    by_category = {field.category: field for field in fields}
    if (best is None or _named_only(best, by_category)) and _identifies(column, values):
        sentence = f"its name is an identifier's and its {values.seen:,} values are all distinct"
        best = _unknown(by_category[UNKNOWN_IDENTIFIER], column, values, 60, sentence)
    if best is None:
        best = _unexplained(column, values, by_category)
    return replace(best, column=replace(best.column, name=name))


def _match(field: Field, column: Sampled, words: tuple[str, ...], values: _Values) -> Proposal | None:
    """Return what speaks for a field, or None when nothing does."""
    named = any(_names(pattern, words) for pattern in field.names)
    if not named and not (field.by_value and _distinct_enough(field, values)):
        return None
    passed = values.passing(field.check) if field.check else 0
    enough = field.check is not None and values.seen > 0 and 100 * passed >= field.share * values.seen
    if not enough and not named:
        return None
    parts = ["its name says so"] if named else []
    if field.check and values.seen:
        parts.insert(0, f"{passed:,} of {values.seen:,} values pass {DESCRIPTIONS[field.check]}")
    proposal = Proposal(
        column=ruled(field, column.name, Type.TEXT if field.text else column.type),
        confidence=_confidence(100 * passed // max(values.seen, 1), named=named, enough=enough, field=field),
        evidence="; ".join(parts),
        named=named,
        check=str(field.check or ""),
        passed=passed,
        seen=values.seen,
    )
    return _dated(proposal, field, column, values)


def _confidence(share: int, *, named: bool, enough: bool, field: Field) -> int:
    """Return a percentage, never 100: the provider has the last word."""
    if field.check is None:
        return 70
    if not enough:
        return min(45, 20 + share // 2)
    return min(99, 50 + share // 2 if named else share)


def _dated(proposal: Proposal, field: Field, column: Sampled, values: _Values) -> Proposal:
    """Let a date that stayed text be generalized to its year when every value begins with it."""
    wanted = field.check is Check.DATE and field.method is Method.GENERALIZE and column.type is not Type.DATE
    if not wanted or not proposal.passed or "first" not in field.parameters:
        return proposal
    if not pc.all(pc.match_substring_regex(values.distinct, r"^(1[6-9]|20|21)\d\d")).as_py():
        return proposal
    parameters = {"first": field.parameters["first"]}
    # `20240131` is no number: as text its first characters are the year.
    dated = replace(proposal.column, type=Type.TEXT, method=Method.GENERALIZE, parameters=parameters)
    return replace(proposal, column=dated)


def _distinct_enough(field: Field, values: _Values) -> bool:
    return values.distinct_percent >= field.distinct or values.seen < _MANY


def _unexplained(column: Sampled, values: _Values, fields: Mapping[str, Field]) -> Proposal:
    """Return the proposal for a column that no field explains."""
    category, sentence = GENERAL, "no rule of the zone matches its name or its values"
    if column.type is Type.TEXT and values.seen:
        length = pc.mean(pc.utf8_length(values.distinct)).as_py()
        if length > _LONG_TEXT:
            category, sentence = FREE_TEXT, f"its values are texts of {round(length)} characters on average"
        elif values.seen >= _MANY and values.distinct_percent >= _MANY:
            category = UNKNOWN_IDENTIFIER
            sentence = (
                f"{len(values.distinct):,} of {values.seen:,} values are distinct and no rule explains them"
            )
    elif column.type is Type.INTEGER and values.seen >= _MANY and _counts_up(column.values):
        category, sentence = UNKNOWN_IDENTIFIER, "its values only count up, as row numbers do"
    return _unknown(fields[category], column, values, 30, sentence)


def _named_only(proposal: Proposal, fields: Mapping[str, Field]) -> bool:
    """Tell whether a field that lets values leave was proposed, and nothing but the name speaks for it."""
    field = fields[proposal.column.category]
    tested = field.by_value and 100 * proposal.passed >= field.share * proposal.seen
    return not tested and field.method in (Method.KEEP, Method.GENERALIZE)


def _identifies(column: Sampled, values: _Values) -> bool:
    """Tell whether a column names each row: `condition_occurrence_id` is no condition."""
    if column.type not in (Type.TEXT, Type.INTEGER) or not looks_like_identifier(column.name):
        return False
    if values.seen < _FEW or len(values.distinct) < values.seen:
        return False
    return values.passing(Check.IDENTIFIER) == values.seen


def _unknown(field: Field, column: Sampled, values: _Values, confidence: int, sentence: str) -> Proposal:
    return Proposal(
        column=ruled(field, column.name, Type.TEXT if field.text else column.type),
        confidence=confidence,
        evidence=sentence,
        named=False,
        check="",
        passed=0,
        seen=values.seen,
    )


def _counts_up(values: pa.StringArray) -> bool:
    try:
        numbers = pc.cast(values.drop_null(), pa.int64()).to_numpy(zero_copy_only=False)
    except pa.ArrowInvalid:
        return False
    return bool((np.diff(numbers) > 0).all())


def _subject(proposals: Sequence[Proposal], values: Sequence[_Values], fields: Iterable[Field]) -> int:
    """Return the column that best says whom a row is about, or -1; it must be filled nearly everywhere."""
    ranks = {field.category: field.subject for field in fields if field.subject}
    usable = [
        (ranks[proposal.column.category], -proposal.confidence, position)
        for position, proposal in enumerate(proposals)
        if proposal.column.category in ranks
        and proposal.confidence >= _MANY
        and 100 * values[position].seen >= 99 * values[position].rows
        and len(values[position].distinct) > 1
    ]
    return min(usable, default=(0, 0, -1))[2]


@lru_cache(maxsize=4096)
def _words(name: str) -> tuple[str, ...]:
    """Return the words of a column's name: `customerID_no` has three, `客户身份证号` one."""
    return tuple(word.lower() for word in _WORDS.findall(unicodedata.normalize("NFKC", name)))


def _names(pattern: str, words: tuple[str, ...]) -> bool:
    """Tell whether a field's pattern names this column: Latin by whole words, Chinese anywhere."""
    wanted = _words(pattern.removeprefix("="))
    if pattern.startswith("="):
        return wanted == words
    if not pattern.isascii():
        return pattern.lower() in "".join(words)
    if "".join(wanted) == "".join(words):
        return True
    length = len(wanted)
    return any(words[start : start + length] == wanted for start in range(len(words) - length + 1))
