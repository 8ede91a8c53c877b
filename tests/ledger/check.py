"""The self-check of a stored ledger: every row against every other, up to the signed checkpoint.

It trusts nothing but the key it is given, and names the first entry that is
wrong. What an outsider checks over HTTP is the `audit` package's.
"""

from collections.abc import Iterator
from itertools import count
from typing import Final

from sqlmodel import Session

from dataspace.errors import VerificationError
from dataspace.ledger.store import Store, StoredEntry
from dataspace.ledger.views import record_of
from dataspace.proof import merkle
from dataspace.proof.checkpoint import Checkpoint
from dataspace.proof.key import Verifier
from dataspace.proof.tiles import HEIGHT

_PAGE: Final = 1024  # entries read at once


def check_ledger(session: Session, vkey: str) -> Checkpoint:
    """Return the stored log's checkpoint once everything stored leads to it.

    Raises:
        VerificationError: an entry is missing, changed, out of order or erased
            without an entry that says so; a tile's hash is wrong; or the
            checkpoint is not this key's, or of another tree.

    """
    store = Store(session)
    head = store.head()
    if head is None:
        raise VerificationError("the ledger has no checkpoint")
    checkpoint = Checkpoint.open(head.checkpoint, Verifier.parse(vkey))
    edge, silent, said, last = merkle.Edge(), set[int](), set[str](), ""
    for row in _rows(store):
        fields = _fields(row, edge.size)
        if fields is None:
            silent.add(row.number)
        else:
            if fields["time"] < last:
                raise VerificationError(f"entry {row.number} is older than the one before it")
            last = fields["time"]
            if fields["kind"] == "entry.erased":
                said.add(fields["entry"])
        for height, index, result in edge.append(row.leaf):
            _compare_node(store, height, index, result)
    if silent - said:
        raise VerificationError(
            f"the record of entry {min(silent - said)} is missing, and no entry erased it"
        )
    if (edge.size, edge.root()) != (checkpoint.size, checkpoint.root):
        raise VerificationError(f"the {edge.size} entries do not lead to the checkpoint of {checkpoint.size}")
    if (head.size, head.root) != (checkpoint.size, checkpoint.root):
        raise VerificationError("the stored head is not what its checkpoint says")
    return checkpoint


def _rows(store: Store) -> Iterator[StoredEntry]:
    for start in count(0, _PAGE):
        rows = store.entries(start, start + _PAGE)
        yield from rows
        if len(rows) < _PAGE:
            return


def _fields(row: StoredEntry, index: int) -> dict[str, str] | None:
    if row.number != index:
        raise VerificationError(f"entry {index} is missing")
    if row.leaf != merkle.leaf_hash(row.entry):
        raise VerificationError(f"entry {index} is not what its leaf hash is of")
    record = record_of(row)
    if record is None:
        return None
    try:
        record.verify(row.entry)
    except VerificationError as error:
        raise VerificationError(f"the record of entry {index} is not what the entry commits to") from error
    return record.fields


def _compare_node(store: Store, height: int, index: int, result: bytes) -> None:
    level, inner = divmod(height, HEIGHT)
    if inner == 0 and store.hashes(level, index, index + 1) != [result]:
        raise VerificationError(f"hash {index} of tile level {level} is not the root of the tile under it")
