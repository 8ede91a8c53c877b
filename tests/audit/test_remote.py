"""A service audited over HTTP: its tiles for everybody, its records for auditors."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from dataspace.audit.export import export
from dataspace.audit.report import Stage
from dataspace.audit.sources import Evidence, Remote, open_source
from dataspace.errors import Malformed, VerificationError
from dataspace.proof.checkpoint import Checkpoint
from dataspace.proof.note import split
from dataspace.proof.verify import Outcome
from tests.audit.conftest import Copy, failed, told
from tests.audit.published import published
from tests.audit.scene import Scene

__all__ = ["published"]  # a fixture

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

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        self.asked.append(self.path)
        if address.path in self.lacks:
            self._answer(404, b"")
        elif address.path == "/ledger/published":
            self._published(int(parse_qs(address.query)["after"][0]))
        elif address.path == "/ledger/keys":
            self._keys()
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

    def _entries(self, start: int, count: int) -> None:
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


def test_a_service_is_audited_with_an_auditors_token(evidence: Copy) -> None:
    with served(evidence.folder) as (url, _):
        report = evidence.audit(Remote(url, TOKEN), since=evidence.older)
    assert report.ok, told(report)
    skipped = [step.number for step in report.not_checked]
    assert skipped == [
        Stage.PUBLISHED,
        Stage.COSIGNATURES,
        Stage.ANCHORED,
        Stage.ANCHORS,
        Stage.TIMES,
        Stage.STATE,
    ]


def test_without_a_token_the_tree_is_audited_and_no_record_is_asked_for(evidence: Copy) -> None:
    with served(evidence.folder) as (url, asked):
        report = evidence.audit(Remote(url))
    assert report.ok
    assert report.verdict == (
        "RIGHT as far as checked: 600 entries; not checked: records, kinds, remembered checkpoint, "
        "published checkpoints, cosignatures, anchored checkpoints, anchors, time tokens, meaning, "
        "decisions, state"
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


def test_what_a_service_published_is_read_page_by_page(published: Scene, tmp_path: Path) -> None:
    export(published.database, tmp_path / "out")
    with served(tmp_path / "out") as (url, asked):
        report = published.audit(Remote(url, TOKEN))
        with Remote(url) as remote, Evidence(tmp_path / "out") as folder:
            assert list(remote.published()) == list(folder.published())
    assert report.ok, told(report)
    assert report.steps[Stage.PUBLISHED - 1].outcome is Outcome.PASSED
    assert report.steps[Stage.DECISIONS - 1].outcome is Outcome.PASSED
    assert "/ledger/published?after=30&count=64" in asked


def test_the_anchors_of_a_service_are_those_of_its_listing(published: Scene, tmp_path: Path) -> None:
    export(published.database, tmp_path / "out")
    note = json.loads((tmp_path / "out/published.jsonl").read_bytes().splitlines()[0])["checkpoint"]
    evidence = {"kind": "file", "checkpoint": note, "consistency": [], "facts": {}}
    with served(tmp_path / "out", anchors={20: evidence}) as (url, _), Remote(url) as remote:
        assert [anchor.checkpoint for anchor in remote.anchors()] == [note]


def test_a_listing_that_does_not_end_is_not_read(published: Scene, tmp_path: Path) -> None:
    export(published.database, tmp_path / "out")
    with served(tmp_path / "out", forever=True) as (url, _), Remote(url, TOKEN) as remote:
        with pytest.raises(VerificationError, match="the published size 20 comes after the size 30"):
            list(remote.published())
        with pytest.raises(VerificationError, match="does not lead on"):
            list(remote.anchors())
        with pytest.raises(VerificationError, match="does not lead on"):
            remote.decision_inputs(0, 10)


def test_a_service_of_an_older_program_says_what_it_does_not_show(evidence: Copy) -> None:
    lacks = ("/ledger/published", "/ledger/keys", "/api/decisions")
    with served(evidence.folder, lacks=lacks) as (url, _):
        report = evidence.audit(Remote(url, TOKEN))
    assert report.exit_code == 0, told(report)
    assert "it is of an older program" in report.steps[Stage.PUBLISHED - 1].detail
    assert "it is of an older program" in report.steps[Stage.DECISIONS - 1].detail


def test_an_address_is_http_or_https() -> None:
    with pytest.raises(Malformed):
        Remote("ftp://example.com")
    assert isinstance(open_source("https://example.com"), Remote)
