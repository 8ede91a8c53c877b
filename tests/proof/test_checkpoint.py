import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from dataspace.errors import VerificationError
from dataspace.proof.checkpoint import Checkpoint
from dataspace.proof.key import Verifier
from dataspace.proof.merkle import EMPTY
from dataspace.proof.note import open_note
from dataspace.proof.note import sign as sign_note
from tests.programs import shared
from tests.proof.test_note import KEY, VERIFIER

HEAD = Checkpoint(VERIFIER.name, 42, bytes(range(32)))


def _vectors(part: str) -> list[dict[str, Any]]:
    return list(json.loads((shared() / "vectors" / "checkpoint.json").read_text())[part])


def test_the_published_checkpoints() -> None:
    # Their parser takes roots of any length; ours takes 32 bytes, as every tree here has.
    for case in _vectors("parse"):
        strict = case["want_ok"] and not case["body"].startswith("Log\n")
        if strict:
            checkpoint = Checkpoint.parse(case["body"])
            assert checkpoint.text() == case["body"]
            assert checkpoint.size == case.get("size", checkpoint.size)
        else:
            with pytest.raises(VerificationError):
                Checkpoint.parse(case["body"])


def test_the_published_signed_heads() -> None:
    for case in _vectors("signed"):
        if "vkeys" in case:
            (verifier,) = map(Verifier.parse, case["vkeys"])
        else:
            seed = bytes.fromhex(case["ed25519_seed_hex"])
            public = Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()
            verifier = Verifier(case["origin"], public)
        checkpoint = Checkpoint.open(case["checkpoint"], verifier)
        assert (checkpoint.origin, checkpoint.size) == (case["origin"], case["size"])


def test_a_signed_head_opens_under_its_key() -> None:
    assert Checkpoint.open(HEAD.sign(VERIFIER, KEY.sign), VERIFIER) == HEAD


def test_le_07_a_head_of_another_origin_is_refused() -> None:
    note = sign_note(HEAD.text().replace("example.com/log", "example.com/other"), VERIFIER, KEY.sign)
    assert open_note(note, [VERIFIER])
    with pytest.raises(VerificationError, match="origin is not"):
        Checkpoint.open(note, VERIFIER)


@pytest.mark.parametrize(
    "size", ["007", "+1", "-1", "1 ", " 1", "1_0", "1e3", "0x1", "", "١", "9" * 19, "9" * 5000]
)
def test_le_07_tricks_with_the_size_are_refused(size: str) -> None:
    with pytest.raises(VerificationError):
        Checkpoint.parse(HEAD.text().replace("\n42\n", f"\n{size}\n"))


def test_an_empty_log_has_the_root_of_nothing() -> None:
    assert Checkpoint("log", 0, EMPTY).size == 0
    with pytest.raises(VerificationError):
        Checkpoint("log", 0, bytes(32))


@given(
    st.text()
    | st.text().map(lambda text: HEAD.text() + text)
    | st.text().map(lambda text: f"{text}\n1\n{text}\n")
)
def test_noise_is_refused_with_one_error(text: str) -> None:
    try:
        checkpoint = Checkpoint.parse(text)
    except VerificationError:
        return
    assert checkpoint.text() == text
