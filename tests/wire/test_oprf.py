"""The oblivious function: what it computes, what it refuses, and that a blinded point says nothing."""

import hashlib
import os
import unicodedata

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from dataspace.errors import Malformed, TooLarge
from dataspace.wire.oprf import (
    INTERSECTION,
    LOOKUP,
    ORDER,
    POINT,
    Scalar,
    decode,
    encoded,
    hashed,
    pack,
    record_keys,
    unpack,
)

_P = 2**255 - 19  # the field of Curve25519
# SEC 2, 2.4.2: the field and the coefficient of P-256.
_FIELD = 0xFFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF
_B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B


def _on_the_twist(u: bytes) -> bool:
    """Tell by Euler's criterion whether u is of the twist: u^3 + 486662 u^2 + u is no square."""
    number = int.from_bytes(u, "little") % 2**255
    return pow(number**3 + 486662 * number**2 + number, (_P - 1) // 2, _P) == _P - 1


def _on_p256(x: bytes) -> bool:
    number = int.from_bytes(x)
    return number < _FIELD and pow(number**3 - 3 * number + _B, (_FIELD - 1) // 2, _FIELD) in (0, 1)


def _blinded_x25519(item: str) -> tuple[bytes, bytes]:
    """The naive way: SHA-256 as a u-coordinate, blinded with a fresh key."""
    u = hashlib.sha256(item.encode()).digest()
    return u, X25519PrivateKey.generate().exchange(X25519PublicKey.from_public_bytes(u))


def test_a_naive_x25519_blinding_tells_a_bit_of_every_item() -> None:
    pairs = [_blinded_x25519(f"item {number}") for number in range(500)]
    told = [_on_the_twist(u) == _on_the_twist(blinded) for u, blinded in pairs]
    assert sum(told) == 500
    assert 150 < sum(_on_the_twist(u) for u, _ in pairs) < 350


def test_a_blinded_point_is_on_the_one_curve_whatever_the_item() -> None:
    points = [hashed(f"item {number}", LOOKUP) for number in range(500)]
    blinded = [Scalar.fresh().of(point) for point in points]
    assert all(map(_on_p256, blinded))
    # Each decodes again, and nothing that does not is taken.
    assert Scalar.fresh().of_all(blinded)


def test_what_is_blinded_evaluated_and_opened_is_the_function() -> None:
    key, point = Scalar.fresh(), hashed("110101199003070011", LOOKUP)
    for blind in (Scalar.fresh(), Scalar.fresh()):
        (evaluated,) = key.of_all([blind.of(point)])
        assert blind.inverse.of_all([evaluated]) == [key.of(point)]


def test_the_order_of_exponents_does_not_matter() -> None:
    one, other, point = Scalar.fresh(), Scalar.fresh(), hashed("x", INTERSECTION)
    assert one.of_all([other.of(point)]) == other.of_all([one.of(point)])


def test_a_point_of_one_kind_is_none_of_the_other() -> None:
    key = Scalar.fresh()
    assert key.of(hashed("x", LOOKUP)) != key.of(hashed("x", INTERSECTION))


def test_an_items_point_does_not_change_from_one_release_to_the_next() -> None:
    one = Scalar.from_bytes((1).to_bytes(POINT))
    assert one.of(hashed("110101199003070011", LOOKUP)).hex() == (
        "fdbef6d3a08266923963157c553fed53b3919e9646b1d213e1e6e7d81be6e4c3"
    )
    assert one.of(hashed("张三", INTERSECTION)).hex() == (
        "44a149c5074517451dd3974875aa4ec2a87f969a3db26ca34f5460ebd8923b7a"
    )


def test_items_that_read_the_same_are_the_same() -> None:
    composed, decomposed = "é", unicodedata.normalize("NFD", "é")
    assert encoded(composed) == encoded(decomposed)


@pytest.mark.parametrize("item", ["", "x" * 257, "\ud800"])
def test_what_is_no_item_is_refused(item: str) -> None:
    with pytest.raises(Malformed, match="malformed item"):
        hashed(item, LOOKUP)


def test_labels_and_keys_are_of_a_table_and_an_item() -> None:
    value = os.urandom(POINT)
    first = record_keys("lt-1", "a", value)
    assert [len(part) for part in first] == [16, 32]
    assert first[0] != first[1][:16]
    assert not {*first} & {*record_keys("lt-2", "a", value), *record_keys("lt-1", "b", value)}


@pytest.mark.parametrize("number", [0, ORDER, 2**256 - 1])
def test_an_exponent_is_from_one_to_the_order(number: int) -> None:
    with pytest.raises(Malformed, match="scalar"):
        Scalar.from_bytes(number.to_bytes(POINT))


def test_an_exponent_is_not_in_its_repr() -> None:
    key = Scalar.fresh()
    assert repr(key) == "Scalar(...)"
    assert Scalar.from_bytes(key.to_bytes()).public == key.public


def _no_point() -> bytes:
    number = next(number for number in range(1000) if not _on_p256(number.to_bytes(POINT)))
    return number.to_bytes(POINT)


@pytest.mark.parametrize("x", [_no_point(), b"", b"\x01" * 31, b"\xff" * 32, _FIELD.to_bytes(POINT)])
def test_what_is_no_points_x_is_refused(x: bytes) -> None:
    with pytest.raises(Malformed):
        decode(x)


def test_a_batch_is_read_as_it_was_packed() -> None:
    points = sorted(os.urandom(POINT) for _ in range(20))
    assert unpack(pack(points), 20) == unpack(pack(points), 20, rising=True) == points


def test_a_batch_that_is_empty_cut_twice_or_unsorted_is_refused() -> None:
    low, high = sorted(os.urandom(POINT) for _ in range(2))
    for body, rising in (
        (b"", False),
        (low[:-1], False),
        (low + low, False),
        (high + low, True),
        (low + low, True),
    ):
        with pytest.raises(Malformed):
            unpack(body, 10, rising=rising)
    with pytest.raises(TooLarge):
        unpack(low + high, 1)


@given(st.binary(max_size=200), st.booleans())
def test_noise_is_refused_with_one_error(body: bytes, rising: bool) -> None:
    try:
        Scalar.fresh().of_all(unpack(body, 100, rising=rising))
    except Malformed:
        pass
    else:
        assert all(map(_on_p256, unpack(body, 100)))
