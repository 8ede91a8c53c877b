"""What a query may compute over the leaving values of a row, as frozen values.

`syntax.expressions` makes them of text, `formulas` writes them as SQL. Whatever
is computed here starts from what the row would show: an expression can tell no
more than its columns do, however it is nested.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from dataspace.table import Type
from dataspace.transfer.sql.predicate import Literal, Predicate, columns_of


class Operation(StrEnum):
    """An operator or a function of one row."""

    ADD = "+"
    SUBTRACT = "-"
    MULTIPLY = "*"
    DIVIDE = "/"
    NEGATE = "negate"
    CONCATENATE = "||"
    ROUND = "round"
    ABS = "abs"
    COALESCE = "coalesce"
    LOWER = "lower"
    UPPER = "upper"
    SUBSTR = "substr"
    LENGTH = "length"
    YEAR = "year"
    MONTH = "month"


@dataclass(frozen=True)
class Field:
    """The value of a column."""

    column: str

    def canonical(self) -> Any:
        """Return it as JSON-ready data without floats."""
        return self.column


@dataclass(frozen=True)
class Call:
    """An operation; `settings` are its whole numbers: the digits of ROUND, start and length of SUBSTR."""

    operation: Operation
    arguments: tuple["Expression", ...]
    settings: tuple[int, ...] = ()

    def canonical(self) -> Any:
        """Return it as JSON-ready data without floats."""
        arguments = [argument.canonical() for argument in self.arguments]
        return {"call": self.operation.value, "of": arguments, "with": list(self.settings)}


@dataclass(frozen=True)
class Cast:
    """`CAST(value AS type)`; a value that does not fit becomes NULL."""

    value: "Expression"
    type: Type

    def canonical(self) -> Any:
        """Return it as JSON-ready data without floats."""
        return {"cast": self.type.value, "of": self.value.canonical()}


@dataclass(frozen=True)
class Choice:
    """`CASE WHEN condition THEN value ... ELSE otherwise END`."""

    branches: tuple[tuple[Predicate, "Expression"], ...]
    otherwise: "Expression | None" = None

    def canonical(self) -> Any:
        """Return it as JSON-ready data without floats."""
        branches = [[when.canonical(), then.canonical()] for when, then in self.branches]
        return {"case": branches, "else": self.otherwise.canonical() if self.otherwise else None}


Expression = Field | Literal | Call | Cast | Choice


def read_by(expression: Expression) -> Iterator[str]:
    """Yield the name of every column that an expression reads, conditions included, as often as it does."""
    match expression:
        case Field(column):
            yield column
        case Call(arguments=arguments):
            for argument in arguments:
                yield from read_by(argument)
        case Cast(value):
            yield from read_by(value)
        case Choice():
            yield from compared_by(expression)
            for value in _values(expression):
                yield from read_by(value)


def compared_by(expression: Expression) -> Iterator[str]:
    """Yield the name of every column that a condition inside an expression reads."""
    match expression:
        case Call(arguments=arguments):
            for argument in arguments:
                yield from compared_by(argument)
        case Cast(value):
            yield from compared_by(value)
        case Choice(branches):
            for when, _ in branches:
                yield from columns_of(when)
            for value in _values(expression):
                yield from compared_by(value)


def _values(choice: Choice) -> list[Expression]:
    return [*(then for _, then in choice.branches), *([choice.otherwise] if choice.otherwise else [])]
