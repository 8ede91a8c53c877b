"""Requests to a witness: the published sequences come out as published, and noise is one error."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataspace.errors import (
    Conflict,
    DataSpaceError,
    Malformed,
    NotFound,
    Refused,
    TooLarge,
    Unprocessable,
)
from dataspace.ledger.witness import BODY_LIMIT, split_request
from dataspace.proof.key import Verifier
from tests.ledger.parties import neighbour, submission
from tests.programs import shared


def _steps() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((shared() / "vectors/witness-add-checkpoint.json").read_text())
    return found


def test_the_published_sequence_gets_the_published_answers(tmp_path: Path) -> None:
    vectors = _steps()["stateful_http"]
    log = Verifier(vectors["log_origin"], bytes.fromhex(vectors["log_ed25519_pubkey_hex"]))
    made = neighbour(tmp_path / "vectors", [str(log)], origin="example.com")
    statuses = {Conflict: 409, NotFound: 404, Refused: 403, Unprocessable: 422, Malformed: 400}
    for step in vectors["steps"]:
        try:
            answer, status = made.witness.add_checkpoint(step["body"].encode()), 200
        except DataSpaceError as error:
            status = statuses[type(error)]
            answer = f"{error.facts['size']}\n" if isinstance(error, Conflict) else str(error)
        assert (status, step["want_body_contains"] in answer) == (step["want_status"], True), step["name"]
    made.ledger.database.close()


def test_the_published_updates_come_out_as_published(tmp_path: Path) -> None:
    vectors = _steps()["update"]
    for number, case in enumerate(vectors["cases"]):
        made = neighbour(tmp_path / str(number), [vectors["log_vkey"]])
        made.witness.add_checkpoint(submission(0, (), case["init"]))
        try:
            made.witness.add_checkpoint(
                submission(case["old_size"], [bytes.fromhex(item) for item in case["proof_hex"]], case["new"])
            )
            accepted = True
        except DataSpaceError:
            accepted = False
        assert accepted == case["want_ok"], case["desc"]
        made.ledger.database.close()


def test_the_published_request_bodies_parse_as_published() -> None:
    for case in _steps()["parse"]:
        # The one that their parser takes has hashes of two bytes, which a strict one refuses.
        with pytest.raises(Malformed):
            split_request(case["body"].encode())
        whole = case["body"].replace("abc=\n", f"{'A' * 43}=\n").replace("def=\n", f"{'B' * 42}A=\n")
        if case["want_ok"]:
            old, proof, note = split_request(whole.encode())
            assert (old, len(proof), note.splitlines()[1]) == (case["old_size"], 2, "56")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"old 1",
        b"old 1\n",
        b"old 01\n\nx",
        b"old -1\n\nx",
        b"old  1\n\nx",
        b"OLD 1\n\nx",
        b"old 1\r\n\r\nx",
        b"old 9223372036854775808\n\nx",
        b"old 1\nAAAA\n\nx",
        b"old 1\n" + b"A" * 43 + b"\n\nx",
        b"old 1\n\xff\n\nx",
        b"old 1\n" + (b"A" * 43 + b"=\n") * 64 + b"\nx",
    ],
)
def test_a_malformed_request_is_malformed(body: bytes) -> None:
    with pytest.raises(Malformed, match="invalid input"):
        split_request(body)


def test_63_hashes_are_taken_and_64_kilobytes_are_the_most() -> None:
    old, proof, note = split_request(b"old 1\n" + (b"A" * 43 + b"=\n") * 63 + b"\nx")
    assert (old, len(proof), note) == (1, 63, "x")
    with pytest.raises(TooLarge):
        split_request(b"old 1\n\n" + b"x" * BODY_LIMIT)


@given(st.binary() | st.text().map(lambda text: f"old 1\n\n{text}".encode()))
def test_noise_is_refused_with_one_error(noise: bytes) -> None:
    try:
        old, proof, _ = split_request(noise)
    except Malformed:
        return
    assert old >= 0
    assert all(len(item) == 32 for item in proof)
