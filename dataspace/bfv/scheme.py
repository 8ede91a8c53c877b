"""SEAL at one parameter set: its context, its encoder, and the ways in and out of it.

SEAL's streams go through files: a memfd of our own, written and read in place.
"""

import os
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import tenseal.sealapi as seal

from dataspace.bfv.stream import Words, write_plaintext
from dataspace.wire.parameters import ParameterSet

# What SEAL throws, as pybind11 translates it.
REFUSALS: Final = (RuntimeError, ValueError, IndexError, TypeError)


class Scheme:
    """SEAL at one parameter set, used by one thread; on a server it lives in a worker process."""

    def __init__(self, parameters: ParameterSet) -> None:
        self.parameters = parameters
        self.context = _context(parameters)
        self.level = self.context.first_parms_id()
        self.evaluator = seal.Evaluator(self.context)
        self.encoder = seal.BatchEncoder(self.context)
        self._file = os.memfd_create("seal", os.MFD_CLOEXEC)

    def encode(self, values: Sequence[int]) -> Any:
        """Return integers, modulo t, as a plaintext; slots beyond them are zero."""
        modulus = self.parameters.plain_modulus
        slots = [value % modulus for value in values]
        plain = seal.Plaintext()
        self.encoder.encode(slots + [0] * (self.parameters.slots - len(slots)), plain)
        return plain

    def to_ntt(self, plain: Any) -> Any:
        """Return a plaintext in the form that multiplies fast; SEAL throws on a product with zero."""
        transformed = seal.Plaintext()
        self.evaluator.transform_to_ntt(plain, self.level, transformed)
        return transformed

    def uniform(self, count: int) -> Words:
        """Return numbers uniform modulo t, from the system's randomness, by rejection."""
        modulus = self.parameters.plain_modulus
        excess = np.uint64(64 - modulus.bit_length())
        words = np.frombuffer(os.urandom(8 * count), np.uint64) >> excess
        while (beyond := words >= modulus).any():
            words[beyond] = np.frombuffer(os.urandom(8 * int(beyond.sum())), np.uint64) >> excess
        return words

    def zero_sum(self) -> Any:
        """Return a plaintext whose slots are uniform modulo t, but for their sum, which is zero."""
        modulus, slots = self.parameters.plain_modulus, self.uniform(self.parameters.slots)
        # 8192 numbers of 40 bits, and 16384 of 45, stay below 64.
        others = int(slots[1:].sum()) % modulus
        slots[0] = (modulus - others) % modulus
        mask = seal.Plaintext()
        self.encoder.encode(slots.tolist(), mask)
        return mask

    def random_plaintext(self) -> Any:
        """Return a plaintext uniform modulo t; uniform coefficients are uniform slots."""
        return self.load(seal.Plaintext(), write_plaintext(self.uniform(self.parameters.degree)))

    def load(self, target: Any, stream: bytes) -> Any:
        """Return `target`, filled from a SEAL stream that we wrote or checked."""
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, stream, 0)
        target.load(self.context, self._path())
        return target

    def save(self, value: Any) -> bytes:
        """Return the stream of a SEAL object."""
        os.ftruncate(self._file, 0)
        value.save(self._path())
        return os.pread(self._file, os.fstat(self._file).st_size, 0)

    def _path(self) -> str:
        return f"/proc/self/fd/{self._file}"


def _context(parameters: ParameterSet) -> Any:
    chosen = seal.EncryptionParameters(seal.SCHEME_TYPE.BFV)
    chosen.set_poly_modulus_degree(parameters.degree)
    chosen.set_coeff_modulus([seal.Modulus(prime) for prime in parameters.coefficient_moduli])
    chosen.set_plain_modulus(parameters.plain_modulus)
    return seal.SEALContext(chosen, True, seal.SEC_LEVEL_TYPE.TC128)
