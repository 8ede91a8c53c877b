"""The consumer's side of sealed totals: what it believes, and what it does not."""

import base64
import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from dataspace.client.answer import Answer
from dataspace.client.keyfile import write_key_file
from dataspace.client.sealed import SealedKeys, SealedLayout, Sealing
from dataspace.errors import Malformed, NotFound, Unprocessable, VerificationError
from dataspace.proof.canonical import canonical
from dataspace.wire.hpke import SealingKey, key_id, seal_to
from dataspace.wire.keyservice import ANSWER, MEDIA_TYPE, Message, ServiceKey, answer_info
from dataspace.wire.manifest import Bounds

LAYOUT = SealedLayout(
    container="0" * 64,
    dimensions=["city", "sex"],
    cells=[["Hangzhou", "f"], ["Hangzhou", "m"], ["Ningbo", "*"]],
    measures=[Bounds(name="income", low=0, high=1000, precision=2)],
    max_rows=3,
    min_group=10,
)


class Space(Sealing):
    """A platform and a key service in one: it answers whatever it is told to."""

    def __init__(self, **lies: Any) -> None:
        self.signing, self.sealing = Ed25519PrivateKey.generate(), SealingKey.create()
        self.key = ServiceKey(self.signing.public_key().public_bytes_raw(), self.sealing.public)
        self.lies, self.asked = lies, dict[str, Any]()

    def _sealed(self, agreement: str, what: str, body: Any) -> Answer:
        assert what == "totals"
        self.asked = dict(body)
        public = base64.b64decode(body["key"])
        told = {"format": ANSWER, "key": str(self.key), "job": "sj-1", "agreement": agreement}
        told |= {"consumer": self.lies.get("consumer", key_id(public))}
        told |= {"epsilon": body["epsilon"], "plan_sha256": "1" * 64}
        groups = sha256(canonical(body["groups"])).hexdigest()
        content = {
            "measure": body["measure"],
            "totals": [12345] * len(body["groups"]),
            "groups_sha256": groups,
        }
        content |= {"epsilon": body["epsilon"], "container": LAYOUT.container}
        content |= self.lies.get("content", {})
        info = answer_info("sj-1", self.lies.get("sealed for", agreement), "1" * 64)
        sealed = seal_to(public, json.dumps(content).encode(), info)
        sign = self.lies.get("sign", self.signing.sign)
        message = Message.sign(told | self.lies.get("told", {}), [sealed], sign)
        return Answer(message.encode(), MEDIA_TYPE, 1, 1, 1, lambda _: b"")


def total(space: Space, pinned: str = "", **more: Any) -> Any:
    asked = {"epsilon": 1_000_000, "keys": SealedKeys.create(), "layout": LAYOUT, **more}
    return space.sealed_total("ag-1", "income", keyservice=pinned or space.key.id, **asked)


def test_totals_are_told_by_labels_with_their_expected_error() -> None:
    space = Space()
    found = total(space, by=["city"])
    assert found.totals == {("Hangzhou",): 123.45, ("Ningbo",): 123.45}
    assert found.error == 3 * 1000
    assert [group["cells"] for group in space.asked["groups"]] == [[0, 1], [2]]


def test_weights_and_conditions_are_by_labels() -> None:
    space = Space()
    found = total(space, weights={("Hangzhou", "m"): -5}, where=lambda cell: cell["city"] == "Hangzhou")
    assert space.asked["groups"] == [{"cells": [0, 1], "weights": [1, -5]}]
    assert found.error == 5 * 3 * 1000
    with pytest.raises(Unprocessable):
        total(space, where=lambda _: False)


def test_what_is_not_measured_or_no_dimension_is_not_found() -> None:
    with pytest.raises(NotFound, match="no dimension"):
        total(Space(), by=["age"])
    with pytest.raises(NotFound, match="no measure"):
        LAYOUT.measure("debt")
    for epsilon in (0, -1, "1e6"):
        with pytest.raises(Malformed, match="whole number of millionths"):
            total(Space(), epsilon=epsilon)


def test_he_10_another_key_services_answer_is_not_believed() -> None:
    with pytest.raises(VerificationError, match="another key"):
        total(Space(), pinned="0" * 64)


@pytest.mark.parametrize(
    "lies",
    [
        {"sign": Ed25519PrivateKey.generate().sign},
        {"consumer": "0" * 64},
        {"sealed for": "ag-2"},
        {"told": {"agreement": "ag-2"}},
        {"told": {"epsilon": 1}},
        {"told": {"format": "another"}},
        {"content": {"measure": "debt"}},
        {"content": {"totals": []}},
        {"content": {"groups_sha256": "0" * 64}},
        {"content": {"container": "1" * 64}},
        {"content": {"epsilon": 1}},
    ],
    ids=lambda lies: next(iter(lies)),
)
def test_he_10_an_answer_to_another_question_is_not_believed(lies: dict[str, Any]) -> None:
    with pytest.raises(VerificationError):
        total(Space(**lies))


def test_keys_are_kept_under_a_passphrase(tmp_path: Path) -> None:
    keys = SealedKeys.create()
    keys.save(tmp_path / "keys", "a passphrase")
    assert SealedKeys.load(tmp_path / "keys", "a passphrase").id == keys.id
    with pytest.raises(VerificationError):
        SealedKeys.load(tmp_path / "keys", "another")
    write_key_file(tmp_path / "other", "a passphrase", b"something else")
    with pytest.raises(Malformed):
        SealedKeys.load(tmp_path / "other", "a passphrase")
