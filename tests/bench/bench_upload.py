"""Receiving an upload in many requests, sealed and durable, against bytes that a socket brings to a file."""

import http.client
import os
import shutil
import socket
import tempfile
import threading
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from dataspace.web.tus import CONTENT
from tests.bench.timing import Rows, in_turn
from tests.simulator import simulated
from tests.web.served import served

_SIZE = 128 << 20
_STRETCH = 16 << 20
_REPEATS = 3


def run() -> Rows:
    """Yield what was measured, our seconds, those of the bare copy, and our rate."""
    with tempfile.TemporaryDirectory() as folder:
        content = os.urandom(_STRETCH)
        with simulated(Path(folder) / "home") as space, served(space) as url:
            token = space.tokens[space.provider().id]
            ours, bare = in_turn(
                lambda: _resumable(url, token, content), _copied(Path(folder), content), rounds=_REPEATS
            )
    rate = f"{_SIZE >> 20} MiB in stretches of {_STRETCH >> 20}: {_SIZE / 1e6 / ours:.0f} MB/s"
    yield "receive a resumable upload", ours, bare, f"{rate}; bare = socket to file, with fsync"


def _resumable(url: str, token: str, content: bytes) -> None:
    """Send all but the last byte: what is measured is receiving, and nothing is read."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc)
    headers = {"Authorization": f"Bearer {token}", "Tus-Resumable": "1.0.0"}
    said = f"zone {b64encode(b'government').decode()}"
    connection.request(
        "POST",
        "/api/uploads/resumable",
        headers={**headers, "Upload-Length": str(_SIZE + 1), "Upload-Metadata": said},
    )
    path = _answer(connection, 201)
    for offset in range(0, _SIZE, _STRETCH):
        sent = {**headers, "Upload-Offset": str(offset), "Content-Type": CONTENT}
        connection.request("PATCH", path, body=content, headers=sent)
        _answer(connection, 204)
    connection.request("DELETE", path, headers=headers)
    _answer(connection, 204)
    connection.close()


def _answer(connection: http.client.HTTPConnection, status: int) -> str:
    answer = connection.getresponse()
    body = answer.read()
    assert answer.status == status, body
    return answer.getheader("Location", "")


def _copied(folder: Path, content: bytes) -> Callable[[], None]:
    def copy() -> None:
        ours, theirs = socket.socketpair()
        sender = threading.Thread(target=_send, args=(theirs, content))
        sender.start()
        with ours.makefile("rb") as source, (folder / "bare").open("wb") as target:
            shutil.copyfileobj(source, target, 1 << 20)
            os.fsync(target.fileno())
        sender.join()
        ours.close()

    return copy


def _send(link: socket.socket, content: bytes) -> None:
    with link:
        for _ in range(_SIZE // len(content)):
            link.sendall(content)
