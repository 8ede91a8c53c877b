"""Containers, plans, manifests and messages from strangers: read whole, or refused with one error."""

import hashlib
from io import BytesIO
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from dataspace.errors import Malformed, Unprocessable, VerificationError
from dataspace.wire.hpke import SealingKey, key_id, seal_to
from dataspace.wire.keyservice import ANSWER, REQUEST, Message, ServiceKey, answer_info, layout_info
from dataspace.wire.sealed import PLAN_FORMAT, Group, Head, Plan, Report

PLAN = {
    "format": PLAN_FORMAT, "agreement": "ag-1", "dataset": "ds-1", "version": 1, "container": "0" * 64,
    "measure": "income", "groups": [{"cells": [0, 2], "weights": [1, -3]}], "epsilon": 1, "min_group": 10,
    "consumer": "f" * 64,
}  # fmt: skip


def test_a_plan_is_what_it_was() -> None:
    plan = Plan.from_json(PLAN)
    assert plan.to_json() == PLAN
    assert plan.heaviest == 3
    assert plan.weights(plan.groups[0], 4) == [1, 0, -3, 0]
    with pytest.raises(Unprocessable):
        plan.weights(Group(cells=[4], weights=[1]), 4)


@pytest.mark.parametrize(
    "changed",
    [
        {"format": "another"},
        {"groups": []},
        {"groups": [{"cells": [0], "weights": []}]},
        {"groups": [{"cells": [0], "weights": [0]}]},
        {"groups": [{"cells": [0, 0], "weights": [1, 1]}]},
        {"groups": [{"cells": [0], "weights": [1]}, {"cells": [0], "weights": [1]}]},
        {"groups": [{"cells": [8192], "weights": [1]}]},
        {"groups": [{"cells": [-1], "weights": [1]}]},
        {"groups": [{"cells": [0], "weights": [1 << 40]}]},
        {"groups": [{"cells": [0], "weights": [0.5]}]},
        {"epsilon": 0},
        {"epsilon": -1},
        {"epsilon": 1.5},
        {"epsilon": "1"},
        {"consumer": "x"},
        {"more": 1},
    ],
    ids=str,
)
def test_a_plan_that_is_none_is_refused(changed: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        Plan.from_json({**PLAN, **changed})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(sorted(PLAN)), JSON, max_size=10))
def test_noise_in_a_plan_is_refused_with_one_error(noise: dict[str, Any]) -> None:
    try:
        Plan.from_json({**PLAN, **noise})
    except Malformed:
        return


@given(st.binary(max_size=200))
def test_noise_is_refused_with_one_error(noise: bytes) -> None:
    for read in (Message.decode, Report.decode, lambda data: Head.read(BytesIO(b"DSSEAL\x00\x01" + data))):
        with pytest.raises(Malformed):
            read(noise)


def test_what_is_sealed_opens_for_its_holder_and_its_use_alone() -> None:
    key = SealingKey.create()
    sealed = seal_to(key.public, b"a total", b"use")
    assert key.open(sealed, b"use") == b"a total"
    assert len(sealed) == len(b"a total") + 1088 + 32 + 16  # of ML-KEM-768, of X25519, the tag
    assert SealingKey(key.to_bytes()).open(sealed, b"use") == b"a total"
    assert key.id == key_id(key.public) == hashlib.sha256(key.public).hexdigest()
    for other, use in ((SealingKey.create(), b"use"), (key, b"another")):
        with pytest.raises(VerificationError):
            other.open(sealed, use)
    assert "private" not in repr(key).lower()
    assert key.to_bytes().hex() not in repr(key)


@given(st.binary(max_size=2000))
def test_noise_does_not_open(noise: bytes) -> None:
    with pytest.raises(VerificationError):
        _KEY.open(noise, b"use")


_KEY = SealingKey.create()


def test_he_10_a_message_is_of_who_signed_it_and_of_its_kind() -> None:
    signing = Ed25519PrivateKey.generate()
    public = signing.public_key().public_bytes_raw()
    message = Message.decode(Message.sign({"format": ANSWER, "job": "sj-1"}, [b"x"], signing.sign).encode())
    message.check(public, ANSWER)
    with pytest.raises(VerificationError):
        message.check(public, REQUEST)
    with pytest.raises(VerificationError):
        message.check(bytes(32), ANSWER)
    whole = bytearray(message.encode())
    for at in range(0, len(whole), 7):
        changed = bytes(whole[:at]) + bytes([whole[at] ^ 1]) + bytes(whole[at + 1 :])
        with pytest.raises((Malformed, VerificationError)):
            Message.decode(changed).check(public, ANSWER)


def test_a_key_service_is_known_by_its_id() -> None:
    key = ServiceKey(bytes(32), _KEY.public)
    assert ServiceKey.parse(str(key), key.id) == key
    with pytest.raises(VerificationError, match="another key"):
        ServiceKey.parse(str(key), "0" * 64)
    for text in ("", "x", str(key)[:-8], "é"):
        with pytest.raises(Malformed):
            ServiceKey.parse(text)


def test_an_answer_opens_as_the_answer_to_nothing_else() -> None:
    uses = {
        answer_info("a", "b", "c"),
        answer_info("ab", "", "c"),
        answer_info("a", "b", "d"),
        layout_info("a", "b"),
    }
    assert len(uses) == 4
