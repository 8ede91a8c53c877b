"""Serving as a witness: every check of the protocol, in its order, and nothing signed before it is stored."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from hashlib import sha256
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import mldsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from dataspace.database import Database
from dataspace.errors import (
    Conflict,
    Malformed,
    NotFound,
    Refused,
    Unavailable,
    Unprocessable,
)
from dataspace.ledger.anchors.signing import anchor_signature, public_key
from dataspace.ledger.log import Log
from dataspace.ledger.witness import Witness
from dataspace.proof import merkle
from dataspace.proof.checkpoint import Checkpoint
from dataspace.proof.cosignature import PostQuantumCosigner, cosigned
from dataspace.proof.key import Verifier
from dataspace.proof.note import open_note, sign
from dataspace.proof.secp256k1 import AnchorKey
from dataspace.proof.vkey import parse_vkey
from dataspace.proof.witnesses import KnownLog
from tests.ledger.conftest import Ledger
from tests.ledger.parties import Neighbour, neighbour, submission

_KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
_LOG = Verifier("example.com/log", _KEY.public_key().public_bytes_raw())
_LEAVES = [merkle.leaf_hash(bytes([number])) for number in range(200)]
_KNOWN = [KnownLog(_LOG)]
_NODES = merkle.nodes_of(_LEAVES)


def _note(size: int, leaves: list[bytes] = _LEAVES, origin: str = _LOG.name) -> str:
    return Checkpoint(origin, size, merkle.root(leaves[:size])).sign(_LOG, _KEY.sign)


def _growth(old: int, new: int, nodes: merkle.Nodes = _NODES) -> bytes:
    proof = merkle.consistency_proof(old, new, nodes) if old else []
    return submission(old, proof, _note(new))


@pytest.fixture
def space(tmp_path: Path) -> Iterator[Neighbour]:
    made = neighbour(tmp_path / "witness", [str(_LOG)])
    yield made
    made.ledger.database.close()


def _stored(space: Neighbour) -> str:
    with space.ledger.database.reading() as session:
        return space.witness.latest(session, sha256(_LOG.name.encode()).hexdigest())


def test_a_head_gets_a_line_of_each_key_and_is_stored_under_them(space: Neighbour) -> None:
    note = _note(3)
    lines = space.witness.add_checkpoint(submission(0, (), note))
    keys = [parse_vkey(vkey) for vkey in space.vkeys.values()]
    now = int(space.ledger.clock().timestamp())
    assert cosigned(note + lines, keys) == {str(key): now for key in keys}
    assert open_note(_stored(space), [_LOG, *keys]).unknown == ()
    assert Checkpoint.open(_stored(space), _LOG).size == 3


def test_a_log_is_followed_from_head_to_head(space: Neighbour) -> None:
    for old, new in ((0, 0), (0, 1), (1, 1), (1, 2), (2, 8), (8, 77), (77, 200)):
        space.witness.add_checkpoint(_growth(old, new))
        assert Checkpoint.open(_stored(space), _LOG).size == new
        space.ledger.clock.now += timedelta(seconds=1)


def test_another_size_than_the_stored_one_is_a_conflict_that_tells_it(space: Neighbour) -> None:
    space.witness.add_checkpoint(_growth(0, 5))
    for old in (0, 4, 6):
        with pytest.raises(Conflict) as caught:
            space.witness.add_checkpoint(submission(old, (), _note(8)))
        assert caught.value.facts["size"] == 5


def test_le_06_a_fork_is_refused_whatever_proof_it_brings(space: Neighbour) -> None:
    space.witness.add_checkpoint(_growth(0, 5))
    other = [*_LEAVES[:4], *_LEAVES[100:]]
    # The proof is right for the fork's own history: only the stored root tells it from the log's.
    proof = merkle.consistency_proof(5, 9, merkle.nodes_of(other))
    with pytest.raises(Unprocessable, match="consistency proof"):
        space.witness.add_checkpoint(submission(5, proof, _note(9, other)))
    with pytest.raises(Unprocessable, match="consistency proof"):
        space.witness.add_checkpoint(submission(5, (), _note(5, other)))
    assert Checkpoint.open(_stored(space), _LOG).root == merkle.root(_LEAVES[:5])


def test_a_proof_from_nothing_is_refused(space: Neighbour) -> None:
    with pytest.raises(Unprocessable, match="want none"):
        space.witness.add_checkpoint(submission(0, [bytes(32)], _note(3)))


def test_an_empty_log_has_the_root_of_nothing(space: Neighbour) -> None:
    text = f"{_LOG.name}\n0\n{'A' * 43}=\n"
    with pytest.raises(Unprocessable, match="size 0"):
        space.witness.add_checkpoint(submission(0, (), _signed(text)))
    space.witness.add_checkpoint(_growth(0, 3))
    # The sizes come first.
    with pytest.raises(Conflict):
        space.witness.add_checkpoint(submission(0, (), _signed(text)))


def _signed(text: str) -> str:
    return sign(text, _LOG, _KEY.sign)


@pytest.mark.parametrize(
    "text",
    [
        f"{_LOG.name}\n007\n{'A' * 43}=\n",
        f"{_LOG.name}\n+7\n{'A' * 43}=\n",
        f"{_LOG.name}\n7\n{'A' * 42}==\n",
        f"{_LOG.name}\n7\n",
        f"{_LOG.name}\n7\n{'A' * 43}=\n\nmore\n",
        f"{_LOG.name}\n9223372036854775808\n{'A' * 43}=\n",
    ],
)
def test_le_07_a_signed_text_that_is_no_checkpoint_is_malformed(space: Neighbour, text: str) -> None:
    with pytest.raises(Malformed, match="invalid checkpoint"):
        space.witness.add_checkpoint(submission(0, (), _signed(text)))


def test_le_07_an_unknown_log_and_an_unknown_key_are_told_apart(space: Neighbour) -> None:
    with pytest.raises(NotFound, match="unknown log"):
        space.witness.add_checkpoint(submission(0, (), _note(3, origin="example.com/other")))
    stranger = Ed25519PrivateKey.from_private_bytes(bytes(32))
    key = Verifier(_LOG.name, stranger.public_key().public_bytes_raw())
    theirs = Checkpoint.parse(open_note(_note(3), [_LOG]).text).sign(key, stranger.sign)
    with pytest.raises(Refused, match="invalid signature"):
        space.witness.add_checkpoint(submission(0, (), theirs))


def test_le_07_one_wrong_signature_of_a_known_key_refuses_the_note(space: Neighbour) -> None:
    wrong = _note(3) + _note(4).splitlines()[-1] + "\n"
    with pytest.raises(Refused, match="does not verify"):
        space.witness.add_checkpoint(submission(0, (), wrong))


def _without_the_text(text: str) -> list[tuple[str, str]]:
    """Return keys whose signatures cover size and root alone, each with its line of `text`."""
    quantum, secret = mldsa.MLDSA44PrivateKey.generate(), bytes([5]) * 32
    pq = PostQuantumCosigner(_LOG.name, quantum.public_key().public_bytes_raw())
    anchor, head = AnchorKey(_LOG.name, public_key(secret)), Checkpoint.parse(text)
    signed = anchor_signature(secret, head.origin, head.size, head.root)
    return [(str(pq), pq.line(text, 5, quantum.sign)), (str(anchor), anchor.line(text, signed))]


def test_le_07_lines_that_no_key_of_the_log_signed_are_not_cosigned(tmp_path: Path) -> None:
    text = open_note(_note(3), [_LOG]).text
    for number, (vkey, line) in enumerate(_without_the_text(text)):
        space = neighbour(tmp_path / str(number), [str(_LOG), vkey])
        with pytest.raises(Refused, match="behind the root"):
            space.witness.add_checkpoint(submission(0, (), f"{text}mirror https://evil.example/\n\n{line}"))
        space.witness.add_checkpoint(submission(0, (), f"{text}\n{line}"))
        space.ledger.database.close()


def test_lines_behind_the_root_that_the_log_signed_are_cosigned(space: Neighbour) -> None:
    text = open_note(_note(3), [_LOG]).text + "more of the log\n"
    lines = space.witness.add_checkpoint(submission(0, (), _signed(text)))
    assert cosigned(_signed(text) + lines, [parse_vkey(vkey) for vkey in space.vkeys.values()])


def test_a_checkpoint_smaller_than_its_old_size_is_malformed(space: Neighbour) -> None:
    with pytest.raises(Malformed, match="old size 4"):
        space.witness.add_checkpoint(submission(4, (), _note(3)))


def test_lines_of_other_keys_are_not_kept(space: Neighbour) -> None:
    note = _note(3) + f"— nobody {'A' * 96}\n"
    space.witness.add_checkpoint(submission(0, (), note))
    assert "nobody" not in _stored(space)


def test_of_two_submissions_at_once_one_is_too_late(space: Neighbour) -> None:
    space.witness.add_checkpoint(_growth(0, 5))
    bodies = [_growth(5, size) for size in range(6, 26)]
    with ThreadPoolExecutor(8) as pool:
        told = [size for size in pool.map(partial(_submitted, space.witness), bodies) if size]
    assert told == [Checkpoint.open(_stored(space), _LOG).size]


def test_of_two_processes_on_one_database_one_is_too_late(postgres_url: str, tmp_path: Path) -> None:
    ledger = Ledger(postgres_url, tmp_path / "keys")
    for name in ("witness", "witness-pq"):
        ledger.keys.create(name)
    second = Database(postgres_url, Log("example.com/space", ledger.keys, clock=ledger.clock))
    both = [
        Witness(database, ledger.keys, "example.net/other", _KNOWN, clock=ledger.clock)
        for database in (ledger.database, second)
    ]
    old = 0
    for sizes in ((3, 4), (7, 9), (20, 30)):
        bodies = [_growth(old, size) for size in sizes]
        with ThreadPoolExecutor(2) as pool:
            told = list(pool.map(_submitted, both, bodies))
        assert sorted(told) == [0, *[size for size in sizes if size in told]]
        old = max(told)
    for database in (ledger.database, second):
        database.close()


def _submitted(witness: Witness, body: bytes) -> int:
    """Return the size that was cosigned, or 0."""
    try:
        witness.add_checkpoint(body)
    except Conflict:
        return 0
    return int(body.partition(b"\n\n")[2].split(b"\n")[1])


def test_le_16_nothing_is_cosigned_while_the_clock_is_behind_the_last_cosignature(space: Neighbour) -> None:
    space.witness.add_checkpoint(_growth(0, 5))
    space.ledger.clock.now -= timedelta(seconds=1)
    with pytest.raises(Unavailable, match="clock"):
        space.witness.add_checkpoint(_growth(5, 6))
    with pytest.raises(Unavailable, match="clock"):
        space.witness.add_checkpoint(_growth(5, 5))
    space.ledger.clock.now += timedelta(seconds=2)
    space.witness.add_checkpoint(_growth(5, 6))


def test_the_same_head_again_gets_the_same_lines_for_a_while(space: Neighbour) -> None:
    first = space.witness.add_checkpoint(_growth(0, 5))
    space.ledger.clock.now += timedelta(seconds=9)
    assert space.witness.add_checkpoint(_growth(5, 5)) == first
    space.ledger.clock.now += timedelta(seconds=9)
    assert space.witness.add_checkpoint(_growth(5, 5)) != first


def test_a_restart_forgets_nothing(space: Neighbour) -> None:
    space.witness.add_checkpoint(_growth(0, 5))
    space.ledger.reopen()
    again = Witness(
        space.ledger.database, space.ledger.keys, "example.net/other", _KNOWN, clock=space.ledger.clock
    )
    with pytest.raises(Conflict):
        again.add_checkpoint(_growth(0, 6))
    again.add_checkpoint(_growth(5, 6))


def test_a_space_is_no_witness_of_its_own_log(tmp_path: Path) -> None:
    made = neighbour(tmp_path / "own", [str(_LOG)], origin=_LOG.name)
    with pytest.raises(NotFound, match="unknown log"):
        made.witness.add_checkpoint(_growth(0, 5))
    made.ledger.database.close()


def test_a_log_whose_name_cannot_be_cosigned_is_refused_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(Malformed, match="255 bytes"):
        neighbour(tmp_path / "long", [str(Verifier("x" * 256, _LOG.public_key))])
