"""A log with all its keys and its publisher, and another space that witnesses it; both on real databases."""

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dataspace.ledger.cosign import Witnesses
from dataspace.ledger.keyring import Role, adopt_keys, verifier_keys, witness_name
from dataspace.ledger.publisher import Publisher
from dataspace.ledger.witness import Witness
from dataspace.proof.checkpoint import Checkpoint
from dataspace.proof.vkey import parse_vkey
from dataspace.proof.witnesses import KnownLog, WitnessPolicy
from tests.ledger.conftest import ORIGIN, Ledger


def keyed(ledger: Ledger) -> Ledger:
    """Give a log the rest of its keys, and let it adopt them."""
    for name in ("log-pq", "anchor", "witness", "witness-pq"):
        ledger.keys.create(name)
    adopt_keys(ledger.database, ledger.log, ORIGIN, ledger.keys)
    return ledger


def publisher(ledger: Ledger, witnesses: Witnesses | None = None, **given: Any) -> Publisher:
    return Publisher(
        ledger.database, ledger.log, ledger.keys, clock=ledger.clock, witnesses=witnesses, **given
    )


@dataclass
class Neighbour:
    """Another space, as far as it witnesses: its ledger, its witness, and the verifier keys of that."""

    ledger: Ledger
    witness: Witness
    vkeys: dict[Role, str]


def neighbour(folder: Path, logs: Sequence[str], origin: str = "example.net/other") -> Neighbour:
    """Make a space that witnesses the logs of these verifier keys."""
    folder.mkdir()
    ledger = Ledger(f"sqlite:///{folder}/space.db", folder / "keys")
    for name in ("witness", "witness-pq"):
        ledger.keys.create(name)
    known = [KnownLog(parse_vkey(vkey)) for vkey in logs]
    witness = Witness(ledger.database, ledger.keys, origin, known, clock=ledger.clock)
    return Neighbour(ledger, witness, verifier_keys(origin, ledger.keys))


def policy(urls: dict[str, str], quorum: int) -> WitnessPolicy:
    """Return the policy of witnesses by verifier key and address, so many of which must sign."""
    return WitnessPolicy.parse(policy_text(urls, quorum))


def policy_text(urls: dict[str, str], quorum: int) -> str:
    lines = [f"witness w{at} {vkey} {url}" for at, (vkey, url) in enumerate(urls.items())]
    members = " ".join(f"w{at}" for at in range(len(urls)))
    return "\n".join([*lines, f"group enough {quorum} {members}", "quorum enough", ""])


def asked(found: WitnessPolicy, *, closed: bool = True) -> Witnesses:
    return Witnesses(found, witness_name(ORIGIN), closed=closed, seconds=2.0)


def submission(old: int, proof: Sequence[bytes], note: str) -> bytes:
    lines = [f"old {old}", *(b64encode(item).decode() for item in proof), "", note]
    return "\n".join(lines).encode()


def newest_note(ledger: Ledger, made: Publisher) -> str:
    with ledger.database.reading() as session:
        newest = made.published.newest(session)
    assert newest is not None
    return newest.note


def served_size(ledger: Ledger, made: Publisher) -> int:
    with ledger.database.reading() as session:
        assert Checkpoint.parse(made.head(session).rpartition("\n\n")[0] + "\n").size == made.size(session)
        return made.size(session)
