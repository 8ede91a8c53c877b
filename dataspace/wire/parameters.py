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
    """

    id: str
    degree: int
    plain_modulus: int
    coefficient_moduli: tuple[int, ...]
    answer_moduli: int
    context_limit: int
    vector_limit: int

    @property
    def slots(self) -> int:
        """Return how many integers one ciphertext holds."""
        return self.degree

    def parms_id(self, moduli: int) -> bytes:
        """Return what SEAL calls the parms_id of the level that keeps the first `moduli` primes."""
        kept = self.coefficient_moduli[:moduli]
        words = (_BFV, self.degree, *kept, self.plain_modulus)
        return hashlib.blake2b(struct.pack(f"<{len(words)}Q", *words), digest_size=32).digest()


# The primes are SEAL's BFVDefault(8192, tc128): 218 bits, the most that the homomorphic encryption standard
# allows at this degree for 128 bits of security. The plain modulus is the greatest prime of 40 bits that is
# 1 modulo 16384, which is what batching needs.
DEFAULT_PARAMETERS: Final = "bfv-8192-t40"
PARAMETER_SETS: Final[Mapping[str, ParameterSet]] = {
    DEFAULT_PARAMETERS: ParameterSet(
        DEFAULT_PARAMETERS,
        degree=8192,
        plain_modulus=1099511480321,
        coefficient_moduli=(8796092858369, 8796092792833, 17592186028033, 17592185438209, 17592184717313),
        answer_moduli=2,
        context_limit=600_000,
        vector_limit=500_000,
    ),
}


def parameter_set(name: str) -> ParameterSet:
    """Return the parameter set of that id.

    Raises:
        Unprocessable: there is none.

    """
    if name not in PARAMETER_SETS:
        raise Unprocessable(f"unknown parameter set, want one of {', '.join(PARAMETER_SETS)}")
    return PARAMETER_SETS[name]
