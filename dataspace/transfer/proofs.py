"""Receipts of many entries at once, against one checkpoint: each tile is read and hashed once for all in it.

The path of a leaf is its path inside its tile, and from there on the same for
every leaf of the tile: a tile is a complete subtree, or what is left of the
leaves at the right edge of the log.
"""

from base64 import b64encode
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, Final

import msgspec
from sqlmodel import Session

from dataspace.errors import NotFound
from dataspace.ledger.store import Store, StoredEntry
from dataspace.proof import merkle
from dataspace.proof.tiles import WIDTH


@dataclass(frozen=True)
class Proved:
    """One entry: the canonical JSON of its record, its salts and its path's hashes in base64, leaf first."""

    index: int
    record: str = field(repr=False)
    salts: str = field(repr=False)
    hashes: list[str] = field(repr=False)

    def fields(self) -> dict[str, Any]:
        """Return the fields of the record."""
        return dict(msgspec.json.decode(self.record))


def prove(session: Session, indexes: Collection[int]) -> tuple[str, dict[int, Proved]]:
    """Return the head's checkpoint, and the proof under it of each of these entries that is not erased.

    Raises:
        NotFound: the log is not so long.

    """
    store = Store(session)
    head = store.head()
    if head is None or max(indexes, default=0) >= head.size:
        raise NotFound("there is no such entry")
    nodes, proved = store.nodes(), dict[int, Proved]()
    for number, wanted in groupby(sorted(set(indexes)), lambda index: index // WIDTH):
        tile = _Tile(store, number * WIDTH, head.size, nodes)
        proved |= {one.index: one for one in tile.prove(list(wanted))}
    return head.checkpoint, proved


class _Tile:
    """The leaves from `start` on that are in one tile of a tree of `size` leaves."""

    def __init__(self, store: Store, start: int, size: int, nodes: merkle.Nodes) -> None:
        self._store, self._start = store, start
        levels = _levels(store.hashes(0, start, min(size, start + WIDTH)))
        self._levels = [_texts(level) for level in levels[:-1]]
        inside = len(list(self._path(0)))
        self._above = _texts(merkle.inclusion_proof(start, size, nodes)[inside:])

    def prove(self, indexes: list[int]) -> Iterator[Proved]:
        wanted = set(indexes)
        for row in self._store.entries(indexes[0], indexes[-1] + 1):
            if row.number in wanted and row.record is not None and row.salts is not None:
                yield self._proved(row, row.record, row.salts)

    def _proved(self, row: StoredEntry, record: str, salts: bytes) -> Proved:
        path = [*self._path(row.number - self._start), *self._above]
        return Proved(row.number, record, b64encode(salts).decode(), path)

    def _path(self, leaf: int) -> Iterator[str]:
        for level in self._levels:
            sibling = leaf ^ 1
            # An odd last node has none: it goes up as it is.
            if sibling < len(level):
                yield level[sibling]
            leaf >>= 1


def _levels(leaves: list[bytes]) -> list[list[bytes]]:
    """Return leaf hashes, and the hashes above them, up to their one root."""
    levels: Final = [leaves]
    while len(levels[-1]) > 1:
        level = levels[-1]
        above = [merkle.node_hash(*pair) for pair in zip(level[::2], level[1::2], strict=False)]
        levels.append(above + level[-1:] if len(level) % 2 else above)
    return levels


def _texts(hashes: list[bytes]) -> list[str]:
    return [b64encode(one).decode() for one in hashes]
