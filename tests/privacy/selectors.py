"""Selectors as a consumer makes them, and what it can do to one; `opened` decrypts what a circuit made."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

from dataspace.bfv.ciphertext import read_context, read_vector, write_vector
from dataspace.client.encrypted import Keys
from dataspace.client.selecting import PreparedSelector, SelectorLayout, seal_selector
from dataspace.privacy.evaluation import SelectorEvaluator
from dataspace.privacy.threshold import Terms, ThresholdCircuit
from dataspace.wire.selector import PARAMETERS, Operand
from dataspace.wire.threshold import Threshold

MODULUS = PARAMETERS.plain_modulus
OPERAND = Operand("income", 0, 100_000)
LAYOUT = "sl-0011223344556677"
AGREEMENT = "ag-0011223344556677"


@cache
def keys() -> Keys:
    return Keys.create(PARAMETERS.id)


@cache
def circuit() -> ThresholdCircuit:
    return ThresholdCircuit(PARAMETERS)


@cache
def encryptor() -> Any:
    return circuit().key(read_context(keys().public, PARAMETERS))


@cache
def worker() -> SelectorEvaluator:
    return SelectorEvaluator()


def threshold(minimum: int = 10, subjects: int = 100) -> Threshold:
    return Threshold(minimum, subjects, PARAMETERS)


def values(subjects: int) -> list[int]:
    return [1000 + 7919 * number % 90_000 for number in range(subjects)]


def first(count: int, subjects: int = 100) -> list[int]:
    return [1] * count + [0] * (subjects - count)


def sealed(vectors: Sequence[Sequence[int]]) -> list[Any]:
    """Return vectors of slots as the circuit reads a consumer's."""
    return circuit().selector([read_vector(keys().seal(slots), PARAMETERS) for slots in vectors])


def answered(limit: Threshold, vectors: Sequence[Sequence[int]], operand: Sequence[int]) -> int:
    """Return what the consumer gets out of our answer to these vectors: a number modulo t."""
    return total(circuit().answer(sealed(vectors), limit, operand, encryptor()))


def naive(
    limit: Threshold,
    vectors: Sequence[Sequence[int]],
    operand: Sequence[int],
    without: Callable[[Terms, Threshold], Terms],
) -> int:
    """Return the same of a circuit that leaves something out; what it adds to slots changes no sum."""
    made = circuit().evaluate(sealed(vectors), without(circuit().terms(limit, operand, 0), limit))
    return total(write_vector(switched(made), PARAMETERS.slots))


def switched(cipher: Any) -> bytes:
    """Return a ciphertext at the primes of an answer, saved."""
    for _ in range(len(PARAMETERS.coefficient_moduli) - 1 - PARAMETERS.answer_moduli):
        circuit()._evaluator.mod_switch_to_next_inplace(cipher)
    return circuit()._scheme.save(cipher)


def total(vector: bytes) -> int:
    return sum(keys().open(vector)) % MODULUS


def divided(answer: int, limit: Threshold, selected: int) -> int:
    """Return the total in an answer, by the P of so many selected subjects."""
    return answer * pow(limit.steps(selected)[-1], -1, MODULUS) % MODULUS


def query(weights: Sequence[int], limit: Threshold, **changed: Any) -> PreparedSelector:
    """Return a consumer's query."""
    rows = tuple((number,) for number in range(limit.subjects))
    layout = SelectorLayout(LAYOUT, limit, complete=True, columns=("slot",), rows=rows)
    errand = {"agreement": AGREEMENT, "epsilon": 4_000_000, "expires": int(time.time()) + 600, **changed}
    return seal_selector(errand.pop("keys", keys()), layout, weights, OPERAND, limit=1 << 43, **errand)


def unchecked(terms: Terms, limit: Threshold, *equations: str) -> Terms:
    """Return terms without some of the equations: "squares" of subjects, "empty" slots."""
    squares, linear = [list(row) for row in terms.squares], [list(row) for row in terms.linear]
    for at, row in enumerate(limit.rows([1] * limit.subjects)):
        for slot, here in enumerate(row):
            if here and "squares" in equations:
                linear[at][slot] += squares[at][slot]
                squares[at][slot] = 0
            if not here and "empty" in equations and (at or slot >= limit.head):
                linear[at][slot] = -sum(terms.first[: limit.head])  # counted like a subject, if it is one
    squares[0][0] += 1  # SEAL throws on a product with zero: this one adds the square of a_0, which is 1
    return replace(terms, squares=squares, linear=linear, constant=terms.constant - 1)
