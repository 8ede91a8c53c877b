"""The attack of inflated noise: what a consumer reads that adds to its own ciphertext what it should not."""

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import numpy as np
import pyarrow as pa
import tenseal.sealapi as seal

from dataspace.bfv import stream
from dataspace.bfv.ciphertext import read_vector, write_vector
from dataspace.privacy.circuit import Circuit
from dataspace.wire.protobuf import fields
from tests.privacy import adversary
from tests.privacy.scene import PARAMETERS

# Bits of what is added to one coefficient: above the flood, and such that the product stays below q.
LOW, HIGH = 92, 102
_MODULI = PARAMETERS.coefficient_moduli
_KEPT = _MODULI[0] * _MODULI[1]
_DROPPED = _MODULI[2] * _MODULI[3]


def inflate(vector: bytes, bits: int) -> bytes:
    """Return the same ciphertext with 2^bits added to a coefficient: it is valid, and decrypts alike."""
    saved = bytearray(read_vector(vector, PARAMETERS))
    for place, prime in enumerate(_MODULI[:-1]):
        at = 113 + 8 * PARAMETERS.degree * place
        word = (int.from_bytes(saved[at : at + 8], "little") + (1 << bits)) % prime
        saved[at : at + 8] = word.to_bytes(8, "little")
    frame = pa.compress(bytes(saved[16:]), codec="zstd", asbytes=True)
    head = stream._HEADER.pack(0xA15E, 16, 4, 3, 2, 0, 16 + len(frame))
    return write_vector(head + frame, PARAMETERS.slots)


def read_operand(circuit: Circuit, answers: Mapping[int, bytes]) -> list[int]:
    """Return the slots of the operand from the answers to queries inflated by `LOW` and by `HIGH` bits.

    An answer's phase modulo q / t is the operand's coefficients times 2^(bits - 88), plus the flood, 2^13
    by now. With the small factor nothing wraps around, and the last bits drown; they are read with the large
    one, and how often that wrapped around is known from the first.
    """
    rough, exact = (_noise(circuit, answers[bits]) for bits in (LOW, HIGH))
    modulus, coefficients = PARAMETERS.plain_modulus, []
    for first, second in zip(rough, exact, strict=True):
        near = round(Fraction(int(first) * _DROPPED, modulus << LOW))
        seen = Fraction(int(second), modulus)
        turns = round((Fraction(near << HIGH, _DROPPED) - seen) * modulus / _KEPT)
        whole = (seen + Fraction(turns * _KEPT, modulus)) * _DROPPED / (1 << HIGH)
        coefficients.append(round(whole) % modulus)
    words = np.array(coefficients, np.uint64)
    plain = circuit._scheme.load(seal.Plaintext(), stream.write_plaintext(words))
    slots = circuit._scheme.encoder.decode_uint64(plain)
    return [slot if 2 * slot < modulus else slot - modulus for slot in slots]


def _noise(circuit: Circuit, vector: bytes) -> Any:
    [saved] = [bytes(value) for tag, value in fields(vector) if tag == 0x12 and not isinstance(value, int)]
    cipher = circuit._scheme.load(seal.Ciphertext(), saved)
    circuit._evaluator.transform_to_ntt_inplace(cipher)
    return adversary.noise(circuit, circuit._scheme.save(cipher))
