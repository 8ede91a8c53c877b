"""A ring where one pair is wanted, and a service that is away: what is said."""

import pytest

from dataspace.client import DataSpace
from dataspace.client.keyring import KeyRing
from dataspace.client.scoring import _pair
from dataspace.errors import Malformed, Unavailable
from dataspace.wire.parameters import DEFAULT_PARAMETERS


def test_scores_take_the_ring_of_the_agreement() -> None:
    ring = KeyRing.create()
    assert _pair(ring).id == ring.of(DEFAULT_PARAMETERS).id
    with pytest.raises(Malformed, match="want Keys or a KeyRing"):
        _pair("keys")  # type: ignore[arg-type]


def test_a_service_that_is_away_is_named() -> None:
    with (
        DataSpace("http://127.0.0.1:9") as space,
        pytest.raises(Unavailable, match=r"127\.0\.0\.1:9 did not"),
    ):
        space.zones()
