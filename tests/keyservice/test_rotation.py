"""Whom a key service takes for the platform once the key of its log was rotated."""

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from dataspace.errors import Refused
from dataspace.keyservice.home import Home
from dataspace.keyservice.service import OPENER, KeyService
from dataspace.keyservice.store import Store
from dataspace.proof.key import Verifier
from dataspace.proof.rotation import Rotation
from dataspace.sandbox import Pool
from dataspace.wire.keyservice import LAYOUT, REQUEST, Message

_FIRST, _SECOND, _THIEFS = (Ed25519PrivateKey.generate() for _ in range(3))


@pytest.fixture
def service(tmp_path: Path) -> Iterator[KeyService]:
    home = Home.create(tmp_path / "home", str(_verifier(_FIRST)))
    with closing(Store(home.database)) as store, closing(_opener()) as opener:
        yield KeyService(home, store, opener)


def test_he_07_a_key_that_was_rotated_away_speaks_for_the_platform_no_more(service: KeyService) -> None:
    _taken(service, _FIRST)
    _taken(service, _SECOND, _rotation(_FIRST, _SECOND))
    with pytest.raises(Refused, match="a later key"):
        _taken(service, _FIRST)


def test_he_07_a_stolen_old_key_hands_over_to_nobody_else(service: KeyService) -> None:
    _taken(service, _SECOND, _rotation(_FIRST, _SECOND))
    with pytest.raises(Refused, match="or another"):
        _taken(service, _THIEFS, _rotation(_FIRST, _THIEFS))
    _taken(service, _SECOND, _rotation(_FIRST, _SECOND))


def _opener() -> Pool:
    return Pool(OPENER, workers=1, memory=1 << 30, deadline=10)


def _taken(service: KeyService, key: Ed25519PrivateKey, *rotations: str) -> None:
    ours = service._home.identity.public.id
    statement = {
        "format": REQUEST, "act": LAYOUT, "keyservice": ours, "container": "0" * 64, "agreement": "ag-1",
        "rotations": list(rotations), "nonce": str(time.monotonic_ns()), "expires": int(time.time()) + 100,
    }  # fmt: skip
    service.admit(Message.sign(statement, [b"key"], key.sign))


def _rotation(old: Ed25519PrivateKey, new: Ed25519PrivateKey) -> str:
    keys = _verifier(old), _verifier(new)
    return Rotation("space.test/log", *keys, 41, "compromised").sign(old.sign, new.sign)


def _verifier(key: Ed25519PrivateKey) -> Verifier:
    return Verifier("space.test/log", key.public_key().public_bytes_raw())
