"""An evidence folder served over HTTP as a service does it, rightly or not."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from dataspace.proof.checkpoint import Checkpoint
from dataspace.proof.note import split

TOKEN = "dsp_an-auditors-token"


class _Handler(BaseHTTPRequestHandler):
    """Serves an evidence folder as a service does."""

    folder: Path
    role = "auditor"
    zones: list[str] = []  # noqa: RUF012 - replaced, never changed
    status = 200
    lacks: tuple[str, ...] = ()
    forever = False
    anchors: dict[int, Any] = {}  # noqa: RUF012
    asked: list[str]
    stuck = False  # every page of records is the first one
    drips = False
    heads: int | None = None  # so many right checkpoints, and then garbage
    past: tuple[int, int] = (200, 0)  # the status of, and garbage for, records before an entry

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        self.asked.append(self.path)
        if address.path in self.lacks:
            self._answer(404, b"")
        elif address.path == "/ledger/published":
            self._published(int(parse_qs(address.query)["after"][0]))
        elif address.path == "/ledger/keys":
            self._keys()
        elif address.path == "/ledger/checkpoint" and (self.drips or self._is_over()):
            self._drip() if self.drips else self._answer(200, b"garbage")
        elif address.path.startswith("/ledger/"):
            self._file(address.path.removeprefix("/ledger/"))
        elif self.headers["Authorization"] != f"Bearer {TOKEN}":
            self._answer(401, b"{}")
        elif address.path == "/api/me":
            me = {"id": "pt-9", "roles": [self.role], "zones": self.zones}
            self._answer(200, json.dumps(me).encode())
        elif address.path.startswith("/api/policies/"):
            self._file("policies/" + address.path.removeprefix("/api/policies/"))
        else:
            query = parse_qs(address.query)
            page = self._decisions if address.path == "/api/decisions" else self._entries
            page(int(query["start"][0]), int(query["count"][0]))

    def _published(self, after: int) -> None:
        """Two a page, as a listing of many would come; or, like a liar, the same for ever."""
        lines = self._lines("published.jsonl")
        listed = [{**line, "anchor": self.anchors.get(_size(line))} for line in lines]
        page = [line for line in listed if self.forever or _size(line) > after][:2]
        self._answer(200, json.dumps(page).encode())

    def _keys(self) -> None:
        found = [line["statement"] for line in self._lines("rotations.jsonl")]
        self._answer(200, json.dumps({"rotations": found}).encode())

    def _lines(self, name: str) -> list[Any]:
        return [json.loads(line) for line in (self.folder / name).read_bytes().splitlines()]

    def _file(self, name: str) -> None:
        path = self.folder / name
        if self.status != 200 and name.startswith("tile"):
            self._answer(self.status, b"")
        elif path.is_file():
            self._answer(200, path.read_bytes())
        else:
            self._answer(404, b"")

    def _is_over(self) -> bool:
        return self.heads is not None and self.asked.count("/ledger/checkpoint") > self.heads

    def _drip(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "100")
        self.end_headers()
        with suppress(OSError):
            for _ in range(100):
                self.wfile.write(b"x")
                time.sleep(0.05)

    def _entries(self, start: int, count: int) -> None:
        status, before = self.past
        if start < before:
            self._answer(status, b"garbage")
            return
        start = 0 if self.stuck else start
        lines = self._lines("records.jsonl")
        page = [line for line in lines if start <= line["index"] < start + min(count, 100)]
        self._answer(200, json.dumps(page).encode())

    def _decisions(self, start: int, count: int) -> None:
        end = start if self.forever else start + min(count, 100)
        page = [line for line in self._lines("inputs.jsonl") if start <= line["entry"] < end]
        self._answer(200, json.dumps({"decisions": page, "next": end}).encode())

    def _answer(self, status: int, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Be silent."""


def _size(line: Any) -> int:
    return Checkpoint.parse(split(line["checkpoint"])[0]).size


@contextmanager
def served(folder: Path, **changed: object) -> Iterator[tuple[str, list[str]]]:
    """Serve a folder on loopback; yield the address, and the paths that were asked for."""
    asked: list[str] = []
    handler = type("Handler", (_Handler,), {"folder": folder, "asked": asked, **changed})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
