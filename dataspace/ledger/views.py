"""What is read of the ledger: checkpoint, receipts, records, and the tiles; no key is needed.

Everything is read through the session it is given, so that one snapshot of
the database gives one state of the log.
"""

import json

from sqlmodel import Session

from dataspace.errors import NotFound, VerificationError
from dataspace.ledger.store import LOG, Head, Store, StoredEntry
from dataspace.proof import merkle
from dataspace.proof.checkpoint import Checkpoint
from dataspace.proof.note import split
from dataspace.proof.receipt import InclusionProof, Receipt
from dataspace.proof.record import Record
from dataspace.proof.tiles import WIDTH, join_entries, width_at


class Views:
    """The readable side of a log; alone it serves a copy of the database."""

    def size(self, session: Session) -> int:
        """Return how many entries the log has."""
        head = Store(session).head()
        return 0 if head is None else head.size

    def checkpoint(self, session: Session) -> str:
        """Return the head's signed note.

        Raises:
            NotFound: the log has no entry yet.

        """
        return _head(Store(session)).checkpoint

    def receipt(self, session: Session, index: int, note: str = "") -> Receipt:
        """Return the receipt of an entry against the head, or against the checkpoint in `note`.

        Raises:
            NotFound: there is no such entry, or its record was erased.

        """
        record = self.record(session, index)
        if record is None:
            raise NotFound(f"the record of entry {index} was erased")
        return Receipt(record, self.proof(session, index, note))

    def proof(self, session: Session, index: int, note: str = "") -> InclusionProof:
        """Return the proof of an entry's place against the head, or against the checkpoint in `note`.

        Raises:
            NotFound: there is no such entry under it.

        """
        store = Store(session)
        note = note or _head(store).checkpoint
        size = Checkpoint.parse(split(note)[0]).size
        if not 0 <= index < size:
            raise NotFound(f"there is no entry {index} under the checkpoint of size {size}")
        return InclusionProof(index, tuple(merkle.inclusion_proof(index, size, store.nodes())), note)

    def consistency(self, session: Session, old: int, new: int) -> list[bytes]:
        """Return the proof that the log of `new` entries extends the one of `old`.

        Raises:
            NotFound: not 0 < old <= new <= size.

        """
        store = Store(session)
        if not 0 < old <= new <= _head(store).size:
            raise NotFound(f"there is no consistency proof from size {old} to {new}")
        return merkle.consistency_proof(old, new, store.nodes())

    def record(self, session: Session, index: int) -> Record | None:
        """Return the record of an entry; None when it was erased.

        Raises:
            NotFound: there is no such entry.

        """
        found = Store(session).entries(index, index + 1)
        if not found:
            raise NotFound(f"there is no entry {index}")
        return record_of(found[0])

    def records(self, session: Session, start: int, count: int) -> list[tuple[int, Record]]:
        """Return at most `count` entries from `start` on with their records, without those erased."""
        found = [(row.number, record_of(row)) for row in Store(session).entries(start, start + count)]
        return [(index, record) for index, record in found if record is not None]

    def rotations(self, session: Session) -> list[str]:
        """Return the notes that handed the log from key to key, in order; a verifier follows them."""
        return [row.statement for row in Store(session).adopted_keys() if row.role == LOG]

    def adopted(self, session: Session) -> dict[str, str]:
        """Return the verifier keys that sign beside the log's own, by role."""
        return {row.role: row.vkey for row in Store(session).adopted_keys() if row.role != LOG}

    def tile(self, session: Session, level: int, number: int, width: int) -> bytes:
        """Return the first `width` hashes of a tile.

        Raises:
            NotFound: the log has not so many.

        """
        store = Store(session)
        _expect_width(store, level, number, width)
        return b"".join(store.hashes(level, number * WIDTH, number * WIDTH + width))

    def bundle(self, session: Session, number: int, width: int) -> bytes:
        """Return the first `width` entries of a bundle.

        Raises:
            NotFound: the log has not so many.

        """
        store = Store(session)
        _expect_width(store, 0, number, width)
        return join_entries(store.contents(number * WIDTH, number * WIDTH + width))


def record_of(row: StoredEntry) -> Record | None:
    """Return the record in a row; None when it was erased.

    Raises:
        VerificationError: what is stored is no record.

    """
    if row.record is None or row.salts is None:
        return None
    try:
        return Record(json.loads(row.record), row.salts)
    except ValueError as error:
        raise VerificationError(f"the record of entry {row.number} is not JSON") from error


def _head(store: Store) -> Head:
    head = store.head()
    if head is None:
        raise NotFound("the log has no entry yet")
    return head


def _expect_width(store: Store, level: int, number: int, width: int) -> None:
    head = store.head()
    if head is None or number < 0 or not 1 <= width <= width_at(head.size, level, number):
        raise NotFound(f"there is no tile {number} of level {level} with {width} hashes")
