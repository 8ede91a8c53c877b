"""The recomputation of a tree: it agrees with the definition of RFC 6962, and with tiles of any level."""

from collections.abc import Callable
from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataspace.audit.report import Notebook, Stage
from dataspace.audit.tree import Leaves, Tree, leaf_hashes, peaks_of, tile_root
from dataspace.errors import VerificationError
from dataspace.proof import merkle
from dataspace.proof.tiles import WIDTH, Tile, join_entries


def entries_of(size: int) -> list[bytes]:
    return [b"\x01" + sha256(str(index).encode()).digest() for index in range(size)]


def log_of(entries: list[bytes]) -> Callable[[Tile], bytes]:
    """Return a log's tiles, level by level from the definition."""
    levels = [[merkle.leaf_hash(entry) for entry in entries]]
    while len(levels[-1]) >= WIDTH:
        below = levels[-1]
        levels.append([merkle.root(below[at : at + WIDTH]) for at in range(0, len(below) - WIDTH + 1, WIDTH)])

    def read(tile: Tile) -> bytes:
        start = tile.number * WIDTH
        if tile.level is None:
            return join_entries(entries[start : start + tile.width])
        return b"".join(levels[tile.level][start : start + tile.width])

    return read


def walked(read: Callable[[Tile], bytes], size: int, *watched: int) -> tuple[Tree, Notebook]:
    notebook = Notebook()
    tree = Tree(read, size, notebook, watched)
    walk(tree, Leaves(read, size, notebook), 0, size)
    return tree, notebook


def walk(tree: Tree, leaves: Leaves, first: int, size: int) -> None:
    """Take the bundles from `first` on, as stretches do."""
    for number in range(first, (size + WIDTH - 1) // WIDTH):
        found = leaves.take(number).leaves
        peaks = {at: peaks_of(found[: at - number * WIDTH]) for at in tree.inside(number, number + 1)}
        tree.take(number, tile_root(found) if len(found) == WIDTH else None, peaks)
    tree.finish()


@settings(max_examples=60)
@given(size=st.integers(1, 1100), data=st.data())
def test_the_roots_are_those_of_the_definition(size: int, data: st.DataObject) -> None:
    entries = entries_of(size)
    watched = data.draw(st.lists(st.integers(0, size + 3), max_size=5))
    tree, notebook = walked(log_of(entries), size, *watched)
    leaves = [merkle.leaf_hash(entry) for entry in entries]
    assert not notebook.findings
    assert tree.roots == {at: merkle.root(leaves[:at]) for at in {0, size, *watched} if at <= size}


def test_tiles_of_the_second_level_are_recomputed() -> None:
    size = WIDTH * WIDTH + WIDTH + 3
    entries = entries_of(size)
    tree, notebook = walked(log_of(entries), size, WIDTH * WIDTH)
    leaves = [merkle.leaf_hash(entry) for entry in entries]
    assert not notebook.findings
    assert tree.roots[size] == merkle.root(leaves)
    assert tree.roots[WIDTH * WIDTH] == merkle.root(leaves[: WIDTH * WIDTH])
    assert tree.count == 2 + 1


@settings(max_examples=60)
@given(size=st.integers(1, 1100), data=st.data())
def test_a_tree_that_goes_on_has_the_roots_of_a_whole_one(size: int, data: st.DataObject) -> None:
    known = data.draw(st.integers(1, size))
    entries = entries_of(size)
    leaves = [merkle.leaf_hash(entry) for entry in entries]
    notebook = Notebook()
    tree = Tree(log_of(entries), size, notebook, data.draw(st.lists(st.integers(0, size), max_size=3)))
    assert tree.resume(known) == merkle.root(leaves[:known])
    walk(tree, Leaves(log_of(entries), size, notebook), known // WIDTH, size)
    assert not notebook.findings
    assert all(root == merkle.root(leaves[:at]) for at, root in tree.roots.items())
    assert {known, size} <= tree.roots.keys()


@pytest.mark.parametrize(
    "known", [WIDTH * WIDTH - 1, WIDTH * WIDTH, WIDTH * WIDTH + 1, WIDTH * WIDTH + WIDTH]
)
def test_a_tree_goes_on_over_the_edge_of_a_level(known: int) -> None:
    size = WIDTH * WIDTH + WIDTH + 3
    entries = entries_of(size)
    tree = Tree(log_of(entries), size, notebook := Notebook())
    tree.resume(known)
    walk(tree, Leaves(log_of(entries), size, notebook), known // WIDTH, size)
    assert not notebook.findings
    assert tree.roots[size] == merkle.root([merkle.leaf_hash(entry) for entry in entries])


@pytest.mark.parametrize("wrong", [Tile(1, 0), Tile(2, 0, 1)])
def test_a_wrong_hash_of_an_upper_tile_is_named(wrong: Tile) -> None:
    size = WIDTH * WIDTH + 1
    read = log_of(entries_of(size))

    def flipped(tile: Tile) -> bytes:
        data = read(tile)
        return bytes([data[0] ^ 1]) + data[1:] if (tile.level, tile.number) == (wrong.level, 0) else data

    _, notebook = walked(flipped, size)
    assert notebook.findings[0].place == f"{wrong.path()} hash 0"
    assert {finding.step for finding in notebook.findings} == {Stage.TILES}


def test_entries_of_other_lengths_are_hashed_too() -> None:
    entries = [bytes(length) for length in range(1, 60)]
    tree, notebook = walked(log_of(entries), 59)
    assert not notebook.findings
    assert tree.roots[59] == merkle.root([merkle.leaf_hash(entry) for entry in entries])


def test_a_missing_tile_is_named() -> None:
    read = log_of(entries_of(300))

    def gone(tile: Tile) -> bytes:
        if tile == Tile(0, 0):
            raise VerificationError("it is missing")
        return read(tile)

    _, notebook = walked(gone, 300)
    assert str(notebook.findings[0]) == "tile/0/000: it is missing"


@given(st.lists(st.binary(min_size=33, max_size=33), min_size=1, max_size=20))
def test_leaf_hashes_of_a_bundle_are_those_of_its_entries(entries: list[bytes]) -> None:
    assert leaf_hashes(join_entries(entries)) == [merkle.leaf_hash(entry) for entry in entries]
