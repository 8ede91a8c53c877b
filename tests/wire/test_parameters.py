from dataclasses import replace

import pytest
import tenseal.sealapi as seal

from dataspace.errors import Unprocessable
from dataspace.wire.parameters import CUBE_SETS, PARAMETER_SETS, ParameterSet, parameter_set

# Bits of the whole coefficient modulus at which ternary secrets keep 128 bits of classical security:
# Homomorphic Encryption Security Standard (2018), table 1.
STANDARD = {1024: 27, 2048: 54, 4096: 109, 8192: 218, 16384: 438, 32768: 881}
SETS = PARAMETER_SETS.values()


@pytest.mark.parametrize("parameters", SETS, ids=lambda parameters: parameters.id)
def test_he_03_every_set_keeps_the_standards_128_bits(parameters: ParameterSet) -> None:
    bits = sum(prime.bit_length() for prime in parameters.coefficient_moduli)
    assert bits <= STANDARD[parameters.degree]


@pytest.mark.parametrize("parameters", SETS, ids=lambda parameters: parameters.id)
def test_he_03_seal_agrees_on_every_set(parameters: ParameterSet) -> None:
    chosen = seal.EncryptionParameters(seal.SCHEME_TYPE.BFV)
    chosen.set_poly_modulus_degree(parameters.degree)
    chosen.set_coeff_modulus([seal.Modulus(prime) for prime in parameters.coefficient_moduli])
    chosen.set_plain_modulus(parameters.plain_modulus)
    context = seal.SEALContext(chosen, True, seal.SEC_LEVEL_TYPE.TC128)
    assert context.parameters_set(), context.parameters_error_message()
    primes = len(parameters.coefficient_moduli)
    for level, moduli in (("key", primes), ("first", primes - 1)):
        words = getattr(context, f"{level}_parms_id")()
        assert b"".join(word.to_bytes(8, "little") for word in words) == parameters.parms_id(moduli)


@pytest.mark.parametrize("parameters", SETS, ids=lambda parameters: parameters.id)
def test_every_set_has_the_primes_that_tenseal_chooses(parameters: ParameterSet) -> None:
    primes = seal.CoeffModulus.BFVDefault(parameters.degree, seal.SEC_LEVEL_TYPE.TC128)
    assert [prime.value() for prime in primes] == list(parameters.coefficient_moduli)
    bits = parameters.plain_modulus.bit_length()
    greatest = [prime.value() for prime in seal.PlainModulus.Batching(parameters.degree, [bits, bits])]
    assert parameters.plain_modulus in greatest
    assert parameters.plain_modulus % (2 * parameters.degree) == 1


def test_he_02_a_set_that_is_not_listed_does_not_exist() -> None:
    with pytest.raises(Unprocessable, match="want one of bfv-8192-t40"):
        parameter_set("bfv-16384-t60")


def test_the_sets_of_cubes_differ_in_their_plain_modulus_alone() -> None:
    first, second = (PARAMETER_SETS[name] for name in CUBE_SETS)
    assert first.plain_modulus > second.plain_modulus
    assert replace(second, id=first.id, plain_modulus=first.plain_modulus) == first
    greatest = [prime.value() for prime in seal.PlainModulus.Batching(first.degree, [40, 40])]
    assert sorted(greatest, reverse=True) == [first.plain_modulus, second.plain_modulus]
