"""The messages of an intersection: read as they were written, and refused with one error."""

import os
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataspace.errors import Malformed
from dataspace.wire.frame import join_parts
from dataspace.wire.intersection import Blinded, Opening, canaries
from dataspace.wire.oprf import POINT, pack

_POINTS = sorted(os.urandom(POINT) for _ in range(5))
_TERMS: dict[str, Any] = {"identifier": "号码", "epsilon": 1, "reveal": False}


def test_messages_are_read_as_they_were_written() -> None:
    opening, blinded = Opening(_POINTS[0], _POINTS, _TERMS), Blinded("is-00", _POINTS)
    assert Opening.decode(opening.encode()) == opening
    assert Blinded.decode(blinded.encode()) == blinded


@pytest.mark.parametrize("terms", [b"", b"[]", b"{", b"\xff", b"[" * 10_000, b" " * 20_000])
def test_terms_that_are_none_are_refused(terms: bytes) -> None:
    with pytest.raises(Malformed, match="terms"):
        Opening.decode(join_parts(b"DSPO\x01", [_POINTS[0], pack(_POINTS), terms]))


def test_points_come_once_and_in_rising_order() -> None:
    for points in (_POINTS[::-1], [_POINTS[0], *_POINTS], []):
        with pytest.raises(Malformed):
            Opening.decode(Opening(_POINTS[0], points, _TERMS).encode())


@given(st.binary(max_size=300))
def test_noise_is_refused_with_one_error(body: bytes) -> None:
    for reader, magic in ((Opening, b"DSPO\x01"), (Blinded, b"DSPB\x01")):
        with suppress(Malformed):
            reader.decode(body)
        with suppress(Malformed):
            reader.decode(magic + body)


@pytest.mark.parametrize("items", [1, 100, 2048, 10_000, 250_000])
def test_canaries_bound_the_chance_to_count_one_item_twice(items: int) -> None:
    count = canaries(items)
    total = items + count
    # Leaving out t points to make room for t others, each for another of the zone's items to count twice.
    chances = [t / total * (1 - count / total) ** t for t in range(1, 400)]
    assert max(chances) < 6.3 / items
