import json
from base64 import b64encode
from contextlib import suppress
from hashlib import sha256
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from dataspace.errors import VerificationError
from dataspace.proof.checkpoint import Checkpoint
from dataspace.proof.cosignature import PostQuantumCosigner
from dataspace.proof.key import NoteKey, Verifier
from dataspace.proof.note import signature_line
from dataspace.proof.secp256k1 import AnchorKey
from dataspace.proof.vkey import EcdsaKey, TreeHeadKey, open_note, parse_vkey
from tests.programs import shared
from tests.proof.test_checkpoint import HEAD
from tests.proof.test_cosignature import PQ_WITNESS, WITNESS
from tests.proof.test_note import VERIFIER
from tests.proof.test_secp256k1 import ANCHOR


def _vectors(part: str) -> list[dict[str, Any]]:
    return list(json.loads((shared() / "vectors" / "signed-note.json").read_text())[part])


def _der(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


P256 = ec.derive_private_key(7, ec.SECP256R1())
ECDSA = EcdsaKey("example.com/log", _der(P256))
TREE_HEAD = TreeHeadKey(HEAD.origin, _der(P256))
KEYS: list[NoteKey] = [VERIFIER, ECDSA, WITNESS, TREE_HEAD, PQ_WITNESS, ANCHOR]


def test_the_published_notes_of_all_types() -> None:
    # https://github.com/golang/mod, sumdb/note/note_test.go; https://c2sp.org/signed-note;
    # https://github.com/transparency-dev/formats, note
    cases = _vectors("open")
    assert len(cases) == 21
    for case in cases:
        keys = [parse_vkey(vkey) for vkey in case["vkeys"]]
        if case["want_ok"]:
            note = open_note(case["note"], keys)
            found = (list(note.verified), list(note.unknown))
            assert found == (case["verified"], case["unverified"]), case["name"]
        else:
            with pytest.raises(VerificationError):
                open_note(case["note"], keys)


def test_the_published_verifier_keys_of_all_types() -> None:
    for case in _vectors("vkeys"):
        if case["want_ok"]:
            assert str(parse_vkey(case["vkey"])) == case["vkey"]
        else:
            with pytest.raises(VerificationError):
                parse_vkey(case["vkey"])


def test_a_published_ml_dsa_key_opens_once_its_id_is_its_own() -> None:
    # Its publisher states another id, which the only program that reads it ignores.
    (vkey,) = (case["vkey"] for case in _vectors("vkeys") if case.get("reference_accepts"))
    with pytest.raises(VerificationError, match="its id is not 31236897"):
        parse_vkey(vkey)
    assert isinstance(parse_vkey(vkey.replace("+5893dc2c+", "+31236897+")), PostQuantumCosigner)


@pytest.mark.parametrize("key", KEYS)
def test_a_key_comes_back_from_its_text(key: NoteKey) -> None:
    assert parse_vkey(str(key)) == key
    assert type(parse_vkey(str(key))) is type(key)


@pytest.mark.parametrize("key", KEYS)
def test_le_08_the_id_is_computed_whatever_the_text_states(key: NoteKey) -> None:
    text, stated = str(key), key.key_id.hex()
    for other in (f"{int(stated, 16) ^ 1:08x}", stated.upper() + " ", stated[:-1], "0" + stated, ""):
        with pytest.raises(VerificationError):
            parse_vkey(text.replace(f"+{stated}+", f"+{other}+"))


def test_le_08_one_key_under_another_name_or_type_is_another_key() -> None:
    ids = {key.key_id for key in KEYS}
    assert len(ids) == len(KEYS)
    assert Verifier("example.com/other", VERIFIER.public_key).key_id != VERIFIER.key_id
    with pytest.raises(VerificationError):
        parse_vkey(str(PQ_WITNESS).replace(PQ_WITNESS.name, "witness.example/other"))


def test_the_id_of_an_ecdsa_key_is_of_the_key_alone() -> None:
    assert ECDSA.key_id == sha256(ECDSA.public_key).digest()[:4]
    assert EcdsaKey("another", ECDSA.public_key).key_id == ECDSA.key_id


def test_an_ecdsa_signature_opens_and_a_changed_text_does_not() -> None:
    line = signature_line(ECDSA, P256.sign(HEAD.text().encode(), ec.ECDSA(SHA256())))
    assert open_note(f"{HEAD.text()}\n{line}", [ECDSA]).verified == (ECDSA.name,)
    with pytest.raises(VerificationError):
        open_note(f"{HEAD.text()}more\n\n{line}", [ECDSA])


def _tree_head(head: Checkpoint) -> bytes:
    time = (1_800_000_000_000).to_bytes(8)
    signature = P256.sign(b"\0\1" + time + head.size.to_bytes(8) + head.root, ec.ECDSA(SHA256()))
    return time + b"\4\3" + len(signature).to_bytes(2) + signature


def test_le_07_a_tree_head_signature_holds_for_the_log_of_its_name_alone() -> None:
    signature = _tree_head(HEAD)
    TREE_HEAD.verify(HEAD.text(), signature)
    other = Checkpoint("example.com/other", HEAD.size, HEAD.root)
    extended = Checkpoint(HEAD.origin, HEAD.size, HEAD.root, ("more",))
    for text in (other.text(), extended.text(), "no checkpoint\n"):
        with pytest.raises(VerificationError):
            TREE_HEAD.verify(text, signature)
    rsa_said = signature[:9] + b"\1" + signature[10:]
    for data in (rsa_said, signature + b"\0", signature[:-1], signature[:12], signature[:8], b""):
        with pytest.raises(VerificationError):
            TREE_HEAD.verify(HEAD.text(), data)


@pytest.mark.parametrize(
    "der",
    [
        _der(ec.derive_private_key(7, ec.SECP256K1())),
        _der(rsa.generate_private_key(65537, 2048)),
        _der(P256) + b"\0",
        _der(P256)[:-1],
        b"",
    ],
)
def test_what_is_no_point_of_a_known_curve_is_refused(der: bytes) -> None:
    for kind, prefix in ((EcdsaKey, b"\2"), (TreeHeadKey, b"\5")):
        with pytest.raises(VerificationError):
            kind("example.com/log", der)
        with pytest.raises(VerificationError):
            parse_vkey(f"log+{sha256(der).hexdigest()[:8]}+{b64encode(prefix + der).decode()}")


def test_a_tree_head_key_is_of_p_256() -> None:
    der = _der(ec.derive_private_key(7, ec.SECP384R1()))
    assert EcdsaKey("example.com/log", der)
    with pytest.raises(VerificationError, match="secp256r1"):
        TreeHeadKey("example.com/log", der)


@pytest.mark.parametrize(
    "prefix", [b"", b"\0", b"\3", b"\x07", b"\xff", b"\xffdataspace/another/v1", b"\xfe"]
)
def test_a_key_of_an_unknown_type_is_refused(prefix: bytes) -> None:
    data = prefix + bytes(32)
    key_id = sha256(b"log\n" + data).hexdigest()[:8]
    with pytest.raises(VerificationError):
        parse_vkey(f"log+{key_id}+{b64encode(data).decode()}")


def test_a_name_with_a_lone_surrogate_is_refused() -> None:
    for make in (lambda: Verifier("\ud800", bytes(32)), lambda: AnchorKey("\ud800", ANCHOR.public_key)):
        with pytest.raises(VerificationError):
            make()
    with pytest.raises(VerificationError):
        parse_vkey(str(VERIFIER).replace("example", "\ud800"))


_TYPES = [b"\1", b"\2", b"\4", b"\5", b"\6", b"\xff", b"\xffdataspace/secp256k1-anchor/v1"]


@given(
    st.text()
    | st.builds(
        lambda name, key_id, prefix, key: f"{name}+{key_id}+{b64encode(prefix + key).decode()}",
        st.text(max_size=5),
        st.text("0123456789abcdef", min_size=8, max_size=8),
        st.sampled_from(_TYPES),
        st.sampled_from([bytes(32), bytes(33), ANCHOR.public_key, _der(P256), bytes(1312)]) | st.binary(),
    )
)
def test_noise_is_refused_with_one_error(text: str) -> None:
    with suppress(VerificationError):
        assert str(parse_vkey(text)) == text


@given(st.sampled_from(KEYS), st.data())
def test_a_changed_key_is_refused(key: NoteKey, data: st.DataObject) -> None:
    text = str(key)
    at = data.draw(st.integers(0, len(text) - 1))
    changed = text[:at] + data.draw(st.characters()) + text[at + 1 :]
    renamed = key is ECDSA and at < len(key.name)  # its id is of the key alone, as the standard has it
    if changed != text and not renamed:
        with pytest.raises(VerificationError):
            parse_vkey(changed)
