"""How the columns of a dataset leave as rows: by their methods, and coarser where a release says so.

What shows or reads a column goes through here: an output, a condition, an
expression. So nothing is computed over a value that does not leave itself.

    costly columns   are in the view already as they leave (`views`)
    other columns    leave by the SQL of their method
    quasi-identifiers  of a release leave as the row's tier says, which a view has too
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from dataspace.privacy.desensitize import COSTLY, leaving_type, quoted
from dataspace.privacy.desensitize import expression as left
from dataspace.privacy.release import Release, tiered, tiered_type
from dataspace.table import Column, Method, Type
from dataspace.transfer.sql.conditions import Coarser, condition
from dataspace.transfer.sql.expression import Expression
from dataspace.transfer.sql.formulas import Leaves, Value, written
from dataspace.transfer.sql.predicate import Predicate

_MADE: Final = {Method.ROUND, Method.TOP_CODE, Method.GENERALIZE, Method.MASK}
_NO_KEY: Final = b""  # what needs one is in the view


@dataclass(frozen=True)
class Protection:
    """What is done to rows beside the methods of their columns.

    `release` withholds and recodes rows, `sample` is the percentage of the
    subjects whose rows leave. `beside` begins the names of a view's own
    columns, and no name of the dataset's. `view`: the SQL is for a view.
    """

    release: Release
    sample: int = 100
    beside: str = "_"
    view: bool = False

    @classmethod
    def of(cls, release: Release, sample: int, columns: Sequence[Column]) -> "Protection":
        """Return the protection of a dataset that has these columns."""
        longest = max((len(column.name) - len(column.name.lstrip("_")) for column in columns), default=0)
        return cls(release, sample, "_" * (longest + 1))

    @property
    def tier(self) -> str:
        """The quoted name of the column that says how coarse a row leaves."""
        return quoted(f"{self.beside}tier")

    def enforced(self, columns: Sequence[Column]) -> bool:
        """Tell whether any row may leave otherwise than its columns say, or not at all."""
        return self.sample < 100 or self.release.enforced(columns)

    def type(self, column: Column) -> Type:
        """Return the type of what leaves of a column."""
        second = self._second(column)
        return tiered_type(column, second) if second else leaving_type(column)

    def value(self, column: Column, *, text: bool = False) -> Value:
        """Return the SQL of what leaves of a column; NULL for a decimal that is no number.

        `text`: texts are texts, and no enumeration that a worker may keep them as.
        """
        if self._tiered(column) or (self.view and column.method in _MADE):
            return finite(Value(self._as(column), self.type(column)))
        return finite(Value(_left(column, text=text), leaving_type(column)))

    def made(self, columns: Sequence[Column], ready: Mapping[str, str]) -> list[str]:
        """Return the SQL of what a view has of these columns as they leave, if not as they are.

        `ready`: the SQL of the costly ones, by name. To mask a value again for
        each query, and to choose between tiers, costs half as much as the query.
        """
        found = []
        for column in filter(self._made, columns):
            second, leaving = self._second(column), ready.get(column.name) or _left(column, text=True)
            sql = tiered(column, second, leaving, tier=self.tier) if second else leaving
            found.append(f"{sql} AS {self._as(column)}")
        return found

    def _made(self, column: Column) -> bool:
        return column.method in _MADE or self._tiered(column)

    def _tiered(self, column: Column) -> bool:
        """Tell whether a column leaves otherwise in tier 1: then its rows are always those of a view."""
        return self._second(column) not in (None, column)

    def _as(self, column: Column) -> str:
        return quoted(f"{self.beside}as {column.name}")

    def formula(self, expression: Expression, columns: Mapping[str, Column]) -> Value:
        """Return the SQL of an expression over these columns.

        Raises:
            Malformed: an operation is given a type that it does not take.
            Refused: a condition reads a hidden column.

        """

        def column(name: str) -> Value:
            return self.value(columns[name], text=True)

        return finite(written(expression, Leaves(column, lambda part: self.condition(part, columns))))

    def condition(self, predicate: Predicate, columns: Mapping[str, Column]) -> str:
        """Return a condition as SQL; raises as `conditions.condition`."""
        second = self.release.second(list(columns.values()))
        names = frozenset(name for name, column in second.items() if column != columns[name])
        return condition(predicate, columns, Coarser(names, self.tier))

    def _second(self, column: Column) -> Column | None:
        second = self.release.second([column]).get(column.name)
        if second and second != column and column.method in COSTLY:
            # A view has no more of it than what leaves, of which nothing coarser can be made.
            return Column(column.name, column.type, method=Method.SUPPRESS)
        return second


WHOLE: Final = Protection(Release())


def finite(value: Value) -> Value:
    """Return a value that is NULL where a decimal is no number: JSON cannot hold one."""
    if value.type is not Type.DECIMAL:
        return value
    return Value(f"CASE WHEN isfinite({value.sql}) THEN {value.sql} END", value.type)


def _left(column: Column, *, text: bool) -> str:
    if column.method in COSTLY or column.method is Method.KEEP:
        name = quoted(column.name)
        return f"CAST({name} AS VARCHAR)" if text and leaving_type(column) is Type.TEXT else name
    return left(column, _NO_KEY)
