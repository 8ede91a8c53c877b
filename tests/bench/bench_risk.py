"""Measures of risk against pycanon's, the search for a release, and an upload assessed whole."""

import functools
import importlib
import math
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from dataspace.catalog.assess import assess
from dataspace.catalog.payloads import SealWriter
from dataspace.privacy.closeness import Sensitive
from dataspace.privacy.lattice import Wanted, combined, search
from dataspace.privacy.risk import measure
from dataspace.table import Attribute, Column, Method, Type
from tests.bench.timing import Rows, in_turn
from tests.privacy import adult

_KEY, _CONTEXT = bytes(32), b"bench"
_ROWS = 200_000
_THRESHOLDS = {
    "k": 10, "l": 2, "t_ppm": 1_000_000, "unique_ppm": 0, "prosecutor_ppm": 100_000, "marketer_ppm": 50_000,
    "suppressed_ppm": 50_000,
}  # fmt: skip


def run() -> Rows:
    """Yield what was measured, our seconds, the bare seconds, and a note."""
    if (Path(__file__).parents[3] / "shared").is_dir():
        yield from _census()
    with tempfile.TemporaryDirectory() as folder:
        columns, request = _upload(Path(folder) / "payload")
        ours, _ = in_turn(lambda: assess(request), lambda: None, rounds=3)
        yield f"assess {_ROWS:,} rows x {len(columns)}", ours, math.nan, "risk, second tier, quality, utility"


def _census() -> Rows:
    table = adult.rows()
    columns = [adult.codes([row[name] for row in table]) for name in adult.QUASI]
    salary = Sensitive(adult.SENSITIVE, adult.codes([row[adult.SENSITIVE] for row in table]))

    def ours() -> tuple[int, int | None, float]:
        found = measure(combined(columns), np.arange(len(table)), [salary])
        return found.k, found.least_diversity, found.diversities[0][1].distance

    bare = _pycanon(table)
    started = time.perf_counter()
    theirs = bare()
    there = time.perf_counter() - started  # once: it takes a minute
    if not np.allclose(np.array(ours(), float), theirs):
        raise ValueError("k, l and t are not pycanon's")
    here, _ = in_turn(ours, lambda: None)
    yield "k, l, t of 30,162 rows x 8", here, there, "the same three numbers; bare = pycanon"
    axes = adult.axes()
    for outliers in (0.0, 0.05):
        found = search(axes, Wanted(5, outliers=outliers))
        looks = found.checked if found else 0
        seconds, _ = in_turn(
            functools.partial(search, axes, Wanted(5, outliers=outliers)), lambda: None, rounds=5
        )
        note = f"{looks} of 6,480 nodes looked at, at most {outliers:.0%} outliers"
        yield "k = 5 of 30,162 rows x 8", seconds, math.nan, note


def _pycanon(table: list[dict[str, str]]) -> Callable[[], Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pandas, anonymity = map(importlib.import_module, ("pandas", "pycanon.anonymity"))
    frame, quasi, told = pandas.DataFrame(table), list(adult.QUASI), [adult.SENSITIVE]
    return lambda: (
        anonymity.k_anonymity(frame, quasi),
        anonymity.l_diversity(frame, quasi, told),
        anonymity.t_closeness(frame, quasi, told),
    )


def _upload(path: Path) -> tuple[list[Column], dict[str, Any]]:
    """Return columns and the request to assess rows of them, three to a person."""
    drawn = np.random.default_rng(1)
    person = drawn.integers(0, _ROWS // 3, _ROWS)
    quasi = Attribute.QUASI
    columns = [
        Column("person", Type.INTEGER, method=Method.PSEUDONYMIZE, subject=True),
        Column("age", Type.INTEGER, method=Method.GENERALIZE, parameters={"width": 5}, attribute=quasi),
        Column("sex", Type.TEXT, attribute=quasi),
        Column("region", Type.TEXT, method=Method.GENERALIZE, parameters={"first": 4}, attribute=quasi),
        Column("job", Type.INTEGER, attribute=quasi),
        Column("illness", Type.INTEGER, attribute=Attribute.SENSITIVE),
        *(Column(f"amount{place}", Type.DECIMAL) for place in range(24)),
    ]
    values = [person, person % 90, np.array(["m", "f"])[person % 2], (110_000 + person % 3000).astype(str)]
    values += [person % 40, drawn.integers(0, 300, _ROWS)]
    values += [drawn.lognormal(8, 2, _ROWS) for _ in range(24)]
    with path.open("xb") as file:
        writer = SealWriter(file, _KEY, _CONTEXT)
        named = zip((column.name for column in columns), values, strict=True)
        pq.write_table(pa.table({name: pa.array(array) for name, array in named}), writer)
        writer.close()
    return columns, {
        "payload": {"path": str(path), "key": _KEY, "context": _CONTEXT},
        "columns": [column.to_json() for column in columns],
        "fields": [],
        "risk": _THRESHOLDS,
    }
