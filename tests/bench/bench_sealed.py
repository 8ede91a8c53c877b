"""A weighted sum over a sealed column: ours against TenSEAL's own `dot`, and Paillier (phe, 2048 bits).

Ours: what the platform's worker does with a million rows that it cannot read,
values and tags alike. The first sum reads all blocks and adds them up, and is timed
alone; every other is that sum times a mask, whatever the weights.
Bare: CKKS `dot` with plain weights over chunks of 4,096 rows at N = 8192, the fastest
that TenSEAL has; its running sums in the other slots would give rows away.
And `phe` over a thousand rows, scaled up; without the library that row is left out.
"""

import importlib
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tenseal

from tests.bench.timing import Rows, in_turn
from tests.keyservice.local import TERMS, Local

_ROWS = 1_000_000
_CHUNK = 4096
_CHUNKS = 4  # of CKKS ciphertexts that are measured; all others take the same
_PAILLIER = 200
_ROUNDS = 5


def run() -> Rows:
    """Yield a row for each case; the seconds are of one weighted sum over a million rows."""
    dot, paillier = _ckks(), _paillier()
    for cells, case in ((3, "3 cells, weight 1"), (2000, "2,000 cells, each its own weight")):
        with tempfile.TemporaryDirectory() as folder:
            local = Local.make(Path(folder), _file(cells), TERMS)
            weights = {cell: 1 if cells == 3 else 1 + cell % 97 for cell in range(cells)}
            plan = local.plan(weights, min_group=1)

            def ours(local: Local = local, plan: Any = plan) -> None:
                local.computed(plan)

            begin = time.perf_counter()
            ours()
            first = time.perf_counter() - begin
            seconds = in_turn(ours, dot, rounds=_ROUNDS)
        scaled = seconds[1] * _ROWS / (_CHUNK * _CHUNKS)
        note = f"{_ROWS / seconds[0] / 1e6:,.1f} M rows/s; {scaled / seconds[0]:,.0f}x CKKS dot"
        yield f"sealed weighted sum, {case}", seconds[0], scaled, note + _against(paillier, seconds[0])
        note = f"{_ROWS / first / 1e6:,.1f} M rows/s; {scaled / first:,.0f}x CKKS dot"
        yield f"the first of a measure, {case}", first, scaled, note + _against(paillier, first)


def _file(cells: int) -> bytes:
    lines = ["number,district,income,debt"]
    lines += [
        f"P{n:07d},district {n % cells},{3000 + n * 7919 % 90_000},{n * 7919 % 4001 - 2000}"
        for n in range(_ROWS)
    ]
    return ("\n".join(lines) + "\n").encode()


def _ckks() -> Callable[[], None]:
    context = tenseal.context(tenseal.SCHEME_TYPE.CKKS, 8192, coeff_mod_bit_sizes=[60, 40, 60], n_threads=1)
    context.global_scale = 2**40
    context.generate_galois_keys()
    random = np.random.default_rng(1)
    columns = [
        tenseal.ckks_vector(context, random.integers(0, 1000, _CHUNK).tolist()) for _ in range(_CHUNKS)
    ]
    weights = random.integers(0, 97, _CHUNK).tolist()

    def dot() -> None:
        total = columns[0].dot(weights)
        for column in columns[1:]:
            total += column.dot(weights)

    return dot


def _paillier() -> float | None:
    """Return the seconds of one row of a weighted sum with phe; None when it is not installed."""
    try:
        paillier = importlib.import_module("phe.paillier")
    except ImportError:
        return None
    public, _ = paillier.generate_paillier_keypair(n_length=2048)
    column = [public.encrypt(1000 + place) for place in range(_PAILLIER)]
    begin = time.process_time()
    sum(cipher * (1 + place % 97) for place, cipher in enumerate(column))
    return (time.process_time() - begin) / _PAILLIER


def _against(paillier: float | None, ours: float) -> str:
    if paillier is None:
        return "; phe is not installed: not compared with Paillier"
    return f"; {paillier * _ROWS / ours:,.0f}x phe 2048"
