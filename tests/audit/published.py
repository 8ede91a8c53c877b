"""A scene that published three of its states: under its keys, with cosignatures, with time tokens."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlmodel import Session

from dataspace.ledger.models import LedgerCheckpoint, LedgerCosignature, LedgerTimestamp
from dataspace.proof.checkpoint import Checkpoint
from dataspace.proof.cosignature import Cosigner, PostQuantumCosigner
from dataspace.proof.key import Verifier
from dataspace.proof.note import split
from dataspace.proof.witnesses import WitnessPolicy
from tests.audit.scene import ORIGIN, Scene, played

TIME = 1_772_000_000  # when everybody cosigns
ROLE = "post-quantum"


class Witness:
    """A witness with a key of its own."""

    def __init__(self, name: str) -> None:
        self.key = Ed25519PrivateKey.generate()
        self.cosigner = Cosigner(name, self.key.public_key().public_bytes_raw())

    def line(self, note: str, time: int = TIME) -> str:
        return self.cosigner.line(split(note)[0], time, self.key.sign)


WITNESSES = [Witness(f"witness.example/{name}") for name in ("one", "two", "three")]


def policy(quorum: int = 2) -> WitnessPolicy:
    """Return the policy of an auditor who wants so many of the three."""
    lines = [f"witness {at} {one.cosigner}" for at, one in enumerate(WITNESSES)]
    return WitnessPolicy.parse("\n".join([*lines, f"group all {quorum} 0 1 2", "quorum all", ""]))


def publish(scene: Scene, *, witnesses: int = 3, tokens: str = "", **changed: Any) -> str:
    """Publish the head of a scene; return the note under the log's own keys. `tokens` are authorities."""
    note = sign(scene, scene.checkpoint())
    head = Checkpoint.parse(split(note)[0])

    def act(session: Session) -> None:
        row = LedgerCheckpoint(size=head.size, root=head.root, note=note, published="now")
        session.add(LedgerCheckpoint(**{**row.model_dump(), **changed}))
        session.flush()
        for one in WITNESSES[:witnesses]:
            line = one.line(note)
            session.add(LedgerCosignature(size=head.size, key=str(one.cosigner), line=line, time=TIME))
        imprint = hashlib.sha256(head.text().encode()).digest()
        for name in tokens:
            session.add(LedgerTimestamp(size=head.size, authority=name, token=b"of nobody: " + imprint))

    scene.database.commit(act)
    return note


def sign(scene: Scene, note: str) -> str:
    """Add the line of the scene's post-quantum key to a note of its log."""
    return note + quantum(scene).line(
        split(note)[0], TIME, lambda message: scene.keys.sign("log-pq", message)
    )


def forged(scene: Scene, size: int, root: bytes) -> str:
    """Return a note of another root, under the log's own key, as only who holds it can make."""
    verifier = Verifier.parse(scene.vkey)
    return Checkpoint(ORIGIN, size, root).sign(verifier, lambda message: scene.keys.sign("log", message))


def quantum(scene: Scene) -> PostQuantumCosigner:
    return PostQuantumCosigner(ORIGIN, scene.keys.public_key("log-pq"))


def adopt(scene: Scene) -> None:
    """Give the scene a post-quantum key, and record it."""
    scene.keys.create("log-pq")
    scene.database.commit(lambda session: scene.log.adopt(session, ROLE, "log-pq", str(quantum(scene))))


@pytest.fixture
def published(tmp_path: Path) -> Iterator[Scene]:
    """Three states of 20, 30 and 41 entries; the post-quantum key is adopted by entry 11."""
    scene = played(tmp_path / "published", 1)
    adopt(scene)
    scene.answer(8)
    publish(scene, tokens="a")
    scene.answer(10)
    publish(scene, tokens="b")
    scene.answer(11)
    publish(scene)
    yield scene
    scene.database.close()
