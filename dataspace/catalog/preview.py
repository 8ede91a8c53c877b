"""The first rows as their provider uploaded them and as a consumer would see them, side by side."""

import os
from collections.abc import Sequence

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from dataspace.errors import Unprocessable
from dataspace.privacy.desensitize import COSTLY, expression, quoted
from dataspace.privacy.prepared import prepare
from dataspace.sandbox.confined import CONFINED
from dataspace.table import Column

_LONGEST = 200
# Once the rows are in, nothing else is read.
_CLOSE = "SET enable_external_access = false; SET lock_configuration = true"


def original(rows: pa.Table) -> list[list[str | None]]:
    """Return the rows as texts, null as None."""
    texts = [pc.cast(column, pa.string()).to_pylist() for column in rows.columns]
    return [[_cut(cell) for cell in row] for row in zip(*texts, strict=True)]


def desensitized(rows: pa.Table, columns: Sequence[Column]) -> list[list[str | None]]:
    """Return typed rows as they may leave, as texts; pseudonyms are under a key that is drawn and forgotten.

    What is computed over all rows, as the mean of neighbours, is here computed over these.

    Raises:
        Malformed: a parameter of a method is missing or out of range.
        Unprocessable: DuckDB fails on them.

    """
    key = os.urandom(32)
    rows = _prepared(rows, columns, key)
    shown = ", ".join(f"CAST({_leaving(column, key)} AS VARCHAR)" for column in columns)
    # No column can have the name `#`.
    numbered = 'CREATE TABLE uploaded AS SELECT row_number() OVER () AS "#", * FROM given'
    with duckdb.connect(":memory:", config=dict(CONFINED)) as connection:
        connection.register("given", rows)
        try:
            connection.execute(numbered)
            connection.execute(_CLOSE)
            found = connection.execute(f'SELECT {shown} FROM uploaded ORDER BY "#"').fetchall()
        except duckdb.Error:
            # `from None`: its text may hold cells.
            raise Unprocessable("the preview of desensitized rows cannot be computed") from None
    return [[_cut(cell) for cell in row] for row in found]


def _prepared(rows: pa.Table, columns: Sequence[Column], key: bytes) -> pa.Table:
    """Return the rows with their costly columns as they leave."""
    subjects = [column.name for column in columns if column.subject and column.name in rows.column_names]
    ready = prepare(rows, columns, subjects, key)
    for name in ready.column_names:
        rows = rows.set_column(rows.column_names.index(name), name, ready.column(name))
    return rows


def _leaving(column: Column, key: bytes) -> str:
    return quoted(column.name) if column.method in COSTLY else expression(column, key)


def _cut(cell: str | None) -> str | None:
    """Return a cell as a preview shows it: of one that is a book, the beginning."""
    return cell if cell is None or len(cell) <= _LONGEST else cell[:_LONGEST] + "…"
