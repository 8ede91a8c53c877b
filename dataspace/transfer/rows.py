"""Desensitized rows of a warm table, as JSON that DuckDB writes itself, or as an Arrow stream.

20,000 rows of 6 columns, measured: 5 ms as JSON this way, 12 ms through Python
values, 2 ms as Arrow.
"""

from collections.abc import Mapping
from typing import Any

import msgspec
import pyarrow as pa

from dataspace.transfer.statements import filtered
from dataspace.transfer.warm import Table, translated
from dataspace.wire import ARROW


def rows(table: Table, request: Mapping[str, Any]) -> dict[str, Any]:
    """Return the answer and its facts for rendered rows; `subjects` are the distinct ones of the rows.

    Raises:
        TooCostly: there is not enough memory.

    """
    names = [f"r{place}" for place in range(len(request["select"]))]
    persons = [f"u{place}" for place in range(len(table.subjects))]
    selected = [f"{sql} AS {name}" for sql, name in zip(request["select"], names, strict=True)]
    selected += [f"{sql} AS {name}" for sql, name in zip(table.subjects, persons, strict=True)]
    limited = f"FROM data {filtered(request['where'])} LIMIT {int(request['limit'])}"
    taken = f"(SELECT {', '.join(selected)} {limited})"
    # As rows a NULL subject counts as one: count(DISTINCT ...) of it alone would leave it out.
    counted = f"count(*), count(DISTINCT row({', '.join(persons)}))" if persons else "count(*), count(*)"
    if request["media_type"] == ARROW:
        body = _arrow(table, f"SELECT {', '.join(names)} FROM {taken}", request["columns"])
        count, subjects = table.one(f"SELECT {counted} FROM {taken}")
    else:
        written = f"encode(string_agg(json_array({', '.join(names)}), ','))"
        count, subjects, found = table.one(f"SELECT {counted}, {written} FROM {taken}")
        body = b'{"columns":%b,"rows":[%b]}' % (msgspec.json.encode(request["columns"]), found or b"")
    return {"body": body, "rows": count, "subjects": subjects}


def _arrow(table: Table, sql: str, columns: list[dict[str, str]]) -> bytes:
    with translated():
        found = table.connection.sql(sql).to_arrow_table()
    sink = pa.BufferOutputStream()
    named = found.rename_columns([column["name"] for column in columns])
    with pa.ipc.new_stream(sink, named.schema) as stream:
        stream.write_table(named)
    return bytes(sink.getvalue())
