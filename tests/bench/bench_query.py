"""Queries through the engine against the same SQL of bare DuckDB over the plain Parquet file.

Ours: a worker process on the sealed payload; masks, minimum groups and facts
included; the answer as JSON bytes in the service. Bare: DuckDB in this process
with as many threads, over the file in the clear, no mask and no threshold; the
answer as JSON bytes too, by the same DuckDB functions.

Masked: the same query of the same engine, with every column kept, stands where
bare stands.
"""

import io
import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import duckdb

from dataspace.catalog.models import Form
from dataspace.catalog.payloads import seal
from dataspace.privacy.release import Release
from dataspace.sandbox import Pool
from dataspace.table import Column, Method, Type
from dataspace.transfer.engine import WORKER, Engine, Payload, Sealed
from dataspace.transfer.sql.leaving import Protection
from dataspace.transfer.sql.query import Plan, parse, resolve
from tests.bench.timing import Rows, in_turn

ROWS = 1_000_000
_KEY = bytes(32)
_DATA = """
    SELECT i AS id, 'name ' || i AS name, CAST(hash(i) % 80 AS BIGINT) AS age,
           (hash(i * 3) % 1000000) / 100 AS amount,
           DATE '2020-01-01' + CAST(i % 1500 AS INTEGER) AS day, 'city ' || (hash(i * 7) % 30) AS city,
           'kind ' || (hash(i * 5) % 200) AS kind, CAST(hash(i * 11) % 1000 AS BIGINT) AS score,
           'p' || (i // 3) AS person, hash(i * 13) / 1e19 AS share
    FROM range({rows}) r(i)
"""
COLUMNS = (
    Column("id", Type.INTEGER, subject=True),
    Column("name", Type.TEXT, method=Method.MASK, parameters={"first": 1}),
    Column("age", Type.INTEGER),
    Column("amount", Type.DECIMAL, aggregable=True),
    Column("day", Type.DATE, method=Method.GENERALIZE, parameters={"unit": "month"}),
    Column("city", Type.TEXT),
    Column("kind", Type.TEXT),
    Column("score", Type.INTEGER, aggregable=True),
    Column("person", Type.TEXT),
    Column("share", Type.DECIMAL, aggregable=True),
)
_TAKE = "SELECT id, name, age, amount, day, city FROM data WHERE score BETWEEN 400 AND 600 LIMIT 20000"
_COSTLY = {"id": Method.PSEUDONYMIZE, "person": Method.PSEUDONYMIZE}
_QUASI = ("age", "city")
_TAKE_ALL = "SELECT id, name, age, amount, day, city, person FROM data WHERE score < 20"
_GROUP = "SELECT city, COUNT(*) AS n, AVG(amount) AS mean FROM data GROUP BY city"
_PART = "SELECT city, COUNT(*) AS n, SUM(score) AS total FROM data WHERE age >= 40 GROUP BY city"


def run() -> Rows:
    """Yield what was measured, our seconds, the bare seconds, and a note."""
    with tempfile.TemporaryDirectory() as folder:
        plain, payload = written(Path(folder), ROWS)
        note = f"{ROWS:,} rows, 10 columns, 1 thread each"
        pool = Pool(WORKER, workers=1, memory=4 << 30, deadline=60)
        try:
            pool.warm()
            yield from _measured(Engine(pool), payload, plain, note)
        finally:
            pool.close()


def _measured(engine: Engine, payload: Payload, plain: Path, note: str) -> Rows:
    bare = duckdb.connect(config={"threads": 1})
    bare.execute(f"CREATE VIEW data AS SELECT * FROM read_parquet('{plain}')")
    few = tuple(replace(column, subject=column.name == "person") for column in COLUMNS)
    for name, text, form, columns in (
        ("20,000 masked rows", _TAKE, Form.ROWS, COLUMNS),
        ("group by city, one row a subject", _GROUP, Form.AGGREGATE, COLUMNS),
        ("group by city, three rows a subject", _GROUP, Form.AGGREGATE, few),
        ("group by city of a part", _PART, Form.AGGREGATE, COLUMNS),
    ):
        version = replace(payload, version=1 + (columns is few))
        ask, told = _asking(engine, version, text, form, columns), f"{note}; {text}"
        # The worker is idle when it can be asked to forget, and so has made its warm table.
        engine.evict("ds-none")
        yield f"{name}, warm", *in_turn(ask, partial(_written, bare, text)), told
        forget = partial(engine.evict, version.dataset)
        yield f"{name}, cold", *in_turn(ask, partial(_written, bare, text), before=forget), told
    bare.close()
    yield from _against_unmasked(engine, payload, note)


def _against_unmasked(engine: Engine, payload: Payload, note: str) -> Rows:
    """Yield what masks, prepared columns and an enforced release cost beside the same query unmasked."""
    kept = tuple(replace(column, method=Method.KEEP, parameters={}) for column in COLUMNS)
    costly = tuple(
        replace(column, method=_COSTLY.get(column.name, column.method), subject=column.name == "person")
        for column in COLUMNS
    )
    recoded = [replace(column, method=Method.SUPPRESS) for column in kept if column.name in _QUASI]
    release = Protection.of(Release(420, 1, _QUASI, (), tuple(recoded)), 100, costly)
    prepared = Sealed(str(Path(payload.path).with_name("prep-bench.sealed")), _KEY, b"prepared")
    engine.prepare(payload, costly, _KEY, prepared)
    for text in (_TAKE, _TAKE_ALL):
        plain = _rows_of(engine, payload, resolve(parse(text), kept, Form.ROWS))
        for name, columns, protection in (
            ("masked", COLUMNS, None),
            ("masked, costly columns prepared", costly, None),
            ("masked, prepared and kept k-anonymous", costly, release),
        ):
            plan = resolve(parse(text), columns, Form.ROWS, protection)
            asked = _rows_of(engine, payload, plan, prepared)
            asked()
            engine.evict("ds-none")
            yield f"rows {name}, of the same unmasked", *in_turn(asked, plain), f"{note}; {text}"


def _rows_of(
    engine: Engine, payload: Payload, plan: Plan, prepared: Sealed | None = None
) -> Callable[[], Any]:
    return partial(engine.rows, payload, plan, key=_KEY, limit=20_000, prepared=prepared)


def _written(bare: duckdb.DuckDBPyConnection, text: str) -> object:
    return bare.execute(_as_json(text)).fetchall()


def _asking(
    engine: Engine, payload: Payload, text: str, form: Form, columns: tuple[Column, ...]
) -> Callable[[], Any]:
    """Return the whole way of a query: parsed, resolved, rendered, run, and its bytes received."""

    def ask() -> bytes:
        plan = resolve(parse(text), columns, form)
        if form is Form.ROWS:
            return engine.rows(payload, plan, key=_KEY, limit=20_000).content
        return engine.aggregate(payload, plan, min_group=10).content

    return ask


def _as_json(text: str) -> str:
    (names,) = (text[len("SELECT ") : text.index(" FROM")],)
    aliases = [name.rpartition(" ")[2] for name in names.split(", ")]
    return f"SELECT encode(string_agg(json_array({', '.join(aliases)}), ',')) FROM ({text})"


def written(folder: Path, rows: int) -> tuple[Path, Payload]:
    """Write the data in the clear and sealed; return where it lies."""
    plain, path = folder / "plain.parquet", folder / "payload.sealed"
    with duckdb.connect() as connection:
        connection.execute(f"COPY ({_DATA.format(rows=rows)}) TO '{plain}' (ROW_GROUP_SIZE 131072)")
    with path.open("wb") as target:
        seal(io.BytesIO(plain.read_bytes()), target, _KEY, b"bench")
    return plain, Payload("ds-bench", 1, str(path), _KEY, b"bench")
