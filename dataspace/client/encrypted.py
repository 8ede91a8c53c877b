"""The consumer's side of encrypted queries: the key stays here, and so does what it opens.

    keys = Keys.create()
    query = keys.encrypt(Layout.from_json(layout), {("Hangzhou", 2024): 1}, agreement="ag-...", expires=...)
    totals = keys.decrypt(answer, query)             # {"count": 812, "sum(amount)": 40613205}

What is encrypted with the secret key is half as long as what the public key
encrypts: the second polynomial is a seed (216 kB, not 432).

Whether an answer could be opened must not go back to the service, not even by
asking again: that would be a decryption oracle. Nothing here retries.
"""

import hashlib
import hmac
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Self

from dataspace.bfv.ciphertext import write_vector
from dataspace.client.keyfile import read_key_file, write_key_file
from dataspace.client.layout import Key, Layout, limits, place
from dataspace.errors import Malformed, TooLarge, Unprocessable, VerificationError
from dataspace.wire.envelope import EncryptedAnswer, EncryptedQuery
from dataspace.wire.frame import join_parts, split_parts
from dataspace.wire.parameters import CUBE_SETS, DEFAULT_PARAMETERS, ParameterSet, parameter_set
from dataspace.wire.protobuf import fields, refuse_secret_key

_MAGIC: Final = b"DSHK\x01"
_SPARE: Final = 24  # bits of noise budget, of the 36 that an answer over a cube has left
# What TenSEAL and pybind11 throw; their texts name nothing but types and sizes.
_REFUSALS: Final = (RuntimeError, ValueError, IndexError, TypeError)


@dataclass(frozen=True)
class Prepared:
    """A query that is ready to be sent, and what its answer has to fit; `limits` bound the totals."""

    body: bytes = field(repr=False)
    binding: str
    limits: Mapping[str, int]


@dataclass(frozen=True)
class Errand:
    """Under what a query is made: agreement, when it expires (seconds since 1970), whether it has this key.

    Once the agreement has `pinned` the key, the query does not bring it along.
    """

    agreement: str
    expires: int
    pinned: bool = False


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
    def parameters(self) -> ParameterSet:
        """Return the parameter set of this key pair."""
        return self._parameters

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
        write_key_file(path, passphrase, self.to_bytes())

    @classmethod
    def load(cls, path: Path, passphrase: str) -> Self:
        """Read what `save` wrote.

        Raises:
            NotFound: there is no such file.
            Malformed: it is no key file.
            VerificationError: the passphrase is another, or the file was changed.

        """
        return cls.from_bytes(read_key_file(path, passphrase))

    def to_bytes(self) -> bytes:
        """Return the key pair with its secret key: for a key file, and for nothing that is sent."""
        return join_parts(_MAGIC, [self._parameters.id.encode(), self._public, self._private])

    @classmethod
    def from_bytes(cls, data: bytes | memoryview) -> Self:
        """Read what `to_bytes` returned.

        Raises:
            Malformed: it is none.

        """
        if bytes(data[: len(_MAGIC)]) != _MAGIC:
            raise Malformed("malformed key: want one key pair; a ring of several is read by KeyRing.load")
        name, public, private = split_parts(bytes(data), _MAGIC, 3)
        try:
            return cls(parameter_set(bytes(name).decode()), bytes(public), bytes(private))
        except (UnicodeDecodeError, Unprocessable) as error:
            raise Malformed("malformed key: want a pair of a known parameter set") from error

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
        `pinned` this key, the query is 216 kB and not 758.

        Raises:
            Malformed: a weight is no integer, or for a cell that is not there.
            Unprocessable: a total might pass the plain modulus, or this key is
                of a parameter set under which no cube is asked.

        """
        slots = place(layout, weights)
        within = limits(layout, slots, self._parameters.plain_modulus)
        return self.prepare(layout, slots, Errand(agreement, expires, pinned), within)

    def prepare(
        self, layout: Layout, slots: Sequence[int], errand: Errand, within: Mapping[str, int]
    ) -> Prepared:
        """Return a query whose totals are to be within these limits, modulo the plain modulus.

        Raises:
            Unprocessable: this key is of a parameter set under which no cube is asked.

        """
        if self._parameters.id not in CUBE_SETS or self._parameters.slots < len(layout.cells):
            wanted = " or ".join(CUBE_SETS)
            raise Unprocessable(f"this key is for {self._parameters.id}: make one for {wanted}")
        query = EncryptedQuery(
            self._parameters.id,
            layout.cube,
            errand.agreement,
            self.id,
            tuple(layout.bounds),
            nonce=secrets.token_hex(16),
            expires=errand.expires,
            vector=self.seal(slots),
            context=b"" if errand.pinned else self._public,
        )
        for part in (query.context, query.vector):
            refuse_secret_key(part)
        return Prepared(query.encode(), query.binding, within)

    def seal(self, slots: Sequence[int]) -> bytes:
        """Return integers, modulo t, encrypted as one TenSEAL BFVVector; slots beyond them are zero.

        All slots are encrypted, so that nothing tells how many were filled.

        Raises:
            Unprocessable: there are more than slots.

        """
        if len(slots) > self._parameters.slots:
            raise Unprocessable(f"{len(slots)} integers, want at most {self._parameters.slots}")
        scheme, encryptor = self._sealer
        # Of what is made so only the stream is ever seen: SEAL writes the seed in place of a polynomial.
        stream = scheme.save(encryptor.encrypt_symmetric(scheme.encode(slots)))
        return write_vector(stream, self._parameters.slots)

    def open(self, vector: bytes, *, budget: int = 1) -> list[int]:
        """Return all slots of a TenSEAL BFVVector, from -t/2 to t/2.

        `budget`: the bits of noise budget that an honest one has at least. Noise that passed its
        bound in one coefficient leaves some bits by chance, b of them once in 2^b.

        Raises:
            VerificationError: it is not a ciphertext of this parameter set with all its
                slots, or was not computed under this key.
            TooLarge: it passes the limit of the parameter set.
            Malformed: it is no BFVVector.

        """
        _check_vector(vector, self._parameters)
        try:
            encrypted = self._tenseal.bfv_vector_from(self._context, vector)
            [cipher] = encrypted.ciphertext()
            # What another key made has no budget left; it would decrypt to noise, and say nothing.
            left = self._context.decryptor().data.invariant_noise_budget(cipher)
            slots = list(map(int, encrypted.decrypt())) if left >= max(1, budget) else None
        except _REFUSALS as error:
            raise VerificationError("the answer is not a ciphertext of its parameter set") from error
        if slots is None:
            raise VerificationError("the answer was not computed under this key")
        return [self._centred(slot) for slot in slots]

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
            # Each slot is masked, and the masks add up to zero.
            name: self._centred(sum(self.open(vector, budget=_SPARE)))
            for name, vector in zip(found.measures, found.vectors, strict=True)
        }
        for name, total in totals.items():
            if abs(total) > query.limits[name]:
                raise VerificationError(f"the total of {name} is beyond what the weights allow")
        return totals

    @cached_property
    def _sealer(self) -> tuple[Any, Any]:
        """SEAL at this key's parameter set, and what encrypts with the secret key."""
        import tenseal.sealapi as seal  # noqa: PLC0415

        from dataspace.bfv.scheme import Scheme  # noqa: PLC0415

        scheme = Scheme(self._parameters)
        public, secret = self._context.public_key().data, self._context.secret_key().data
        return scheme, seal.Encryptor(scheme.context, public, secret)

    def _centred(self, value: int) -> int:
        modulus = self._parameters.plain_modulus
        left = value % modulus
        return left if 2 * left < modulus else left - modulus


def _check_vector(vector: bytes, parameters: ParameterSet) -> None:
    """Check what TenSEAL does not: it reads beyond its buffer when a size passes the slots."""
    if len(vector) > parameters.vector_limit:
        raise TooLarge(f"ciphertext of {len(vector)} bytes, want at most {parameters.vector_limit}")
    message = [(tag, b"" if isinstance(value, int) else bytes(value)) for tag, value in fields(vector)]
    full = write_vector(message[-1][1] if message else b"", parameters.slots)
    if [tag for tag, _ in message] != [0x0A, 0x12] or full != vector:
        raise VerificationError("the answer is not one ciphertext with all its slots")
