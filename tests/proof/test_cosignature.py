import json
from base64 import b64decode, b64encode
from contextlib import suppress
from hashlib import sha256
from typing import Any

import pytest
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import mldsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_ssh_public_key
from hypothesis import given
from hypothesis import strategies as st

from dataspace.errors import Unavailable, VerificationError
from dataspace.proof import merkle
from dataspace.proof.checkpoint import Checkpoint
from dataspace.proof.cosignature import Cosigner, PostQuantumCosigner, cosigned, subtree_message
from dataspace.proof.encoding import decode_base64
from dataspace.proof.key import Verifier
from dataspace.proof.note import signature_line, split
from dataspace.proof.vkey import open_note, parse_vkey
from tests.programs import shared
from tests.proof.test_checkpoint import HEAD
from tests.proof.test_note import KEY, VERIFIER

WITNESS_KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32, 64)))
WITNESS = Cosigner("witness.example/w", WITNESS_KEY.public_key().public_bytes_raw())
PQ_KEY = mldsa.MLDSA44PrivateKey.from_seed_bytes(bytes(range(64, 96)))
PQ_WITNESS = PostQuantumCosigner("witness.example/w", PQ_KEY.public_key().public_bytes_raw())
TIME = 1_800_000_000
LARGEST = 2**63 - 1

NOTE = HEAD.sign(VERIFIER, KEY.sign)
COSIGNED = (
    NOTE + WITNESS.line(HEAD.text(), TIME, WITNESS_KEY.sign) + PQ_WITNESS.line(HEAD.text(), 0, PQ_KEY.sign)
)
EXTENDED = Checkpoint(HEAD.origin, HEAD.size, HEAD.root, ("an extension",)).text()


def _vectors(part: str) -> list[dict[str, Any]]:
    return list(json.loads((shared() / "vectors" / "cosignature.json").read_text())[part])


def _public(ssh: str) -> bytes:
    key = load_ssh_public_key(ssh.encode())
    assert isinstance(key, Ed25519PublicKey)
    return key.public_bytes_raw()


def test_the_published_cosignatures() -> None:
    # https://github.com/FiloSottile/sunlight, cmd/skylight/testdata, and https://github.com/sigsum/sigsum-go
    for case in _vectors("verify"):
        if "witness_vkeys" in case:
            keys = list(map(parse_vkey, case["witness_vkeys"]))
        else:
            seed = bytes.fromhex(case["ed25519_seed_hex"])
            public = Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()
            keys = [Cosigner(case["witness_name"], public)]
        found = cosigned(case["note"], keys)
        assert (list(found) == list(map(str, keys))) == case["want_ok"], case["name"]
        assert case.get("timestamp") in (None, *found.values())


def test_the_published_times_of_cosignatures() -> None:
    # https://github.com/transparency-dev/formats, note/note_cosigv1_test.go: only the layout is given.
    good, plain, text = _vectors("timestamp_parse")
    assert int.from_bytes(b64decode(good["sig_b64"])[4:12]) == good["timestamp"]
    with pytest.raises(VerificationError):
        WITNESS.verify(HEAD.text(), b64decode(plain["sig_b64"])[4:])
    with pytest.raises(VerificationError):
        decode_base64(text["sig_b64"], "note signature")


def test_the_published_message_of_ml_dsa() -> None:
    # https://github.com/cloudflare/azul, crates/tlog_cosignature/src/subtree_v1.rs
    (case,) = _vectors("mldsa_message_layout")
    time, start, end = (int(case[f"{name}_hex"], 16) for name in ("timestamp", "start", "end"))
    root = bytes.fromhex(case["hash_hex"])
    message = subtree_message(case["cosigner_name"], time, case["log_origin"], (start, end), root)
    assert message.hex() == case["want_hex"]


def test_the_published_proofs_of_sigsum_as_notes() -> None:
    # https://github.com/sigsum/sigsum-go, pkg/proof/proof_test.go. What its leaf signs is not ours.
    for case in _vectors("sigsum_proofs"):
        lines = [line.partition("=") for line in case["proof"].split("\n") if line]
        values = {name: value for name, _, value in lines}
        path = [bytes.fromhex(value) for name, _, value in lines if name == "node_hash"]
        head = Checkpoint(
            f"sigsum.org/v1/tree/{values['log']}", int(values["size"]), bytes.fromhex(values["root_hash"])
        )
        verifier = Verifier(head.origin, _public(case["log_key_ssh"]))
        note = f"{head.text()}\n{signature_line(verifier, bytes.fromhex(values['signature']))}"
        assert Checkpoint.open(note, verifier) == head
        submitter, signature = values["leaf"].split(" ")
        entry = sha256(bytes.fromhex(case["message_hex"])).digest() + bytes.fromhex(signature + submitter)
        index, leaf = int(values["leaf_index"]), merkle.leaf_hash(entry)
        merkle.verify_inclusion(leaf, index, head.size, path, root=head.root)
        if "cosignature" in values:
            _, time, value = values["cosignature"].split(" ")
            witness = Cosigner("witness", _public(case["witness_key_ssh"]))
            note += signature_line(witness, int(time).to_bytes(8) + bytes.fromhex(value))
            assert cosigned(note, [witness]) == {str(witness): int(time)}


def test_cosignatures_of_both_types_open_with_their_times() -> None:
    assert cosigned(COSIGNED, [WITNESS, PQ_WITNESS]) == {str(WITNESS): TIME, str(PQ_WITNESS): 0}
    assert open_note(COSIGNED, [VERIFIER, PQ_WITNESS, WITNESS]).verified == (
        VERIFIER.name, WITNESS.name, WITNESS.name)  # fmt: skip
    assert cosigned(COSIGNED, [VERIFIER]) == {}
    assert cosigned(NOTE, [WITNESS]) == {}


@pytest.mark.parametrize("witness", [WITNESS, PQ_WITNESS])
def test_le_07_a_changed_head_time_or_key_fails(witness: Cosigner | PostQuantumCosigner) -> None:
    sign = WITNESS_KEY.sign if witness is WITNESS else PQ_KEY.sign
    ((_, _, signature),) = split(f"{HEAD.text()}\n{witness.line(HEAD.text(), TIME, sign)}")[1]
    later = Checkpoint(HEAD.origin, HEAD.size + 1, HEAD.root).text()
    fork = Checkpoint(HEAD.origin, HEAD.size, bytes(32)).text()
    other = Checkpoint("example.com/other", HEAD.size, HEAD.root).text()
    assert witness.verify(HEAD.text(), signature) == TIME
    for text, data in (
        *((text, signature) for text in (later, fork, other)),
        *((HEAD.text(), signature[:at] + b"\x80" + signature[at + 1 :]) for at in (4, 7, 8, -1)),
        *((HEAD.text(), signature[:length]) for length in (0, 7, 8, 9, -1)),
        (HEAD.text(), signature + b"\0"),
    ):
        with pytest.raises(VerificationError):
            witness.verify(text, data)


def test_one_of_two_known_cosignatures_that_fails_rejects_the_note() -> None:
    wrong = signature_line(WITNESS, TIME.to_bytes(8) + bytes(64))
    with pytest.raises(VerificationError, match="does not verify"):
        cosigned(COSIGNED + wrong, [WITNESS, PQ_WITNESS])
    assert cosigned(COSIGNED + wrong, [PQ_WITNESS]) == {str(PQ_WITNESS): 0}


def test_of_two_cosignatures_of_one_witness_the_earlier_time_counts() -> None:
    again = WITNESS.line(HEAD.text(), TIME - 5, WITNESS_KEY.sign)
    assert cosigned(COSIGNED + again, [WITNESS]) == {str(WITNESS): TIME - 5}


def test_extension_lines_are_signed_with_ed25519_and_not_with_ml_dsa() -> None:
    ((_, _, classic), (_, _, lattice)) = split(COSIGNED)[1][1:]
    with pytest.raises(VerificationError):
        WITNESS.verify(EXTENDED, classic)
    assert PQ_WITNESS.verify(EXTENDED, lattice) == 0
    assert cosigned(f"{EXTENDED}\n" + WITNESS.line(EXTENDED, TIME, WITNESS_KEY.sign), [WITNESS])


def test_the_name_of_the_cosigner_is_bound_by_ml_dsa() -> None:
    ((_, _, signature),) = split(f"{HEAD.text()}\n{PQ_WITNESS.line(HEAD.text(), TIME, PQ_KEY.sign)}")[1]
    with pytest.raises(VerificationError):
        PostQuantumCosigner("witness.example/other", PQ_WITNESS.public_key).verify(HEAD.text(), signature)


@pytest.mark.parametrize("seconds", [-1, LARGEST + 1, 2**64])
def test_a_time_beyond_63_bits_is_neither_made_nor_taken(seconds: int) -> None:
    for witness, key in ((WITNESS, WITNESS_KEY), (PQ_WITNESS, PQ_KEY)):
        with pytest.raises(VerificationError, match="time"):
            witness.line(HEAD.text(), seconds, key.sign)
    message = f"cosignature/v1\ntime {2**63}\n{HEAD.text()}".encode()
    with pytest.raises(VerificationError, match="time"):
        WITNESS.verify(HEAD.text(), (2**63).to_bytes(8) + WITNESS_KEY.sign(message))


@pytest.mark.parametrize("text", ["", "a text\n", "cosignature/v1\ntime 3\n", HEAD.text() + "\n"])
def test_a_cosigner_signs_and_takes_checkpoints_alone(text: str) -> None:
    for witness, key in ((WITNESS, WITNESS_KEY), (PQ_WITNESS, PQ_KEY)):
        with pytest.raises(VerificationError):
            witness.line(text, TIME, key.sign)


def test_a_line_of_another_private_key_is_not_made() -> None:
    with pytest.raises(VerificationError):
        WITNESS.line(HEAD.text(), TIME, KEY.sign)
    with pytest.raises(VerificationError):
        PQ_WITNESS.line(HEAD.text(), TIME, WITNESS_KEY.sign)


def test_names_longer_than_the_message_of_ml_dsa_holds_are_refused() -> None:
    long = PostQuantumCosigner("w" * 256, PQ_WITNESS.public_key)
    with pytest.raises(VerificationError, match="255 bytes"):
        long.line(HEAD.text(), TIME, PQ_KEY.sign)


def test_without_ml_dsa_in_the_library_a_cosignature_is_not_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    class Lacking:
        @staticmethod
        def from_public_bytes(_: bytes) -> None:
            raise UnsupportedAlgorithm("")

    monkeypatch.setattr(mldsa, "MLDSA44PublicKey", Lacking)
    with pytest.raises(Unavailable, match="ML-DSA-44"):
        cosigned(COSIGNED, [PQ_WITNESS])
    assert cosigned(COSIGNED, [WITNESS]) == {str(WITNESS): TIME}


@pytest.mark.parametrize("size", [0, 31, 33, 1311, 1313])
def test_a_key_of_another_length_is_refused(size: int) -> None:
    for kind in (Cosigner, PostQuantumCosigner):
        with pytest.raises(VerificationError):
            kind("witness", bytes(size))


@given(st.binary(max_size=100) | st.binary(min_size=2428, max_size=2428), st.text() | st.just(HEAD.text()))
def test_noise_is_refused_with_one_error(signature: bytes, text: str) -> None:
    for witness in (WITNESS, PQ_WITNESS):
        with pytest.raises(VerificationError):
            witness.verify(text, signature)


@given(st.integers(0, len(COSIGNED) - 1), st.characters(codec="utf-8"))
def test_a_changed_note_is_never_cosigned_at_another_time(at: int, character: str) -> None:
    changed = COSIGNED[:at] + character + COSIGNED[at + 1 :]
    with suppress(VerificationError):
        assert cosigned(changed, [WITNESS]).items() <= {str(WITNESS): TIME}.items()


@given(st.binary(min_size=5))
def test_noise_in_a_known_line_is_refused_with_one_error(data: bytes) -> None:
    line = f"— {WITNESS.name} {b64encode(WITNESS.key_id + data).decode()}\n"
    with pytest.raises(VerificationError):
        cosigned(NOTE + line, [WITNESS])
