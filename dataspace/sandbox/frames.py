"""Frames between a pool and its workers: the length in 8 bytes, big endian, then the bytes."""

import socket
import struct
import time
from typing import Final

_LENGTH: Final = struct.Struct(">Q")
_LIMIT: Final = 1 << 31


def send(link: socket.socket, frame: bytes, until: float | None = None) -> None:
    """Send one frame; `until` is a time of `time.monotonic`.

    Raises:
        TimeoutError: it was not taken in time.
        OSError: the other side is gone.

    """
    _limit(link, until)
    link.sendall(_LENGTH.pack(len(frame)))
    _limit(link, until)
    link.sendall(frame)


def receive(link: socket.socket, until: float | None = None) -> bytearray:
    """Return the next frame; `until` is a time of `time.monotonic`.

    Raises:
        TimeoutError: it was not whole in time.
        EOFError, OSError: the other side is gone.
        ValueError: it is longer than 2 GiB.

    """
    (size,) = _LENGTH.unpack(_exactly(link, _LENGTH.size, until))
    if size > _LIMIT:
        raise ValueError(f"frame of {size} bytes, want at most {_LIMIT}")
    return _exactly(link, size, until)


def _exactly(link: socket.socket, size: int, until: float | None) -> bytearray:
    whole = bytearray(size)
    rest = memoryview(whole)
    while rest:
        _limit(link, until)
        read = link.recv_into(rest)
        if not read:
            raise EOFError("the other side is gone")
        rest = rest[read:]
    return whole


def _limit(link: socket.socket, until: float | None) -> None:
    # Zero would mean non-blocking, which raises another error.
    link.settimeout(None if until is None else max(until - time.monotonic(), 1e-4))
