"""The circuit that answers an encrypted selector of rows: S * P(c), and nothing else, without seeing either.

`wire.threshold` tells what the vectors of a selector hold: D the number of
selected subjects c and P(c), W the steps of P and the weights. With x a value
for each subject, the consumer gets the sum over all slots, modulo t, of

    (W * X) * D  +  (W * Q) * W  +  W * L  +  D * M  +  K  +  a mask that adds up to zero

where X, Q, L, M, K are plaintexts: x itself in the slots of subjects and, for all
else, randomness drawn anew for each answer. What stays of them when the selector
is well made is sum(x * w + noise) * P(c), for each other term is one of these
equations times a random number, and an equation that does not hold makes the sum
uniformly random:

    w * w - w = 0           of every subject: a weight is 0 or 1 and nothing else
    w = 0                   of a slot without a subject
    a_0 - 1 = 0             a_m * (D_m - r_m) - a_(m+1) = 0: the steps are right
    D_m - sum(w) = 0        of every slot of the head: c is the number of subjects selected
    D_s - a_R = 0           of every other slot: P is the last step

So fewer than k subjects, or all but fewer than k, decrypt to exactly 0. Sums over
slots, also those in the equations, cost nothing: the consumer forms them when it
adds up what it decrypts. No rotation and no relinearisation is needed, and so no
evaluation keys: the answer stays of three polynomials.

At N = 16384 and t of 45 bits 227 of 336 bits of noise budget are left whatever k
is. The answer is flooded with noise that leaves 5 of them, 2^220 times the noise
that operand and randomness caused, and each of its polynomials hidden under fresh
encryptions of zero. That holds against a consumer whose ciphertexts have the noise
that encryption gives them. One that makes its own larger reads the operand out of
it all the same: this route is for consumers named semi-honest.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, Final, TypeAlias

import numpy as np
import tenseal.sealapi as seal

from dataspace.bfv.ciphertext import write_vector
from dataspace.bfv.scheme import Scheme
from dataspace.bfv.stream import read_ciphertext, write_ciphertext
from dataspace.privacy.circuit import Circuit
from dataspace.wire.parameters import ParameterSet
from dataspace.wire.threshold import Threshold

_Polynomials: TypeAlias = np.ndarray[Any, np.dtype[np.uint64]]

_LEFT: Final = 6  # bits between the flood and where it would change the answer: 5 of noise budget
_LIMB: Final = 14  # bits of randomness at a time: with a modulus of 49 they fit 63


@dataclass(frozen=True)
class Terms:
    """The plaintexts of one answer, slot by slot: X, Q, L for each vector of weights, M, and K in slot 0."""

    values: Sequence[Sequence[int]]
    squares: Sequence[Sequence[int]]
    linear: Sequence[Sequence[int]]
    first: Sequence[int]
    constant: int


class ThresholdCircuit:
    """SEAL at one parameter set; lives in a worker process, and is used by one thread."""

    def __init__(self, parameters: ParameterSet) -> None:
        self._parameters = parameters
        self._reader = Circuit(parameters)
        self._scheme = Scheme(parameters)
        self._evaluator = self._scheme.evaluator

    def key(self, stream: bytes) -> Any:
        """Return an encryptor under a public key; see `Circuit.key`."""
        return self._reader.key(stream)

    def selector(self, streams: Sequence[bytes]) -> list[Any]:
        """Return the vectors of a selector in NTT form; see `Circuit.query`."""
        return [self._reader.query(stream) for stream in streams]

    def answer(
        self,
        selector: Sequence[Any],
        threshold: Threshold,
        values: Sequence[int],
        key: Any,
        *,
        noise: int = 0,
    ) -> bytes:
        """Return the TenSEAL vector of (the total of selected `values` + `noise`) * P(c).

        `selector`: as many vectors as the threshold has; `values`: one for each subject.
        """
        terms = self.terms(threshold, values, noise)
        total = self.evaluate(selector, terms)
        self._evaluator.add_inplace(total, self._flood(key))
        self._evaluator.add_plain_inplace(total, self._scheme.zero_sum())
        for _ in range(len(self._parameters.coefficient_moduli) - 1 - self._parameters.answer_moduli):
            self._evaluator.mod_switch_to_next_inplace(total)
        return write_vector(self._scheme.save(total), self._parameters.slots)

    def terms(self, threshold: Threshold, values: Sequence[int], noise: int) -> Terms:
        """Draw the plaintexts of one answer."""
        head, last = threshold.head, threshold.head - 1
        # One random number for each equation: steps, the first step, c, P.
        steps, (first,) = self._drawn(last), self._drawn(1)
        counted, powers = self._drawn(head), self._drawn(threshold.room)
        present, bound = threshold.rows([1] * threshold.subjects), sum(counted)
        times = threshold.rows(values)
        times[0][:head] = [*steps, 0]
        squares, linear = [], []
        for row in present:
            drawn = self._drawn(self._parameters.slots)
            squares.append([number * here for number, here in zip(drawn, row, strict=True)])
            # Of a subject: its equation and that of the number selected; else the equation that it is zero.
            linear.append(
                [-number - bound if here else number for number, here in zip(drawn, row, strict=True)]
            )
        linear[0][:head] = [
            -(steps[at] * threshold.roots[at] if at < last else sum(powers))
            - (steps[at - 1] if at else -first)
            for at in range(head)
        ]
        powers[0] += noise  # in a slot where D is P
        return Terms(times, squares, linear, counted + powers, -first)

    def evaluate(self, selector: Sequence[Any], terms: Terms) -> Any:
        """Return the ciphertext of all terms but the mask, of three polynomials."""
        first, *weights = selector
        summed = self._sum([*weights], terms.values)
        total = self._product(summed, first)
        for vector, squares in zip(weights, terms.squares, strict=True):
            self._evaluator.add_inplace(total, self._product(self._sum([vector], [squares]), vector))
        self._evaluator.add_inplace(total, self._sum([first, *weights], [terms.first, *terms.linear]))
        self._evaluator.add_plain_inplace(total, self._scheme.encode([terms.constant]))
        return total

    def _sum(self, vectors: Sequence[Any], plain: Sequence[Sequence[int]]) -> Any:
        """Return the sum of vectors times plaintexts, not in NTT form."""
        products = []
        for vector, slots in zip(vectors, plain, strict=True):
            if any(slots):  # SEAL throws on a product with zero
                products.append(seal.Ciphertext())
                encoded = self._scheme.to_ntt(self._scheme.encode(slots))
                self._evaluator.multiply_plain(vector, encoded, products[-1])
        total, *others = products
        for product in others:
            self._evaluator.add_inplace(total, product)
        self._evaluator.transform_from_ntt_inplace(total)
        return total

    def _product(self, one: Any, vector: Any) -> Any:
        """Return the product of two ciphertexts, the second of which is in NTT form."""
        plain, product = seal.Ciphertext(), seal.Ciphertext()
        self._evaluator.transform_from_ntt(vector, plain)
        self._evaluator.multiply(one, plain, product)
        return product

    def _flood(self, key: Any) -> Any:
        """Return an encryption of zero of three polynomials, with noise of all the room there is.

        If (z_0, z_1) and (y_0, y_1) encrypt zero, so does (z_0, z_1 + y_0, y_1): the
        second adds y_0 * s + y_1 * s^2, which is small. Whoever has the secret key
        still cannot tell z_1 and y_1 from random, and z_0 hides under the flood.
        """
        moduli = self._parameters.coefficient_moduli[:-1]
        (zero, one), (two, three) = self._zero(key), self._zero(key)
        modulus = np.array(moduli, np.uint64)[:, None]
        parts = np.stack([(zero + self._wide()) % modulus, (one + two) % modulus, three])
        stream = write_ciphertext(parts.reshape(-1), self._parameters, 3, len(moduli))
        return self._scheme.load(seal.Ciphertext(), stream)

    def _zero(self, key: Any) -> _Polynomials:
        """Return a fresh encryption of zero as two polynomials, each modulo every prime."""
        zero, moduli = seal.Ciphertext(), len(self._parameters.coefficient_moduli) - 1
        key.encrypt_zero(zero)
        words = read_ciphertext(self._scheme.save(zero), self._parameters, 2, moduli)
        return words.reshape(2, moduli, self._parameters.degree)

    def _wide(self) -> _Polynomials:
        """Return a polynomial of uniform coefficients, as wide as the answer allows, modulo every prime."""
        moduli = self._parameters.coefficient_moduli[:-1]
        bits = prod(moduli).bit_length() - 1 - self._parameters.plain_modulus.bit_length() - _LEFT
        modulus = np.array(moduli, np.uint64)[:, None]
        found = np.zeros((len(moduli), self._parameters.degree), np.uint64)
        for width in (bits % _LIMB, *[_LIMB] * (bits // _LIMB)):
            drawn = np.frombuffer(os.urandom(4 * self._parameters.degree), np.uint32) >> (32 - width)
            found = ((found << np.uint64(width)) + drawn.astype(np.uint64)) % modulus
        return found

    def _drawn(self, count: int) -> list[int]:
        return [int(number) for number in self._scheme.uniform(count)]
