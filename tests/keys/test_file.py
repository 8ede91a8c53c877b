import re
import stat
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from dataspace.errors import Conflict, Malformed, Unavailable, VerificationError
from dataspace.keys import KeyStore, fresh_key, open_keys
from dataspace.keys.file import FileKeys
from dataspace.keys.wrap import AesKey


@pytest.fixture
def keys(tmp_path: Path) -> FileKeys:
    store = FileKeys(tmp_path / "keys")
    for name in ("log", "anchor", "zone/one", "zone/two"):
        store.create(name)
    return store


def test_the_log_key_signs_what_its_public_key_verifies(keys: FileKeys) -> None:
    public = Ed25519PublicKey.from_public_bytes(keys.public_key("log"))
    public.verify(keys.sign("log", b"checkpoint"), b"checkpoint")
    with pytest.raises(InvalidSignature):
        public.verify(keys.sign("log", b"checkpoint"), b"another")


def test_a_url_opens_the_same_keys(keys: FileKeys, tmp_path: Path) -> None:
    opened = open_keys(f"file:{tmp_path / 'keys'}")
    assert isinstance(opened, KeyStore)
    assert opened.public_key("log") == keys.public_key("log")


@pytest.mark.parametrize("url", ["", "file:", "vault:https://x", "keys", "FILE:/x"])
def test_an_unknown_store_is_refused(url: str) -> None:
    with pytest.raises(Malformed):
        open_keys(url)


@pytest.mark.usefixtures("keys")
def test_folders_and_files_are_private(tmp_path: Path) -> None:
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "keys").rglob("*")}
    assert {mode for path, mode in modes.items() if path.is_file()} == {0o600}
    assert {mode for path, mode in modes.items() if path.is_dir()} == {0o700}
    assert len([path for path in modes if path.is_file()]) == 4


def test_a_key_that_others_can_read_is_not_used(keys: FileKeys, tmp_path: Path) -> None:
    (tmp_path / "keys" / "log.key").chmod(0o640)
    with pytest.raises(Unavailable, match="0600"):
        keys.sign("log", b"")


@pytest.mark.usefixtures("keys")
def test_a_folder_that_others_can_enter_is_not_used(tmp_path: Path) -> None:
    (tmp_path / "keys").chmod(0o755)
    with pytest.raises(Unavailable, match="0700"):
        FileKeys(tmp_path / "keys")


def test_a_key_is_never_replaced(keys: FileKeys, tmp_path: Path) -> None:
    before = (tmp_path / "keys" / "log.key").read_bytes()
    with pytest.raises(Conflict):
        keys.create("log")
    assert (tmp_path / "keys" / "log.key").read_bytes() == before
    assert not list((tmp_path / "keys").glob(".*"))


@pytest.mark.parametrize(
    "name", ["../log", "zone/../log", "zone", "zone/", "log/x", "", "LOG", "log\n", "zone/a/b", "x"]
)
def test_a_name_that_is_no_key_is_refused(keys: FileKeys, name: str) -> None:
    for act in (keys.create, keys.public_key, keys.secret, keys.raw, keys.has):
        with pytest.raises(Malformed):
            act(name)


def test_a_key_is_not_used_for_another_purpose(keys: FileKeys) -> None:
    with pytest.raises(Malformed, match="want ed25519"):
        keys.sign("anchor", b"")
    with pytest.raises(Malformed, match="want secp256k1"):
        keys.raw("log")


def test_a_missing_key_names_itself(keys: FileKeys) -> None:
    with pytest.raises(Unavailable, match="zone/three"):
        keys.secret("zone/three")


@pytest.mark.parametrize("content", [b"", b"x", b"dataspace-key/v1 aes256 AAAA\n", b"\xff" * 80,
                                     b"dataspace-key/v1 ed25519 " + b"A" * 43 + b"=\n"])  # fmt: skip
def test_a_damaged_key_file_is_unavailable_and_not_quoted(
    keys: FileKeys, tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "keys" / "zone" / "one.key").write_bytes(content)
    with pytest.raises(Unavailable) as caught:
        keys.secret("zone/one")
    assert "AAAA" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_the_anchor_key_is_a_secret_key_of_the_curve(keys: FileKeys) -> None:
    raw = keys.raw("anchor")
    assert len(raw) == 32
    ec.derive_private_key(int.from_bytes(raw), ec.SECP256K1())


def test_a_wrapped_key_opens_only_in_its_context_and_with_its_key(keys: FileKeys) -> None:
    secret, key = keys.secret("zone/one"), fresh_key()
    wrapped = secret.wrap(key, b"ds-1")
    assert secret.unwrap(wrapped, b"ds-1") == key
    assert secret.wrap(key, b"ds-1") != wrapped
    for other, context in ((keys.secret("zone/two"), b"ds-1"), (secret, b"ds-2")):
        with pytest.raises(VerificationError):
            other.unwrap(wrapped, context)


@given(st.binary(max_size=100), st.binary(max_size=8))
def test_unwrapping_noise_fails_with_one_error(noise: bytes, context: bytes) -> None:
    with pytest.raises(VerificationError, match="does not open"):
        AesKey(bytes(32)).unwrap(noise, context)


def test_every_bit_of_a_wrapped_key_counts() -> None:
    secret = AesKey(fresh_key())
    wrapped = secret.wrap(fresh_key(), b"c")
    for position in range(len(wrapped) * 8):
        flipped = bytearray(wrapped)
        flipped[position // 8] ^= 1 << position % 8
        with pytest.raises(VerificationError):
            secret.unwrap(bytes(flipped), b"c")


def test_no_representation_shows_a_secret(keys: FileKeys, tmp_path: Path) -> None:
    stored = [path.read_text().split()[2] for path in (tmp_path / "keys").rglob("*.key")]
    shown = repr(keys) + str(keys) + repr(keys.secret("zone/one")) + repr(vars(keys.secret("zone/one")))
    assert not any(secret in shown for secret in stored)
    assert keys.raw("anchor").hex() not in shown
    assert re.fullmatch(r"FileKeys\(.*\)", repr(keys))


def test_two_x25519_keys_agree_on_one_secret(tmp_path: Path) -> None:
    one, two = FileKeys(tmp_path / "one"), FileKeys(tmp_path / "two")
    for store in (one, two):
        store.create("peer-mask")
    shared = one.agree("peer-mask", two.public_key("peer-mask"))
    assert shared == two.agree("peer-mask", one.public_key("peer-mask"))
    assert len(shared) == 32
    assert shared != one.agree("peer-mask", one.public_key("peer-mask"))


@pytest.mark.parametrize("public", [b"", bytes(31), bytes(32), b"\x01" + bytes(31)])
def test_a_public_key_that_agrees_on_nothing_secret_is_refused(tmp_path: Path, public: bytes) -> None:
    store = FileKeys(tmp_path / "keys")
    store.create("peer-mask")
    with pytest.raises(Malformed, match="X25519"):
        store.agree("peer-mask", public)


def test_a_key_does_what_its_kind_does_and_nothing_else(keys: FileKeys) -> None:
    keys.create("peer")
    keys.create("peer-mask")
    assert len(keys.sign("peer", b"")) == 64
    with pytest.raises(Malformed, match="kind"):
        keys.agree("peer", bytes(32))
    with pytest.raises(Malformed, match="kind"):
        keys.sign("peer-mask", b"")
