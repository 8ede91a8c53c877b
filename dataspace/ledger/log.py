"""The log: entries commit with the facts they tell of, under a checkpoint signed in the same transaction.

Of each batch the log (1) inserts entries and records, (2) reads them back and
recomputes every leaf from what was read, (3) grows the tree, (4) signs the
new head, (5) swaps it in for exactly the old one. A step that does not come
out right fails the batch, and nothing of it is kept: one wrong bit that is
signed cannot be taken back (that ended the CT log Yeti 2022).
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

from sqlmodel import Session

from dataspace.database import crash_at, position, stage
from dataspace.errors import Conflict, NotFound, TooLarge, Unavailable, VerificationError
from dataspace.keys import KeyStore
from dataspace.ledger.kinds import check_fields
from dataspace.ledger.models import LedgerKey
from dataspace.ledger.signer import Signer
from dataspace.ledger.store import LOG, Head, Store, StoredEntry
from dataspace.ledger.views import Views
from dataspace.moment import written
from dataspace.proof import merkle
from dataspace.proof.checkpoint import Checkpoint
from dataspace.proof.record import entry_of, seal
from dataspace.proof.tiles import HEIGHT

HANDOVER: Final = "key.rotated"
SKEW: Final = timedelta(seconds=10)  # how far the clock may fall behind the last entry
RECORD_LIMIT: Final = 1 << 16  # bytes of one record's canonical JSON


class Staged(NamedTuple):
    """An entry on its way from `append` to `integrate`."""

    kind: str
    time: str
    record: str
    salts: bytes
    entry: bytes
    leaf: bytes


class Log(Views):
    """One log of one origin; the database's integrator.

    What is not inherited from `Views` runs under the database's writer's
    lock, save `vkey` and `floor`.
    """

    def __init__(self, origin: str, keys: KeyStore, *, clock: Callable[[], datetime]) -> None:
        self._signer = Signer(origin, keys)
        self._clock = clock
        self._floor = 0
        self._edge: merkle.Edge | None = None  # None: not read, or not to be trusted any more
        self._shared = True  # whether other processes may move the head
        self._last = datetime.min.replace(tzinfo=UTC)

    @property
    def origin(self) -> str:
        """The name of the log."""
        return self._signer.origin

    def append(self, session: Session, kind: str, **fields: Any) -> int:
        """Record that `kind` happened; return the index the entry has once the act commits.

        Raises:
            Malformed: the kind is unknown, its fields are not these, or a value
                is not JSON without floats.
            Unavailable: the clock is behind the last entry, or the log is
                behind its floor: the database was rolled back.

        """
        check_fields(kind, fields)
        size = self._open_edge().size
        if size < self._floor:
            raise Unavailable(
                f"the log has {size} entries, and {self._floor} were anchored: it was rolled back"
            )
        time = self._now()
        text, salts, entry = seal({**fields, "kind": kind, "time": time})
        if len(text) > RECORD_LIMIT:
            raise TooLarge(f"entry {kind}: its record has {len(text)} bytes, want at most {RECORD_LIMIT}")
        return size + stage(session, Staged(kind, time, text.decode(), salts, entry, merkle.leaf_hash(entry)))

    def erase(self, session: Session, entry: int, basis: str) -> int:
        """Delete an entry's record and salts, and append that it was done; the entry itself stays provable.

        `basis` names the legal basis. The caller shreds the database after the commit.

        Raises:
            NotFound: there is no such record.

        """
        if not Store(session).delete_record(entry):
            raise NotFound(f"there is no record of entry {entry}")
        return self.append(session, "entry.erased", entry=entry, basis=basis)

    def rotate(self, session: Session, name: str, reason: str) -> int:
        """Hand the log over to the key `name` of the key store; return the index of the entry that says so.

        The batch's head is signed by both keys, and every later one by the new
        key alone. `reason` is `scheduled` or `compromised`.

        Raises:
            Conflict: another act of the same batch does it.
            Unavailable: there is no such key.

        """
        size = self._open_edge().size
        if any(row.role == LOG and row.entry >= size for row in Store(session).adopted_keys()):
            raise Conflict("the log is being handed over to another key at this moment")
        rotation = self._signer.rotation(name, size + position(session), reason)
        statement, old, new = self._signer.statement(rotation, name), str(rotation.old), str(rotation.new)
        index = self.append(session, HANDOVER, role=LOG, old=old, new=new, reason=reason, statement=statement)
        session.add(LedgerKey(index=index, role=LOG, name=name, vkey=new, statement=statement))
        return index

    def adopt(self, session: Session, role: str, name: str, vkey: str) -> int:
        """Record the verifier key that signs for the log in `role`, beside its own key; return the index."""
        index = self.append(session, "key.adopted", role=role, vkey=vkey)
        session.add(LedgerKey(index=index, role=role, name=name, vkey=vkey, statement=""))
        return index

    def floor(self, size: int) -> None:
        """Refuse to append while the log has fewer entries than `size`: so many were anchored."""
        self._floor = max(self._floor, size)

    def open(self, session: Session) -> None:
        """Lock the head and know the right edge; the first batch of a new log begins with `log.created`.

        Raises:
            VerificationError: what is stored does not lead to the signed checkpoint.

        """
        if self._edge is not None and self._edge.size and not self._shared:
            return
        store = Store(session)
        self._shared = store.shared
        head = store.head(lock=True)
        if head is None:
            self._edge = merkle.Edge()
            self.append(session, "log.created", origin=self.origin, vkey=self.vkey())
        elif self._edge is None or (self._edge.size, self._edge.root()) != (head.size, head.root):
            self._load(store, head)

    def integrate(self, session: Session, staged: list[Staged]) -> None:
        """Write a batch of entries and the head that covers them.

        Raises:
            VerificationError: what was read back is not what was written.
            Unavailable: the head is not the one this batch began with, or the key cannot sign.

        """
        if not staged:
            return
        store, edge = Store(session), self._open_edge().copy()
        old = Head(edge.size, edge.root(), "") if edge.size else None
        start = edge.size
        numbered = list(enumerate(staged, start=start))
        store.insert_entries(
            [(index, item.entry, item.leaf, item.kind, item.time) for index, item in numbered]
        )
        store.insert_records([(index, item.record, item.salts) for index, item in numbered])
        crash_at("log.inserted")
        nodes = []
        for leaf in _read_back(store.entries(start, start + len(staged)), numbered):
            done = edge.append(leaf)
            nodes += [(height // HEIGHT, index, node) for height, index, node in done if height % HEIGHT == 0]
        store.insert_nodes(nodes)
        head = Checkpoint(self.origin, edge.size, edge.root())
        handover = any(item.kind == HANDOVER for item in staged)
        note = self._signer.sign(head, store, handover=handover)
        crash_at("log.signed")
        if not store.swap_head(old, Head(head.size, head.root, note)):
            raise Unavailable(f"the head of the log is not at size {start} any more")
        self._edge = edge

    def reload(self) -> None:
        """Forget the right edge, and with it the key: a batch that they may hold was not committed."""
        self._edge = None

    def vkey(self) -> str:
        """Return the current verifier key of the log, for auditors to pin."""
        return str(self._signer.verifier)

    def recall(self, session: Session) -> None:
        """Know the current key before the first batch; whoever opens the log calls it.

        Raises:
            Unavailable: the key store lacks that key, or holds another under its name.

        """
        self._signer.recall(Store(session))

    def _load(self, store: Store, head: Head) -> None:
        """Read the right edge, and believe it only if it leads to the checkpoint this log's key signed."""
        self._signer.recall(store)
        signed = Checkpoint.open(head.checkpoint, self._signer.verifier)
        edge, last = merkle.Edge.read(signed.size, store.nodes()), store.last()
        if (
            last is None
            or (signed.size, signed.root) != (head.size, edge.root())
            or last[0] != signed.size - 1
        ):
            raise VerificationError("the stored entries do not lead to the signed checkpoint")
        self._edge, self._last = edge, datetime.fromisoformat(last[1])

    def _open_edge(self) -> merkle.Edge:
        if self._edge is None:
            raise Unavailable("the log is not open: append only inside an act")
        return self._edge

    def _now(self) -> str:
        now = self._clock().astimezone(UTC)
        if self._last - now > SKEW:
            raise Unavailable("the clock is behind the last entry of the log")
        # Never before the entry before it, whatever the clock does within the bound.
        self._last = max(now, self._last)
        return written(self._last)


def _read_back(rows: list[StoredEntry], numbered: list[tuple[int, Staged]]) -> list[bytes]:
    """Return the leaf hashes recomputed from the rows of this batch, if they are what was staged."""
    if len(rows) != len(numbered):
        raise VerificationError(f"read back {len(rows)} entries, want {len(numbered)}")
    leaves = []
    for row, (index, item) in zip(rows, numbered, strict=True):
        leaf = merkle.leaf_hash(entry_of(row.record or "", row.salts or b""))
        if row.number != index or leaf != item.leaf or leaf != row.leaf or row.entry != item.entry:
            raise VerificationError(f"entry {index} was read back with another hash than it was written with")
        leaves.append(row.leaf)
    return leaves
