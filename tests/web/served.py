"""A service on a port of the loopback, in a thread of this process: for browsers and for the SDK."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import uvicorn

from dataspace import web
from tests.simulator import Simulator


@contextmanager
def served(space: Simulator, port: int = 0) -> Iterator[str]:
    """Serve the space, on a port of its own if none is given; yield its address."""
    # With the protocol named: only then does asyncio switch Nagle off, as it does on a port of its own.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listening:
        # So that a port can be served again at once.
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(("127.0.0.1", port))
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        settings = replace(space.settings, url=url)
        service = replace(space.service, space=replace(space.service.space, settings=settings))
        config = uvicorn.Config(
            web.create(service), log_level="error", server_header=False, proxy_headers=False
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
        thread.start()
        _wait(server, thread)
        try:
            yield url
        finally:
            server.should_exit = True
            thread.join(timeout=20)


def _wait(server: uvicorn.Server, thread: threading.Thread) -> None:
    deadline = time.monotonic() + 20
    while not server.started:
        assert thread.is_alive(), "the server did not start"
        assert time.monotonic() < deadline, "the server did not start in 20 seconds"
        time.sleep(0.01)
