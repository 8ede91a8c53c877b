"""What speaks for each kind of column: the name, the share of values that pass, both."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from dataspace.table import Attribute
from dataspace.zones.distribution import Values
from dataspace.zones.names import Match, matched, names_a_thing, tells_about
from dataspace.zones.plausible import plausible
from dataspace.zones.proposal import Sampled
from dataspace.zones.schema import Check, Field
from dataspace.zones.validators import counties
from dataspace.zones.wording import NAMED, NOTHING, Sentence, assigned, passing, shape

_MANY: Final = 50  # values from which a share of distinct ones says something
_BESIDE: Final = 40  # what a name loses beside a field that the name's end speaks for
# Checks that most columns of numbers pass.
WEAK: Final = (Check.IDENTIFIER, Check.AMOUNT, Check.AGE, Check.SEX)
# Forms that the codes of things have, too.
_COMMON_FORMS: Final = (
    None,
    Check.MOBILE,
    Check.LANDLINE,
    Check.PASSPORT,
    Check.IP,
    Check.DIVISION,
    Check.ICD10,
    Check.PERSON_NAME,
    Check.COORDINATE,
)


@dataclass(frozen=True)
class Candidate:
    """A field that something speaks for; `enough` values pass its check."""

    field: Field
    match: Match | None
    passed: int
    seen: int
    enough: bool
    confidence: int
    evidence: Sentence

    @property
    def strong(self) -> bool:
        """Whether the values prove it."""
        return self.enough and self.field.strict

    @property
    def weight(self) -> tuple[bool, int, int, int]:
        """What the best of several is told by; of two alike it is the more sensitive."""
        return self.strong, self.confidence, self.match.length if self.match else 0, self.field.level


def candidates(column: Sampled, values: Values, fields: Iterable[Field]) -> list[Candidate]:
    """Return what speaks for any field, the best first."""
    found = [found for field in fields if (found := _candidate(field, column, values)) is not None]
    ends = [candidate.match for candidate in found if candidate.match]
    if ends:
        # `身份证住址` is an address: the last word says what a thing is, the longest says it best.
        best = max(ends)
        found = [candidate if candidate.match in {None, best} else _beside(candidate) for candidate in found]
        if any(candidate.match == best and not candidate.field.tests for candidate in found):
            # A branch's name has the form of an organisation's; what identifies a person outweighs a name.
            found = [_lowered(candidate) if _harmless(candidate) else candidate for candidate in found]
    return sorted(found, key=lambda candidate: candidate.weight, reverse=True)


def _candidate(field: Field, column: Sampled, values: Values) -> Candidate | None:
    """Return what speaks for a field, or None when nothing does."""
    match = max((found for pattern in field.names if (found := matched(pattern, column.name))), default=None)
    if match is None and not _asks(field, column, values):
        return None
    passed = values.passing(field) if field.tests else 0
    enough = field.tests and values.seen > 0 and 100 * passed >= field.share * values.seen
    if match is None and not (enough and (field.strict or plausible(field.check, values))):
        return None
    if (
        match is not None
        and field.tests
        and values.seen
        and tells_about(column.name)
        and not _proves(field, enough)
    ):
        return None
    share = 100 * passed // max(values.seen, 1)
    return Candidate(
        field=field,
        match=match,
        passed=passed,
        seen=values.seen,
        enough=enough,
        confidence=_confidence(share, field, named=match is not None, enough=enough),
        evidence=_evidence(field, values, passed, named=match is not None),
    )


def _proves(field: Field, enough: bool) -> bool:
    """Tell whether values say something of their own, beside a name that they fit."""
    return enough and field.check not in WEAK


def _asks(field: Field, column: Sampled, values: Values) -> bool:
    """Tell whether values alone may speak for a field."""
    if not field.by_value or not values.seen:
        return False
    if values.distinct_percent < field.distinct and values.seen >= _MANY:
        return False
    other = names_a_thing(column.name) or tells_about(column.name)
    if not field.strict and field.check in _COMMON_FORMS and other:
        return False
    return not values.hopeless(field)


def _confidence(share: int, field: Field, *, named: bool, enough: bool) -> int:
    """Return a percentage, never 100: the provider has the last word."""
    if not field.tests:
        return 70
    if not enough:
        return min(45, 20 + share // 2)
    return min(99, 50 + share // 2 if named else share)


def _beside(candidate: Candidate) -> Candidate:
    """Return what is left of a candidate whose name stands beside a better one."""
    if _proves(candidate.field, candidate.enough):
        return candidate
    return _lowered(candidate)


def _harmless(candidate: Candidate) -> bool:
    """Tell whether a form alone speaks for a candidate, and of no person."""
    named = candidate.match is not None or candidate.strong
    return not named and candidate.field.attribute is not Attribute.IDENTIFIER


def _lowered(candidate: Candidate) -> Candidate:
    return replace(candidate, confidence=max(5, candidate.confidence - _BESIDE))


def _evidence(field: Field, values: Values, passed: int, *, named: bool) -> Sentence:
    told = passing(passed, values.seen, field.check, field.title) if field.tests and values.seen else NOTHING
    if field.check is Check.RESIDENT_ID and passed:
        known = int(values.counts[counties(values.distinct)].sum())
        told += assigned(known, values.seen)
    if field.check is Check.IDENTIFIER and passed and (form := _shape(values.distinct)):
        told += shape(form, values.distinct_percent)
    return told + NAMED if named else told


def _shape(values: pa.StringArray) -> str:
    """Return the one shape that values have, `A` for letters and `9` for digits, or nothing."""
    shapes = pc.replace_substring_regex(values.slice(0, 1000), "[A-Za-z]", "A")
    shapes = pc.unique(pc.replace_substring_regex(shapes, r"\d", "9"))
    return str(shapes[0].as_py()) if len(shapes) == 1 else ""
