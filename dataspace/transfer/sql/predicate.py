"""The conditions of a query as frozen values: comparisons of one column with literals, under AND, OR and NOT.

Built through `every`, `some`, `negated` and `within`, equal conditions become equal
values: nests are flattened, operands sorted, repetitions and double negations
dropped. What a consumer can vary without changing the question is gone.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Operator(StrEnum):
    """How a column is compared with a literal."""

    EQUAL = "="
    UNEQUAL = "<>"
    LESS = "<"
    AT_MOST = "<="
    GREATER = ">"
    AT_LEAST = ">="


FLIPPED = {
    Operator.LESS: Operator.GREATER,
    Operator.AT_MOST: Operator.AT_LEAST,
    Operator.GREATER: Operator.LESS,
    Operator.AT_LEAST: Operator.AT_MOST,
}


@dataclass(frozen=True)
class Literal:
    """A literal as it was written: a text, or a number in its shortest decimal form."""

    text: str
    number: bool = False

    def canonical(self) -> Any:
        """Return it as JSON-ready data without floats."""
        return {"number" if self.number else "text": self.text}


@dataclass(frozen=True)
class Compare:
    """`column operator value`."""

    column: str
    operator: Operator
    value: Literal

    def canonical(self) -> Any:
        """Return it as JSON-ready data without floats."""
        return [self.operator.value, self.column, self.value.canonical()]


@dataclass(frozen=True)
class Within:
    """`column IN (values)`."""

    column: str
    values: tuple[Literal, ...]

    def canonical(self) -> Any:
        """Return it as JSON-ready data without floats."""
        return ["in", self.column, [value.canonical() for value in self.values]]


@dataclass(frozen=True)
class Missing:
    """`column IS NULL`."""

    column: str

    def canonical(self) -> Any:
        """Return it as JSON-ready data without floats."""
        return ["null", self.column]


@dataclass(frozen=True)
class Not:
    """`NOT (part)`."""

    part: "Predicate"

    def canonical(self) -> Any:
        """Return it as JSON-ready data without floats."""
        return ["not", self.part.canonical()]


@dataclass(frozen=True)
class Every:
    """All parts, joined by AND."""

    parts: tuple["Predicate", ...]

    def canonical(self) -> Any:
        """Return it as JSON-ready data without floats."""
        return ["and", *(part.canonical() for part in self.parts)]


@dataclass(frozen=True)
class Some:
    """Some part, joined by OR."""

    parts: tuple["Predicate", ...]

    def canonical(self) -> Any:
        """Return it as JSON-ready data without floats."""
        return ["or", *(part.canonical() for part in self.parts)]


Predicate = Compare | Within | Missing | Not | Every | Some


def every(parts: Iterable[Predicate]) -> Predicate:
    """Return the parts joined by AND."""
    flat = _sorted(inner for part in parts for inner in (part.parts if isinstance(part, Every) else (part,)))
    return flat[0] if len(flat) == 1 else Every(flat)


def some(parts: Iterable[Predicate]) -> Predicate:
    """Return the parts joined by OR."""
    flat = _sorted(inner for part in parts for inner in (part.parts if isinstance(part, Some) else (part,)))
    return flat[0] if len(flat) == 1 else Some(flat)


def negated(part: Predicate) -> Predicate:
    """Return the negation of a part."""
    return part.part if isinstance(part, Not) else Not(part)


def within(column: str, values: Iterable[Literal]) -> Predicate:
    """Return `column IN (values)`; one value is a comparison."""
    found = tuple(sorted(set(values), key=lambda value: (value.number, value.text)))
    return Compare(column, Operator.EQUAL, found[0]) if len(found) == 1 else Within(column, found)


def columns_of(predicate: Predicate) -> Iterator[str]:
    """Yield the name of every column a predicate reads, as often as it does."""
    match predicate:
        case Every(parts) | Some(parts):
            for part in parts:
                yield from columns_of(part)
        case Not(part):
            yield from columns_of(part)
        case _:
            yield predicate.column


def _sorted(parts: Iterable[Predicate]) -> tuple[Predicate, ...]:
    return tuple(sorted(set(parts), key=lambda part: json.dumps(part.canonical(), ensure_ascii=False)))
