"""The tree of a log, recomputed bundle by bundle in bounded memory.

Each layer is compared with the one directly below it: leaf hashes with the
entries, every tile with the tiles under it, the root with the highest ones.
What is stored is carried upward, so a wrong byte is reported where it is, and
a chain without findings leads from every entry to the root. Memory holds at
most one tile of each level.
"""

from collections.abc import Callable, Iterable
from hashlib import sha256
from struct import Struct

from dataspace.audit.report import Notebook, Stage
from dataspace.errors import VerificationError
from dataspace.proof.merkle import EMPTY, HASH_SIZE, leaf_hash, node_hash
from dataspace.proof.record import ENTRY_SIZE
from dataspace.proof.tiles import WIDTH, Tile, split_entries, split_hashes, width_at

_FRAME = ENTRY_SIZE + 2  # an entry of leaf v1 in a bundle: its length in two bytes, then 33 bytes
_LENGTH = ENTRY_SIZE.to_bytes(2)
_leaf_inputs = Struct(f"x{ENTRY_SIZE + 1}s").iter_unpack
_hashes = Struct(f"{HASH_SIZE}s").iter_unpack

Read = Callable[[Tile], bytes]


class Tree:
    """Recomputes the tree of the `size` entries that `read` returns; keeps its roots at the `watched` sizes.

    `read` raises VerificationError for a tile that the log does not have.
    """

    def __init__(self, read: Read, size: int, notebook: Notebook, watched: Iterable[int] = ()) -> None:
        self.roots: dict[int, bytes] = {0: EMPTY}
        self.tiles = 0
        self._read, self._size, self._notebook = read, size, notebook
        self._watched = sorted(
            {at for at in watched if 0 < at <= size} | ({size} if size else set()), reverse=True
        )
        self._open: list[
            list[bytes]
        ] = []  # for each level from 1 on, the hashes of its last, unfinished tile
        self._closed: list[int] = []  # for each level from 1 on, how many full tiles lie before it

    def take(self, number: int) -> bytes | None:
        """Check bundle `number`, which follows the last one, against its leaves; return its content.

        None, and a finding, is what a bundle gives that cannot be split.
        """
        width = width_at(self._size, 0, number)
        bundle, leaves = self._bundle(Tile(None, number, width))
        stored = self._stored(Tile(0, number, width), leaves)
        start = number * WIDTH
        while self._watched and self._watched[-1] <= start + width:
            at = self._watched.pop()
            self.roots[at] = self._root(stored[: at - start])
        if width == WIDTH:
            self._push(0, tile_root(stored))
        return bundle

    def finish(self) -> None:
        """Check the unfinished tiles above the leaves."""
        for level, hashes in enumerate(self._open, start=1):
            if hashes:
                self._compare(level, hashes)

    def _bundle(self, bundle: Tile) -> tuple[bytes | None, list[bytes]]:
        try:
            data = self._read(bundle)
            return data, _leaf_hashes(data, bundle.width)
        except VerificationError as error:
            self._notebook.wrong(Stage.ENTRIES, bundle.path(), str(error))
            return None, []

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
        return self._stored(Tile(level, self._closed[level - 1], len(hashes)), hashes)

    def _stored(self, tile: Tile, computed: list[bytes]) -> list[bytes]:
        """Return the hashes of a stored tile, compared with those computed from the layer below, if any."""
        self.tiles += 1
        try:
            data = self._read(tile)
            if data == b"".join(computed):
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

    def _root(self, leaves: list[bytes]) -> bytes:
        """Return the root over the tiles taken so far and then `leaves`."""
        result: bytes | None = None
        for hashes in [leaves, *self._open]:
            for peak in reversed(_peaks(hashes)):
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


def _peaks(hashes: list[bytes]) -> list[bytes]:
    """Return the roots of the complete subtrees over `hashes`, the largest first."""
    peaks, start = [], 0
    while start < len(hashes):
        end = start + (1 << (len(hashes) - start).bit_length() - 1)
        peaks.append(tile_root(hashes[start:end]))
        start = end
    return peaks
