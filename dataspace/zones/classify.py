"""What a column is: proposed from its name and a sample of its values, with the evidence in a sentence.

A proposal is never a decision: the provider confirms or corrects it, and what
it corrected once is proposed from then on. In doubt a proposal errs towards the
more sensitive: a column whose name claims to hold what its values do not is
still proposed, with a low confidence; a text column that nothing explains is
held for free text or for an unknown identifier; and neither a name nor a
correction of old outweighs values with the right check digits.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import pyarrow.compute as pc

from dataspace.table import Attribute, Column, Method, Type
from dataspace.zones.candidates import WEAK, Candidate, candidates
from dataspace.zones.distribution import Values, counts_up, spread
from dataspace.zones.names import looks_like_identifier, rule_name
from dataspace.zones.proposal import Alternative, Proposal, Sampled
from dataspace.zones.schema import FREE_TEXT, GENERAL, UNKNOWN_IDENTIFIER, Check, Field, ruled
from dataspace.zones.validators import test
from dataspace.zones.wording import (
    COUNTING,
    RULED,
    UNMATCHED,
    Sentence,
    all_distinct,
    long_texts,
    mostly_distinct,
)

__all__ = ["Alternative", "Proposal", "Sampled", "classify", "looks_like_identifier", "rule_name"]

_LONG_TEXT = 40  # characters on average; answers to questions are longer than codes and words
_MANY = 50  # values from which a share of distinct ones says something; also a confidence to build on
_FEW = 20  # values that are not all distinct by chance
_SHOWN = 3  # alternatives of a proposal
_COARSE = (Method.KEEP, Method.ROUND, Method.TOP_CODE, Method.GENERALIZE)
_NONE: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True)
class _Zone:
    """The fields as they are asked for: all, by category, and the provider's own rules."""

    fields: Sequence[Field]
    by_category: Mapping[str, Field]
    rules: Mapping[str, str]


def classify(
    columns: Sequence[Sampled],
    names: Sequence[str],
    fields: Sequence[Field],
    rules: Mapping[str, str] = _NONE,
) -> list[Proposal]:
    """Return a proposal for each column; `names` are the names the columns go by from now on.

    `rules` are the provider's corrections of old: a column's `rule_name` with its category.
    """
    by_category = {field.category: field for field in reversed(fields)}
    zone = _Zone(fields, by_category, rules)
    read = [(column, spread(column.values)) for column in columns]
    proposals = [
        _propose(column, name, values, zone) for (column, values), name in zip(read, names, strict=True)
    ]
    subject = _subject(proposals, [values for _, values in read], by_category)
    marked = [
        replace(proposal, column=replace(proposal.column, subject=position == subject))
        for position, proposal in enumerate(proposals)
    ]
    return _of_organisations(marked, by_category)


def _propose(column: Sampled, name: str, values: Values, zone: _Zone) -> Proposal:
    found = candidates(column, values, zone.fields)
    proposal = _best(column, values, found, zone)
    others = {
        candidate.field.category: Alternative(
            candidate.field.category, candidate.confidence, candidate.evidence.en, candidate.evidence.zh
        )
        for candidate in reversed(found)
        if candidate.field.category != proposal.column.category
    }
    # The zone's own tests first: a provider's recognisers must not crowd out what values prove.
    own = {candidate.field.category for candidate in found if candidate.field.check and candidate.enough}
    ranked = sorted(others.values(), key=lambda other: (other.category not in own, -other.confidence))
    return replace(proposal, column=replace(proposal.column, name=name), alternatives=tuple(ranked[:_SHOWN]))


def _best(column: Sampled, values: Values, found: Sequence[Candidate], zone: _Zone) -> Proposal:
    best = found[0] if found else None
    corrected = zone.by_category.get(zone.rules.get(rule_name(column.name), ""))
    if corrected is not None and not (best and best.strong and corrected.level < best.field.level):
        same = next((one for one in found if one.field.category == corrected.category), None)
        return _by_rule(corrected, same, column, values)
    if best is None or _named_only(best):
        if _identifies(column, values):
            unknown = zone.by_category[UNKNOWN_IDENTIFIER]
            return _unproven(unknown, column, values, 60, all_distinct(values.seen))
        if best is None:
            return _unexplained(column, values, zone.by_category)
    return _dated(_proven(best, column, values), best.field, column, values)


def _proven(best: Candidate, column: Sampled, values: Values) -> Proposal:
    return Proposal(
        column=ruled(best.field, column.name, _kind(best.field, column)),
        confidence=best.confidence,
        evidence=best.evidence.en,
        evidence_zh=best.evidence.zh,
        named=best.match is not None,
        check=str(best.field.check or ""),
        passed=best.passed,
        seen=values.seen,
        strong=best.strong,
    )


def _unproven(field: Field, column: Sampled, values: Values, confidence: int, told: Sentence) -> Proposal:
    return Proposal(
        column=ruled(field, column.name, _kind(field, column)),
        confidence=confidence,
        evidence=told.en,
        evidence_zh=told.zh,
        named=False,
        check="",
        passed=0,
        seen=values.seen,
    )


def _by_rule(field: Field, found: Candidate | None, column: Sampled, values: Values) -> Proposal:
    """Return what the provider said of a column of this name before, with what speaks for it today."""
    told = RULED + found.evidence if found else RULED
    proposal = _proven(found, column, values) if found else _unproven(field, column, values, 95, told)
    proposal = replace(proposal, confidence=95, evidence=told.en, evidence_zh=told.zh, ruled=True)
    return _dated(proposal, field, column, values)


def _kind(field: Field, column: Sampled) -> Type:
    return Type.TEXT if field.text else column.type


def _dated(proposal: Proposal, field: Field, column: Sampled, values: Values) -> Proposal:
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


def _unexplained(column: Sampled, values: Values, fields: Mapping[str, Field]) -> Proposal:
    """Return the proposal for a column that no field explains."""
    category, told = GENERAL, UNMATCHED
    if column.type is Type.TEXT and values.seen:
        length = pc.mean(pc.utf8_length(values.distinct)).as_py()
        if length > _LONG_TEXT:
            category, told = FREE_TEXT, long_texts(round(length))
        elif values.seen >= _MANY and values.distinct_percent >= _MANY:
            category, told = UNKNOWN_IDENTIFIER, mostly_distinct(len(values.distinct), values.seen)
    elif column.type is Type.INTEGER and values.seen >= _MANY and counts_up(column.values):
        category, told = UNKNOWN_IDENTIFIER, COUNTING
    return _unproven(fields[category], column, values, 30, told)


def _named_only(best: Candidate) -> bool:
    """Tell whether a field that lets values leave was proposed, and nothing but the name speaks for it."""
    tested = best.field.tests and best.enough and best.field.check not in WEAK
    return not tested and best.field.method in _COARSE


def _identifies(column: Sampled, values: Values) -> bool:
    """Tell whether a column names each row: `condition_occurrence_id` is no condition."""
    if column.type not in (Type.TEXT, Type.INTEGER) or not looks_like_identifier(column.name):
        return False
    if values.seen < _FEW or len(values.distinct) < values.seen:
        return False
    return bool(test(Check.IDENTIFIER, values.distinct).all())


def _subject(proposals: Sequence[Proposal], values: Sequence[Values], fields: Mapping[str, Field]) -> int:
    """Return the column that best says whom a row is about, or -1; it must be filled nearly everywhere."""
    usable = [
        (rank, -proposal.confidence, position)
        for position, proposal in enumerate(proposals)
        if (rank := fields[proposal.column.category].subject)
        and proposal.confidence >= _MANY
        and 100 * values[position].seen >= 99 * values[position].rows
        and len(values[position].distinct) > 1
    ]
    return min(usable, default=(0, 0, -1))[2]


def _of_organisations(proposals: Sequence[Proposal], fields: Mapping[str, Field]) -> list[Proposal]:
    """Take no column for a person's quasi-identifier where rows are about organisations and nobody else."""
    if not any(found.column.subject and fields[found.column.category].organisation for found in proposals):
        return list(proposals)
    if any(_of_person(fields[found.column.category]) for found in proposals):
        return list(proposals)
    return [replace(found, column=_unlinked(found.column)) for found in proposals]


def _of_person(field: Field) -> bool:
    told = field.attribute is Attribute.IDENTIFIER and field.tests
    return not field.organisation and (told or field.check in (Check.AGE, Check.SEX))


def _unlinked(column: Column) -> Column:
    return replace(column, attribute=Attribute.OTHER) if column.attribute is Attribute.QUASI else column
