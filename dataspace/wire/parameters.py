"""The parameter sets of homomorphic encryption: an allow-list by id, with the limits that go with each."""

import hashlib
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from dataspace.errors import Unprocessable

_BFV: Final = 1  # SEAL's scheme_type::bfv


@dataclass(frozen=True)
class ParameterSet:
    """Parameters of the BFV scheme, fixed here so that no caller ever chooses any.

    The last of `coefficient_moduli` is SEAL's special prime, which only keys
    use. An answer keeps the first `answer_moduli` of them. Limits are bytes.
    The time of an answer is a multiple of `bucket` milliseconds for each of
    its ciphertexts and one more, whatever was asked.
    """

    id: str
    degree: int
    plain_modulus: int
    coefficient_moduli: tuple[int, ...]
    answer_moduli: int
    context_limit: int
    vector_limit: int
    bucket: int = 50

    @property
    def slots(self) -> int:
        """Return how many integers one ciphertext holds."""
        return self.degree

    def parms_id(self, moduli: int) -> bytes:
        """Return what SEAL calls the parms_id of the level that keeps the first `moduli` primes."""
        kept = self.coefficient_moduli[:moduli]
        words = (_BFV, self.degree, *kept, self.plain_modulus)
        return hashlib.blake2b(struct.pack(f"<{len(words)}Q", *words), digest_size=32).digest()


DEFAULT_PARAMETERS: Final = "bfv-8192-t40"
SELECTOR_PARAMETERS: Final = "bfv-16384-t45"
# The primes are SEAL's BFVDefault of each degree for 128 bits of security: 218 and 438 bits, the most that
# the homomorphic encryption standard allows. A plain modulus is 1 modulo twice the degree, which is what
# batching needs: the two greatest such primes of 40 bits, and the greatest of 45.
_PRIMES_8192: Final = (8796092858369, 8796092792833, 17592186028033, 17592185438209, 17592184717313)
_PRIMES_16384: Final = (
    *(281474976546817, 281474976317441, 281474975662081, 562949952798721, 562949952700417),
    *(562949952274433, 562949951979521, 562949951881217, 562949951619073),
)
_SETS: Final = (
    ParameterSet(DEFAULT_PARAMETERS, 8192, 1099511480321, _PRIMES_8192, 2, 600_000, 500_000, 50),
    ParameterSet("bfv-8192-t40-b", 8192, 1099510890497, _PRIMES_8192, 2, 600_000, 500_000, 50),
    ParameterSet(SELECTOR_PARAMETERS, 16384, 35184371138561, _PRIMES_16384, 2, 2_300_000, 2_000_000, 200),
)
PARAMETER_SETS: Final[Mapping[str, ParameterSet]] = {parameters.id: parameters for parameters in _SETS}
# Those under which a cube is asked: what a total leaves modulo each of their plain moduli is, by the
# Chinese remainder theorem, the total modulo their product, which has 80 bits.
CUBE_SETS: Final = (DEFAULT_PARAMETERS, "bfv-8192-t40-b")


def parameter_set(name: str) -> ParameterSet:
    """Return the parameter set of that id.

    Raises:
        Unprocessable: there is none.

    """
    if name not in PARAMETER_SETS:
        raise Unprocessable(f"unknown parameter set, want one of {', '.join(PARAMETER_SETS)}")
    return PARAMETER_SETS[name]
