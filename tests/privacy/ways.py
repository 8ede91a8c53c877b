"""Every way that a column can leave, as columns named `c`: each method with each of its parameters."""

from collections.abc import Mapping
from typing import Any

import duckdb
import pyarrow as pa
from hypothesis import strategies as st

from dataspace.privacy.desensitize import COSTLY, SQL_TYPES, expression, quoted
from dataspace.privacy.prepared import prepare
from dataspace.table import Column, Method, Type

Parameters = Mapping[str, int | str]

KEY = bytes(range(32))
OTHER = bytes(32)
_CONNECTION = duckdb.connect(config={"threads": 1})

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
VALUES: Mapping[Type, st.SearchStrategy[Any]] = {
    Type.TEXT: TEXTS,
    Type.INTEGER: st.integers(-(2**63), 2**63 - 1),
    Type.DECIMAL: st.floats(),
    Type.DATE: st.dates(),
}
ARROW = {Type.TEXT: pa.string(), Type.INTEGER: pa.int64(), Type.DECIMAL: pa.float64(), Type.DATE: pa.date32()}
_NUMBERS: dict[Method, list[Parameters]] = {
    Method.ROUND: [{"to": 1}, {"to": 10}, {"to": 7}, {"to": 10**15}],
    Method.TOP_CODE: [{"top": 90}, {"bottom": -5}, {"bottom": 0, "top": 10**15}],
    Method.GENERALIZE: [{"width": 7}, {"bands": "18"}, {"bands": "-10,0,18,35,60"}],
    Method.MICROAGGREGATE: [{"size": 3}],
    Method.NOISE: [{"scale": 5}, {"scale": 10**15}],
}
_ANY: dict[Method, list[Parameters]] = {
    Method.KEEP: [{}],
    Method.SUPPRESS: [{}],
    Method.MASK: [
        *({}, {"first": 2}, {"last": 1}, {"first": 1, "last": 2}),
        *({"as": kind} for kind in ("name", "resident_id", "email", "mobile", "bank_card")),
    ],
    Method.PSEUDONYMIZE: [{}, {"domain": "people"}],
}
_FPE: dict[Method, list[Parameters]] = {
    Method.FPE: [{"as": kind} for kind in ("resident_id", "uscc", "bank_card", "mobile")]
}
_OF: Mapping[Type, Mapping[Method, list[Parameters]]] = {
    Type.TEXT: {
        **_ANY,
        **_FPE,
        Method.GENERALIZE: [
            {"first": 2},
            *({"division": level} for level in ("province", "city", "county")),
            *({"icd": kind} for kind in ("chapter", "block", "category")),
        ],
    },
    Type.INTEGER: {**_ANY, **_NUMBERS, **_FPE},
    Type.DECIMAL: {**_ANY, **_NUMBERS, Method.ROUND: [*_NUMBERS[Method.ROUND], {"digits": 0}, {"digits": 9}]},
    Type.DATE: {
        **_ANY,
        Method.GENERALIZE: [{"unit": unit} for unit in ("year", "quarter", "month")],
        Method.SHIFT: [{"days": 30}],
    },
}
WAYS = [
    Column("c", kind, method=method, parameters=parameters)
    for kind, methods in _OF.items()
    for method, ways in methods.items()
    for parameters in ways
]
WRITTEN = [way for way in WAYS if way.method not in COSTLY or way.method is Method.PSEUDONYMIZE]
PREPARED = [way for way in WAYS if way.method in COSTLY]


def told(column: Column) -> str:
    """Return a test's id for a way."""
    return " ".join([column.type, column.method, *map(str, column.parameters.values())])


def leave(column: Column, *values: Any, sql: str = "", key: bytes = KEY) -> list[Any]:
    """Return what the values become, by the SQL of the column."""
    _CONNECTION.execute(f"CREATE OR REPLACE TABLE data ({quoted(column.name)} {SQL_TYPES[column.type]})")
    for value in values:
        _CONNECTION.execute("INSERT INTO data VALUES (?)", [value])
    shown = sql or expression(column, key)
    return [row[0] for row in _CONNECTION.execute(f"SELECT {shown} FROM data").fetchall()]


def ready(column: Column, *values: Any, who: list[Any] | None = None, key: bytes = KEY) -> list[Any]:
    """Return what the values become when they are prepared; `who`: the subject of each."""
    rows = pa.table({"c": pa.array(values, ARROW[column.type])})
    if who is not None:
        rows = rows.append_column("who", pa.array(who, pa.string()))
    found = prepare(rows, [column], [] if who is None else ["who"], key).column("c")
    return list(found.to_pylist())


def whatever(column: Column, *values: Any, key: bytes = KEY) -> list[Any]:
    """Return what the values become, by either way."""
    return (ready if column.method in COSTLY else leave)(column, *values, key=key)
