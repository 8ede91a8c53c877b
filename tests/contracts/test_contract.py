"""The contract: which heads it takes, from whom, and what they cost."""

import secrets
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from dataspace.ledger.anchors.chain import account_of
from tests.contracts.conftest import OWNER, Place, revert_data
from tests.contracts.trees import growth, root

LARGEST = 2**64 - 1
# Old size, new size, the most gas. A tree of 131,072 leaves has proofs of at most 18 hashes.
GAS = [(65_536, 131_072, 41_000), (100_000, 131_072, 56_000), (131_071, 131_072, 60_000)]


def new_log() -> bytes:
    """Return the hash of an origin that nobody used."""
    return secrets.token_bytes(32)


def test_a_head_is_kept_and_told(place: Place) -> None:
    origin = new_log()
    receipt = place.anchor(origin, 7, root(7))
    block = place.chain.web3.eth.get_block(receipt["blockNumber"])
    found = place.contract.functions.head(OWNER, origin).call()
    assert found == [7, block["timestamp"], block["number"], root(7), OWNER, False]
    told: list[Any] = list(place.contract.events.Anchored().process_receipt(receipt))
    wanted = {"founder": OWNER, "origin": origin, "size": 7, "root": root(7)}
    assert [dict(event["args"]) for event in told] == [wanted]


def test_a_log_nobody_anchored_is_empty_and_its_founders(place: Place) -> None:
    assert place.contract.functions.head(OWNER, new_log()).call() == [0, 0, 0, bytes(32), OWNER, False]


@pytest.mark.parametrize(("first", "second"), [(7, 6), (7, 0), (LARGEST, 1)])
def test_le_05_a_smaller_head_reverts(place: Place, first: int, second: int) -> None:
    origin = new_log()
    place.anchor(origin, first, b"\1" * 32)
    with pytest.raises(place.chain.reverts) as caught:
        place.anchor(origin, second, b"\2" * 32)
    assert revert_data("NotForward(uint64,uint64)", first, second) in str(caught.value)
    assert place.head(origin) == [first, b"\1" * 32]


@pytest.mark.parametrize("size", [1, 7, LARGEST])
def test_the_same_head_again_reverts(place: Place, size: int) -> None:
    origin = new_log()
    place.anchor(origin, size, b"\1" * 32)
    with pytest.raises(place.chain.reverts) as caught:
        place.anchor(origin, size, b"\1" * 32)
    assert revert_data("NotForward(uint64,uint64)", size, size) in str(caught.value)


@pytest.mark.parametrize("size", [1, 7, LARGEST])
def test_le_14_another_root_of_the_same_size_reverts_as_a_fork(place: Place, size: int) -> None:
    origin = new_log()
    place.anchor(origin, size, b"\1" * 32)
    with pytest.raises(place.chain.reverts) as caught:
        place.anchor(origin, size, b"\2" * 32)
    assert revert_data("Forked(uint64,uint64)", size, size) in str(caught.value)


def test_le_06_a_larger_head_of_another_history_reverts(place: Place) -> None:
    origin = new_log()
    place.anchor(origin, 7, b"\1" * 32)
    for proof in ([], growth(7, 9), growth(7, 10)):
        with pytest.raises(place.chain.reverts) as caught:
            place.anchor(origin, 9, root(9), proof)
        assert revert_data("Forked(uint64,uint64)", 7, 9) in str(caught.value)
    assert place.head(origin) == [7, b"\1" * 32]


def test_a_first_head_takes_no_proof(place: Place) -> None:
    with pytest.raises(place.chain.reverts):
        place.anchor(new_log(), 9, root(9), growth(7, 9))


def test_an_empty_head_reverts(place: Place) -> None:
    with pytest.raises(place.chain.reverts) as caught:
        place.anchor(new_log(), 0, b"\0" * 32)
    assert revert_data("NotForward(uint64,uint64)", 0, 0) in str(caught.value)


def test_a_stranger_cannot_move_the_head_nor_found_the_log(place: Place) -> None:
    origin, stranger = new_log(), place.account()
    for founded in (False, True):
        if founded:
            place.anchor(origin, 7, root(7))
        with pytest.raises(place.chain.reverts) as caught:
            place.anchor(origin, 9, root(9), growth(7, 9) if founded else [], key=stranger)
        assert revert_data("NotOwner(address)", bytes.fromhex(OWNER[2:])) in str(caught.value)
    assert place.head(origin) == [7, root(7)]


def test_logs_of_one_origin_and_two_founders_do_not_meet(place: Place) -> None:
    origin, stranger = new_log(), place.account()
    place.anchor(origin, 7, root(7))
    place.send("anchor", account_of(stranger).address, origin, 99, b"\2" * 32, [], key=stranger)
    assert place.head(origin) == [7, root(7)]


@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(some.lists(some.integers(0, 300), min_size=1, max_size=5))
def test_whatever_is_sent_the_head_is_the_largest_that_was_a_step_forward(
    place: Place, sizes: list[int]
) -> None:
    origin, largest = new_log(), 0
    for size in sizes:
        if size > largest:
            place.anchor(origin, size, root(size), growth(largest, size) if largest else [])
            largest = size
        else:
            with pytest.raises(place.chain.reverts):
                place.anchor(origin, size, root(size))
    assert place.head(origin) == [largest, root(largest) if largest else bytes(32)]


@pytest.mark.parametrize(("old", "new", "most"), GAS)
def test_an_anchor_stays_within_its_gas(place: Place, old: int, new: int, most: int) -> None:
    origin = new_log()
    place.anchor(origin, old, root(old))
    assert place.anchor(origin, new, root(new), growth(old, new))["gasUsed"] <= most


def test_the_owner_hands_the_log_over(place: Place) -> None:
    origin, heir = new_log(), place.account()
    place.anchor(origin, 7, root(7))
    place.send("rotate", OWNER, origin, account_of(heir).address)
    assert place.contract.functions.head(OWNER, origin).call()[4] == account_of(heir).address
    assert place.contract.functions.retired(OWNER, origin, OWNER).call() == 7
    with pytest.raises(place.chain.reverts) as caught:
        place.anchor(origin, 9, root(9), growth(7, 9))
    assert revert_data("NotOwner(address)", bytes.fromhex(account_of(heir).address[2:])) in str(caught.value)
    place.anchor(origin, 9, root(9), growth(7, 9), key=heir)
    assert place.head(origin) == [9, root(9)]


def test_nobody_else_hands_it_over(place: Place) -> None:
    origin, stranger = new_log(), place.account()
    place.anchor(origin, 7, root(7))
    with pytest.raises(place.chain.reverts) as caught:
        place.send("rotate", OWNER, origin, account_of(stranger).address, key=stranger)
    assert revert_data("NotOwner(address)", bytes.fromhex(OWNER[2:])) in str(caught.value)


def test_a_log_without_a_head_or_to_nobody_is_not_handed_over(place: Place) -> None:
    origin = new_log()
    with pytest.raises(place.chain.reverts) as caught:
        place.send("rotate", OWNER, origin, OWNER)
    assert revert_data("NotFounded()") in str(caught.value)
    place.anchor(origin, 7, root(7))
    with pytest.raises(place.chain.reverts) as caught:
        place.send("rotate", OWNER, origin, "0x" + "00" * 20)
    assert revert_data("NoKey()") in str(caught.value)
