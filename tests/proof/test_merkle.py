import json
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataspace.errors import VerificationError
from dataspace.proof import merkle
from tests.programs import shared


def _vectors() -> dict[str, Any]:
    return dict(json.loads((shared() / "vectors" / "rfc6962-trees.json").read_text()))


def _leaves(count: int) -> list[bytes]:
    return [merkle.leaf_hash(number.to_bytes(4)) for number in range(count)]


def _naive_root(leaves: list[bytes]) -> bytes:
    """The definition of RFC 6962 section 2.1, word by word."""
    if len(leaves) < 2:
        return leaves[0] if leaves else sha256(b"").digest()
    split = max(2**power for power in range(20) if 2**power < len(leaves))
    return sha256(b"\x01" + _naive_root(leaves[:split]) + _naive_root(leaves[split:])).digest()


def test_the_published_hashes_and_roots() -> None:
    vectors = _vectors()
    for case in vectors["hasher"]:
        one, other = (bytes.fromhex(case.get(key, "")) for key in ("left", "right"))
        computed = {
            "empty": merkle.EMPTY,
            "leaf": merkle.leaf_hash(bytes.fromhex(case.get("input", ""))),
            "node": merkle.node_hash(one, other),
        }
        assert computed[case["op"]].hex() == case["want"]
    leaves = [merkle.leaf_hash(bytes.fromhex(text)) for text in vectors["leaf_inputs"]]
    assert [merkle.root(leaves[:size]).hex() for size in range(9)] == vectors["root_hashes"]
    nodes = merkle.nodes_of(leaves)
    for height, level in enumerate(vectors["node_hashes"]):
        assert [nodes(height, index).hex() for index in range(len(level))] == level


def test_the_published_inclusion_paths() -> None:
    vectors = _vectors()
    leaves = [merkle.leaf_hash(bytes.fromhex(text)) for text in vectors["leaf_inputs"]]
    for case in vectors["inclusion_paths"]:
        index, size = case["leaf_index"], case["tree_size"]
        path = merkle.inclusion_proof(index, size, merkle.nodes_of(leaves))
        assert [item.hex() for item in path] == case["path"]
        merkle.verify_inclusion(
            leaves[index], index, size, path, root=bytes.fromhex(vectors["root_hashes"][size])
        )


def test_the_published_consistency_proofs() -> None:
    vectors = _vectors()
    leaves = [merkle.leaf_hash(bytes.fromhex(text)) for text in vectors["leaf_inputs"]]
    roots = [bytes.fromhex(text) for text in vectors["root_hashes"]]
    for case in vectors["consistency_proofs"]:
        old, new = case["old"], case["new"]
        proof = merkle.consistency_proof(old, new, merkle.nodes_of(leaves))
        assert [item.hex() for item in proof] == case["proof"]
        merkle.verify_consistency(old, new, proof, old_root=roots[old], new_root=roots[new])


def test_every_proof_of_every_small_tree_verifies_and_no_other_one_does() -> None:
    leaves = _leaves(20)
    roots = [merkle.root(leaves[:size]) for size in range(21)]
    assert roots == [_naive_root(leaves[:size]) for size in range(21)]
    for size in range(1, 21):
        nodes = merkle.nodes_of(leaves[:size])
        for index in range(size):
            path = merkle.inclusion_proof(index, size, nodes)
            for claimed in range(size):
                assert _included(leaves[index], claimed, size, path, roots[size]) == (claimed == index)
        for old in range(1, size + 1):
            proof = merkle.consistency_proof(old, size, nodes)
            for claimed in range(1, size + 1):
                assert _consistent(claimed, size, proof, roots[old], roots[size]) == (claimed == old)


def test_every_proof_of_every_tree_up_to_130_leaves_verifies_and_is_as_long_as_it_must_be() -> None:
    leaves = _leaves(130)
    roots = [merkle.root(leaves[:size]) for size in range(131)]
    assert roots == [_naive_root(leaves[:size]) for size in range(131)]
    whole = {(0, index): leaf for index, leaf in enumerate(leaves)}
    whole |= {(height, index): found for height, index, found in _completed(leaves)}
    for size in range(1, 131):
        for index in range(size):
            path = merkle.inclusion_proof(index, size, lambda height, index: whole[height, index])
            assert len(path) <= (size - 1).bit_length()
            merkle.verify_inclusion(leaves[index], index, size, path, root=roots[size])
            assert not _included(leaves[index - 1], index, size, path, roots[size]) or size == 1
            assert not _included(leaves[index], index, size, path, roots[size - 1])
        for old in range(1, size + 1):
            proof = merkle.consistency_proof(old, size, lambda height, index: whole[height, index])
            merkle.verify_consistency(old, size, proof, old_root=roots[old], new_root=roots[size])
            assert not _consistent(old, size, proof, roots[old - 1], roots[size])
            assert not _consistent(old, size, proof, roots[old], roots[old - 1])


def _completed(leaves: list[bytes]) -> list[tuple[int, int, bytes]]:
    edge = merkle.Edge()
    return [done for leaf in leaves for done in edge.append(leaf)]


@pytest.mark.parametrize("size", [2, 3, 7, 8, 13])
def test_le_09_a_proof_with_a_hash_more_or_less_or_another_is_refused(size: int) -> None:
    leaves = _leaves(size)
    nodes, root = merkle.nodes_of(leaves), merkle.root(leaves)
    for index in range(size):
        path = merkle.inclusion_proof(index, size, nodes)
        for wrong in _wrong(path):
            assert not _included(leaves[index], index, size, wrong, root)
    for old in range(1, size):
        proof = merkle.consistency_proof(old, size, nodes)
        for wrong in _wrong(proof):
            assert not _consistent(old, size, wrong, merkle.root(leaves[:old]), root)


@pytest.mark.parametrize("old", range(1, 13))
def test_le_09_a_proof_that_reaches_only_one_of_both_roots_is_refused(old: int) -> None:
    # The linear proof of immudb, CVE-2022-36111, was not checked against the new tree.
    leaves = _leaves(13)
    other = [*leaves[:old], *(bytes([number]) * 32 for number in range(13 - old))]
    roots = {name: merkle.root(tree) for name, tree in (("new", leaves), ("other", other))}
    proof = merkle.consistency_proof(old, 13, merkle.nodes_of(leaves))
    elsewhere = merkle.consistency_proof(old, 13, merkle.nodes_of(other))
    old_root = merkle.root(leaves[:old])
    assert _consistent(old, 13, elsewhere, old_root, roots["other"])
    assert not _consistent(old, 13, proof, old_root, roots["other"])
    assert not _consistent(old, 13, elsewhere, old_root, roots["new"])
    assert not _consistent(old, 13, proof, bytes(32), roots["new"])
    assert not _consistent(old, 13, [], old_root, roots["new"])


def test_le_09_an_empty_proof_includes_the_only_leaf_of_a_tree_and_no_other() -> None:
    leaves = _leaves(2)
    assert _included(leaves[0], 0, 1, [], leaves[0])
    assert not _included(leaves[0], 0, 2, [], merkle.root(leaves))
    assert not _included(leaves[0], 0, 2, [], leaves[0])
    assert not _included(leaves[0], 1, 2, [leaves[1]], merkle.root(leaves))


def test_le_10_a_node_does_not_pass_for_a_leaf() -> None:
    leaves = _leaves(4)
    inner = merkle.node_hash(leaves[0], leaves[1])
    assert merkle.leaf_hash(leaves[0] + leaves[1]) != inner
    assert not _included(inner, 0, 4, [merkle.node_hash(leaves[2], leaves[3])], merkle.root(leaves))


@pytest.mark.parametrize(("old", "new"), [(0, 3), (4, 3), (-1, 3)])
def test_there_is_no_consistency_proof_from_nothing_or_backwards(old: int, new: int) -> None:
    with pytest.raises(VerificationError):
        merkle.consistency_proof(old, new, merkle.nodes_of(_leaves(3)))
    assert not _consistent(old, new, [], merkle.EMPTY, merkle.root(_leaves(3)))


def test_there_is_no_inclusion_proof_of_a_leaf_beyond_the_tree() -> None:
    with pytest.raises(VerificationError):
        merkle.inclusion_proof(3, 3, merkle.nodes_of(_leaves(3)))


@given(st.integers(0, 600), st.integers(0, 300))
def test_an_edge_grows_as_the_tree_does(start: int, more: int) -> None:
    leaves = _leaves(start + more)
    edge = merkle.Edge.read(start, merkle.nodes_of(leaves))
    done = [item for leaf in leaves[start:] for item in edge.append(leaf)]
    assert edge.root() == merkle.root(leaves)
    assert all(merkle.nodes_of(leaves)(height, index) == result for height, index, result in done)
    assert len(done) == (start + more - (start + more).bit_count()) - (start - start.bit_count())


@given(st.lists(st.binary(max_size=40)), st.integers(), st.integers(), st.binary(max_size=40))
def test_noise_is_refused_with_one_error(proof: list[bytes], one: int, other: int, root: bytes) -> None:
    assert not _included(root, one, other, proof, b"r" * 32)
    assert not _consistent(one, other, proof, root, b"r" * 31)


def _wrong(proof: list[bytes]) -> list[list[bytes]]:
    other = bytes(32)
    shorter = [proof[:at] + proof[at + 1 :] for at in range(len(proof))]
    longer = [[*proof[:at], other, *proof[at:]] for at in range(len(proof) + 1)]
    changed = [[*proof[:at], other, *proof[at + 1 :]] for at in range(len(proof))]
    return [*shorter, *longer, *changed, [item[:31] for item in proof], proof + proof[-1:]]


def _included(leaf: bytes, index: int, size: int, proof: list[bytes], root: bytes) -> bool:
    try:
        merkle.verify_inclusion(leaf, index, size, proof, root=root)
    except VerificationError:
        return False
    return True


def _consistent(old: int, new: int, proof: list[bytes], old_root: bytes, new_root: bytes) -> bool:
    try:
        merkle.verify_consistency(old, new, proof, old_root=old_root, new_root=new_root)
    except VerificationError:
        return False
    return True
