"""Intersections, both sides on one core; lookups: evaluations, and the building of a table."""

import json
import time
from collections.abc import Callable
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import ec

from dataspace.privacy.intersection import Intersection
from dataspace.privacy.lookup import Lookup
from dataspace.wire.oprf import INTERSECTION, LOOKUP, Scalar, hashed, pack, unpack
from tests.bench.timing import Row, Rows

_ITEMS: Final = 10_000
_RECORDS: Final = 10_000
_BATCH: Final = 1000
_ROUNDS: Final = 3


def run() -> Rows:
    """Yield CPU seconds of ours, and of the bare exchanges of ECDH that any such answer needs."""
    exchange = _bare_exchange()
    yield _intersection(exchange)
    yield _evaluations(exchange)
    yield _table(exchange)


def _intersection(exchange: float) -> Row:
    """Two sets of the same size, half of it in common, from the items to the count."""
    mine = [f"item {number}" for number in range(_ITEMS)]
    rows = [[f"item {number}"] for number in range(_ITEMS // 2, _ITEMS * 3 // 2)]
    zone = json.dumps({"columns": [], "rows": rows}).encode()

    def both() -> None:
        exponent = Scalar.fresh()
        points = pack(sorted(exponent.of(hashed(item, INTERSECTION)) for item in mine))
        asked = {"points": points, "public": exponent.public, "rows": zone, "ordered": False}
        made = Intersection().blind(asked)
        returned = pack(sorted(exponent.of_all(unpack(made["points"], 1 << 20))))
        told = {"kept": made["kept"], "returned": returned, "epsilon": 10**6, "min_group": 10}
        found = Intersection().count(told)
        assert abs(found["size"] - _ITEMS // 2) < 100

    ours = _best(both)
    note = f"{_ITEMS / ours:,.0f} items/s for both sides; bare: the four exchanges of each item alone"
    return f"intersection of {_ITEMS} and {_ITEMS} items", ours, 4 * _ITEMS * exchange, note


def _evaluations(exchange: float) -> Row:
    scalar, blind = Scalar.fresh(), Scalar.fresh()
    points = pack(blind.of(hashed(f"item {number}", LOOKUP)) for number in range(_BATCH))
    request = {"scalar": scalar.to_bytes(), "points": points}
    ours = _best(lambda: Lookup().evaluate(request))
    note = f"{_BATCH / ours:,.0f} evaluations/s; bare: the exchange alone, of points that are decoded"
    return f"lookup: {_BATCH} evaluations", ours, _BATCH * exchange, note


def _table(exchange: float) -> Row:
    rows = [[f"item {number}", "上海", number, number / 7, "[20, 30)"] for number in range(_RECORDS)]
    columns = [{"name": f"c{place}", "type": "text"} for place in range(5)]
    answer = json.dumps({"columns": columns, "rows": rows}).encode()
    scalar = Scalar.fresh().to_bytes()
    request = {"table": "lt-00112233445566ff", "scalar": scalar, "rows": answer, "identifier": "c0"}
    ours = _best(lambda: Lookup().build(request))
    note = f"{_RECORDS / ours:,.0f} records/s, built once for an offer; bare: the exchange of each alone"
    return f"lookup: a table of {_RECORDS} records", ours, _RECORDS * exchange, note


def _bare_exchange() -> float:
    """Return the seconds of one ECDH exchange with a decoded point."""
    key = ec.generate_private_key(ec.SECP256R1())
    points = [hashed(f"item {number}", LOOKUP) for number in range(_BATCH)]
    return _best(lambda: [key.exchange(ec.ECDH(), point) for point in points]) / _BATCH


def _best(act: Callable[[], Any]) -> float:
    taken = []
    for _ in range(_ROUNDS):
        start = time.process_time()
        act()
        taken.append(time.process_time() - start)
    return min(taken)
