"""The part of the Protocol Buffers format that TenSEAL's messages use, read before any library is.

TenSEALContextProto: 1 encryption_parameters, 2 public_context, 3 private_context, 4 encryption_type.
TenSEALPublicProto: 1 public_key, 2 auto_flags, 3 scale, 4 relin_keys, 5 galois_keys.
BFVVectorProto: 1 sizes (packed), 2 ciphertexts.
"""

from collections.abc import Iterator
from typing import Final

from dataspace.errors import Malformed, Unprocessable

FIELDS_LIMIT: Final = 16  # of one message; TenSEAL's own have at most five


def fields(message: bytes | memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Yield tag (field number * 8 + wire type) and value of each field of a Protocol Buffers message.

    Raises:
        Malformed: it is cut off, or uses what TenSEAL's messages do not.

    """
    view, at, left = memoryview(message), 0, FIELDS_LIMIT
    while at < len(view):
        if not (left := left - 1):
            raise Malformed("malformed message: too many fields")
        tag, at = read_varint(view, at)
        if tag & 7 == 0:
            value, at = read_varint(view, at)
            yield tag, value
            continue
        size = 8
        if tag & 7 == 2:
            size, at = read_varint(view, at)
        elif tag & 7 != 1:
            raise Malformed(f"malformed message: wire type {tag & 7}")
        if size > len(view) - at:
            raise Malformed(f"malformed message: a field of {size} bytes where {len(view) - at} are left")
        yield tag, view[at : at + size]
        at += size


def refuse_secret_key(message: bytes | bytearray | memoryview) -> None:
    """Refuse a TenSEAL context with a private part, and wipe it if the buffer lets us.

    Raises:
        Unprocessable: there is one, in whatever state.
        Malformed: it is no message.

    """
    view = memoryview(message)
    for tag, _ in fields(view):
        if tag >> 3 == 3:  # TenSEALContextProto.private_context; a BFVVectorProto has no third field
            if not view.readonly:
                view[:] = bytes(len(view))
            raise Unprocessable(
                "the context holds a secret key: nothing was kept of it, but it has left its owner; "
                "make a new key and never use this one again"
            )


def read_varint(view: memoryview, at: int) -> tuple[int, int]:
    """Return the number that starts at `at`, and where it ends.

    Raises:
        Malformed: it is cut off, longer than 64 bits, or not written in the shortest way.

    """
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(view):
            raise Malformed("malformed message: it ends within a number")
        byte = view[at]
        value, at = value | (byte & 127) << shift, at + 1
        if byte < 128:
            if (shift and not byte) or value >= 1 << 64:
                break
            return value, at
    raise Malformed("malformed message: a number is not written in the shortest way")
