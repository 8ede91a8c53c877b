"""What an operator pins of an anchor."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as some

from dataspace.errors import Malformed
from dataspace.ledger.anchors.pins import Pins, split

CONTRACT, CODE, FOUNDER = "0x" + "aB" * 20, "0f" * 32, "0x" + "11" * 20
NEEDED = f"chain=1&code={CODE}&founder={FOUNDER}"


@pytest.mark.parametrize(
    "pins",
    [
        Pins(CONTRACT, 31337, CODE, FOUNDER),
        Pins(CONTRACT, 0, CODE, FOUNDER, 0),
        Pins(CONTRACT, 0, CODE, FOUNDER, 12),
        Pins(CONTRACT, 7, CODE, FOUNDER, price=0),
        Pins(CONTRACT, 7, CODE, FOUNDER, 1, 10**17, "http://user:pass@host:8545/a?b=c&d=%20#e"),
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
        f"{CONTRACT}?code={CODE}&founder={FOUNDER}",
        f"{CONTRACT}?chain=1&code={CODE}",
        f"{CONTRACT}?{NEEDED}&extra=1",
        f"{CONTRACT}?{NEEDED}&chain=2",
        f"{CONTRACT}?chain=01&code={CODE}&founder={FOUNDER}",
        f"{CONTRACT}?chain=-1&code={CODE}&founder={FOUNDER}",
        f"{CONTRACT}?chain=1&code={CODE[:-1]}&founder={FOUNDER}",
        f"{CONTRACT}?chain=1&code={CODE}&founder=0x11",
        f"{CONTRACT}?chain=1&code={CODE}&sender={FOUNDER}",
        f"{CONTRACT}?{NEEDED}&confirmations=",
        f"{CONTRACT}?{NEEDED}&confirmations=-1",
        f"{CONTRACT}?{NEEDED}&price=1.5",
        f"{CONTRACT}?{NEEDED}&second=ftp://host",
        f"{CONTRACT}?{NEEDED}&second=http://",
        f"{CONTRACT[:-1]}?{NEEDED}",
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
        split(f"{rpc}#{CONTRACT}?{NEEDED}")


def test_the_address_of_a_second_rpc_is_not_shown() -> None:
    pins = Pins(CONTRACT, 1, CODE, FOUNDER, second="http://user:secret@host")
    assert "secret" not in repr(pins)


@given(some.text() | some.text(alphabet="0x?&=#chaincode123http:/[]"))
def test_noise_is_refused_with_one_error(noise: str) -> None:
    for text in (noise, f"{CONTRACT}?{noise}", f"{CONTRACT}?{NEEDED}&{noise}"):
        with suppress(Malformed):
            assert Pins.parse(Pins.parse(text).text()) == Pins.parse(text)
        with suppress(Malformed):
            split(text)
