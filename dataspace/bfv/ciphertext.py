"""TenSEAL's messages from a hostile sender, read to the last field and coefficient before SEAL sees any.

SEAL 4.3 crashes on some malformed streams and reads beyond its buffers on
others. So nothing of a consumer's goes through as it came: the messages are
taken apart here, decompressed within their known size, each field compared
with its one allowed value and each coefficient with its modulus, and SEAL is
given streams written anew, by us, around the coefficients.
"""

import struct
from typing import Final

from dataspace.bfv.stream import check_parameters, read_fresh, read_pair
from dataspace.errors import Malformed, TooLarge
from dataspace.wire.parameters import ParameterSet
from dataspace.wire.protobuf import fields, read_varint, refuse_secret_key

_FLAGS: Final = 7  # TenSEAL's auto_flags are three bits; none is used here
_NO_SCALE: Final = struct.pack("<d", -1.0)


def read_context(context: bytes | bytearray | memoryview, parameters: ParameterSet) -> bytes:
    """Return the public key in a public TenSEAL context, as a stream for SEAL.

    Raises:
        Unprocessable: it holds a secret key; a bytearray is wiped then.
        TooLarge: it passes the limit of the parameter set.
        Malformed: it is not of this set, or holds anything but a public key.

    """
    refuse_secret_key(context)
    if len(context) > parameters.context_limit:
        raise TooLarge(f"context of {len(context)} bytes, want at most {parameters.context_limit}")
    outer = _exactly(context, {0x0A, 0x12}, "context")
    check_parameters(_bytes(outer[0x0A]), parameters)
    public = _exactly(outer[0x12], {0x0A, 0x10, 0x19}, "public part")
    if _number(public[0x10]) > _FLAGS or bytes(_bytes(public[0x19])) != _NO_SCALE:
        raise Malformed("malformed context: flags or scale are not those of a BFV context")
    return read_pair(_bytes(public[0x0A]), parameters, key=True)


def read_vector(vector: bytes | memoryview, parameters: ParameterSet) -> bytes:
    """Return the one ciphertext of a TenSEAL BFVVector, as a stream for SEAL.

    Raises:
        TooLarge: it passes the limit of the parameter set.
        Malformed: it is not one fresh ciphertext of this set, seeded or not, or
            its size is not 1 to the number of slots.

    """
    if len(vector) > parameters.vector_limit:
        raise TooLarge(f"ciphertext of {len(vector)} bytes, want at most {parameters.vector_limit}")
    message = _exactly(vector, {0x0A, 0x12}, "vector")
    # The size is the sender's word and is not used: every answer has all slots.
    if not 1 <= _packed(_bytes(message[0x0A])) <= parameters.slots:
        raise Malformed(f"malformed vector: its size is not 1 to {parameters.slots}")
    return read_fresh(_bytes(message[0x12]), parameters)


def write_vector(stream: bytes, slots: int) -> bytes:
    """Return the TenSEAL BFVVector of one ciphertext that `slots` integers fill."""
    sizes = _varint(slots)
    return b"\x0a" + _varint(len(sizes)) + sizes + b"\x12" + _varint(len(stream)) + stream


def _exactly(
    message: int | bytes | bytearray | memoryview, tags: set[int], what: str
) -> dict[int, int | memoryview]:
    """Return the fields of a message that has each of `tags` once, in order, and no other."""
    found = list(fields(_bytes(message)))
    if [tag for tag, _ in found] != sorted(tags):
        raise Malformed(f"malformed {what}: want exactly the fields {sorted(tag >> 3 for tag in tags)}")
    return dict(found)


def _bytes(value: int | bytes | bytearray | memoryview) -> memoryview:
    if isinstance(value, int):
        raise Malformed("malformed message: a number where bytes are wanted")
    return memoryview(value)


def _number(value: int | memoryview) -> int:
    if not isinstance(value, int):
        raise Malformed("malformed message: bytes where a number is wanted")
    return value


def _packed(sizes: memoryview) -> int:
    """Return the one number of a packed field."""
    value, end = read_varint(sizes, 0)
    if end != len(sizes):
        raise Malformed("malformed vector: want one size")
    return value


def _varint(number: int) -> bytes:
    encoded = bytearray()
    while number > 127:
        encoded.append(number & 127 | 128)
        number >>= 7
    return bytes([*encoded, number])
