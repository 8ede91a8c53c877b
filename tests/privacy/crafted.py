"""Selectors that encrypt nothing: what a malicious consumer makes of its own key to read all that is summed.

Of the circuit's terms (`privacy.threshold`) the noise of an answer shows, when W is nothing
but its noise e and D passes q in one coefficient r times and is zero otherwise,

    e * (t * r * X  +  L)  +  the flood        modulo q / t

X is the operand, L the randomness that stands for the equations, below t. With r of some
hundreds L is lost below the last bits of X. The head of X is random, and anew in each
answer: so e is a polynomial that is zero, modulo t, in the slots of the head. It is
scaled such that what passes t is lost and five more bits of the rest come to stand
above the flood: nine answers are 45 bits of every coefficient.
"""

from collections.abc import Callable
from functools import cache
from itertools import repeat
from math import prod
from typing import Any, Final

import numpy as np
import tenseal.sealapi as seal

from dataspace.bfv import stream
from dataspace.bfv.ciphertext import read_vector, write_vector
from dataspace.client.encrypted import Keys
from dataspace.wire.protobuf import fields
from dataspace.wire.selector import PARAMETERS
from tests import fuzzing
from tests.privacy import adversary
from tests.privacy.selectors import circuit

ANSWERS: Final = 9
_BITS: Final = 5  # of each coefficient, in one answer
_MODULI: Final = np.array(PARAMETERS.coefficient_moduli[:-1], object)[:, None]
_Q: Final = prod(PARAMETERS.coefficient_moduli[:-1])
_T: Final = PARAMETERS.plain_modulus
_ONE: Final = 1 << 100  # shares are integers in units of 2^-100


def read_operand(ask: Callable[[tuple[bytes, bytes]], bytes], head: int) -> list[int]:
    """Return the operand's slots after the head, of what `ask` answers to the vectors D and W."""
    turning, turns = _turning()
    factor, known = _vanishing(head), np.zeros(PARAMETERS.degree, object)
    for shift in range(0, _BITS * ANSWERS, _BITS):
        scaled = _centred((factor << shift) % _T)
        seen = _shares(ask((turning, _weights(scaled * _Q // (_T**3 * turns)))))
        # Of known * 2^shift, what is behind the point is told again, and more exactly.
        turned = ((known << shift) - seen + (_ONE >> 1)) // _ONE
        known = (turned * _ONE + seen) >> shift
    found, times = _slots((known * _T + (_ONE >> 1)) // _ONE % _T), _slots(factor)
    return [one * pow(by, -1, _T) % _T for one, by in zip(found[head:], times[head:], strict=True)]


def _vanishing(head: int) -> Any:
    """Return the polynomial modulo t that is zero in the first slots, as short as there is one."""
    found, indeterminate = np.zeros(PARAMETERS.degree, object), np.zeros(PARAMETERS.degree, object)
    found[0] = indeterminate[1] = 1
    for root in _slots(indeterminate)[:head]:
        found = (np.roll(found, 1) - found * root) % _T
    return found


def _weights(noise: Any) -> bytes:
    """Return W: (e - s, 1), which with the secret key s is nothing but its noise e."""
    one = np.zeros(PARAMETERS.degree, object)
    one[0] = 1
    return _vector(noise - _secret(keys()), one)


@cache
def keys() -> Keys:
    """Return a key pair that an attacker would take: one with which D passes q often."""
    return next(pair for pair in map(Keys.create, repeat(PARAMETERS.id)) if _turns(pair) > 250)  # nearly any


@cache
def _turning() -> tuple[bytes, int]:
    """Return D and r: D is (-u s, u) with u near q r / s, so that u s is q r but for what the other takes."""
    turns = _turns(keys())
    second = np.array([int(value * 2**60) * turns * _Q >> 60 for value in _inverse(keys())], object)
    return _vector(-_by_secret(second), second), turns


def _turns(pair: Keys) -> int:
    return int(0.45 / abs(_inverse(pair)).max())


def _inverse(pair: Keys) -> Any:
    """Return 1 / s, over the real numbers."""
    angle = np.pi * np.arange(PARAMETERS.degree) / PARAMETERS.degree
    twist = np.cos(angle) + 1j * np.sin(angle)
    return (np.fft.ifft(1 / np.fft.fft(_secret(pair).astype(float) * twist)) / twist).real


def _by_secret(polynomial: Any) -> Any:
    """Return the residues of a polynomial times the secret key."""
    saved = read_vector(_vector(polynomial, polynomial), PARAMETERS)
    [cipher] = circuit().selector([saved])
    words = adversary.polynomials(circuit()._scheme.save(cipher), 2, PARAMETERS.degree)[0]
    return adversary.from_ntt(circuit(), words * adversary.secret(keys()) % _MODULI)


@cache
def _secret(pair: Keys) -> Any:
    return adversary.lifted(adversary.from_ntt(circuit(), adversary.secret(pair)), _MODULI)


def _vector(*polynomials: Any) -> bytes:
    words = np.stack([polynomial % _MODULI for polynomial in polynomials]).astype(np.uint64).reshape(-1)
    saved = stream.write_ciphertext(words, PARAMETERS, 2, len(_MODULI))
    return write_vector(fuzzing.closed(saved[16:]), PARAMETERS.slots)


def _shares(vector: bytes) -> Any:
    """Return the noise of an answer as shares of its room, less what the flood has on average."""
    [saved] = [bytes(value) for tag, value in fields(vector) if tag == 0x12 and not isinstance(value, int)]
    cipher = circuit()._scheme.load(seal.Ciphertext(), saved)
    circuit()._evaluator.transform_to_ntt_inplace(cipher)
    noise = adversary.noise(circuit(), circuit()._scheme.save(cipher), 3, keys())
    kept = prod(PARAMETERS.coefficient_moduli[: PARAMETERS.answer_moduli])
    return noise * _ONE // kept - (_ONE >> 8)


def _slots(polynomial: Any) -> list[int]:
    words = stream.write_plaintext(polynomial.astype(np.uint64))
    plain = circuit()._scheme.load(seal.Plaintext(), words)
    return [int(slot) for slot in circuit()._scheme.encoder.decode_uint64(plain)]


def _centred(words: Any) -> Any:
    return np.where(words > _T // 2, words - _T, words)
