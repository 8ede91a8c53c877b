"""One endless tree, whose beginnings tests anchor."""

from functools import cache

from dataspace.proof import merkle


@cache
def node(height: int, index: int) -> bytes:
    """Return a node of the tree."""
    if height == 0:
        return merkle.leaf_hash(index.to_bytes(8))
    return merkle.node_hash(node(height - 1, 2 * index), node(height - 1, 2 * index + 1))


@cache
def root(size: int) -> bytes:
    """Return the root of its first `size` leaves."""
    return merkle.subtree_root(0, size, node)


def growth(old: int, new: int) -> list[bytes]:
    """Return the proof from its first `old` leaves to its first `new`."""
    return merkle.consistency_proof(old, new, node)
