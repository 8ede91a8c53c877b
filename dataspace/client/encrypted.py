"""The consumer's side of encrypted queries: the key stays here, and so does what it opens.

    keys = Keys.create()
    query = keys.encrypt(Layout.from_json(layout), {("Hangzhou", 2024): 1}, agreement="ag-...", expires=...)
    totals = keys.decrypt(answer, query)             # {"count": 812, "sum(amount)": 40613205}

Whether an answer could be opened must not go back to the service, not even by
asking again: that would be a decryption oracle. Nothing here retries.
"""

import hashlib
import hmac
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

from dataspace.client.keyfile import read_key_file, write_key_file
from dataspace.client.layout import Key, Layout, limits, place
from dataspace.errors import Malformed, TooLarge, Unprocessable, VerificationError
from dataspace.wire.envelope import EncryptedAnswer, EncryptedQuery
from dataspace.wire.frame import join_parts, split_parts
from dataspace.wire.parameters import DEFAULT_PARAMETERS, ParameterSet, parameter_set
from dataspace.wire.protobuf import fields, refuse_secret_key

_MAGIC: Final = b"DSHK\x01"
# What TenSEAL and pybind11 throw; their texts name nothing but types and sizes.
_REFUSALS: Final = (RuntimeError, ValueError, IndexError, TypeError)


@dataclass(frozen=True)
class Prepared:
    """A query that is ready to be sent, and what its answer has to fit; `limits` bound the totals."""

    body: bytes = field(repr=False)
    binding: str
    limits: Mapping[str, int]


class Keys:
    """A consumer's key pair for encrypted queries; `id` is the SHA-256 of its public part."""

    def __init__(self, parameters: ParameterSet, public: bytes, private: bytes) -> None:
        import tenseal  # noqa: PLC0415 - a second, and most commands never need it

        refuse_secret_key(public)
        self._tenseal = tenseal
        self._parameters, self._public, self._private = parameters, public, private
        try:
            self._context = tenseal.context_from(private, n_threads=1)
        except _REFUSALS as error:
            raise Malformed("malformed key: TenSEAL refuses it") from error

    @property
    def id(self) -> str:
        """Return the name under which agreements pin this key."""
        return hashlib.sha256(self._public).hexdigest()

    @property
    def public(self) -> bytes:
        """Return the public TenSEAL context, 542 kB, which holds no other key."""
        return self._public

    @classmethod
    def create(cls, parameters: str = DEFAULT_PARAMETERS) -> Self:
        """Make a new key pair.

        Raises:
            Unprocessable: there is no such parameter set.

        """
        import tenseal  # noqa: PLC0415

        chosen = parameter_set(parameters)
        context = tenseal.context(
            tenseal.SCHEME_TYPE.BFV,
            chosen.degree,
            plain_modulus=chosen.plain_modulus,
            coeff_mod_bit_sizes=[],
            n_threads=1,
        )
        kept = {"save_public_key": True, "save_galois_keys": False, "save_relin_keys": False}
        public = context.serialize(save_secret_key=False, **kept)
        return cls(chosen, public, context.serialize(save_secret_key=True, **kept))

    def save(self, path: Path, passphrase: str) -> None:
        """Write the key pair to a new file that only `passphrase` opens and only its owner can read.

        Raises:
            Conflict: there is such a file already.

        """
        parts = [self._parameters.id.encode(), self._public, self._private]
        write_key_file(path, passphrase, join_parts(_MAGIC, parts))

    @classmethod
    def load(cls, path: Path, passphrase: str) -> Self:
        """Read what `save` wrote.

        Raises:
            NotFound: there is no such file.
            Malformed: it is no key file.
            VerificationError: the passphrase is another, or the file was changed.

        """
        name, public, private = split_parts(read_key_file(path, passphrase), _MAGIC, 3)
        return cls(parameter_set(bytes(name).decode()), bytes(public), bytes(private))

    def encrypt(
        self,
        layout: Layout,
        weights: Mapping[Key, int] | Sequence[int],
        *,
        agreement: str,
        expires: int,
        pinned: bool = False,
    ) -> Prepared:
        """Return a query for the weighted totals of the layout's measures.

        `weights` go by cell, the others being 0, or are all in the layout's
        order. `expires` is in seconds since 1970. Once the agreement has
        `pinned` this key, the query is 432 kB and not 974.

        Raises:
            Malformed: a weight is no integer, or for a cell that is not there.
            Unprocessable: a total might pass the plain modulus, or the layout
                has another parameter set than this key.

        """
        slots = place(layout, weights)
        within = limits(layout, slots)
        if layout.parameters != self._parameters:
            raise Unprocessable(f"this key is for {self._parameters.id}: make one for {layout.parameters.id}")
        # All slots are encrypted, so that nothing tells how many cells were asked for.
        padded = slots + [0] * (self._parameters.slots - len(slots))
        query = EncryptedQuery(
            self._parameters.id,
            layout.cube,
            agreement,
            self.id,
            tuple(layout.bounds),
            nonce=secrets.token_hex(16),
            expires=expires,
            vector=self._tenseal.bfv_vector(self._context, padded).serialize(),
            context=b"" if pinned else self._public,
        )
        for part in (query.context, query.vector):
            refuse_secret_key(part)
        return Prepared(query.encode(), query.binding, within)

    def decrypt(self, answer: bytes, query: Prepared) -> dict[str, int]:
        """Return the total of each measure, in units of 10^-precision.

        Raises:
            Malformed: `answer` is no envelope.
            VerificationError: it answers another query, was not computed
                under this key, or holds a total beyond what the weights allow.

        """
        found = EncryptedAnswer.decode(answer)
        if not hmac.compare_digest(found.binding, query.binding) or set(found.measures) != set(query.limits):
            raise VerificationError("the answer is to another query")
        if not hmac.compare_digest(found.key, self.id) or found.parameters != self._parameters.id:
            raise VerificationError("the answer is for another key")
        totals = {
            name: self._open(vector) for name, vector in zip(found.measures, found.vectors, strict=True)
        }
        for name, total in totals.items():
            if abs(total) > query.limits[name]:
                raise VerificationError(f"the total of {name} is beyond what the weights allow")
        return totals

    def _open(self, vector: bytes) -> int:
        modulus = self._parameters.plain_modulus
        _check_vector(vector, self._parameters)
        try:
            encrypted = self._tenseal.bfv_vector_from(self._context, vector)
            [cipher] = encrypted.ciphertext()
            # What another key made has no budget left; it would decrypt to noise, and say nothing.
            budget = self._context.decryptor().data.invariant_noise_budget(cipher)
            total = sum(map(int, encrypted.decrypt())) % modulus if budget > 0 else None
        except _REFUSALS as error:
            raise VerificationError("the answer is not a ciphertext of its parameter set") from error
        if total is None:
            raise VerificationError("the answer was not computed under this key")
        return total if 2 * total < modulus else total - modulus


def _check_vector(vector: bytes, parameters: ParameterSet) -> None:
    """Check what TenSEAL does not: it reads beyond its buffer when a size passes the slots."""
    if len(vector) > parameters.vector_limit:
        raise TooLarge(f"ciphertext of {len(vector)} bytes, want at most {parameters.vector_limit}")
    message = list(fields(vector))
    sizes = [bytes(value) for tag, value in message if tag == 0x0A and not isinstance(value, int)]
    full = bytes([parameters.slots & 127 | 128, parameters.slots >> 7])
    if [tag for tag, _ in message] != [0x0A, 0x12] or sizes != [full]:
        raise VerificationError("the answer is not one ciphertext with all its slots")
