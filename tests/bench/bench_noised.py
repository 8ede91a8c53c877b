"""A group-by with noise on every number beside the exact one, both the whole way of a query; and noise alone.

Ours: cells of bounded contributions, by the worker that holds the data, to which a
second worker adds noise. Bare: the exact aggregate of the same engine, with its
minimum groups. Of noise alone the bare thing is OpenDP's own mechanism, made once.
"""

import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from dataspace.catalog.models import Form
from dataspace.privacy import noise as mechanisms
from dataspace.privacy.noise import Mechanism, add_noise
from dataspace.privacy.noised import Noise
from dataspace.sandbox import Pool
from dataspace.table import Column
from dataspace.transfer.engine import WORKER, Engine, Payload
from dataspace.transfer.forms.bounded import bounded_plan
from dataspace.transfer.sql.query import parse, resolve
from tests.bench.bench_query import COLUMNS, ROWS, written
from tests.bench.timing import Rows, in_turn

_QUERIES = (
    "SELECT COUNT(*) AS n FROM data WHERE age >= 40",
    "SELECT city, COUNT(*) AS n FROM data GROUP BY city",
    "SELECT city, COUNT(*) AS n, AVG(amount) AS mean FROM data GROUP BY city",
)
_DRAWS = 10_000


def run() -> Rows:
    """Yield what was measured, our seconds, the bare seconds, and a note."""
    with tempfile.TemporaryDirectory() as folder:
        _, payload = written(Path(folder), ROWS)
        engines = Pool(WORKER, workers=1, memory=4 << 30, deadline=60)
        noiser = Pool("dataspace.privacy.noised:Noiser", workers=1, memory=2 << 30, deadline=60)
        try:
            yield from _queries(Engine(engines), noiser, payload)
        finally:
            noiser.close()
            engines.close()
    for mechanism in Mechanism:
        yield _drawn(mechanism)


def _queries(engine: Engine, noiser: Pool, payload: Payload) -> Rows:
    few = tuple(replace(column, subject=column.name == "person") for column in COLUMNS)
    for name, columns, most in (("one row a subject", COLUMNS, 1), ("three rows a subject", few, 2)):
        version = replace(payload, version=most)
        engine.load(version, columns)
        for text in _QUERIES:
            ours = _noised(engine, noiser, version, text, columns)
            exact = partial(
                engine.aggregate, version, resolve(parse(text), columns, Form.AGGREGATE), min_group=10
            )
            ours()
            exact()
            note = f"{ROWS:,} rows, at most {most} of a subject; {text}"
            yield f"noised, {name}, of the same exact", *in_turn(ours, exact, rounds=5), note


def _noised(
    engine: Engine, noiser: Pool, payload: Payload, text: str, columns: tuple[Column, ...]
) -> Callable[[], Any]:
    noise = Noise(1_000_000, payload.version, {"amount": (0, 10_000)} if "amount" in text else {})

    def ask() -> Any:
        plan = bounded_plan(resolve(parse(text), columns, Form.AGGREGATE), noise, ROWS)
        request = {
            "cells": engine.bounded(payload, columns, plan.request),
            "parts": [[part.name, part.peak] for part in plan.parts],
            "noise": noise.to_json(),
            "min_group": 10,
        }
        return noiser.call("noise", request)

    return ask


def _drawn(mechanism: Mechanism) -> tuple[str, float, float, str]:
    values = [0] * _DRAWS
    spread = mechanisms.scale(sensitivity=1, epsilon=100_000, mechanism=mechanism)
    made = mechanisms.MECHANISMS[mechanism](spread, 1, 100_000, 1)
    ours = partial(add_noise, values, sensitivity=1, epsilon=100_000, mechanism=mechanism)
    seconds, bare = in_turn(ours, partial(made, values), rounds=3)
    return f"{_DRAWS:,} draws, {mechanism}", seconds, bare, f"{_DRAWS / seconds:,.0f} draws/s, 1 core"
