"""The contract: which two signatures mark a log for ever."""

import hashlib
import secrets
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from dataspace.ledger.anchors.chain import account_of
from dataspace.ledger.anchors.signing import anchor_signature
from tests.contracts.conftest import KEY, OWNER, Place, revert_data
from tests.contracts.trees import growth, root

ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
A, B = b"\1" * 32, b"\2" * 32


class Log:
    """A log that KEY founded, of seven entries."""

    def __init__(self, place: Place) -> None:
        self.place, self.name = place, f"example.org/{secrets.token_hex(8)}"
        self.origin = hashlib.sha256(self.name.encode()).digest()
        place.anchor(self.origin, 7, root(7))

    def sign(self, size: int, head: bytes, key: bytes = KEY) -> bytes:
        return anchor_signature(key, self.name, size, head)

    def accuse(self, size: int, a: bytes, sig_a: bytes, b: bytes, sig_b: bytes, key: bytes = KEY) -> Any:
        return self.place.send("equivocate", OWNER, self.origin, size, a, sig_a, b, sig_b, key=key)

    def is_marked(self) -> bool:
        return bool(self.place.contract.functions.equivocated(OWNER, self.origin).call())


@pytest.fixture
def log(place: Place) -> Log:
    """A log with a head."""
    return Log(place)


@pytest.mark.parametrize("size", [1, 7, 8, 10**6])
def test_two_roots_of_one_size_mark_the_log_whoever_brings_them(place: Place, log: Log, size: int) -> None:
    stranger = place.account()
    receipt = log.accuse(size, A, log.sign(size, A), B, log.sign(size, B), key=stranger)
    assert log.is_marked()
    told = next(iter(place.contract.events.Equivocated().process_receipt(receipt)))["args"]
    assert dict(told) == {
        "founder": OWNER, "origin": log.origin, "size": size, "rootA": A, "rootB": B, "signer": OWNER
    }  # fmt: skip


def test_a_marked_log_takes_nothing_any_more(place: Place, log: Log) -> None:
    accusation = (7, A, log.sign(7, A), B, log.sign(7, B))
    log.accuse(*accusation)
    acts: list[Callable[[], Any]] = [
        lambda: place.anchor(log.origin, 9, root(9), growth(7, 9)),
        lambda: place.send("rotate", OWNER, log.origin, OWNER),
        lambda: log.accuse(*accusation),
    ]
    for act in acts:
        with pytest.raises(place.chain.reverts) as caught:
            act()
        assert revert_data("Marked()") in str(caught.value)
    assert place.head(log.origin) == [7, root(7)]
    assert place.contract.functions.head(OWNER, log.origin).call()[5]


def test_another_log_of_the_same_owner_stays_clean(place: Place, log: Log) -> None:
    other = Log(place)
    log.accuse(7, A, log.sign(7, A), B, log.sign(7, B))
    assert not other.is_marked()
    with pytest.raises(place.chain.reverts):
        other.accuse(7, A, log.sign(7, A), B, log.sign(7, B))


def wrong(log: Log) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """Give every accusation that does not hold, by name."""
    a, b = log.sign(7, A), log.sign(7, B)
    stranger = secrets.token_bytes(31).rjust(32, b"\1")
    yield "one root twice", (7, A, a, A, a)
    yield "an empty log", (0, A, a, B, b)
    yield "a signature of another size", (7, A, a, B, log.sign(8, B))
    yield "a signature of another root", (7, A, a, B, a)
    yield "a stranger's signature", (7, A, a, B, log.sign(7, B, stranger))
    yield "two strangers' signatures", (7, A, log.sign(7, A, stranger), B, log.sign(7, B, stranger))
    yield "the other half of s", (7, A, a, B, mirrored(b))
    yield "the other half of s, first", (7, A, mirrored(a), B, b)
    yield "a v of zero, which recovers nobody", (7, A, a, B, b[:64] + b"\0")
    yield "another v", (7, A, a, B, b[:64] + bytes([55 - b[64]]))
    yield "r and s of zero", (7, A, a, B, bytes(64) + b"\x1b")
    yield "a short signature", (7, A, a, B, b[:64])
    yield "a long signature", (7, A, a, B, b + b"\0")
    yield "no signature", (7, A, b"", B, b"")


def mirrored(signature: bytes) -> bytes:
    """Return the other signature that verifies: (r, -s), with the other v."""
    s = ORDER - int.from_bytes(signature[32:64])
    return signature[:32] + s.to_bytes(32) + bytes([55 - signature[64]])


def test_nothing_less_marks_it(place: Place, log: Log) -> None:
    for what, accusation in wrong(log):
        with pytest.raises(place.chain.reverts):
            log.accuse(*accusation)
        assert not log.is_marked(), what


def test_the_errors_name_the_reason(place: Place, log: Log) -> None:
    stranger = secrets.token_bytes(31).rjust(32, b"\1")
    address = bytes.fromhex(account_of(stranger).address[2:])
    with pytest.raises(place.chain.reverts) as caught:
        log.accuse(7, A, log.sign(7, A), B, log.sign(7, B, stranger))
    assert revert_data("NotSigned(address)", address) in str(caught.value)
    with pytest.raises(place.chain.reverts) as caught:
        log.accuse(7, A, log.sign(7, A), A, log.sign(7, A))
    assert revert_data("NoContradiction()") in str(caught.value)


def test_a_log_that_nobody_anchored_is_not_marked(place: Place, log: Log) -> None:
    with pytest.raises(place.chain.reverts) as caught:
        place.send("equivocate", OWNER, secrets.token_bytes(32), 7, A, log.sign(7, A), B, log.sign(7, B))
    assert revert_data("NotFounded()") in str(caught.value)


def test_ch_07_a_retired_owners_signatures_count_up_to_where_it_retired(place: Place, log: Log) -> None:
    heir = place.account()
    place.send("rotate", OWNER, log.origin, account_of(heir).address)
    for size in (8, 9, 10**6):
        with pytest.raises(place.chain.reverts):
            log.accuse(size, A, log.sign(size, A), B, log.sign(size, B))
    log.accuse(7, A, log.sign(7, A), B, log.sign(7, B))
    assert log.is_marked()


def test_the_owner_and_the_one_before_it_may_contradict_one_another(place: Place, log: Log) -> None:
    heir = place.account()
    place.send("rotate", OWNER, log.origin, account_of(heir).address)
    with pytest.raises(place.chain.reverts):
        log.accuse(8, A, log.sign(8, A), B, log.sign(8, B, heir))
    log.accuse(7, A, log.sign(7, A), B, log.sign(7, B, heir))
    assert log.is_marked()


def test_who_owns_it_again_answers_for_every_size(place: Place, log: Log) -> None:
    heir = place.account()
    place.send("rotate", OWNER, log.origin, account_of(heir).address)
    place.send("rotate", OWNER, log.origin, OWNER, key=heir)
    log.accuse(99, A, log.sign(99, A), B, log.sign(99, B))
    assert log.is_marked()
