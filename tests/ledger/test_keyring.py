from base64 import b64encode
from pathlib import Path

import pytest

from dataspace.errors import Unavailable
from dataspace.keys.file import FileKeys
from dataspace.ledger.anchors.signing import public_key
from dataspace.ledger.keyring import Role, verifier_keys
from dataspace.proof.secp256k1 import AnchorKey
from tests.ledger.conftest import ORIGIN


def test_an_anchors_verifier_key_is_of_the_key_that_signs_for_it(tmp_path: Path) -> None:
    keys = FileKeys(tmp_path)
    keys.create("anchor")
    assert verifier_keys(ORIGIN, keys) == {
        Role.ANCHOR: str(AnchorKey(ORIGIN, public_key(keys.raw("anchor"))))
    }


def test_an_anchor_key_of_zeros_cannot_be_used(tmp_path: Path) -> None:
    keys = FileKeys(tmp_path)
    keys.create("anchor")
    path = tmp_path / "anchor.key"
    secret = b64encode(keys.raw("anchor")).decode()
    path.write_text(path.read_text().replace(secret, b64encode(bytes(32)).decode()))
    with pytest.raises(Unavailable, match="no secret key of secp256k1"):
        verifier_keys(ORIGIN, keys)
