"""The engine over REST: whatever the server does, no answer is no permission."""

import json
import socket
import socketserver
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from dataspace.policy import open_policy
from dataspace.policy.bundle import read_folder
from dataspace.policy.server import ServerPolicy
from tests.policy.cases import query
from tests.policy.conftest import POLICIES

BUNDLE = read_folder(POLICIES)
ALLOWED = {"allow": True, "reasons": [], "obligations": [], "revision": BUNDLE.revision}


def http(status: str, body: bytes, *, kind: str = "application/json", more: str = "") -> bytes:
    head = f"HTTP/1.1 {status}\r\nConnection: close\r\nContent-Type: {kind}\r\n{more}"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def answered(result: Any) -> bytes:
    return http("200 OK", json.dumps({"result": result}).encode())


@dataclass
class Broken:
    """A server that answers each connection with the same bytes, and keeps what it was sent."""

    reply: bytes
    drip: float = 0.0
    requests: list[bytes] = field(default_factory=list)
    port: int = 0


@contextmanager
def serving(broken: Broken) -> Iterator[ServerPolicy]:
    """Serve `broken` on loopback and yield the engine that asks it."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            broken.requests.append(self._request())
            try:
                self._answer()
            except OSError:  # the client has hung up
                return

        def _request(self) -> bytes:
            head, length = b"", 0
            while not head.endswith(b"\r\n\r\n"):
                line = self.rfile.readline()
                head += line
                if line.lower().startswith(b"content-length:"):
                    length = int(line.split(b":")[1])
            return head + self.rfile.read(length)

        def _answer(self) -> None:
            if not broken.drip:
                self.wfile.write(broken.reply)
                return
            for byte in broken.reply:
                self.wfile.write(bytes([byte]))
                time.sleep(broken.drip)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        allow_reuse_address = True

    with Server(("127.0.0.1", 0), Handler) as server:
        broken.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield ServerPolicy(("127.0.0.1", broken.port), BUNDLE, seconds=0.3)
        finally:
            server.shutdown()
            thread.join()


def code(engine: ServerPolicy) -> str:
    decision = engine.decide(query())
    assert not decision.allow
    return decision.reasons[0].code


def test_the_broken_server_would_be_obeyed_if_it_were_not_broken() -> None:
    with serving(Broken(answered(ALLOWED))) as engine:
        assert engine.decide(query()).allow


@pytest.mark.parametrize(
    "reply",
    [
        http("500 Internal Server Error", b'{"code": "internal_error"}'),
        http("404 Not Found", b"{}"),
        http("503 Service Unavailable", json.dumps({"result": ALLOWED}).encode()),
        http("200 OK", b"<html><body>allow: true</body></html>", kind="text/html"),
        http("200 OK", b"\xff\xfe\x00"),
        http("200 OK", b'{"result": {"allow": true'),
        http("200 OK", b"[" * 100_000),
        http("200 OK", b" " * 300_000 + json.dumps({"result": ALLOWED}).encode()),
        http("302 Found", b"", more="Location: http://127.0.0.1:1/v1/data/dataspace/decision\r\n"),
        b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{}",
        b"not HTTP at all\r\n\r\n",
        b"",
    ],
    ids=[
        "500",
        "404",
        "503",
        "html",
        "bytes",
        "truncated",
        "deep",
        "long",
        "redirect",
        "short",
        "noise",
        "empty",
    ],
)
def test_po_01_a_server_that_does_not_answer_properly_denies(reply: bytes) -> None:
    with serving(Broken(reply)) as engine:
        assert code(engine) == "policy-unavailable"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"{}", "policy-undefined"),
        (b'{"result": null}', "policy-undefined"),
        (b'{"result": {}}', "policy-malformed"),
        (b'{"result": true}', "policy-malformed"),
        (b"[]", "policy-malformed"),
        (b"true", "policy-malformed"),
    ],
)
def test_po_01_an_answer_that_is_no_decision_denies(body: bytes, expected: str) -> None:
    with serving(Broken(http("200 OK", body))) as engine:
        assert code(engine) == expected


def test_po_01_a_server_that_is_down_denies() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        assert code(ServerPolicy(probe.getsockname(), BUNDLE, seconds=0.3)) == "policy-unavailable"


def test_po_01_a_server_that_never_answers_denies_in_time() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        started = time.monotonic()
        assert code(ServerPolicy(silent.getsockname(), BUNDLE, seconds=0.3)) == "policy-unavailable"
    assert time.monotonic() - started < 2


def test_po_01_a_server_that_answers_byte_by_byte_denies_in_time() -> None:
    body = b'{"result": ' + b" " * 1000
    with serving(Broken(http("200 OK", body), drip=0.01)) as engine:
        started = time.monotonic()
        assert code(engine) == "policy-unavailable"
        assert time.monotonic() - started < 5


def test_po_01_after_three_failures_nobody_waits() -> None:
    broken = Broken(http("500 Internal Server Error", b"{}"))
    with serving(broken) as engine:
        assert [code(engine) for _ in range(20)] == ["policy-unavailable"] * 20
    assert len(broken.requests) == 3


def test_po_08_a_server_with_other_policies_denies() -> None:
    with serving(Broken(answered({**ALLOWED, "revision": "0" * 64}))) as engine:
        assert code(engine) == "policy-mismatch"


def test_po_10_an_obligation_nobody_can_keep_denies() -> None:
    obliging = {**ALLOWED, "obligations": [{"kind": "delete_after", "value": 30}]}
    with serving(Broken(answered(obliging))) as engine:
        assert code(engine) == "unknown-obligation"


def test_po_14_what_callers_write_is_in_the_body_alone() -> None:
    hostile = '../../v1/policies/x?explain=full#"}, "allow": true, "x": {"'
    broken = Broken(answered(ALLOWED))
    with serving(broken) as engine:
        engine.decide(query(query__purpose=hostile, agreement__id=hostile))
    head, _, body = broken.requests[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /v1/data/dataspace/decision HTTP/1.1\r\n")
    assert b"Content-Type: application/json" in head
    assert json.loads(body) == {"input": query(query__purpose=hostile, agreement__id=hostile)}


def test_a_proxy_of_the_environment_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    with serving(Broken(answered(ALLOWED))) as engine:
        assert engine.decide(query()).allow


def test_the_url_names_a_server_and_a_folder() -> None:
    with serving(broken := Broken(answered(ALLOWED))):
        engine = open_policy(f"opa:http://127.0.0.1:{broken.port}#{POLICIES}")
        assert engine.decide(query()).allow
        assert engine.digest == BUNDLE.digest
