"""What lies before the remembered checkpoint: read by proof, entry by entry, not again as a whole."""

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from typing import Any, Final

from sqlmodel import Session, col, select

from dataspace.audit.records import Erased
from dataspace.audit.source import Source
from dataspace.errors import VerificationError
from dataspace.ledger.models import LedgerRecord
from dataspace.proof import merkle
from dataspace.proof.checkpoint import Checkpoint
from dataspace.proof.disclosure import Disclosure
from dataspace.proof.tiles import HEIGHT, WIDTH, Tile, split_hashes, width_at

_TILES: Final = 64  # that are kept: 0.5 MB
_PAGE: Final = 10_000


class Past:
    """The entries before the `known` checkpoint, in the log of `source` that has `size` entries by now."""

    def __init__(self, source: Source, known: Checkpoint, size: int) -> None:
        self._source, self._known, self._size = source, known, size
        self._tiles: OrderedDict[tuple[int, int], list[bytes]] = OrderedDict()

    def present(self, index: int) -> bool:
        """Tell whether the record of an entry is there."""
        return index in self._source.records(index, index + 1)

    def look(self, index: int) -> Mapping[str, Any] | None:
        """Return the fields of an entry's record, proved to be in the log; None when they are gone.

        Raises:
            VerificationError: what is there is not what the known checkpoint covers.

        """
        record = self._source.records(index, index + 1).get(index)
        if record is None or isinstance(record, Disclosure):
            return None
        if isinstance(record, VerificationError):
            raise record
        path = merkle.inclusion_proof(index, self._known.size, self._node)
        leaf = merkle.leaf_hash(record.entry())
        merkle.verify_inclusion(leaf, index, self._known.size, path, root=self._known.root)
        return record.fields

    def root(self, size: int) -> bytes:
        """Return the root of the log at a smaller size, proved to lead to the known one.

        Raises:
            VerificationError: the tiles do not lead there.

        """
        root = merkle.Edge.read(size, self._node).root()
        proof = merkle.consistency_proof(size, self._known.size, self._node)
        merkle.verify_consistency(size, self._known.size, proof, old_root=root, new_root=self._known.root)
        return root

    def _node(self, height: int, index: int) -> bytes:
        level, inner = divmod(height, HEIGHT)
        number, start = divmod(index << inner, WIDTH)
        return merkle.root(self._tile(level, number)[start : start + (1 << inner)])

    def _tile(self, level: int, number: int) -> list[bytes]:
        found = self._tiles.pop((level, number), None)
        if found is None:
            tile = Tile(level, number, width_at(self._size, level, number))
            found = split_hashes(self._source.tile(tile), tile.width)
        self._tiles[level, number] = found
        if len(self._tiles) > _TILES:
            self._tiles.popitem(last=False)
        return found


def lost_records(session: Session, end: int, erased: Erased) -> Iterator[int]:
    """Yield the entries before `end` whose records a database has no more, but for those `erased`."""
    begin = 0
    while begin < end:
        page = min(begin + _PAGE, end)
        query = select(LedgerRecord.index).where(
            col(LedgerRecord.index) >= begin, col(LedgerRecord.index) < page
        )
        there = set(session.exec(query))
        if len(there) < page - begin:
            yield from (at for at in range(begin, page) if at not in there and at not in erased)
        begin = page
