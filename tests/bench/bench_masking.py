"""Desensitizing a million rows, each way beside the cheapest thing that could be called the same.

Written in SQL: against the column as it is, aggregated by the same query of one
thread. Prepared: pseudonyms against hashlib's HMAC in a loop, FF1 against AES-ECB
over as many blocks and rounds, the others against a copy of their column.
"""

import hashlib
import hmac
from functools import partial
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from dataspace.privacy.desensitize import expression
from dataspace.privacy.prepared import prepare
from dataspace.table import Column, Method, Type
from tests.bench.timing import Rows, in_turn

_ROWS = 1_000_000
_KEY = bytes(range(32))
_DATA = """
    SELECT 'name ' || i AS name, CAST(hash(i) % 80 AS BIGINT) AS age, (hash(i * 3) % 1000000) / 100 AS amount,
           DATE '2020-01-01' + CAST(i % 1500 AS INTEGER) AS day, 'p' || (i // 3) AS person,
           chr(CAST(65 + hash(i) % 20 AS INTEGER)) || printf('%02d', hash(i * 7) % 90) || '.' || i AS icd,
           CAST(13000000000 + i * 5 AS VARCHAR) AS mobile,
           (['浙江省杭州市西湖区', '四川省成都市武侯区', '上海市浦东新区'])[1 + i % 3] || i AS address
    FROM range({rows}) r(i)
"""
_T, _I, _D, _DATE = Type.TEXT, Type.INTEGER, Type.DECIMAL, Type.DATE
_WRITTEN = [
    Column("age", _I, method=Method.ROUND, parameters={"to": 10}),
    Column("amount", _D, method=Method.TOP_CODE, parameters={"top": 9000}),
    Column("age", _I, method=Method.GENERALIZE, parameters={"bands": "18,35,60"}),
    Column("day", _DATE, method=Method.GENERALIZE, parameters={"unit": "month"}),
    Column("icd", _T, method=Method.GENERALIZE, parameters={"icd": "block"}),
    Column("address", _T, method=Method.GENERALIZE, parameters={"division": "city"}),
    Column("mobile", _T, method=Method.MASK, parameters={"as": "mobile"}),
    Column("name", _T, method=Method.MASK, parameters={"as": "name"}),
]
_PREPARED = [
    Column("person", _T, method=Method.PSEUDONYMIZE),
    Column("mobile", _T, method=Method.FPE, parameters={"as": "mobile"}),
    Column("day", _DATE, method=Method.SHIFT, parameters={"days": 30}),
    Column("amount", _D, method=Method.NOISE, parameters={"scale": 100}),
    Column("age", _I, method=Method.MICROAGGREGATE, parameters={"size": 5}),
]


def run() -> Rows:
    """Yield what was measured, our seconds, the bare seconds, and a note."""
    with duckdb.connect(config={"threads": 1}) as connection:
        connection.execute(f"CREATE TABLE data AS {_DATA.format(rows=_ROWS)}")
        for column in _WRITTEN:
            ours, bare = (_counting(connection, sql) for sql in (expression(column, _KEY), column.name))
            yield _row(column, *in_turn(ours, bare, rounds=5))
        rows = connection.sql("SELECT * FROM data").to_arrow_table()
    for column in _PREPARED:
        ours = partial(prepare, rows, [column], ["person"], _KEY)
        yield _row(column, *in_turn(ours, partial(_bare, column.method, rows.column(column.name)), rounds=3))


def _row(column: Column, ours: float, bare: float) -> tuple[str, float, float, str]:
    kind = " ".join(str(value) for value in column.parameters.values())
    return f"{column.method} {kind} of {column.name}", ours, bare, f"{_ROWS / ours:,.0f} rows/s, 1 thread"


def _counting(connection: duckdb.DuckDBPyConnection, sql: str) -> Any:
    return lambda: connection.execute(f"SELECT max(v) FROM (SELECT {sql} AS v FROM data)").fetchall()


def _bare(method: Method, values: pa.ChunkedArray) -> object:
    if method is Method.PSEUDONYMIZE:
        return [
            hmac.digest(_KEY, text.encode(), hashlib.sha256).hex() for text in values.unique().to_pylist()
        ]
    if method is Method.FPE:
        cipher = Cipher(algorithms.AES(_KEY), modes.ECB()).encryptor()  # noqa: S305 - what FF1 is made of
        return [cipher.update(bytes(16 * len(values))) for _ in range(10)]
    return np.copy(pc.fill_null(values, values[0]).to_numpy())
