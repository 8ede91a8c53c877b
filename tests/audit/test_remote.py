"""A service audited over HTTP: its tiles for everybody, its records for auditors."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from dataspace.audit.report import Stage
from dataspace.audit.sources import Remote, open_source
from dataspace.errors import Malformed
from dataspace.proof.verify import Outcome
from tests.audit.conftest import Copy, failed, told

TOKEN = "dsp_an-auditors-token"


class _Handler(BaseHTTPRequestHandler):
    """Serves an evidence folder as a service does."""

    folder: Path
    role = "auditor"
    status = 200
    asked: list[str]

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        self.asked.append(self.path)
        if address.path.startswith("/ledger/"):
            self._file(address.path.removeprefix("/ledger/"))
        elif self.headers["Authorization"] != f"Bearer {TOKEN}":
            self._answer(401, b"{}")
        elif address.path == "/api/me":
            self._answer(200, json.dumps({"id": "pt-9", "roles": [self.role]}).encode())
        else:
            query = parse_qs(address.query)
            self._entries(int(query["start"][0]), int(query["count"][0]))

    def _file(self, name: str) -> None:
        path = self.folder / name
        if self.status != 200 and name.startswith("tile"):
            self._answer(self.status, b"")
        elif path.is_file():
            self._answer(200, path.read_bytes())
        else:
            self._answer(404, b"")

    def _entries(self, start: int, count: int) -> None:
        lines = [json.loads(line) for line in (self.folder / "records.jsonl").read_bytes().splitlines()]
        page = [line for line in lines if start <= line["index"] < start + min(count, 100)]
        self._answer(200, json.dumps(page).encode())

    def _answer(self, status: int, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Be silent."""


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


def test_a_service_is_audited_with_an_auditors_token(evidence: Copy) -> None:
    with served(evidence.folder) as (url, _):
        report = evidence.audit(Remote(url, TOKEN), since=evidence.older)
    assert report.ok, told(report)
    skipped = [step.number for step in report.not_checked]
    assert skipped == [Stage.ANCHORED, Stage.ANCHORS, Stage.STATE]


def test_without_a_token_the_tree_is_audited_and_no_record_is_asked_for(evidence: Copy) -> None:
    with served(evidence.folder) as (url, asked):
        report = evidence.audit(Remote(url))
    assert report.ok
    assert report.verdict == (
        "RIGHT as far as checked: 600 entries; not checked: records, kinds, remembered checkpoint, "
        "anchored checkpoints, anchors, meaning, state"
    )
    assert "no auditor's token" in report.steps[Stage.RECORDS - 1].detail
    assert not [path for path in asked if path.startswith("/api")]


def test_anothers_token_shows_no_records_and_checks_what_no_token_does(evidence: Copy) -> None:
    with served(evidence.folder, role="consumer") as (url, asked):
        report = evidence.audit(Remote(url, TOKEN))
        without = evidence.audit(Remote(url))
    assert (report.exit_code, report.verdict) == (0, without.verdict)
    assert "the token is not an auditor's" in report.steps[Stage.RECORDS - 1].detail
    assert not [path for path in asked if path.startswith("/api/entries")]


def test_a_token_that_is_not_accepted_is_not_checked(evidence: Copy) -> None:
    with served(evidence.folder) as (url, _):
        report = evidence.audit(Remote(url, "wrong"))
    assert report.exit_code == 2
    assert "does not accept the token" in report.verdict
    assert [step.outcome for step in report.steps[:4]] == [Outcome.PASSED] * 4


def test_a_tampered_service_is_wrong(evidence: Copy) -> None:
    evidence.flip("tile/entries/001", 100)
    with served(evidence.folder) as (url, _):
        report = evidence.audit(Remote(url, TOKEN))
    assert report.exit_code == 1
    assert "entry 258: it does not match its leaf" in told(report)


def test_a_tile_that_is_gone_is_wrong(evidence: Copy) -> None:
    (evidence.folder / "tile/0/001").unlink()
    with served(evidence.folder) as (url, _):
        report = evidence.audit(Remote(url))
    assert "tile/0/001: it is missing" in told(report)


def test_a_partial_tile_may_have_become_a_full_one(evidence: Copy) -> None:
    for name, size in (("tile/0/002", 32), ("tile/entries/002", 35), ("tile/1/000", 32)):
        partial = next((evidence.folder / f"{name}.p").iterdir())
        data = partial.read_bytes()
        rest = 256 - len(data) // size
        filler = bytes(size) if size == 32 else b"\x00\x21" + bytes(33)
        (evidence.folder / name).write_bytes(data + filler * rest)
        partial.unlink()
    with served(evidence.folder) as (url, _):
        report = evidence.audit(Remote(url))
    assert report.ok, told(report)


def test_a_service_in_trouble_is_not_checked(evidence: Copy) -> None:
    with served(evidence.folder, status=503) as (url, _):
        report = evidence.audit(Remote(url))
    assert report.exit_code == 2
    assert "answered 503" in str(report.interrupted)


def test_nobody_at_the_address_is_not_checked(evidence: Copy) -> None:
    with served(evidence.folder) as (url, _):
        pass
    assert evidence.audit(Remote(url)).exit_code == 2


def test_le_20_an_answer_without_end_is_not_read(evidence: Copy) -> None:
    (evidence.folder / "tile/0/000").write_bytes(bytes(10_000_000))
    with served(evidence.folder) as (url, _):
        report = evidence.audit(Remote(url))
    assert report.exit_code == 2
    assert "an audit reads at most 8192" in str(report.interrupted)


def test_a_page_that_is_no_list_of_records_is_wrong(evidence: Copy) -> None:
    (evidence.folder / "records.jsonl").write_text('{"index": 0, "record": [], "salts": 5}\n')
    with served(evidence.folder) as (url, _):
        report = evidence.audit(Remote(url, TOKEN))
    assert Stage.RECORDS in failed(report)
    assert "entry 0: malformed record" in told(report)


def test_an_address_is_http_or_https() -> None:
    with pytest.raises(Malformed):
        Remote("ftp://example.com")
    assert isinstance(open_source("https://example.com"), Remote)
