"""A dataset version in a DuckDB of its own, as the statements of this folder see it: the table `data`."""

import contextlib
import functools
import itertools
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import duckdb

from dataspace.errors import TooCostly, Unavailable
from dataspace.privacy.desensitize import quoted
from dataspace.table import Type


@dataclass(frozen=True)
class Shape:
    """What was registered of a dataset version: its columns, and those that say whom a row is about."""

    columns: Mapping[str, Type]
    subjects: tuple[str, ...]

    @classmethod
    def of(cls, payload: Mapping[str, Any]) -> "Shape":
        """Read it from a request's payload."""
        columns = {str(column["name"]): Type(column["type"]) for column in payload["columns"]}
        return cls(columns, tuple(payload["subjects"]))


@dataclass(frozen=True)
class View:
    """What an agreement may see of the rows (`views`): what follows FROM, and what to sort it by, if any.

    `withheld` and `recoded` count the rows of the dataset that leave not at
    all, and coarser than others.
    """

    source: str
    order: str
    withheld: int
    recoded: int


@dataclass
class Table:
    """One opened dataset version: `data`, a table or a view, of a connection that nobody else has.

    `subjects` are quoted names; where there are none, each row counts as one
    subject. `size` is in bytes. `descriptor` is the file in memory that a view
    reads, or -1; it is closed after the connection, never before: another file
    could get its number.
    """

    connection: duckdb.DuckDBPyConnection = field(repr=False)
    shape: Shape
    rows: int
    size: int
    descriptor: int = -1
    views: dict[str, View] = field(default_factory=dict)
    _filled: dict[str, int] = field(default_factory=dict)
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    @property
    def subjects(self) -> tuple[str, ...]:
        """The names of the subject's columns, quoted."""
        return tuple(quoted(name) for name in self.shape.subjects)

    @functools.cached_property
    def most(self) -> int:
        """Return how many rows the subject with most rows has: once, for it reads them all."""
        if not self.subjects:
            return 1
        counted = f"SELECT count(*) AS n FROM data GROUP BY {', '.join(self.subjects)}"
        (most,) = self.one(f"SELECT coalesce(max(n), 1) FROM ({counted})")
        return int(most)

    @property
    def most_is_known(self) -> bool:
        """Whether `most` costs nothing."""
        return not self.shape.subjects or "most" in self.__dict__

    def filled(self, values: Sequence[str]) -> list[int]:
        """Return for each SQL value in how many rows of the dataset it is not NULL."""
        if missing := [value for value in dict.fromkeys(values) if value not in self._filled]:
            counts = ", ".join(f"count({value})" for value in missing)
            self._filled.update(zip(missing, self.one(f"SELECT {counts} FROM data"), strict=True))
        return [self._filled[value] for value in values]

    def numbered(self) -> int:
        """Return a number that no name of this table's database has yet."""
        return next(self._numbers)

    def measure(self) -> None:
        """Look up the size anew."""
        (size,) = self.one("SELECT sum(memory_usage_bytes) FROM duckdb_memory()")
        self.size = max(self.size, int(size))

    def forget_views(self) -> None:
        """Drop every view."""
        while self.views:
            _, view = self.views.popitem()
            if view.source.isidentifier():
                self.all(f"DROP TABLE {view.source}")

    def one(self, sql: str) -> tuple[Any, ...]:
        """Return the one row of a statement."""
        (row,) = self.all(sql)
        return row

    def all(self, sql: str) -> list[tuple[Any, ...]]:
        """Return all rows of a statement.

        Raises:
            TooCostly: it passed the memory.
            Unavailable: DuckDB failed; what it says may name a cell, and stays here.

        """
        with translated():
            return self.connection.execute(sql).fetchall()

    def close(self) -> None:
        """Free the memory."""
        self.connection.close()
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """Raise our errors for DuckDB's, whose texts may hold values of cells."""
    try:
        yield
    except duckdb.OutOfMemoryException:
        # From None: a traceback of the worker's would print the text.
        raise TooCostly("the work passed its limit of memory") from None
    except duckdb.Error:
        raise Unavailable("the query engine failed") from None
