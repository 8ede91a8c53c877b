"""Asking witnesses: whatever one answers, nothing wrong is believed, and it harms no other."""

import time
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataspace.errors import Conflict, DataSpaceError, Malformed, Unavailable, VerificationError
from dataspace.ledger.cosign import (
    SIZE_TYPE,
    Cosignature,
    Witnesses,
    cosignatures,
    read_policy,
    remembered_size,
)
from dataspace.ledger.keyring import Role
from dataspace.ledger.outbound import ANSWER_LIMIT, Answer
from dataspace.proof.checkpoint import Checkpoint
from dataspace.proof.cosignature import Cosigner
from dataspace.proof.vkey import parse_vkey
from tests.ledger.conftest import Ledger
from tests.ledger.parties import Neighbour, asked, keyed, neighbour, policy
from tests.ledger.servers import Told, answering, dripping, witnessing


@pytest.fixture
def other(ledger: Ledger, tmp_path: Path) -> Iterator[Neighbour]:
    keyed(ledger)
    made = neighbour(tmp_path / "witness", [ledger.log.vkey()])
    yield made
    made.ledger.database.close()


def _ask(ledger: Ledger, witnesses: Witnesses) -> list[list[Cosignature] | DataSpaceError]:
    with ledger.database.reading() as session:
        note, size = ledger.log.checkpoint(session), ledger.log.size(session)

        def prove(old: int) -> list[bytes]:
            return ledger.log.consistency(session, old, size)

        return list(witnesses.ask(note, prove, (), int(ledger.clock().timestamp())).values())


def _of(other: Neighbour, url: str) -> Witnesses:
    return asked(policy({other.vkeys[Role.WITNESS]: url, other.vkeys[Role.WITNESS_POST_QUANTUM]: url}, 1))


def test_a_witness_with_two_keys_is_asked_once_and_signs_with_both(ledger: Ledger, other: Neighbour) -> None:
    with answering(witnessing(other.witness)) as url:
        (found,) = _ask(ledger, _of(other, url))
    assert isinstance(found, list)
    assert {item.key for item in found} == set(other.vkeys.values())


@pytest.mark.parametrize(
    ("told", "error", "said"),
    [
        (Told(404), Unavailable, "404"),
        (Told(500, b"no"), Unavailable, "500"),
        (Told(302, headers=(("Location", "http://127.0.0.1:9/"),)), Unavailable, "302"),
        (Told(200), VerificationError, "malformed note"),
        (Told(200, b"\xff"), VerificationError, "UTF-8"),
        (Told(200, b"not a line\n"), VerificationError, "malformed note"),
        (Told(200, b"x" * (ANSWER_LIMIT + 1)), Unavailable, "more than"),
        (
            Told(200, f"— stranger {b64encode(bytes(76)).decode()}\n".encode()),
            VerificationError,
            "none of the keys",
        ),
        (Told(409, b"1\n"), VerificationError, "does not say"),
        (Told(409, b"007\n", SIZE_TYPE), VerificationError, "leading zeros"),
        (Told(409, b"3", SIZE_TYPE), VerificationError, "does not say"),
        (Told(409, b"-1\n", SIZE_TYPE), VerificationError, "decimal"),
        (Told(409, b"1" * 60000 + b"\n", SIZE_TYPE), VerificationError, "decimal"),
        (Told(409, b"99999\n", SIZE_TYPE), Conflict, "99999"),
        (Told(422), VerificationError, "no continuation"),
    ],
)
def test_a_wrong_answer_is_no_cosignature_and_harms_no_other(
    ledger: Ledger, other: Neighbour, told: Told, error: type[DataSpaceError], said: str
) -> None:
    with answering(lambda _: told) as wrong, answering(witnessing(other.witness)) as right:
        stranger = Cosigner("example.org/hostile", ledger.keys.public_key("log"))
        both = policy({str(stranger): wrong, other.vkeys[Role.WITNESS]: right}, 1)
        refused, found = _ask(ledger, asked(both))
    assert isinstance(refused, error)
    assert said in str(refused)
    assert isinstance(found, list)


def test_a_size_told_twice_is_not_asked_for_a_third_time(ledger: Ledger, other: Neighbour) -> None:
    bodies = []

    def answer(body: bytes) -> Told:
        bodies.append(body)
        return Told(409, f"{len(bodies)}\n".encode(), SIZE_TYPE)

    with answering(answer) as url:
        (refused,) = _ask(ledger, _of(other, url))
    assert isinstance(refused, Unavailable)
    assert [body.split(b"\n")[0] for body in bodies] == [b"old 0", b"old 1"]


def test_a_signature_of_another_head_is_refused(ledger: Ledger, other: Neighbour) -> None:
    key = Cosigner("example.net/other/witness", other.ledger.keys.public_key("witness"))
    text = Checkpoint("example.com/space", 1, bytes(32)).text()
    line = key.line(text, 1, lambda message: other.ledger.keys.sign("witness", message))
    with answering(lambda _: Told(200, line.encode())) as url:
        (refused,) = _ask(ledger, _of(other, url))
    assert isinstance(refused, VerificationError)
    assert "does not verify" in str(refused)


@pytest.mark.parametrize("ahead", [None, 301])
def test_le_16_a_cosignature_of_no_time_or_of_one_to_come_is_refused(
    ledger: Ledger, other: Neighbour, ahead: int | None
) -> None:
    with ledger.database.reading() as session:
        text = ledger.log.checkpoint(session).rpartition("\n\n")[0] + "\n"
    now = int(ledger.clock().timestamp())
    key = parse_vkey(other.vkeys[Role.WITNESS])
    assert isinstance(key, Cosigner)
    line = key.line(
        text, 0 if ahead is None else now + ahead, lambda data: other.ledger.keys.sign("witness", data)
    )
    with pytest.raises(VerificationError, match="of no time, or of one to come"):
        cosignatures(line, text, [key], now)


def test_a_witness_that_drips_its_answer_is_given_up_in_time(ledger: Ledger, other: Neighbour) -> None:
    with dripping() as url:
        found = policy({other.vkeys[Role.WITNESS]: url}, 1)
        began = time.monotonic()
        # Each byte comes well within the time, and all of them never would.
        (refused,) = _ask(ledger, Witnesses(found, "nobody", seconds=0.5))
    assert isinstance(refused, Unavailable)
    assert "0.5 seconds" in str(refused)
    assert time.monotonic() - began < 4


def test_a_witness_that_is_not_there_is_unavailable(ledger: Ledger, other: Neighbour) -> None:
    (refused,) = _ask(ledger, _of(other, "http://127.0.0.1:9"))
    assert isinstance(refused, Unavailable)


def test_a_space_does_not_ask_itself(ledger: Ledger, other: Neighbour) -> None:
    found = policy({other.vkeys[Role.WITNESS]: "http://127.0.0.1:9"}, 1)
    assert _ask(ledger, Witnesses(found, "example.net/other/witness")) == []


@pytest.mark.parametrize("url", ["ftp://example.com", "example.com/witness", "http://"])
def test_an_address_that_is_none_is_malformed(other: Neighbour, url: str) -> None:
    with pytest.raises(Malformed, match="a witness"):
        asked(policy({other.vkeys[Role.WITNESS]: url}, 1))


def test_a_policy_file_that_is_none_is_named(tmp_path: Path) -> None:
    with pytest.raises(Malformed, match="cannot be read"):
        read_policy(tmp_path / "absent")
    (tmp_path / "policy").write_text("quorum maybe\n")
    with pytest.raises(Malformed, match="policy, line 1"):
        read_policy(tmp_path / "policy")


@given(st.binary(), st.sampled_from([SIZE_TYPE, "text/plain"]))
def test_noise_in_place_of_a_size_is_refused_with_one_error(noise: bytes, kind: str) -> None:
    try:
        size = remembered_size(Answer(409, kind, noise))
    except VerificationError:
        return
    assert f"{size}\n".encode() == noise


@given(st.text())
def test_noise_in_place_of_lines_is_refused_with_one_error(noise: str) -> None:
    key = Cosigner("example.org/witness", bytes(32))
    with pytest.raises(VerificationError):
        cosignatures(noise, Checkpoint("example.com/log", 1, bytes(32)).text(), [key], 0)
