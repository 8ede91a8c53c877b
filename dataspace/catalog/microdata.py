"""A payload opened to be measured: its columns as codes, and SQL over its rows.

It lies decrypted in memory, in the process of a worker, and is read column by
column. A column's codes number its distinct values, NULL among them; what is
asked of values is asked of the distinct ones alone, in the SQL that rows leave
by.
"""

import contextlib
import os
import resource
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dataspace.catalog.payloads import into_memfd
from dataspace.errors import TooCostly, Unavailable, VerificationError
from dataspace.privacy.closeness import NONE, Codes, Sensitive
from dataspace.privacy.desensitize import quoted
from dataspace.privacy.lattice import combined
from dataspace.privacy.release import class_key
from dataspace.sandbox.confined import CONFINED
from dataspace.table import Column, Type


@dataclass(frozen=True)
class Coded:
    """A column: its distinct values, and of each row the place of its value among them."""

    values: pa.Array = field(repr=False)
    codes: Codes = field(repr=False)

    @property
    def counts(self) -> Codes:
        """How many rows have each value."""
        return np.bincount(self.codes, minlength=len(self.values))


class Microdata:
    """The rows of one payload; close it, or use it in a `with`."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, descriptor: int) -> None:
        self._connection = connection
        self._descriptor = descriptor
        self._coded: dict[str, Coded] = {}
        self.source = f"read_parquet('{_path(descriptor)}')"
        (self.rows,) = self.one(f"SELECT count(*) FROM {self.source}")

    @classmethod
    def opened(cls, payload: Mapping[str, Any]) -> Self:
        """Open the payload of a request: `path`, `key` and `context` of a sealed Parquet file.

        Raises:
            Unavailable: it is not there, or does not open.
            TooCostly: it does not fit into memory.

        """
        try:
            descriptor = into_memfd(payload["path"], payload["key"], payload["context"])
        except (OSError, VerificationError) as error:
            raise Unavailable("the payload cannot be opened") from error
        connection = duckdb.connect(":memory:", config=dict(CONFINED))
        try:
            with translated():
                for statement in _locked(descriptor):
                    connection.execute(statement)
            return cls(connection, descriptor)
        except BaseException:
            connection.close()
            os.close(descriptor)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        self._connection.close()
        os.close(self._descriptor)

    def one(self, sql: str) -> tuple[Any, ...]:
        """Return the one row of a statement."""
        with translated():
            (row,) = self._connection.execute(sql).fetchall()
        return tuple(row)

    def arrow(self, sql: str, **tables: pa.Table) -> pa.Table:
        """Return the rows of a statement, which may read these tables too."""
        with translated():
            for name, table in tables.items():
                self._connection.register(name, table)
            try:
                return self._connection.sql(sql).to_arrow_table()
            finally:
                for name in tables:
                    self._connection.unregister(name)

    def numbered(self, row: str, shown: str = "*") -> str:
        """Return SQL of the rows with their numbers, from 0, in a column of this quoted name."""
        return f"(SELECT {shown}, row_number() OVER () - 1 AS {row} FROM {self.source})"

    def spread(self, column: Column, most: int) -> pa.ChunkedArray:
        """Return values of a column from rows spread over all of them, at most so many."""
        stride = -(-self.rows // most) or 1
        taken = f"SELECT value FROM {self.numbered('number', f'{quoted(column.name)} AS value')}"
        return self.arrow(f"{taken} WHERE number % {stride} = 0").column(0)

    def taken(self, columns: Sequence[Column], rows: Sequence[int]) -> pa.Table:
        """Return some columns of the rows of these numbers, in the payload's order."""
        names = ", ".join(quoted(column.name) for column in columns)
        row = quoted("_" * (max(len(column.name) for column in columns) + 1))
        listed = ", ".join(map(str, rows))
        return self.arrow(
            f"SELECT {names} FROM {self.numbered(row)} WHERE {row} IN ({listed}) ORDER BY {row}"
        )

    def coded(self, column: Column) -> Coded:
        """Return a column's codes; they are kept, for they are asked for again."""
        if column.name not in self._coded:
            self._coded[column.name] = coded(
                self.arrow(f"SELECT {quoted(column.name)} FROM {self.source}").column(0)
            )
        return self._coded[column.name]

    def classes(self, column: Column) -> Codes:
        """Return dense numbers of what each distinct value of a column leaves as, in their order, NULL last.

        Raises:
            Malformed: a parameter of the column's method is out of range.

        """
        return self.leaving(column, self.coded(column).values)[0]

    def sensitive(self, column: Column) -> Sensitive:
        """Return of each row what it tells of a sensitive column."""
        ranks, present = self.leaving(column, self.coded(column).values)
        codes = np.where(ranks < present, ranks, NONE)[self.coded(column).codes]
        return Sensitive(column.name, codes, ordered=column.type is not Type.TEXT)

    def leaving(self, column: Column, values: pa.Array) -> tuple[Codes, int]:
        """Return the ranks of what some values of a column leave as, and how many ranks are no NULL."""
        key = class_key(column)
        if key is None:
            return np.zeros(len(values), np.int64), 0
        given = pa.table({column.name: values})
        leaving = coded(self.arrow(f"SELECT {key} FROM given", given=given).column(0))
        order = pc.sort_indices(leaving.values).to_numpy()  # NULL at the end
        ranks = np.empty(len(order), np.int64)
        ranks[order] = np.arange(len(order))
        return ranks[leaving.codes], len(order) - leaving.values.null_count

    def subjects(self, names: Sequence[Column]) -> Codes:
        """Return a number for each row's subject; where no column names it, each row is one."""
        if not names:
            return np.arange(self.rows)
        return combined([self.coded(column).codes for column in names])


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """Raise our errors for DuckDB's, whose texts may hold values of cells."""
    try:
        yield
    except duckdb.OutOfMemoryException:
        raise TooCostly("the measuring passed its limit of memory") from None
    except duckdb.Error:
        raise Unavailable("the rows cannot be measured") from None


def coded(column: pa.ChunkedArray) -> Coded:
    """Return the codes of some values."""
    encoded = column.dictionary_encode(null_encoding="encode").unify_dictionaries().combine_chunks()
    # Of no rows there is no chunk, and so no array.
    array = encoded.chunk(0) if isinstance(encoded, pa.ChunkedArray) else encoded
    return Coded(array.dictionary, array.indices.to_numpy().astype(np.int32))


def _locked(descriptor: int) -> list[str]:
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    half = [] if limit == resource.RLIM_INFINITY else [f"SET memory_limit = '{limit >> 21}MiB'"]
    return [
        *half,
        f"SET allowed_paths = ['{_path(descriptor)}']",
        "SET enable_external_access = false",
        "SET lock_configuration = true",
    ]


def _path(descriptor: int) -> str:
    return f"/proc/self/fd/{descriptor}"
