"""Encrypted selectors with a blind threshold of 10 and 20, against the product tree that is its obvious form.

Time is of a whole answer, which is two totals; memory is of a process that gives it and does nothing else.
"""

import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final

import msgspec
import tenseal.sealapi as seal

from dataspace.client.encrypted import Keys
from dataspace.client.selecting import PreparedSelector, SelectorLayout, seal_selector
from dataspace.privacy.evaluation import SelectorEvaluator
from dataspace.wire.selector import PARAMETERS, Operand
from dataspace.wire.threshold import Threshold

_ROUNDS: Final = 3
_OPERAND: Final = Operand("income", 0, 100_000)
_BARE: Final = "bare: rotations and a tree of products; no 0/1 check, no complement, no noise, no flood"


def run() -> Iterator[tuple[str, float, float, str]]:
    """Yield what was measured: CPU seconds of both totals of an answer, and of the tree that gives one."""
    for minimum, subjects in ((10, 16_000), (20, 16_000), (20, 100_000)):
        limit = Threshold(minimum, subjects, PARAMETERS)
        query, request = _asked(limit)
        ours = _best(partial(SelectorEvaluator().answer, request))
        bare = _best(_Tree(minimum, limit.batches).answer)
        told = f"upload {len(query.body) / 1e6:.1f} MB, worker {_memory(request)} MB at most; {_BARE}"
        yield f"selector, k={minimum}, {subjects:,} subjects", ours, bare, told


def _asked(limit: Threshold) -> tuple[PreparedSelector, dict[str, Any]]:
    keys = Keys.create(PARAMETERS.id)
    rows = tuple((number,) for number in range(limit.subjects))
    layout = SelectorLayout("sl-0011223344556677", limit, complete=True, columns=("n",), rows=rows)
    weights = [number % 2 for number in range(limit.subjects)]
    errand = {"agreement": "ag-0011223344556677", "epsilon": 1_000_000, "expires": 2_000_000_000}
    query = seal_selector(keys, layout, weights, _OPERAND, limit=0, **errand)
    values = [number * 7919 % 100_000 for number in range(limit.subjects)]
    return query, {
        "query": query.body,
        "context": keys.public,
        "minimum": limit.minimum,
        "values": values,
    }


class _Tree:
    """The threshold with SEAL alone: c by rotations, S * c (c - 1) .. (c - k + 1) by a balanced tree.

    It is of 33 bits of plain modulus: 45 leave no noise budget for its depth.
    """

    def __init__(self, minimum: int, batches: int) -> None:
        chosen = seal.EncryptionParameters(seal.SCHEME_TYPE.BFV)
        chosen.set_poly_modulus_degree(PARAMETERS.degree)
        chosen.set_coeff_modulus([seal.Modulus(prime) for prime in PARAMETERS.coefficient_moduli])
        chosen.set_plain_modulus(seal.PlainModulus.Batching(PARAMETERS.degree, 33))
        self._context = seal.SEALContext(chosen, True, seal.SEC_LEVEL_TYPE.TC128)
        self._evaluator, self._encoder = seal.Evaluator(self._context), seal.BatchEncoder(self._context)
        generator, public = seal.KeyGenerator(self._context), seal.PublicKey()
        generator.create_public_key(public)
        self._relinearise, self._rotate = seal.RelinKeys(), seal.GaloisKeys()
        generator.create_relin_keys(self._relinearise)
        self._steps = [1 << power for power in range(PARAMETERS.degree.bit_length() - 2)]
        order = 2 * PARAMETERS.degree
        elements = [pow(3, step, order) for step in self._steps] + [order - 1]
        generator.create_galois_keys(elements, self._rotate)
        self._minimum, self._batches = minimum, batches
        self._selector = seal.Ciphertext()
        seal.Encryptor(self._context, public).encrypt(
            self._plain([n % 2 for n in range(PARAMETERS.slots)]), self._selector
        )
        self._values = self._plain([number * 7919 % 100_000 for number in range(PARAMETERS.slots)])

    def answer(self) -> Any:
        summed = seal.Ciphertext()
        self._evaluator.multiply_plain(self._selector, self._values, summed)
        for _ in range(self._batches - 1):
            product = seal.Ciphertext()
            self._evaluator.multiply_plain(self._selector, self._values, product)
            self._evaluator.add_inplace(summed, product)
        factors = [self._total(summed)]
        counted = self._total(self._selector)
        for number in range(self._minimum):
            factor = seal.Ciphertext()
            self._evaluator.sub_plain(counted, self._plain([number] * PARAMETERS.slots), factor)
            factors.append(factor)
        while len(factors) > 1:
            pairs = zip(factors[::2], factors[1::2], strict=False)
            factors = [self._product(*pair) for pair in pairs] + factors[len(factors) & ~1 :]
        return factors[0]

    def _total(self, cipher: Any) -> Any:
        total = seal.Ciphertext()
        self._evaluator.rotate_columns(cipher, self._rotate, total)
        self._evaluator.add_inplace(total, cipher)
        for step in self._steps:
            turned = seal.Ciphertext()
            self._evaluator.rotate_rows(total, step, self._rotate, turned)
            self._evaluator.add_inplace(total, turned)
        return total

    def _product(self, one: Any, other: Any) -> Any:
        product = seal.Ciphertext()
        self._evaluator.multiply(one, other, product)
        self._evaluator.relinearize_inplace(product, self._relinearise)
        return product

    def _plain(self, slots: list[int]) -> Any:
        plain = seal.Plaintext()
        self._encoder.encode(slots, plain)
        return plain


def _memory(request: dict[str, Any]) -> int:
    """Return the most megabytes of a process that gives one answer."""
    command = [sys.executable, "-m", "tests.bench.bench_selector"]
    sent = msgspec.msgpack.encode(request)
    return int(subprocess.run(command, input=sent, capture_output=True, check=True).stdout)


def _answer_alone() -> None:
    SelectorEvaluator().answer(msgspec.msgpack.decode(sys.stdin.buffer.read()))
    # Not getrusage: that knows the most of the process this one was started by, too.
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    sys.stdout.write(str(int(found[1]) >> 10 if found else 0))


def _best(call: Callable[[], object]) -> float:
    best = float("inf")
    for _ in range(_ROUNDS):
        started = time.process_time()
        call()
        best = min(best, time.process_time() - started)
    return best


if __name__ == "__main__":
    _answer_alone()
