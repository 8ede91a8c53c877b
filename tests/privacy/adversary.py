"""What a consumer can compute from its secret key and an answer: ratios of ciphertexts, and their noise.

Polynomials are integer arrays modulo X^8192 + 1; residues are arrays of shape
(primes, 8192) of Python integers.
"""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import tenseal.sealapi as seal

from dataspace.bfv import stream
from dataspace.privacy.circuit import Circuit
from tests.privacy.scene import PARAMETERS, keys

_MODULI = np.array(PARAMETERS.coefficient_moduli, object)[:, None]


def pair(saved: bytes) -> Any:
    """Return the two polynomials of a saved ciphertext, as residues."""
    return np.frombuffer(_inside(saved), "<u8", offset=97).reshape(2, -1, PARAMETERS.degree).astype(object)


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


def noise(circuit: Circuit, saved: bytes) -> Any:
    """Return t * (c0 + c1 s) modulo q, centred: the noise, of a ciphertext in NTT form at any level."""
    c0, c1 = pair(saved)
    moduli = _MODULI[: len(c0)]
    phase = (c0 + c1 * _secret()[: len(c0)]) % moduli * PARAMETERS.plain_modulus % moduli
    plain = _from_ntt(circuit, phase)
    total = int(np.prod(moduli))
    lifts = [total // int(prime) * pow(total // int(prime), -1, int(prime)) for prime in moduli[:, 0]]
    return _centred(sum(row * lift for row, lift in zip(plain, lifts, strict=True)) % total, total)


def quotient(product: Any, factor: Any) -> Any:
    """Return the polynomial nearest to product / factor, by division at the roots of X^8192 + 1."""
    return np.array([round(value) for value in _inverse(_roots(product) / _roots(factor))], object)


def _roots(polynomial: Any) -> Any:
    return np.fft.fft(polynomial.astype(np.longdouble) * _twist())


def _inverse(values: Any) -> Any:
    return (np.fft.ifft(values) / _twist()).real


def _twist() -> Any:
    angle = np.arange(PARAMETERS.degree, dtype=np.longdouble) * np.longdouble(np.pi) / PARAMETERS.degree
    return np.cos(angle) + 1j * np.sin(angle)


def _centred(values: Any, modulus: int) -> Any:
    return np.where(values > modulus // 2, values - modulus, values)


def _secret() -> Any:
    """Return the secret key in NTT form, as residues of the first level."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "key")
        keys()._context.secret_key().data.save(str(path))
        inside = _inside(path.read_bytes())
    return np.frombuffer(inside[-8 * 5 * PARAMETERS.degree :], "<u8").astype(object).reshape(5, -1)[:4]


def _from_ntt(circuit: Circuit, values: Any) -> Any:
    """Return residues out of NTT form: SEAL does it to a ciphertext whose halves they are."""
    primes = len(values)
    head = stream._CIPHERTEXT.pack(PARAMETERS.parms_id(primes), 1, 2, PARAMETERS.degree, primes, 1.0, 1)
    words = np.stack([values, values]).astype("<u8").tobytes()
    cipher = circuit._scheme.load(
        seal.Ciphertext(), stream._wrap(head + stream._array(words, len(words) // 8))
    )
    circuit._evaluator.transform_from_ntt_inplace(cipher)
    return pair(circuit._scheme.save(cipher))[0]


def _words(circuit: Circuit, plain: Any) -> Any:
    return np.frombuffer(_inside(circuit._scheme.save(plain)), "<u8", offset=72).astype(object)


def _inside(saved: bytes) -> bytes:
    """Return what one of our own streams holds; the size stands in its zstd frame in 2 or 4 bytes."""
    short = saved[20] >> 6 == 1
    size = int.from_bytes(saved[21 : 23 if short else 25], "little") + 256 * short
    return bytes(pa.decompress(saved[16:], decompressed_size=size, codec="zstd", asbytes=True))


def answer_noise(circuit: Circuit, saved: bytes) -> list[float]:
    """Return the noise of an answer, switched down to two primes, in units of q: from -0.5 to 0.5."""
    moduli = _MODULI[: PARAMETERS.answer_moduli]
    cipher = circuit._scheme.load(seal.Ciphertext(), saved)
    circuit._evaluator.transform_to_ntt_inplace(cipher)
    c0, c1 = pair(circuit._scheme.save(cipher))
    phase = (c0 + c1 * _secret()[: len(moduli)]) % moduli * PARAMETERS.plain_modulus % moduli
    plain = _from_ntt(circuit, phase)
    total = int(np.prod(moduli))
    lifts = [total // int(prime) * pow(total // int(prime), -1, int(prime)) for prime in moduli[:, 0]]
    whole = _centred(sum(row * lift for row, lift in zip(plain, lifts, strict=True)) % total, total)
    return [int(value) / total for value in whole]
