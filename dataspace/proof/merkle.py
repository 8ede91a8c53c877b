"""Merkle tree hashing, inclusion and consistency proofs, as in RFC 6962 section 2.1 (RFC 9162 keeps them).

All hashes are 32-byte SHA-256 digests; leaf indices count from zero. A tree is
reached through `Nodes`: the hash of the complete subtree of `2**height` leaves
that is the `index`-th of its height. Only complete subtrees never change, so
only they are ever stored.
"""

import hmac
from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import Final

from dataspace.errors import VerificationError

Nodes = Callable[[int, int], bytes]  # (height, index) -> hash

EMPTY: Final = sha256(b"").digest()
HASH_SIZE: Final = 32


def leaf_hash(entry: bytes) -> bytes:
    """Return the hash of a leaf; the prefix keeps leaves and nodes apart (second preimages)."""
    return sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of an inner node."""
    return sha256(b"\x01" + left + right).digest()


def root(leaves: Sequence[bytes]) -> bytes:
    """Return the root over leaf hashes: pair by pair, an odd last node is promoted, never doubled."""
    if not leaves:
        return EMPTY
    level = leaves
    while len(level) > 1:
        pairs = iter(level)
        above = [sha256(b"\x01" + left + right).digest() for left, right in zip(pairs, pairs)]  # noqa: B905 - an odd last node is left over
        if len(level) % 2:
            above.append(level[-1])
        level = above
    return level[0]


def fold(edge: Sequence[bytes]) -> bytes:
    """Return the root over a right edge: complete subtrees' roots, the largest and leftmost first."""
    if not edge:
        return EMPTY
    result = edge[-1]
    for left in edge[-2::-1]:
        result = node_hash(left, result)
    return result


def subtree_root(start: int, end: int, nodes: Nodes) -> bytes:
    """Return the root over the leaves from `start` to before `end`.

    `start` is a multiple of the smallest power of two that is not less than
    the number of leaves, as in every range that a proof names.
    """
    parts = []
    while start < end:
        height = (end - start).bit_length() - 1
        parts.append(nodes(height, start >> height))
        start += 1 << height
    return fold(parts)


def inclusion_proof(index: int, size: int, nodes: Nodes) -> list[bytes]:
    """Return the audit path of leaf `index` in the tree of `size` leaves, the leaf's sibling first.

    Raises:
        VerificationError: there is no such leaf.

    """
    if not 0 <= index < size:
        raise VerificationError(f"no leaf {index} in a tree of {size}")
    start, end, path = 0, size, []
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            path.append(subtree_root(middle, end, nodes))
            end = middle
        else:
            path.append(subtree_root(start, middle, nodes))
            start = middle
    return path[::-1]


def consistency_proof(old: int, new: int, nodes: Nodes) -> list[bytes]:
    """Return the proof that the tree of `new` leaves extends the one of `old`.

    Raises:
        VerificationError: not 0 < old <= new.

    """
    if not 0 < old <= new:
        raise VerificationError(f"no consistency proof from size {old} to {new}")
    start, end, path, whole = 0, new, [], True
    while old != end:
        middle = start + _split(end - start)
        if old <= middle:
            path.append(subtree_root(middle, end, nodes))
            end = middle
        else:
            path.append(subtree_root(start, middle, nodes))
            start, whole = middle, False
    if not whole:
        path.append(subtree_root(start, end, nodes))
    return path[::-1]


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], *, root: bytes) -> None:
    """Check that `leaf` (a leaf hash) is the `index`-th of the `size` leaves under `root`.

    Raises:
        VerificationError: it is not, or the proof is not exactly as long as it must be.

    """
    if not 0 <= index < size:
        raise VerificationError(f"inclusion proof: no leaf {index} in a tree of {size}")
    inner = (index ^ (size - 1)).bit_length()
    border = (index >> inner).bit_count()
    _expect_hashes("inclusion proof", [leaf, root, *proof], inner + border + 2)
    result = leaf
    for height, sibling in enumerate(proof):
        left = height >= inner or index >> height & 1
        result = node_hash(sibling, result) if left else node_hash(result, sibling)
    if not hmac.compare_digest(result, root):
        raise VerificationError("inclusion proof: the path does not lead to the root")


def verify_consistency(
    old: int, new: int, proof: Sequence[bytes], *, old_root: bytes, new_root: bytes
) -> None:
    """Check that the tree of `new` leaves under `new_root` begins with the one of `old` under `old_root`.

    Raises:
        VerificationError: it does not, `old` is 0, or the proof is not exactly as long as it must be.

    """
    if not 0 < old <= new:
        raise VerificationError(f"consistency proof: no proof leads from size {old} to {new}")
    if old == new:
        _expect_hashes("consistency proof", [old_root, new_root, *proof], 2)
        _expect_root("old", old_root, new_root)
        return
    shift = (old & -old).bit_length() - 1
    inner = ((old - 1) ^ (new - 1)).bit_length()
    border = ((old - 1) >> inner).bit_count()
    # A complete old tree is its own starting point; any other begins with the proof's first hash.
    path = [old_root, *proof] if old == 1 << shift else list(proof)
    _expect_hashes("consistency proof", [old_root, new_root, *path], inner - shift + border + 3)
    first = second = path[0]
    mask = (old - 1) >> shift
    for height, sibling in enumerate(path[1:]):
        if height >= inner - shift or mask >> height & 1:
            first, second = node_hash(sibling, first), node_hash(sibling, second)
        else:
            second = node_hash(second, sibling)
    # Both ends: a proof that reaches only one of the roots proves nothing.
    _expect_root("old", first, old_root)
    _expect_root("new", second, new_root)


class Edge:
    """The right edge of a growing tree (a compact range): what appending needs, and nothing else."""

    def __init__(self, size: int = 0, hashes: Sequence[bytes] = ()) -> None:
        self.size = size
        self.hashes = list(hashes)
        if len(self.hashes) != size.bit_count():
            raise VerificationError(f"right edge of {len(self.hashes)} hashes for size {size}")

    @classmethod
    def read(cls, size: int, nodes: Nodes) -> "Edge":
        """Return the right edge of the stored tree of `size` leaves."""
        hashes, start = [], 0
        for height in range(size.bit_length() - 1, -1, -1):
            if size >> height & 1:
                hashes.append(nodes(height, start >> height))
                start += 1 << height
        return cls(size, hashes)

    def copy(self) -> "Edge":
        """Return an edge that grows on its own."""
        return Edge(self.size, self.hashes)

    def append(self, leaf: bytes) -> list[tuple[int, int, bytes]]:
        """Add a leaf hash; return the inner subtrees it completes, each as height, index and hash."""
        done, size, result = [], self.size, leaf
        self.size += 1
        height = 0
        while size >> height & 1:
            result = node_hash(self.hashes.pop(), result)
            height += 1
            done.append((height, size >> height, result))
        self.hashes.append(result)
        return done

    def root(self) -> bytes:
        """Return the root of the tree."""
        return fold(self.hashes)


def nodes_of(leaves: Sequence[bytes]) -> Nodes:
    """Return the nodes of a tree held in memory, from its leaf hashes."""
    return lambda height, index: root(leaves[index << height : (index + 1) << height])


def _split(count: int) -> int:
    """Return the largest power of two less than `count`."""
    return 1 << (count - 1).bit_length() - 1


def _expect_hashes(what: str, hashes: Sequence[bytes], count: int) -> None:
    if len(hashes) != count:
        raise VerificationError(f"{what}: {len(hashes) - 2} hashes, want {count - 2}")
    if any(len(item) != HASH_SIZE for item in hashes):
        raise VerificationError(f"{what}: a hash that is not {HASH_SIZE} bytes")


def _expect_root(which: str, got: bytes, want: bytes) -> None:
    if not hmac.compare_digest(got, want):
        raise VerificationError(f"consistency proof: the path does not lead to the {which} root")
