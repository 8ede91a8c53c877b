"""The one circuit that a consumer's ciphertext goes through: product, flood, mask, fewer primes.

With t the plain modulus, for each measure:

1. the ciphertext times the measure's values, slot by slot (NTT form, encoded once);
2. plus a fresh encryption of zero under the consumer's key, times two
   polynomials uniform modulo t: without it, c1' / c1 of the answer is the
   operand, and with a fresh zero alone its noise still is (both measured);
3. plus slots that are uniform modulo t and add up to zero: the consumer, who
   adds all slots modulo t, gets the total and nothing else from them;
4. switched down to two primes, half the size, with 37 bits of noise budget left.

Rotations, and with them Galois keys of 35 MB, are not needed. TenSEAL's own
`sum` and `dot` would leave partial sums in the other slots.

SEAL's streams go through files: a memfd of our own, written and read in place.
"""

import os
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import tenseal.sealapi as seal

from dataspace.errors import Malformed
from dataspace.privacy.stream import Words, write_plaintext
from dataspace.wire.parameters import ParameterSet

# What SEAL throws, as pybind11 translates it.
_REFUSALS: Final = (RuntimeError, ValueError, IndexError, TypeError)
_FLOODS: Final = 2  # factors: enough for the noise of one product, see the module's docstring


class Circuit:
    """SEAL at one parameter set; lives in a worker process, and is used by one thread."""

    def __init__(self, parameters: ParameterSet) -> None:
        self._parameters = parameters
        self._context = _context(parameters)
        self._level = self._context.first_parms_id()
        self._evaluator = seal.Evaluator(self._context)
        self._encoder = seal.BatchEncoder(self._context)
        self._file = os.memfd_create("seal", os.MFD_CLOEXEC)

    def operand(self, values: Sequence[int]) -> Any:
        """Return a measure's values, encoded for `answer`; None when all are zero."""
        slots = [value % self._parameters.plain_modulus for value in values]
        if not any(slots):
            return None  # SEAL throws on a product with zero
        plain = seal.Plaintext()
        self._encoder.encode(slots + [0] * (self._parameters.slots - len(slots)), plain)
        return self._to_ntt(plain)

    def key(self, stream: bytes) -> Any:
        """Return an encryptor under the public key that `read_context` returned.

        Raises:
            Malformed: SEAL refuses it.

        """
        try:
            return seal.Encryptor(self._context, self._load(seal.PublicKey(), stream))
        except _REFUSALS as error:
            raise Malformed("malformed context: SEAL refuses its key") from error

    def query(self, stream: bytes) -> Any:
        """Return the ciphertext that `read_vector` returned, in NTT form.

        Raises:
            Malformed: SEAL refuses it.

        """
        try:
            cipher = self._load(seal.Ciphertext(), stream)
            fresh = cipher.size() == 2 and cipher.parms_id() == self._level and not cipher.is_ntt_form()
            if not fresh or cipher.is_transparent() or not seal.is_valid_for(cipher, self._context):
                raise Malformed("malformed ciphertext: want a fresh one of two polynomials")
            self._evaluator.transform_to_ntt_inplace(cipher)
        except _REFUSALS as error:
            raise Malformed("malformed ciphertext: SEAL refuses it") from error
        return cipher

    def answer(self, query: Any, operand: Any, key: Any) -> bytes:
        """Return SEAL's stream of the answer for one measure."""
        total = self._flood(key)
        if operand is not None:
            self._evaluator.add_inplace(total, self._product(query, operand))
        self._evaluator.transform_from_ntt_inplace(total)
        self._evaluator.add_plain_inplace(total, self._mask())
        for _ in range(len(self._parameters.coefficient_moduli) - 1 - self._parameters.answer_moduli):
            self._evaluator.mod_switch_to_next_inplace(total)
        return self._save(total)

    def _product(self, query: Any, operand: Any) -> Any:
        product = seal.Ciphertext()
        self._evaluator.multiply_plain(query, operand, product)
        return product

    def _flood(self, key: Any) -> Any:
        """Return an encryption of zero whose noise drowns that of a product, in NTT form."""
        zero = seal.Ciphertext()
        key.encrypt_zero(zero)
        self._evaluator.transform_to_ntt_inplace(zero)
        for _ in range(_FLOODS):
            self._evaluator.multiply_plain_inplace(zero, self._to_ntt(self._random_plaintext()))
        return zero

    def _mask(self) -> Any:
        """Return slots that are uniform modulo t, but for their sum, which is zero."""
        slots = self._uniform(self._parameters.slots)
        # 8192 numbers of 40 bits stay far below 64.
        others = int(slots[1:].sum()) % self._parameters.plain_modulus
        slots[0] = (self._parameters.plain_modulus - others) % self._parameters.plain_modulus
        mask = seal.Plaintext()
        self._encoder.encode(slots.tolist(), mask)
        return mask

    def _random_plaintext(self) -> Any:
        # Uniform coefficients are uniform slots: there is nothing to encode.
        return self._load(seal.Plaintext(), write_plaintext(self._uniform(self._parameters.degree)))

    def _uniform(self, count: int) -> Words:
        """Return numbers uniform modulo t, from the system's randomness, by rejection."""
        modulus = self._parameters.plain_modulus
        excess = np.uint64(64 - modulus.bit_length())
        words = np.frombuffer(os.urandom(8 * count), np.uint64) >> excess
        while (beyond := words >= modulus).any():
            words[beyond] = np.frombuffer(os.urandom(8 * int(beyond.sum())), np.uint64) >> excess
        return words

    def _to_ntt(self, plain: Any) -> Any:
        transformed = seal.Plaintext()
        self._evaluator.transform_to_ntt(plain, self._level, transformed)
        return transformed

    def _load(self, target: Any, stream: bytes) -> Any:
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, stream, 0)
        target.load(self._context, self._path())
        return target

    def _save(self, cipher: Any) -> bytes:
        os.ftruncate(self._file, 0)
        cipher.save(self._path())
        return os.pread(self._file, os.fstat(self._file).st_size, 0)

    def _path(self) -> str:
        return f"/proc/self/fd/{self._file}"


def _context(parameters: ParameterSet) -> Any:
    chosen = seal.EncryptionParameters(seal.SCHEME_TYPE.BFV)
    chosen.set_poly_modulus_degree(parameters.degree)
    chosen.set_coeff_modulus([seal.Modulus(prime) for prime in parameters.coefficient_moduli])
    chosen.set_plain_modulus(parameters.plain_modulus)
    return seal.SEALContext(chosen, True, seal.SEC_LEVEL_TYPE.TC128)
