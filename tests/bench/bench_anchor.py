"""The anchor: what publishing costs beside the log, and the gas of the contract by sizes of the log."""

import secrets
import statistics
from collections.abc import Iterator
from hashlib import sha256
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

from dataspace.ledger.anchors.chain import account_of, send
from dataspace.ledger.anchors.contract import artefact
from dataspace.ledger.anchors.local import LocalChain, local_chain
from dataspace.ledger.anchors.signing import anchor_signature
from tests.bench.timing import Rows, in_turn
from tests.contracts.trees import growth, root

KEY = secrets.token_bytes(31).rjust(32, b"\1")
# Old and new sizes: proofs of 1 hash, of about half of what is possible, and of the most that is possible.
SIZES = [
    (1, 2), (1_000, 1_024), (1_023, 1_024), (10_000, 10_100), (65_536, 131_072), (65_537, 131_072),
    (100_000, 131_072), (131_071, 131_072), (1_048_575, 1_048_576),
]  # fmt: skip


def run() -> Rows:
    """Yield the times, and print the table of gas."""
    chain = local_chain(KEY)
    for line in gas_table(chain):
        print(line)  # noqa: T201 - the benchmark's output
    bare, message = ec.derive_private_key(int.from_bytes(KEY), ec.SECP256K1()), secrets.token_bytes(32)
    made = in_turn(
        lambda: anchor_signature(KEY, "example.org/log", 131_072, message),
        lambda: bare.sign(message, ec.ECDSA(Prehashed(hashes.SHA256()))),
        times=20,
    )
    yield ("anchor: sign a head, recoverable", *made, "bare: ECDSA, which a contract cannot recover from")


def gas_table(chain: LocalChain) -> Iterator[str]:
    """Yield a line of Markdown for each pair of sizes, and what the other functions cost."""
    yield "| from | to | hashes | gas |"
    yield "|---|---|---|---|"
    for old, new in SIZES:
        proof = growth(old, new)
        yield f"| {old:,} | {new:,} | {len(proof)} | {_gas(chain, old, new):,} |"
    firsts = [_first(chain, size) for size in (1, 1_000, 131_072)]
    yield f"| - | the first | 0 | {statistics.median(firsts):,.0f} |"
    yield from (f"| {what} | | | {gas:,} |" for what, gas in _others(chain))


def _gas(chain: LocalChain, old: int, new: int) -> int:
    origin = secrets.token_bytes(32)
    _anchor(chain, origin, old, [])
    return _anchor(chain, origin, new, growth(old, new))


def _first(chain: LocalChain, size: int) -> int:
    return _anchor(chain, secrets.token_bytes(32), size, [])


def _others(chain: LocalChain) -> Iterator[tuple[str, int]]:
    """Yield what it costs to hand a log over for the first time, and to mark it."""
    origin, owner = sha256(b"example.org/log").digest(), account_of(KEY).address
    _anchor(chain, origin, 7, [])
    heir = "0x" + "11" * 20
    other = sha256(b"example.org/another").digest()
    _anchor(chain, other, 7, [])
    yield "rotate", _send(chain, "rotate", owner, other, heir)
    a, b = b"\1" * 32, b"\2" * 32
    signed = [anchor_signature(KEY, "example.org/log", 7, head) for head in (a, b)]
    yield "equivocate", _send(chain, "equivocate", owner, origin, 7, a, signed[0], b, signed[1])


def _anchor(chain: LocalChain, origin: bytes, size: int, proof: list[bytes]) -> int:
    return _send(chain, "anchor", account_of(KEY).address, origin, size, root(size), proof)


def _send(chain: LocalChain, function: str, *arguments: Any) -> int:
    address = chain.web3.to_checksum_address(chain.pins.contract)
    contract = chain.web3.eth.contract(address, abi=artefact().abi)
    receipt = send(chain.web3, account_of(KEY), getattr(contract.functions, function)(*arguments))
    return int(receipt["gasUsed"])
