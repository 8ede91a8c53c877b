"""Servers of others on loopback: witnesses and time-stamp authorities that answer as a test says."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

from dataspace.errors import Conflict, Malformed, NotFound, Refused, Unprocessable
from dataspace.ledger.cosign import SIZE_TYPE
from dataspace.ledger.witness import Witness


class Told(NamedTuple):
    status: int
    content: bytes = b""
    kind: str = "text/plain"
    headers: tuple[tuple[str, str], ...] = ()


@contextmanager
def answering(answer: Callable[[bytes], Told]) -> Iterator[str]:
    """Serve `answer` of each POST's body; yield the address."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            told = answer(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(told.status)
            self.send_header("Content-Type", told.kind)
            self.send_header("Content-Length", str(len(told.content)))
            for name, value in told.headers:
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(told.content)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

        def handle(self) -> None:
            with suppress(ConnectionError):  # the client had enough
                super().handle()

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(timeout=10)


@contextmanager
def dripping() -> Iterator[str]:
    """Answer one connection with a header that never ends, a byte every 50 ms; yield the address."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def drip() -> None:
            with suppress(OSError):
                connection, _ = listening.accept()
                with connection:
                    connection.sendall(b"HTTP/1.1 200 OK\r\nX: ")
                    for _ in range(200):
                        connection.sendall(b"x")
                        time.sleep(0.05)

        thread = threading.Thread(target=drip, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    thread.join(timeout=15)


def witnessing(witness: Witness) -> Callable[[bytes], Told]:
    """Return how a witness answers over HTTP."""

    def answer(body: bytes) -> Told:
        try:
            return Told(200, witness.add_checkpoint(body).encode())
        except Conflict as error:
            return Told(409, f"{error.facts['size']}\n".encode(), SIZE_TYPE)
        except NotFound:
            return Told(404)
        except Refused:
            return Told(403)
        except Unprocessable:
            return Told(422)
        except Malformed:
            return Told(400)

    return answer
