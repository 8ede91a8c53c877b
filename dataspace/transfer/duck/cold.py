"""A dataset version just opened: decrypted into memory, and read there as the Parquet it is.

The first query is answered from it, so that nobody waits until a native table
is made of it (`warm`), which takes ten times as long as the query.

The order of the settings is what makes them hold: no file to spill to before
the first value comes in; then one path that may be read, the file in memory;
then nothing else of the file system, no extension, and no setting at all any
more. One thread: a sum of doubles is the same each time.
"""

import os
from collections.abc import Mapping
from typing import Any, Final

import duckdb

from dataspace.catalog.payloads import into_memfd
from dataspace.errors import Unavailable, VerificationError
from dataspace.privacy.desensitize import SQL_TYPES
from dataspace.sandbox.confined import CONFINED
from dataspace.table import Type
from dataspace.transfer.duck.data import Shape, Table, translated

# The statistics of a Parquet file leave NaN out, and DuckDB skips what they rule out: a row that a
# native table shows would be missing.
_NO_STATISTICS: Final = "SET disabled_optimizers = 'filter_pushdown,statistics_propagation'"


def connected() -> duckdb.DuckDBPyConnection:
    """Return an empty database with the settings that come before any value; it takes 12 ms to make one."""
    return duckdb.connect(":memory:", config=dict(CONFINED))


def opened(payload: Mapping[str, Any], memory: int, connection: duckdb.DuckDBPyConnection) -> Table:
    """Return a payload as a view over its Parquet; `memory`: how many bytes DuckDB may use for queries.

    The connection, which `connected` made, is the table's from now on.

    Raises:
        Unavailable: it is not there, does not open, or is not what was registered.

    """
    try:
        descriptor = into_memfd(payload["path"], payload["key"], payload["context"])
    except (OSError, VerificationError) as error:
        connection.close()
        raise Unavailable("the payload of the dataset cannot be opened") from error
    table = Table(connection, Shape.of(payload), 0, os.fstat(descriptor).st_size, descriptor)
    try:
        with translated():
            _view(table, memory)
    except BaseException:
        table.close()
        raise
    return table


def parquet(descriptor: int) -> str:
    """Return SQL that reads the file in memory."""
    return f"read_parquet('{_path(descriptor)}')"


def _view(table: Table, memory: int) -> None:
    statements = [
        limit(memory),
        f"SET allowed_paths = ['{_path(table.descriptor)}']",
        "SET enable_external_access = false",
        *([_NO_STATISTICS] if Type.DECIMAL in table.shape.columns.values() else []),
        "SET lock_configuration = true",
        f"CREATE VIEW data AS SELECT * FROM {parquet(table.descriptor)}",
    ]
    for statement in statements:
        table.connection.execute(statement)
    found = table.connection.execute("DESCRIBE data").fetchall()
    wanted = [(name, SQL_TYPES[kind]) for name, kind in table.shape.columns.items()]
    if [tuple(row[:2]) for row in found] != wanted:
        raise Unavailable("the payload of the dataset has other columns than were registered")
    ((table.rows,),) = table.connection.execute("SELECT count(*) FROM data").fetchall()


def limit(memory: int) -> str:
    """Return SQL that limits a database's memory."""
    # DuckDB takes a negative limit for none.
    return f"SET memory_limit = '{max(memory >> 20, 1)}MiB'"


def _path(descriptor: int) -> str:
    return f"/proc/self/fd/{descriptor}"
