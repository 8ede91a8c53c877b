"""The level of a dataset, from its columns' own levels and from what they are together.

The highest wins, always (就高从严, GB/T 43697-2024): a rule of the zone's `grading.toml` raises the columns
it names and never lowers one, and every level has a reason that cites a clause.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from dataspace.table import Column
from dataspace.zones.grading import Combination, Rule, Rules
from dataspace.zones.pack import Pack
from dataspace.zones.schema import Clause, Field, Title

_OWN = Title(zh="该类别自身的级别", en="the level of the category itself")


@dataclass(frozen=True)
class Reason:
    """Why columns have at least a level: the clause, and `what` about them calls for it."""

    columns: tuple[str, ...]
    level: int
    clause: Clause
    what: Title

    def to_json(self) -> dict[str, Any]:
        """Return the reason as plain data."""
        return {
            "columns": list(self.columns),
            "level": self.level,
            "clause": {"document": self.clause.document, "text": self.clause.text},
            "what": {"zh": self.what.zh, "en": self.what.en},
        }


@dataclass(frozen=True)
class Grading:
    """A dataset's level, its columns' in their order, and the reasons, the highest first."""

    level: int
    columns: tuple[int, ...]
    reasons: tuple[Reason, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the grading as plain data."""
        return {
            "level": self.level,
            "columns": list(self.columns),
            "reasons": [reason.to_json() for reason in self.reasons],
        }


@dataclass(frozen=True)
class _Case:
    """What is graded; `fields` by category, for their clauses."""

    columns: Sequence[Column]
    subjects: int
    precision: Mapping[str, int]
    fields: Mapping[str, Field] = field(default_factory=dict)


def grade(
    columns: Iterable[Column],
    rules: Pack | Rules,
    *,
    subjects: int,
    rows: int,
    precision: Mapping[str, int],
) -> Grading:
    """Return the grading of a dataset of these columns, by its zone or by rules alone.

    `subjects` is how many distinct ones it tells of, 0 when nothing marks them:
    then each of the `rows` counts as one. `precision` is by column name, as
    `zones.precision` measures it; a column without one has none.
    """
    case = _Case(list(columns), subjects or rows, precision)
    if isinstance(rules, Pack):
        case = replace(case, fields={field.category: field for field in reversed(rules.fields)})
        return _graded(case, rules.grading)
    return _graded(case, rules)


def highest(columns: Iterable[Column]) -> int:
    """Return the highest of the columns' own levels, 1 when there are none."""
    return max((column.level for column in columns), default=1)


def joined(levels: Iterable[int]) -> int:
    """Return the level of a join of datasets: the highest of theirs."""
    return max(levels, default=1)


def _graded(case: _Case, rules: Rules) -> Grading:
    reasons = [*_own(case), *_raised(case, rules)]
    levels = {column.name: column.level for column in case.columns}
    for reason in reasons:
        for name in reason.columns:
            levels[name] = max(levels[name], reason.level)
    reasons.sort(key=lambda reason: -reason.level)
    return Grading(max(levels.values(), default=1), tuple(levels.values()), tuple(reasons))


def _own(case: _Case) -> list[Reason]:
    """Return the reasons that single columns have, those of one category together."""
    found: dict[tuple[str, int], list[str]] = {}
    for column in case.columns:
        if column.category in case.fields:
            found.setdefault((column.category, column.level), []).append(column.name)
    return [
        Reason(tuple(names), level, case.fields[category].clause, _OWN)
        for (category, level), names in found.items()
    ]


def _raised(case: _Case, rules: Rules) -> list[Reason]:
    """Return the reasons that the zone's rules of combination, scale and precision give."""
    found: list[tuple[Rule, list[str]]] = []
    found += [(rule, _combined(rule, case.columns)) for rule in rules.combinations]
    for scale in rules.scales:
        if case.subjects >= scale.subjects:
            names = [
                column.name
                for column in case.columns
                if column.category in scale.categories or 0 < scale.of_level <= column.level
            ]
            found.append((scale, names))
    for precise in rules.precisions:
        names = [
            column.name
            for column in case.columns
            if column.category in precise.categories
            and case.precision.get(column.name, precise.precision - 1) >= precise.precision
        ]
        found.append((precise, names))
    return [Reason(tuple(names), rule.level, rule.clause, rule.reason) for rule, names in found if names]


def _combined(rule: Combination, columns: Sequence[Column]) -> list[str]:
    """Return the columns that a combination names when enough of its entries are there."""
    entries = [set(entry.split("|")) for entry in rule.categories]
    present = [entry for entry in entries if any(column.category in entry for column in columns)]
    if len(present) < (rule.least or len(entries)):
        return []
    return [column.name for column in columns if any(column.category in entry for entry in present)]
