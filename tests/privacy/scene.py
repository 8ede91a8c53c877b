"""A consumer with a key, a small cube, and the way of a query between them."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from dataspace.client.encrypted import Keys, Prepared
from dataspace.client.layout import Layout
from dataspace.privacy.cube import Cube
from dataspace.privacy.encrypted import Evaluator
from dataspace.privacy.spec import CubeSpec
from dataspace.wire.envelope import EncryptedQuery
from dataspace.wire.parameters import DEFAULT_PARAMETERS, PARAMETER_SETS

PARAMETERS = PARAMETER_SETS[DEFAULT_PARAMETERS]
CUBE = "cb-00112233445566ff"
AGREEMENT = "ag-00112233445566ff"
SPEC = {
    "dimensions": ["city"],
    "measures": [
        {"kind": "count"},
        {"kind": "sum", "column": "amount", "low": 0, "high": 900, "precision": 2},
    ],
    "max_rows": 2,
    "epsilon": 9_000_000,
}


@cache
def keys() -> Keys:
    return Keys.create()


@cache
def evaluator() -> Evaluator:
    return Evaluator()


def cube(counts: Sequence[int], sums: Sequence[int]) -> Cube:
    """Return a cube of exactly these values: no noise, so that answers can be compared."""
    names = tuple((f"city {number}",) for number in range(len(counts)))
    return Cube(CubeSpec.from_json(SPEC), names, {"count": tuple(counts), "sum(amount)": tuple(sums)})


def prepare(table: Cube, weights: Any, *, by: Keys | None = None) -> Prepared:
    layout = Layout.from_json(table.layout(CUBE))
    return (by or keys()).encrypt(layout, weights, agreement=AGREEMENT, expires=2_000_000_000)


def answer(table: Cube, body: bytes, context: bytes = b"") -> bytes:
    request = {"query": body, "context": context, "cube_id": CUBE, "cube": table.to_bytes()}
    found: bytes = evaluator().answer(request)["answer"]
    return found


def ask(table: Cube, weights: Mapping[Any, int] | Sequence[int]) -> dict[str, int]:
    query = prepare(table, weights)
    return keys().decrypt(answer(table, query.body), query)


@cache
def query() -> EncryptedQuery:
    """Return a fresh query over the first cells, with its context."""
    return EncryptedQuery.decode(prepare(cube([1, 2, 3], [4, 5, 6]), [1, -1, 7]).body)
