from functools import cache
from typing import Any

import numpy as np
import pytest
import tenseal.sealapi as seal

from dataspace.bfv.ciphertext import read_context, read_vector, write_vector
from dataspace.privacy.circuit import Circuit
from tests.privacy import adversary
from tests.privacy.scene import PARAMETERS, keys

FULL = PARAMETERS.slots
VALUES = [int(value) for value in np.random.default_rng(5).integers(-1_000_000, 1_000_000_000, FULL)]


@cache
def circuit() -> Circuit:
    return Circuit(PARAMETERS)


@cache
def vector() -> bytes:
    """Return the one of some queries whose noise is divided by best, as a consumer would choose it."""
    return max(
        (keys().seal([1, -1, 7]) for _ in range(4)),
        key=lambda made: adversary.least_root(adversary.noise(circuit(), circuit()._scheme.save(read(made)))),
    )


def read(made: bytes) -> Any:
    return circuit().query(read_vector(made, PARAMETERS))


@cache
def parts() -> tuple[Any, Any, Any]:
    """Return a query, the operand of VALUES, and an encryptor, all of the circuit."""
    key = circuit().key(read_context(keys().public, PARAMETERS))
    return read(vector()), circuit().operand(VALUES), key


def naive() -> bytes:
    """Return what a service would answer that knew of none of this: the product as it is."""
    cipher, operand, _ = parts()
    return circuit()._scheme.save(circuit()._product(cipher, operand))


def freshened() -> bytes:
    """Return the product plus a fresh encryption of zero, as is often advised."""
    cipher, operand, key = parts()
    zero = seal.Ciphertext()
    key.encrypt_zero(zero)
    circuit()._evaluator.transform_to_ntt_inplace(zero)
    circuit()._evaluator.add_inplace(zero, circuit()._product(cipher, operand))
    return circuit()._scheme.save(zero)


def flooded() -> bytes:
    """Return our answer before the mask and the switch, which is when it says most."""
    cipher, operand, key = parts()
    total = circuit()._flood(key)
    circuit()._evaluator.add_inplace(total, circuit()._product(cipher, operand))
    return circuit()._scheme.save(total)


def asked() -> bytes:
    return circuit()._scheme.save(parts()[0])


def answered() -> Any:
    """Return our answer as the consumer loads it."""
    return circuit()._scheme.load(seal.Ciphertext(), circuit().answer(*parts()))


def test_he_09_the_ratio_of_ciphertexts_is_the_whole_operand_of_a_naive_answer() -> None:
    operand = adversary.residues(circuit(), parts()[1])[0]
    assert adversary.matching(adversary.ratio(naive(), asked()), operand) == FULL


def test_he_09_the_ratio_of_ciphertexts_says_nothing_of_a_flooded_answer() -> None:
    operand = adversary.residues(circuit(), parts()[1])[0]
    assert adversary.matching(adversary.ratio(flooded(), asked()), operand) == 0


def test_he_09_the_ratio_of_ciphertexts_says_nothing_of_the_answer_as_it_is_sent() -> None:
    sent, theirs = (
        answered(),
        circuit()._scheme.load(seal.Ciphertext(), read_vector(vector(), PARAMETERS)),
    )
    for _ in range(2):
        circuit()._evaluator.mod_switch_to_next_inplace(theirs)
    for cipher in (sent, theirs):
        circuit()._evaluator.transform_to_ntt_inplace(cipher)
    found = adversary.ratio(circuit()._scheme.save(sent), circuit()._scheme.save(theirs))
    assert adversary.matching(found, adversary.residues(circuit(), parts()[1])[0]) == 0


def test_he_09_the_noise_is_the_whole_operand_of_an_answer_with_a_fresh_zero() -> None:
    quotient = adversary.quotient(
        adversary.noise(circuit(), freshened()), adversary.noise(circuit(), asked())
    )
    # Noise is divided by what the consumer knows of it: the smaller that is, the less of the rest is exact.
    assert adversary.matching(quotient, adversary.coefficients(circuit(), VALUES)) > 0.9 * FULL


def test_he_09_the_noise_says_nothing_of_a_flooded_answer() -> None:
    quotient = adversary.quotient(adversary.noise(circuit(), flooded()), adversary.noise(circuit(), asked()))
    wanted = adversary.coefficients(circuit(), VALUES)
    assert adversary.matching(quotient, wanted) == 0
    # A coefficient is below 2^39; what is read instead is off by twice as many bits.
    assert np.median(np.abs((quotient - wanted).astype(float))) > 2.0**80


def test_the_answer_keeps_noise_to_spare() -> None:
    decryptor = keys()._context.decryptor().data
    assert decryptor.invariant_noise_budget(answered()) >= 30


def test_the_answer_is_half_as_long_as_the_query() -> None:
    sent = write_vector(circuit().answer(*parts()), PARAMETERS.slots)
    assert len(sent) < 216_000
    assert sent.startswith(b"\x0a\x02\x80\x40\x12")


def test_masks_add_up_to_zero_and_are_uniform() -> None:
    modulus = PARAMETERS.plain_modulus
    first, second = (circuit()._scheme.encoder.decode_uint64(circuit()._scheme.zero_sum()) for _ in range(2))
    assert sum(first) % modulus == sum(second) % modulus == 0
    assert not set(first) & set(second)
    shares = np.histogram(np.array(first, float) / modulus, bins=16, range=(0, 1))[0]
    # Chi-squared with 15 degrees of freedom passes 60 with a chance below one in a million.
    assert ((shares - FULL / 16) ** 2 / (FULL / 16)).sum() < 60


@pytest.mark.parametrize("count", [1, 8192])
def test_random_numbers_stay_below_the_modulus(count: int) -> None:
    assert (circuit()._scheme.uniform(count) < PARAMETERS.plain_modulus).all()
