"""What a consumer can compute from its secret key and an answer: ratios of ciphertexts, and their noise.

Polynomials are integer arrays modulo X^8192 + 1; residues are arrays of shape
(primes, 8192) of Python integers.
"""

import tempfile
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import tenseal.sealapi as seal

from dataspace.bfv import stream
from dataspace.client.encrypted import Keys
from dataspace.privacy.circuit import Circuit
from dataspace.privacy.threshold import ThresholdCircuit
from tests.fuzzing import opened
from tests.privacy.scene import PARAMETERS, keys


def pair(saved: bytes) -> Any:
    """Return the two polynomials of a ciphertext over a cube."""
    return polynomials(saved, 2, PARAMETERS.degree)


def residues(circuit: Circuit, plain: Any) -> Any:
    """Return a plaintext of the first level in NTT form, as residues."""
    return _words(circuit, plain)[: 4 * PARAMETERS.degree].reshape(4, -1)


def coefficients(circuit: Circuit, values: list[int]) -> Any:
    """Return the polynomial that encodes these values, its coefficients centred modulo t."""
    plain = seal.Plaintext()
    circuit._scheme.encoder.encode(values + [0] * (PARAMETERS.slots - len(values)), plain)
    return _centred(_words(circuit, plain), PARAMETERS.plain_modulus)


def matching(found: Any, wanted: Any) -> int:
    return int((found == wanted).sum())


def ratio(answer: bytes, query: bytes) -> Any:
    """Return c1' / c1 modulo the first prime, slot by slot in NTT form."""
    prime = PARAMETERS.coefficient_moduli[0]
    inverse = np.array([pow(int(word), -1, prime) for word in pair(query)[1][0]], object)
    return pair(answer)[1][0] * inverse % prime


def noise(circuit: Circuit | ThresholdCircuit, saved: bytes, size: int = 2, by: Keys | None = None) -> Any:
    """Return t * (c0 + c1 s + ..) modulo q, centred: the noise, of a ciphertext in NTT form at any level.

    `size`: how many polynomials it has.
    """
    parameters, phase = circuit._parameters, 0
    parts = polynomials(saved, size, parameters.degree)
    kept = parts.shape[1]
    moduli = np.array(parameters.coefficient_moduli[:kept], object)[:, None]
    for polynomial in parts[::-1]:
        phase = (polynomial + phase * secret(by or keys())[:kept]) % moduli
    return lifted(from_ntt(circuit, phase * parameters.plain_modulus % moduli), moduli)


def quotient(product: Any, factor: Any) -> Any:
    """Return the polynomial nearest to product / factor, by division at the roots of X^8192 + 1."""
    return np.array([round(value) for value in _inverse(_roots(product) / _roots(factor))], object)


def least_root(polynomial: Any) -> float:
    """Return the least absolute value at a root of X^8192 + 1: a quotient's error goes by one over it."""
    return float(np.abs(_roots(polynomial)).min())


def _roots(polynomial: Any) -> Any:
    return np.fft.fft(polynomial.astype(np.longdouble) * _twist())


def _inverse(values: Any) -> Any:
    return (np.fft.ifft(values) / _twist()).real


def _twist() -> Any:
    angle = np.arange(PARAMETERS.degree, dtype=np.longdouble) * np.longdouble(np.pi) / PARAMETERS.degree
    return np.cos(angle) + 1j * np.sin(angle)


def _centred(values: Any, modulus: int) -> Any:
    return np.where(values > modulus // 2, values - modulus, values)


def secret(by: Keys) -> Any:
    """Return the secret key in NTT form, as residues of the first level."""
    degree, primes = by.parameters.degree, len(by.parameters.coefficient_moduli)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "key")
        by._context.secret_key().data.save(str(path))
        inside = opened(path.read_bytes())
    words = np.frombuffer(inside[-8 * primes * degree :], "<u8").astype(object)
    return words.reshape(primes, degree)[:-1]


def from_ntt(circuit: Circuit | ThresholdCircuit, values: Any) -> Any:
    """Return residues out of NTT form: SEAL does it to a ciphertext whose halves they are."""
    parameters, primes = circuit._parameters, len(values)
    head = stream._CIPHERTEXT.pack(parameters.parms_id(primes), 1, 2, parameters.degree, primes, 1.0, 1)
    words = np.stack([values, values]).astype("<u8").tobytes()
    cipher = circuit._scheme.load(
        seal.Ciphertext(), stream._wrap(head + stream._array(words, len(words) // 8))
    )
    circuit._evaluator.transform_from_ntt_inplace(cipher)
    return polynomials(circuit._scheme.save(cipher), 2, parameters.degree)[0]


def lifted(plain: Any, moduli: Any) -> Any:
    """Return the numbers that leave these residues, centred modulo the product of the moduli."""
    total = prod(map(int, moduli[:, 0]))
    lifts = [total // int(prime) * pow(total // int(prime), -1, int(prime)) for prime in moduli[:, 0]]
    return _centred(sum(row * lift for row, lift in zip(plain, lifts, strict=True)) % total, total)


def polynomials(saved: bytes, size: int, degree: int) -> Any:
    """Return the polynomials of a saved ciphertext, as residues."""
    return np.frombuffer(opened(saved), "<u8", offset=97).reshape(size, -1, degree).astype(object)


def _words(circuit: Circuit, plain: Any) -> Any:
    return np.frombuffer(opened(circuit._scheme.save(plain)), "<u8", offset=72).astype(object)


def answer_noise(circuit: Circuit, saved: bytes) -> list[float]:
    """Return the noise of an answer, switched down to two primes, in units of q: from -0.5 to 0.5."""
    cipher = circuit._scheme.load(seal.Ciphertext(), saved)
    circuit._evaluator.transform_to_ntt_inplace(cipher)
    total = prod(PARAMETERS.coefficient_moduli[: PARAMETERS.answer_moduli])
    return [int(value) / total for value in noise(circuit, circuit._scheme.save(cipher))]
