import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataspace.errors import Malformed, Unprocessable
from dataspace.wire.protobuf import fields, read_varint, refuse_secret_key


def test_fields_come_with_their_tags() -> None:
    message = b"\x08\x96\x01\x12\x02hi\x19" + bytes(8)
    assert [(tag, value if isinstance(value, int) else bytes(value)) for tag, value in fields(message)] == [
        (8, 150),
        (18, b"hi"),
        (25, bytes(8)),
    ]


@pytest.mark.parametrize(
    "message",
    [
        b"\x08",  # ends before its value
        b"\x08\x80",  # ... within it
        b"\x08\x80\x00",  # a longer way to write 0
        b"\x08" + b"\xff" * 10,  # more than 64 bits
        b"\x12\x05hi",  # ends within bytes
        b"\x19\x00",  # ... within a double
        b"\x0b",  # a group
        b"\x0d" + bytes(4),  # a float
        b"\x08\x01" * 16,  # more fields than any message of TenSEAL's
    ],
)
def test_messages_that_tenseal_does_not_write_are_refused(message: bytes) -> None:
    with pytest.raises(Malformed):
        list(fields(message))


@given(st.binary(max_size=64))
def test_noise_is_read_or_refused_with_one_error(noise: bytes) -> None:
    try:
        list(fields(noise))
    except Malformed:
        return


@given(st.integers(0, 2**64 - 1))
def test_numbers_are_read_as_they_are_written(number: int) -> None:
    written, rest = bytearray(), number
    while rest > 127:
        written.append(rest & 127 | 128)
        rest >>= 7
    written.append(rest)
    assert read_varint(memoryview(bytes(written)), 0) == (number, len(written))


def test_he_01_a_private_part_is_found_and_wiped_wherever_it_stands() -> None:
    message = bytearray(b"\x1a\x04keys\x0a\x01\x01")
    with pytest.raises(Unprocessable, match="make a new key"):
        refuse_secret_key(message)
    assert not any(message)
