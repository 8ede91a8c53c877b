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
"""

from collections.abc import Sequence
from typing import Any, Final

import tenseal.sealapi as seal

from dataspace.bfv.scheme import REFUSALS, Scheme
from dataspace.errors import Malformed
from dataspace.wire.parameters import ParameterSet

_FLOODS: Final = 2  # factors: enough for the noise of one product, see the module's docstring


class Circuit:
    """SEAL at one parameter set; lives in a worker process, and is used by one thread."""

    def __init__(self, parameters: ParameterSet) -> None:
        self._parameters = parameters
        self._scheme = Scheme(parameters)
        self._evaluator = self._scheme.evaluator

    def operand(self, values: Sequence[int]) -> Any:
        """Return a measure's values, encoded for `answer`; None when all are zero."""
        if not any(value % self._parameters.plain_modulus for value in values):
            return None  # SEAL throws on a product with zero
        return self._scheme.to_ntt(self._scheme.encode(values))

    def key(self, stream: bytes) -> Any:
        """Return an encryptor under the public key that `read_context` returned.

        Raises:
            Malformed: SEAL refuses it.

        """
        try:
            return seal.Encryptor(self._scheme.context, self._scheme.load(seal.PublicKey(), stream))
        except REFUSALS as error:
            raise Malformed("malformed context: SEAL refuses its key") from error

    def query(self, stream: bytes) -> Any:
        """Return the ciphertext that `read_vector` returned, in NTT form.

        Raises:
            Malformed: SEAL refuses it.

        """
        try:
            cipher = self._scheme.load(seal.Ciphertext(), stream)
            fresh = (
                cipher.size() == 2 and cipher.parms_id() == self._scheme.level and not cipher.is_ntt_form()
            )
            if not fresh or cipher.is_transparent() or not seal.is_valid_for(cipher, self._scheme.context):
                raise Malformed("malformed ciphertext: want a fresh one of two polynomials")
            self._evaluator.transform_to_ntt_inplace(cipher)
        except REFUSALS as error:
            raise Malformed("malformed ciphertext: SEAL refuses it") from error
        return cipher

    def answer(self, query: Any, operand: Any, key: Any) -> bytes:
        """Return SEAL's stream of the answer for one measure."""
        total = self._flood(key)
        if operand is not None:
            self._evaluator.add_inplace(total, self._product(query, operand))
        self._evaluator.transform_from_ntt_inplace(total)
        self._evaluator.add_plain_inplace(total, self._scheme.zero_sum())
        for _ in range(len(self._parameters.coefficient_moduli) - 1 - self._parameters.answer_moduli):
            self._evaluator.mod_switch_to_next_inplace(total)
        return self._scheme.save(total)

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
            self._evaluator.multiply_plain_inplace(zero, self._scheme.to_ntt(self._scheme.random_plaintext()))
        return zero
