"""A query as a frozen value: what was asked, without a byte of how it was written.

`parse` makes one from text (`syntax`), `resolve` measures it against a
dataset's columns (`plan`).
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from dataspace.transfer.sql.expression import Expression
from dataspace.transfer.sql.predicate import Predicate


class Function(StrEnum):
    """What a query may compute over the rows of a group."""

    COUNT = "count"
    SUM = "sum"
    AVG = "avg"


@dataclass(frozen=True)
class Aggregate:
    """A function over a column; COUNT over none counts rows."""

    function: Function
    column: str | None = None

    def canonical(self) -> Any:
        """Return it as JSON-ready data without floats."""
        return [self.function.value, self.column]


@dataclass(frozen=True)
class Order:
    """One column to sort by."""

    column: str
    descending: bool = False


@dataclass(frozen=True)
class Query:
    """One SELECT over one dataset; no outputs is `*`.

    `outputs` pairs the name of each column of the answer with what it holds; a
    literal stands in none alone.
    """

    outputs: tuple[tuple[str, Expression | Aggregate], ...]
    where: Predicate | None = None
    group: tuple[str, ...] = ()
    order: tuple[Order, ...] = ()
    limit: int | None = None

    def canonical(self) -> dict[str, Any]:
        """Return the query as JSON-ready data without floats: queries that ask the same way are equal."""
        return {
            "select": [[name, what.canonical()] for name, what in self.outputs] or "*",
            "where": self.where.canonical() if self.where else None,
            "group": list(self.group),
            "order": [[order.column, "desc" if order.descending else "asc"] for order in self.order],
            "limit": self.limit,
        }
