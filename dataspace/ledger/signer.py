"""Which key signs the heads of a log: the first one, or the last that the log was handed over to.

The database says which, in the row beside the entry that recorded it, so that
after a crash the log goes on under the old key or the new one, and never half.
The head that covers a handover is signed by both keys: who pinned the old one
can step over, and believes nothing larger under it afterwards.
"""

from dataclasses import dataclass
from typing import Final

from dataspace.errors import Unavailable
from dataspace.keys import KeyStore
from dataspace.ledger.store import LOG, Store
from dataspace.proof.checkpoint import Checkpoint
from dataspace.proof.key import Verifier
from dataspace.proof.rotation import Rotation

KEY: Final = "log"


@dataclass(frozen=True)
class SigningKey:
    """A key by its name in the key store, and the verifier key it answers to."""

    name: str
    verifier: Verifier


class Signer:
    """Signs the heads of the log `origin` with its current key; used under the database's writer's lock."""

    def __init__(self, origin: str, keys: KeyStore) -> None:
        self.origin, self._keys = origin, keys
        self._current: SigningKey | None = None

    @property
    def verifier(self) -> Verifier:
        """The current key, as far as the database was asked."""
        return self._key().verifier

    def recall(self, store: Store) -> None:
        """Know the current key as the database names it.

        Raises:
            Unavailable: the key store lacks that key, or holds another under its name.

        """
        self._current = self._stored(store)

    def sign(self, head: Checkpoint, store: Store, *, handover: bool) -> str:
        """Return the note of `head`; both keys sign one with a `handover`, and the new one stays."""
        old = self._key()
        note = head.sign(old.verifier, lambda message: self._keys.sign(old.name, message))
        if not handover:
            return note
        new = self._current = self._stored(store)
        line = head.sign(new.verifier, lambda message: self._keys.sign(new.name, message))
        return note + line.removeprefix(f"{head.text()}\n")

    def rotation(self, name: str, size: int, reason: str) -> Rotation:
        """Return the handover to the key `name` by the entry with index `size`, not yet signed."""
        return Rotation(self.origin, self._key().verifier, self._verifier(name), size, reason)

    def statement(self, rotation: Rotation, name: str) -> str:
        """Return the note in which the current key and the key `name` both say `rotation`."""
        old = self._key().name
        return rotation.sign(
            lambda message: self._keys.sign(old, message), lambda message: self._keys.sign(name, message)
        )

    def _key(self) -> SigningKey:
        if self._current is None:
            self._current = SigningKey(KEY, self._verifier(KEY))
        return self._current

    def _stored(self, store: Store) -> SigningKey:
        row = next((row for row in reversed(store.adopted_keys()) if row.role == LOG), None)
        if row is None:
            return SigningKey(KEY, self._verifier(KEY))
        verifier = self._verifier(row.name)
        if str(verifier) != row.vkey:
            raise Unavailable(
                f"the key {row.name} is not the one the log was handed over to: restore the keys"
            )
        return SigningKey(row.name, verifier)

    def _verifier(self, name: str) -> Verifier:
        return Verifier(self.origin, self._keys.public_key(name))
