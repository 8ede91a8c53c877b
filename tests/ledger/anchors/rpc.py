"""RPCs on loopback that lie: one answers nonsense, one passes on what a chain says and changes some of it."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.request import ProxyHandler, Request, build_opener

Alter = Callable[[str, Any], Any]  # the method and the result of its call -> the result to tell
_OPEN = build_opener(ProxyHandler({})).open


@contextmanager
def nonsense(status: int, body: bytes) -> Iterator[str]:
    """Serve an RPC that answers everything with `body`."""
    with _serving(lambda _: (status, body)) as rpc:
        yield rpc


@contextmanager
def lying(rpc: str, alter: Alter) -> Iterator[str]:
    """Serve an RPC that asks the one at `rpc`, and tells what `alter` makes of its results."""

    def answer(request: bytes) -> tuple[int, bytes]:
        asked = Request(rpc, request, {"Content-Type": "application/json"})  # noqa: S310 - loopback
        with _OPEN(asked, timeout=10) as response:
            told = json.load(response)
        if "result" in told:
            told["result"] = alter(json.loads(request)["method"], told["result"])
        return 200, json.dumps(told).encode()

    with _serving(answer) as served:
        yield served


@contextmanager
def _serving(answer: Callable[[bytes], tuple[int, bytes]]) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            status, body = answer(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(status)
            if status == 302:
                self.send_header("Location", "http://127.0.0.1:1/")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()
