"""The tree of a log, recomputed bundle by bundle in bounded memory.

Each layer is compared with the one directly below it: leaf hashes with the
entries, every tile with the tiles under it, the root with the highest ones.
What is stored is carried upward, so a wrong byte is reported where it is, and
a chain without findings leads from every entry to the root. `Leaves` does what
is next to the entries, for any range of bundles; `Tree` puts their roots
together in order. Memory holds at most one tile of each level.
"""

from collections.abc import Callable, Iterable, Mapping
from hashlib import sha256
from struct import Struct
from typing import Final, NamedTuple

from dataspace.audit.report import Notebook, Stage
from dataspace.errors import VerificationError
from dataspace.proof.merkle import EMPTY, leaf_hash, node_hash
from dataspace.proof.record import ENTRY_SIZE
from dataspace.proof.tiles import HEIGHT, WIDTH, Tile, split_entries, split_hashes, width_at

_FRAME: Final = ENTRY_SIZE + 2  # an entry of leaf v1 in a bundle: its length in two bytes, then 33 bytes
_LENGTH: Final = ENTRY_SIZE.to_bytes(2)
_leaf_inputs = Struct(f"x{ENTRY_SIZE + 1}s").iter_unpack

Read = Callable[[Tile], bytes]
Peaks = Mapping[
    int, list[bytes]
]  # for sizes inside of a bundle, the complete subtrees of its leaves up to there


class Bundle(NamedTuple):
    """A bundle that was read: its content, None if it cannot be split, and its stored leaf hashes."""

    content: bytes | None
    leaves: list[bytes]


class Tiles:
    """Reads tiles of the log of `size` entries, and holds them against what the layer below gives.

    `read` raises VerificationError for a tile that the log does not have.
    """

    def __init__(self, read: Read, size: int, notebook: Notebook) -> None:
        self.count = 0
        self._read, self._size, self._notebook = read, size, notebook

    def stored(self, tile: Tile, computed: list[bytes]) -> list[bytes]:
        """Return the hashes of a stored tile, compared with those computed from the layer below, if any."""
        self.count += 1
        try:
            data = self._read(tile)
            if len(computed) == tile.width and data == b"".join(computed):
                return computed
            stored = split_hashes(data, tile.width)
        except VerificationError as error:
            self._notebook.wrong(Stage.TILES if tile.level else Stage.ENTRIES, tile.path(), str(error))
            return computed if len(computed) == tile.width else [EMPTY] * tile.width
        for at, (one, other) in enumerate(zip(stored, computed, strict=False)):
            if one != other:
                self._differs(tile, at)
        return stored

    def _differs(self, tile: Tile, at: int) -> None:
        below, place = tile.number * WIDTH + at, f"{tile.path()} hash {at}"
        if tile.level:
            problem = f"it is not the root of {Tile(tile.level - 1, below).path()}"
            self._notebook.wrong(Stage.TILES, place, problem)
        else:
            self._notebook.wrong(Stage.ENTRIES, f"entry {below}", f"it does not match its leaf, {place}")


class Leaves(Tiles):
    """Reads bundles of entries, in any order, and the tiles over them."""

    def take(self, number: int) -> Bundle:
        """Check bundle `number` against its leaves; one that cannot be split is a finding."""
        width = width_at(self._size, 0, number)
        content, leaves = self._bundle(Tile(None, number, width))
        return Bundle(content, self.stored(Tile(0, number, width), leaves))

    def _bundle(self, bundle: Tile) -> tuple[bytes | None, list[bytes]]:
        try:
            data = self._read(bundle)
            return data, _leaf_hashes(data, bundle.width)
        except VerificationError as error:
            self._notebook.wrong(Stage.ENTRIES, bundle.path(), str(error))
            return None, []


class Tree(Tiles):
    """Puts the tree of `size` entries together from its bundles' roots; keeps its roots at some sizes."""

    def __init__(self, read: Read, size: int, notebook: Notebook, watched: Iterable[int] = ()) -> None:
        super().__init__(read, size, notebook)
        self.roots: dict[int, bytes] = {0: EMPTY}
        self._watched: list[int] = []  # those not reached yet, the largest first
        self._begin = 0
        self.watch([*watched, size])
        self._open: list[list[bytes]] = []  # for each level from 1 on, the hashes of its unfinished tile
        self._closed: list[int] = []  # for each level from 1 on, how many full tiles lie before it

    def watch(self, sizes: Iterable[int]) -> None:
        """Keep the roots at further sizes, of those that are not behind already."""
        wanted = {at for at in sizes if 0 < at <= self._size and at > self._begin}
        self._watched = sorted({*self._watched, *wanted}, reverse=True)

    def resume(self, known: int) -> bytes:
        """Go on behind `known` entries, whose right edge is read from tiles; return the root that it has.

        The caller compares that root with one that it believes.

        Raises:
            VerificationError: a tile of the edge is not there.

        """
        levels = max(0, (known.bit_length() - 1) // HEIGHT)
        for level in range(1, levels + 1):
            closed, width = divmod(known >> HEIGHT * level, WIDTH)
            self._open.append(self._beginning(level, closed, width))
            self._closed.append(closed)
        self._begin = known
        self._watched = [at for at in self._watched if at > known]
        self.roots[known] = self._root_over(peaks_of(self._beginning(0, known // WIDTH, known % WIDTH)))
        return self.roots[known]

    def inside(self, first: int, end: int) -> list[int]:
        """Return the watched sizes that bundles `first` to before `end` must tell the peaks of."""
        return [at for at in self._watched if first * WIDTH < at < end * WIDTH and at % WIDTH]

    def take(self, number: int, root: bytes | None, peaks: Peaks) -> None:
        """Add bundle `number`, which follows the last one: its root if it is full, and its watched peaks."""
        end = (number + 1) * WIDTH
        while self._watched and self._watched[-1] < end:
            at = self._watched.pop()
            self.roots[at] = self._root_over(peaks[at])
        if root is not None:
            self._push(0, root)
        if self._watched and self._watched[-1] == end:
            self.roots[self._watched.pop()] = self._root_over([])

    def finish(self) -> None:
        """Check the unfinished tiles above the leaves."""
        for level, hashes in enumerate(self._open, start=1):
            if hashes:
                self._compare(level, hashes)

    def _beginning(self, level: int, number: int, width: int) -> list[bytes]:
        if not width:
            return []
        tile = Tile(level, number, width_at(self._size, level, number))
        return split_hashes(self._read(tile), tile.width)[:width]

    def _push(self, level: int, result: bytes) -> None:
        if level == len(self._open):
            self._open.append([])
            self._closed.append(0)
        hashes = self._open[level]
        hashes.append(result)
        if len(hashes) == WIDTH:
            stored = self._compare(level + 1, hashes)
            self._open[level] = []
            self._closed[level] += 1
            self._push(level + 1, tile_root(stored))

    def _compare(self, level: int, hashes: list[bytes]) -> list[bytes]:
        return self.stored(Tile(level, self._closed[level - 1], len(hashes)), hashes)

    def _root_over(self, peaks: list[bytes]) -> bytes:
        """Return the root over the tiles taken so far and then leaves of these peaks."""
        result: bytes | None = None
        for group in [peaks, *map(peaks_of, self._open)]:
            for peak in reversed(group):
                result = peak if result is None else node_hash(peak, result)
        return EMPTY if result is None else result


def tile_root(hashes: list[bytes]) -> bytes:
    """Return the root over a power of two of hashes."""
    while len(hashes) > 1:
        pairs = iter(hashes)
        hashes = [sha256(b"\x01" + left + right).digest() for left, right in zip(pairs, pairs, strict=True)]
    return hashes[0]


def leaf_hashes(bundle: bytes) -> list[bytes]:
    """Return the leaf hashes of a bundle whose entries are all of leaf v1.

    The second byte of each length becomes the prefix of a leaf, so that the
    hash's input lies in one piece: a third faster than joining the two.
    """
    buffer = bytearray(bundle)
    buffer[1::_FRAME] = bytes(len(buffer) // _FRAME)
    return [sha256(data).digest() for (data,) in _leaf_inputs(buffer)]


def _leaf_hashes(bundle: bytes, width: int) -> list[bytes]:
    if _is_regular(bundle, width):
        return leaf_hashes(bundle)
    return [leaf_hash(entry) for entry in split_entries(bundle, width)]


def _is_regular(bundle: bytes, width: int) -> bool:
    if len(bundle) != width * _FRAME:
        return False
    return bundle[::_FRAME] == _LENGTH[:1] * width and bundle[1::_FRAME] == _LENGTH[1:] * width


def peaks_of(hashes: list[bytes]) -> list[bytes]:
    """Return the roots of the complete subtrees over `hashes`, the largest first."""
    peaks, start = [], 0
    while start < len(hashes):
        end = start + (1 << (len(hashes) - start).bit_length() - 1)
        peaks.append(tile_root(hashes[start:end]))
        start = end
    return peaks
