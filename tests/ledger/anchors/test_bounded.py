"""RPCs on loopback whose answers do not end: rows CH-01 and CH-06."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import requests

from dataspace.errors import Unavailable
from dataspace.ledger.anchors import bounded, open_anchor
from tests.ledger.anchors.rpc import nonsense

_PINS = "0x" + "ab" * 20 + "?chain=31337&code=" + "ab" * 32 + "&founder=0x" + "cd" * 20
_STATUS = b"HTTP/1.1 200 OK\r\n"
_LONG = _STATUS + b"Content-Length: 99999999999\r\n\r\n"


@contextmanager
def endless(begin: bytes, piece: bytes, pause: float) -> Iterator[str]:
    """Serve one connection at a time: `begin`, then `piece` again and again until the other side leaves."""
    over = threading.Event()

    def serve() -> None:
        while not over.is_set():
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            with connection:
                try:
                    connection.recv(1 << 16)
                    connection.sendall(begin)
                    while not over.wait(pause):
                        connection.sendall(piece)
                except OSError:
                    continue

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            over.set()
            listening.shutdown(socket.SHUT_RDWR)
            thread.join()


@pytest.mark.parametrize(
    "begin", [_LONG, _STATUS + b"\r\n", _STATUS + b"Transfer-Encoding: chunked\r\n\r\nfffffffff\r\n"]
)
def test_ch_06_an_answer_without_an_end_is_given_up_at_the_limit(begin: bytes) -> None:
    start = time.monotonic()
    with endless(begin, b"0" * (1 << 20), 0.0) as rpc:
        anchor = open_anchor(f"evm:{rpc}#{_PINS}", "example.org/log")
        with pytest.raises(Unavailable):
            anchor.latest()
    assert time.monotonic() - start < bounded.ANSWER_SECONDS / 2


@pytest.mark.parametrize("begin", [_LONG, _STATUS + b"\r\n", _STATUS + b"X-Slow: ", b""])
def test_ch_01_an_answer_in_drops_ends_in_time(begin: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded, "ANSWER_SECONDS", 0.5)
    with endless(begin, b"0", 0.05) as rpc:
        anchor = open_anchor(f"evm:{rpc}#{_PINS}", "example.org/log")
        start = time.monotonic()
        with pytest.raises(Unavailable):
            anchor.latest()
        assert time.monotonic() - start < 5


def test_an_answer_of_the_limit_is_read_and_one_byte_more_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded, "ANSWER_LIMIT", 100_000)
    session = bounded.bounded_session()
    with nonsense(200, b"x" * 100_000) as rpc:
        assert session.post(rpc, data=b"{}").content == b"x" * 100_000
    with nonsense(200, b"x" * 100_001) as rpc, pytest.raises(requests.RequestException, match="longer"):
        session.post(rpc, data=b"{}")
    session.close()
