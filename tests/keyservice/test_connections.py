"""Who holds connections open, and says nothing or too much: the key service's platform still gets through."""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from socket import create_connection, socket
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from dataspace.app import initialise, log_key
from dataspace.keyservice.home import Home
from dataspace.settings import Settings
from tests.keyservice.scene import key_service
from tests.running import free_port
from tests.simulator import PASSWORD


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    mine, found = Settings(home=tmp_path / "platform"), free_port()
    initialise(mine, "operator", "operator", PASSWORD)
    Home.create(tmp_path / "ours", log_key(mine))
    with key_service(tmp_path / "ours", found):
        yield found


@pytest.mark.parametrize("said", [b"", b"POST /requests HTTP/1.1\r\nHost: x\r\n"], ids=["nothing", "half"])
def test_silent_connections_do_not_keep_every_place(port: int, said: bytes) -> None:
    with ExitStack() as held:
        for _ in range(70):
            held.enter_context(create_connection(("127.0.0.1", port))).sendall(said)
        with pytest.raises(URLError):  # all places are taken: the naive key service stays so for ever
            urlopen(f"http://127.0.0.1:{port}/key", timeout=5)
        assert _answers(port, 30)


def test_what_comes_after_an_answer_keeps_no_place(port: int) -> None:
    with create_connection(("127.0.0.1", port), timeout=30) as peer:
        peer.sendall(b"POST /requests HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\nnoise")
        assert b"422" in peer.recv(1 << 16)
        with pytest.raises(ConnectionError):  # the naive one listens as long as something comes
            _drip(peer, 12)


def _drip(peer: socket, seconds: int) -> None:
    for _ in range(seconds):
        time.sleep(1)
        peer.sendall(b"x")


def _answers(port: int, seconds: int) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            with urlopen(f"http://127.0.0.1:{port}/key", timeout=5):
                return True
        except URLError:
            time.sleep(0.5)
    return False
