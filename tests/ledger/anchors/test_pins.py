"""What an operator pins of an anchor."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as some

from dataspace.errors import Malformed
from dataspace.ledger.anchors.pins import Pins, split

CONTRACT, CODE, SENDER = "0x" + "aB" * 20, "0f" * 32, "0x" + "11" * 20


@pytest.mark.parametrize(
    "pins",
    [
        Pins(CONTRACT, 31337, CODE),
        Pins(CONTRACT, 1, CODE, SENDER),
        Pins(CONTRACT, 0, CODE, SENDER, 12),
        Pins(CONTRACT, 7, CODE, confirmations=64),
    ],
)
def test_pins_are_read_as_they_are_written(pins: Pins) -> None:
    assert Pins.parse(pins.text()) == pins
    assert split(f"http://127.0.0.1:8545#{pins.text()}") == ("http://127.0.0.1:8545", pins)


@pytest.mark.parametrize(
    "text",
    [
        "",
        CONTRACT,
        f"{CONTRACT}?chain=1",
        f"{CONTRACT}?code={CODE}",
        f"{CONTRACT}?chain=1&code={CODE}&extra=1",
        f"{CONTRACT}?chain=1&chain=2&code={CODE}",
        f"{CONTRACT}?chain=01&code={CODE}",
        f"{CONTRACT}?chain=-1&code={CODE}",
        f"{CONTRACT}?chain=1&code={CODE[:-1]}",
        f"{CONTRACT}?chain=1&code={CODE}&sender=0x11",
        f"{CONTRACT[:-1]}?chain=1&code={CODE}",
    ],
)
def test_le_13_nothing_is_left_unpinned(text: str) -> None:
    with pytest.raises(Malformed):
        Pins.parse(text)


@pytest.mark.parametrize(
    "rpc", ["", "ftp://a", "http://", "127.0.0.1:8545", "http://[", "file:///etc/passwd"]
)
def test_an_rpc_is_an_http_address(rpc: str) -> None:
    with pytest.raises(Malformed):
        split(f"{rpc}#{CONTRACT}?chain=1&code={CODE}")


@given(some.text() | some.text(alphabet="0x?&=#chaincode123http:/[]"))
def test_noise_is_refused_with_one_error(noise: str) -> None:
    for text in (noise, f"{CONTRACT}?{noise}", f"{CONTRACT}?chain=1&code={CODE}&{noise}"):
        with suppress(Malformed):
            assert Pins.parse(Pins.parse(text).text()) == Pins.parse(text)
        with suppress(Malformed):
            split(text)
