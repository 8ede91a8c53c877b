"""Desensitized rows of a table, as JSON that DuckDB writes itself, or as an Arrow stream.

20,000 rows of 6 columns, measured: 5 ms as JSON this way, 12 ms through Python
values, 2 ms as Arrow.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import pyarrow as pa

from dataspace.transfer.data import Table, translated
from dataspace.transfer.statements import filtered
from dataspace.wire import ARROW


def rows(table: Table, request: Mapping[str, Any]) -> dict[str, Any]:
    """Return the answer for rendered rows, and how many there are.

    Raises:
        TooCostly: there is not enough memory.

    """
    names = [f"r{place}" for place in range(len(request["select"]))]
    selected = ", ".join(f"{sql} AS {name}" for sql, name in zip(request["select"], names, strict=True))
    order = f"ORDER BY {request['order']}" if request["order"] else ""
    taken = f"SELECT {selected} FROM data {filtered(request['where'])} {order} LIMIT {int(request['limit'])}"
    if request["media_type"] == ARROW:
        body, count = _arrow(table, taken, request["columns"])
    else:
        written = f"encode(string_agg(json_array({', '.join(names)}), ','))"
        count, found = table.one(f"SELECT count(*), {written} FROM ({taken})")
        body = b'{"columns":%b,"rows":[%b]}' % (msgspec.json.encode(request["columns"]), found or b"")
    return {"body": body, "rows": count}


def _arrow(table: Table, sql: str, columns: Sequence[Mapping[str, str]]) -> tuple[bytes, int]:
    with translated():
        found = table.connection.sql(sql).to_arrow_table()
    sink = pa.BufferOutputStream()
    named = found.rename_columns([column["name"] for column in columns])
    with pa.ipc.new_stream(sink, named.schema) as stream:
        stream.write_table(named)
    return bytes(sink.getvalue()), named.num_rows
