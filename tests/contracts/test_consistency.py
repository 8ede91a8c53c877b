"""The contract's verifier of consistency proofs says what `merkle.verify_consistency` says, right or wrong.

On anvil, which answers a thousand calls in one request; on the chain in this process, fewer of them.
"""

import json
import random
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple
from urllib.request import ProxyHandler, Request, build_opener

import pytest

from dataspace.errors import VerificationError
from dataspace.ledger.anchors.chain import account_of, send
from dataspace.ledger.anchors.contract import artefact
from dataspace.ledger.anchors.ethereum import Web3
from dataspace.proof.merkle import verify_consistency
from tests.contracts.conftest import OWNER, Place
from tests.contracts.trees import growth, root
from tests.ledger.anchors.conftest import KEY as FUNDED
from tests.ledger.anchors.conftest import Place as Remote
from tests.ledger.anchors.conftest import anvil_place, remote  # noqa: F401 - fixtures

SMALL, LARGE = 40, 1 << 20
FORKED = "0x" + bytes(Web3.keccak(text="Forked(uint64,uint64)"))[:4].hex()
ANCHOR = bytes(Web3.keccak(text="anchor(address,bytes32,uint64,bytes32,bytes32[])"))[:4]
_OPEN = build_opener(ProxyHandler({})).open


class Claim(NamedTuple):
    """That the tree of `new` leaves under `head` extends the one of `old`."""

    old: int
    new: int
    head: bytes
    proof: list[bytes]

    def holds(self) -> bool:
        """Ask the reference."""
        try:
            verify_consistency(self.old, self.new, self.proof, old_root=root(self.old), new_root=self.head)
        except VerificationError:
            return False
        return True


def changed(claim: Claim, dice: random.Random) -> Iterator[Claim]:
    """Yield a claim with one thing changed, in every way."""
    proof, place = claim.proof, dice.randrange(len(claim.proof))
    flipped = bytearray(proof[place])
    flipped[dice.randrange(32)] ^= 1 << dice.randrange(8)
    proofs: list[list[bytes]] = [
        [],
        proof[1:],
        proof[:-1],
        [*proof, dice.randbytes(32)],
        [dice.randbytes(32), *proof],
        [*proof, proof[-1]],
        [*proof[:place], bytes(flipped), *proof[place + 1 :]],
        proof[::-1],
    ]
    yield from (claim._replace(proof=other) for other in proofs)
    yield claim._replace(head=dice.randbytes(32))
    yield claim._replace(head=root(claim.old))
    yield from (claim._replace(new=claim.new + step) for step in (-1, 1, 7) if claim.new + step > claim.old)


class Anvil:
    """The contract on anvil, with the first heads of many logs: each is named by its size."""

    def __init__(self, chain: Remote, sizes: Sequence[int]) -> None:
        self._founder: str = account_of(FUNDED).address
        self._rpc = chain.rpc
        address = chain.web3.to_checksum_address(chain.pins.contract)
        self._contract: Any = chain.web3.eth.contract(address, abi=artefact().abi)
        for size in sizes:
            first = self._contract.functions.anchor(self._founder, name(size), size, root(size), [])
            send(chain.web3, account_of(FUNDED), first)

    def takes(self, claims: Sequence[Claim]) -> list[bool]:
        """Ask the contract."""
        body = [
            {"jsonrpc": "2.0", "id": number, "method": "eth_call", "params": [self._call(claim), "latest"]}
            for number, claim in enumerate(claims)
        ]
        request = Request(  # noqa: S310 - loopback
            self._rpc, json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        with _OPEN(request, timeout=60) as answer:
            answers = sorted(json.load(answer), key=lambda one: int(one["id"]))
        return [self._is_taken(one) for one in answers]

    def _call(self, claim: Claim) -> dict[str, str]:
        words = [bytes.fromhex(self._founder[2:]).rjust(32, b"\0"), name(claim.old), claim.new.to_bytes(32),
                 claim.head, (5 * 32).to_bytes(32), len(claim.proof).to_bytes(32), *claim.proof]  # fmt: skip
        data = "0x" + (ANCHOR + b"".join(words)).hex()
        return {"from": self._founder, "to": self._contract.address, "data": data}

    @staticmethod
    def _is_taken(answer: dict[str, Any]) -> bool:
        if "error" in answer:
            # Nothing but this: any other failure would be one of the contract's own.
            assert answer["error"]["data"].startswith(FORKED)
            return False
        return True


def name(size: int) -> bytes:
    """Return the origin of the log with a first head of `size`."""
    return size.to_bytes(32)


def test_every_pair_of_small_sizes_is_judged_as_the_reference_does(
    remote: Remote,  # noqa: F811 - the fixture
) -> None:
    dice = random.Random(1)
    contract = Anvil(remote, range(1, SMALL))
    right = [
        Claim(old, new, root(new), growth(old, new))
        for old in range(1, SMALL)
        for new in range(old + 1, SMALL + 1)
    ]
    assert contract.takes(right) == [True] * len(right)
    wrong = [one for claim in right for one in changed(claim, dice)]
    # Some hold: a root does not tell its size, and a proof of one hash is its own reverse.
    verdicts = [one.holds() for one in wrong]
    for start in range(0, len(wrong), 1000):
        assert contract.takes(wrong[start : start + 1000]) == verdicts[start : start + 1000]


def test_large_sizes_are_judged_as_the_reference_does(remote: Remote) -> None:  # noqa: F811 - the fixture
    dice = random.Random(2)
    sizes = [dice.randrange(1, LARGE) for _ in range(20)] + [1 << 16, (1 << 16) - 1, 131_071, LARGE - 1]
    contract = Anvil(remote, sizes)
    right = []
    for old in sizes:
        news = {old + 1, dice.randrange(old + 1, LARGE + 1), LARGE}
        right += [Claim(old, new, root(new), growth(old, new)) for new in news]
    assert contract.takes(right) == [True] * len(right)
    wrong = [one for claim in right for one in changed(claim, dice)]
    assert contract.takes(wrong) == [one.holds() for one in wrong]


def test_the_largest_sizes_there_are_overrun_nothing(place: Place) -> None:
    origin, largest = b"\3" * 32, 2**64 - 1
    place.anchor(origin, largest - 1, b"\1" * 32)
    for proof in ([], [b"\1" * 32] * 63, [b"\1" * 32] * 64, [b"\1" * 32] * 65):
        with pytest.raises(place.chain.reverts):
            place.contract.functions.anchor(OWNER, origin, largest, b"\2" * 32, proof).call({"from": OWNER})


def test_the_chain_in_this_process_judges_the_same(place: Place) -> None:
    for old in range(1, 9):
        origin = bytes(31) + bytes([old])
        place.anchor(origin, old, root(old))
        for new in (old + 1, 9, 16):
            call = place.contract.functions.anchor(OWNER, origin, new, root(new), growth(old, new))
            call.call({"from": OWNER})
            call = place.contract.functions.anchor(OWNER, origin, new, root(new), growth(old, new + 1))
            if not Claim(old, new, root(new), growth(old, new + 1)).holds():
                with pytest.raises(place.chain.reverts):
                    call.call({"from": OWNER})
