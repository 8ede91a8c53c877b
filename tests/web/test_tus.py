"""Uploads in many requests, by tus 1.0.0: attacks UP-01 to UP-06, UP-19, UP-23, UP-25, UP-26."""

import base64
import contextlib
import hashlib
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from litestar import Litestar
from litestar.testing import TestClient

from dataspace.catalog import incoming, stored
from dataspace.catalog.models import State
from dataspace.errors import Malformed
from dataspace.web import receive, tus
from tests.simulator import Simulator, people, simulated
from tests.web.asgi import DISCONNECT, Event, chunk, send
from tests.web.words import bearer, log_in, own

Client = TestClient[Litestar]
PATH = "/api/uploads/resumable"
LIMIT = 3_000_000
VERSION = {"Tus-Resumable": "1.0.0"}
CONTENT = people(150)


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    with simulated(tmp_path_factory.mktemp("home"), upload_limit=LIMIT) as simulator:
        yield simulator


@pytest.fixture
def headers(space: Simulator) -> dict[str, str]:
    """Of a provider with nothing waiting."""
    return {**bearer(space, space.provider()), **VERSION}


def _b64(text: str | bytes) -> str:
    return base64.b64encode(text.encode() if isinstance(text, str) else text).decode()


def _said(**pairs: str) -> str:
    return ",".join(f"{key} {_b64(value)}" for key, value in {"zone": "government", **pairs}.items())


def _create(client: Client, headers: dict[str, str], length: int, **said: str) -> str:
    """Announce an upload; return its path."""
    sent = {**headers, "Upload-Length": str(length), "Upload-Metadata": _said(**said)}
    answer = client.post(PATH, headers=sent)
    assert answer.status_code == 201, answer.text
    return str(answer.headers["location"])


def _patch(client: Client, headers: dict[str, str], path: str, offset: int, body: bytes, **more: str) -> Any:
    sent = {**headers, "Upload-Offset": str(offset), "Content-Type": tus.CONTENT}
    return client.patch(path, headers={**sent, **more}, content=body)


def _offset(client: Client, headers: dict[str, str], path: str) -> int:
    return int(client.head(path, headers=headers).headers["upload-offset"])


def _look(client: Client, headers: dict[str, str], path: str) -> dict[str, Any]:
    return dict(client.get(f"/api/uploads/{path.rpartition('/')[2]}", headers=headers).json())


def _settled(client: Client, headers: dict[str, str], path: str) -> dict[str, Any]:
    """Wait until an upload is read, or failed."""
    until = time.monotonic() + 60
    while (found := _look(client, headers, path))["state"] in {"receiving", "reading"}:
        assert time.monotonic() < until, found
        time.sleep(0.02)
    return found


def _staged(space: Simulator) -> set[str]:
    folder = space.settings.home / "staging"
    return {path.name for path in folder.glob("*") if path.suffix != ".lock"}


def _send(app: Litestar, method: str, path: str, headers: dict[str, str], *events: Event) -> Any:
    return send(app, method, path, headers, events)


def test_an_upload_in_pieces_is_read_in_the_background(client: Client, headers: dict[str, str]) -> None:
    path = _create(client, headers, len(CONTENT), filename="people.csv", title="人口")
    for offset in range(0, len(CONTENT), 1000):
        answer = _patch(client, headers, path, offset, CONTENT[offset : offset + 1000])
        assert answer.status_code == 204
        assert answer.headers["upload-offset"] == str(min(offset + 1000, len(CONTENT)))
    found = _settled(client, headers, path)
    assert (found["state"], found["rows"], found["problem"]) == ("ready", 150, {})
    assert found["source_sha256"] == hashlib.sha256(CONTENT).hexdigest()
    assert (found["filename"], found["declared"]["title"]) == ("people.csv", "人口")
    assert (found["received"], found["length"]) == (len(CONTENT), len(CONTENT))
    assert found["proposal"]["preview"]["original"]


def test_what_was_read_leaves_nothing_of_what_arrived(
    space: Simulator, client: Client, headers: dict[str, str]
) -> None:
    before = _staged(space)
    path = _create(client, headers, len(CONTENT))
    _patch(client, headers, path, 0, CONTENT[:50])
    _patch(client, headers, path, 50, CONTENT[50:])
    assert _settled(client, headers, path)["state"] == "ready"
    assert _staged(space) == before


def test_an_upload_may_come_with_its_announcement(client: Client, headers: dict[str, str]) -> None:
    sent = {**headers, "Upload-Length": str(len(CONTENT)), "Upload-Metadata": _said()}
    answer = client.post(PATH, headers={**sent, "Content-Type": tus.CONTENT}, content=CONTENT)
    assert (answer.status_code, answer.headers["upload-offset"]) == (201, str(len(CONTENT)))
    assert _settled(client, headers, answer.headers["location"])["state"] == "ready"


def test_what_the_protocol_offers_is_told(space: Simulator, client: Client) -> None:
    answer = client.options(PATH, headers=bearer(space, space.provider()))
    told = answer.headers
    assert (answer.status_code, told["tus-version"], told["tus-resumable"]) == (204, "1.0.0", "1.0.0")
    assert set(told["tus-extension"].split(",")) == {
        "creation", "creation-with-upload", "termination", "expiration", "checksum",
    }  # fmt: skip
    assert (told["tus-max-size"], told["tus-checksum-algorithm"]) == (str(LIMIT), "sha1,sha256")


def test_where_an_upload_goes_on_is_told_with_what_was_said_of_it(
    client: Client, headers: dict[str, str]
) -> None:
    path = _create(client, headers, 100, filename="表.csv")
    _patch(client, headers, path, 0, b"x" * 10)
    told = client.head(path, headers=headers).headers
    assert (told["upload-offset"], told["upload-length"], told["cache-control"]) == ("10", "100", "no-store")
    assert tus.metadata(told["upload-metadata"]) == {"filename": "表.csv", "zone": "government"}
    assert told["upload-expires"].endswith("GMT")


@pytest.mark.parametrize("version", ["", "0.2.2", "2.0.0"])
def test_another_version_is_refused(client: Client, headers: dict[str, str], version: str) -> None:
    path = _create(client, headers, 100)
    other = {**headers, "Tus-Resumable": version}
    answers = [
        client.post(PATH, headers={**other, "Upload-Length": "1", "Upload-Metadata": _said()}),
        client.head(path, headers=other),
        _patch(client, other, path, 0, b"x"),
        client.delete(path, headers=other),
    ]
    assert {(one.status_code, one.headers["tus-version"]) for one in answers} == {(412, "1.0.0")}


def test_a_client_without_patch_may_say_so(client: Client, headers: dict[str, str]) -> None:
    path = _create(client, headers, 100)
    sent = {**headers, "Upload-Offset": "0", "Content-Type": tus.CONTENT, "X-HTTP-Method-Override": "PATCH"}
    assert client.post(path, headers=sent, content=b"x" * 7).status_code == 204
    assert _offset(client, headers, path) == 7
    assert client.post(path, headers=headers).status_code == 400
    gone = client.post(path, headers={**headers, "X-HTTP-Method-Override": "DELETE"})
    assert (gone.status_code, client.head(path, headers=headers).status_code) == (204, 404)


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ({"Upload-Length": "x"}, 400),
        ({"Upload-Length": "-1"}, 400),
        ({"Upload-Length": "0"}, 422),
        ({"Upload-Defer-Length": "1"}, 400),
        ({"Upload-Length": "10", "Upload-Metadata": "zone ===="}, 400),
        ({"Upload-Length": "10", "Upload-Metadata": "zone " + _b64(b"\xff")}, 400),
        ({"Upload-Length": "10", "Upload-Metadata": ""}, 400),
        ({"Upload-Length": "10", "Upload-Metadata": _said(sha256="abc")}, 400),
        ({"Upload-Length": "10", "Upload-Metadata": _said(title="x" * 2000)}, 400),
        ({"Upload-Length": "10", "Upload-Metadata": "zone " + _b64("nowhere")}, 404),
    ],
)
def test_an_announcement_that_cannot_be_is_refused(
    client: Client, headers: dict[str, str], said: dict[str, str], status: int
) -> None:
    answer = client.post(PATH, headers={**headers, "Upload-Metadata": _said(), **said})
    assert (answer.status_code, answer.headers["tus-resumable"]) == (status, "1.0.0"), answer.text


def test_only_providers_announce(space: Simulator, client: Client) -> None:
    sent = {**bearer(space, space.consumer()), **VERSION, "Upload-Length": "1", "Upload-Metadata": _said()}
    assert client.post(PATH, headers=sent).status_code == 403
    assert client.post(PATH, headers=VERSION).status_code == 401


def test_a_browser_that_is_logged_in_uploads_from_our_own_pages_only(
    space: Simulator, client: Client
) -> None:
    log_in(space, client, space.provider())
    sent = {**VERSION, "Upload-Length": "10", "Upload-Metadata": _said()}
    assert client.post(PATH, headers={**own(space), **sent}).status_code == 201
    foreign = {**sent, "Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}
    assert client.post(PATH, headers=foreign).status_code == 403


def test_up_01_more_than_may_be_is_refused_before_a_byte_is_read(
    client: Client, app: Litestar, headers: dict[str, str]
) -> None:
    sent = {**headers, "Upload-Length": str(LIMIT + 1), "Upload-Metadata": _said()}
    answer = client.post(PATH, headers=sent)
    assert (answer.status_code, answer.json()["limit"]) == (413, LIMIT)
    path = _create(client, headers, 100)
    sent = {**headers, "Upload-Offset": "0", "Content-Type": tus.CONTENT, "Content-Length": "101"}
    assert _send(app, "PATCH", path, sent).status == 413


def test_up_01_more_than_was_announced_is_refused_and_not_kept(
    client: Client, app: Litestar, headers: dict[str, str]
) -> None:
    path = _create(client, headers, 100)
    sent = {**headers, "Upload-Offset": "0", "Content-Type": tus.CONTENT, "Content-Length": "50"}
    # The body has no end: whoever read on would never answer.
    assert _send(app, "PATCH", path, sent, *[chunk(b"x" * 60)] * 2).status == 413
    assert _offset(client, headers, path) == 0


def test_up_02_a_drip_ends_and_what_came_is_kept(
    client: Client, app: Litestar, headers: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = _create(client, headers, 100)
    monkeypatch.setattr(receive, "_GRACE", 0.2)
    sent = {**headers, "Upload-Offset": "0", "Content-Type": tus.CONTENT}
    reply = _send(app, "PATCH", path, sent, chunk(b"abc"))
    assert (reply.status, _offset(client, headers, path)) == (408, 3)


def test_up_03_what_arrived_before_a_connection_broke_is_kept_and_nothing_is_visible(
    space: Simulator, client: Client, app: Litestar, headers: dict[str, str]
) -> None:
    path = _create(client, headers, len(CONTENT))
    sent = {**headers, "Upload-Offset": "0", "Content-Type": tus.CONTENT}
    assert _send(app, "PATCH", path, sent, chunk(CONTENT[:500]), DISCONNECT).status == 400
    assert _offset(client, headers, path) == 500
    assert client.get("/api/datasets", headers=headers).json() == []
    told = client.post(
        "/api/datasets",
        headers=headers,
        json={"upload": path.rpartition("/")[2], "title": "early", "offer": {"price": 1}},
    )
    assert (told.status_code, told.json()["state"]) == (409, "receiving")
    assert _patch(client, headers, path, 500, CONTENT[500:]).status_code == 204
    assert _settled(client, headers, path)["state"] == "ready"
    space.audit()


def test_up_03_what_nobody_finishes_is_gone_after_a_day(
    space: Simulator, client: Client, headers: dict[str, str]
) -> None:
    before = _staged(space)
    path = _create(client, headers, 100)
    _patch(client, headers, path, 0, b"x" * 10)
    assert _staged(space) > before
    was = space.clock.now
    space.clock.forward(days=1, minutes=1)
    try:
        # Also before the job comes round.
        assert client.head(path, headers=headers).status_code == 404
        assert _patch(client, headers, path, 10, b"x").status_code == 404
        assert space.service.uploads.expire() >= 1
    finally:
        space.clock.now = was
    assert not {name for name in _staged(space) if name.startswith(path.rpartition("/")[2])}


@pytest.mark.parametrize("offset", [0, 5, 11, 10**17])
def test_up_04_a_wrong_offset_is_a_conflict(client: Client, headers: dict[str, str], offset: int) -> None:
    path = _create(client, headers, 100)
    _patch(client, headers, path, 0, b"x" * 10)
    answer = _patch(client, headers, path, offset, b"y" * 10)
    assert (answer.status_code, answer.json()["offset"]) == (409, 10)
    assert _offset(client, headers, path) == 10


def test_up_04_two_at_once_never_interleave(space: Simulator, app: Litestar, headers: dict[str, str]) -> None:
    caller = space.provider()
    headers = {**bearer(space, caller), **VERSION}
    with TestClient(app, base_url=space.settings.url) as client:
        path = _create(client, headers, len(CONTENT))
        first, second = (CONTENT, bytes(len(CONTENT)))
        start = threading.Barrier(2)

        def push(body: bytes) -> int:
            start.wait()
            return int(_patch(client, headers, path, 0, body).status_code)

        with ThreadPoolExecutor(2) as pool:
            statuses = sorted(pool.map(push, (first, second)))
        assert statuses == [204, 409]
        found = _settled(client, headers, path)
        # Whole and one of the two, or refused as what the other one was: never a mixture.
        if found["state"] == "ready":
            assert found["source_sha256"] == hashlib.sha256(first).hexdigest()


def test_up_04_an_upload_that_is_being_sent_is_held(
    space: Simulator, client: Client, headers: dict[str, str]
) -> None:
    caller = space.provider()
    headers = {**bearer(space, caller), **VERSION}
    path = _create(client, headers, 100)
    held = space.service.resumable.resume(caller, path.rpartition("/")[2], 0)
    assert _patch(client, headers, path, 0, b"x").status_code == 409
    held.discard()
    assert _patch(client, headers, path, 0, b"x").status_code == 204


def test_up_05_a_whole_of_another_sha_256_is_refused_and_removed(
    space: Simulator, client: Client, headers: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    before = _staged(space)
    other = hashlib.sha256(people(149)).hexdigest()
    path = _create(client, headers, len(CONTENT), sha256=other)
    assert _patch(client, headers, path, 0, CONTENT[:100]).status_code == 204
    answer = _patch(client, headers, path, 100, CONTENT[100:])
    assert (answer.status_code, "declared" in answer.json()["detail"]) == (422, True)
    assert "another SHA-256" in caplog.text
    found = _look(client, headers, path)
    assert (found["state"], found["problem"]["code"], found["problem"]["status"]) == (
        "failed", "unprocessable", 422,
    )  # fmt: skip
    assert _staged(space) == before
    assert client.get("/api/datasets", headers=headers).json() == []


def test_a_whole_of_the_declared_sha_256_is_read(client: Client, headers: dict[str, str]) -> None:
    path = _create(client, headers, len(CONTENT), sha256=hashlib.sha256(CONTENT).hexdigest().upper())
    assert _patch(client, headers, path, 0, CONTENT).status_code == 204
    assert _settled(client, headers, path)["state"] == "ready"


@pytest.mark.parametrize("algorithm", ["sha1", "sha256"])
def test_bytes_that_belie_their_checksum_are_not_kept(
    client: Client, headers: dict[str, str], algorithm: str
) -> None:
    path = _create(client, headers, 100)
    right = f"{algorithm} {_b64(hashlib.new(algorithm, b'x' * 10).digest())}"
    answer = _patch(client, headers, path, 0, b"y" * 10, **{"Upload-Checksum": right})
    assert (answer.status_code, answer.headers["tus-resumable"]) == (460, "1.0.0")
    assert _offset(client, headers, path) == 0
    assert _patch(client, headers, path, 0, b"x" * 10, **{"Upload-Checksum": right}).status_code == 204
    assert _offset(client, headers, path) == 10


def test_bytes_whose_checksum_cannot_be_told_are_not_kept(
    client: Client, app: Litestar, headers: dict[str, str]
) -> None:
    path = _create(client, headers, 100)
    right = f"sha1 {_b64(hashlib.sha1(b'x' * 10, usedforsecurity=False).digest())}"
    sent = {**headers, "Upload-Offset": "0", "Content-Type": tus.CONTENT, "Upload-Checksum": right}
    assert _send(app, "PATCH", path, sent, chunk(b"x" * 5), DISCONNECT).status == 400
    assert _offset(client, headers, path) == 0


@pytest.mark.parametrize(
    "name", ["../../../tmp/x", "a\x00b.csv", "x" * 4000, "\u202evsc.exe", "CON", "表📄.csv"]
)
def test_up_06_a_filename_in_metadata_is_for_showing_only(
    client: Client, headers: dict[str, str], name: str
) -> None:
    path = _create(client, headers, 100, filename=name)
    shown = _look(client, headers, path)["filename"]
    assert not set(shown) & set("/\\\x00\u202e")
    assert len(shown) <= 255
    assert client.head(path, headers=headers).status_code == 200


def test_up_19_the_same_file_by_two_ways_is_one_version(
    space: Simulator, client: Client, headers: dict[str, str]
) -> None:
    path = _create(client, headers, len(CONTENT))
    _patch(client, headers, path, 0, CONTENT)
    resumed = _settled(client, headers, path)["id"]
    simple = client.post("/api/uploads?zone=government", headers=headers, content=CONTENT).json()["id"]

    def register(upload: str) -> dict[str, Any]:
        body = {"upload": upload, "title": "twice", "offer": {"price": 1}, "subjects": ["number"]}
        return dict(client.post("/api/datasets", headers=headers, json=body).json())

    with ThreadPoolExecutor(2) as pool:
        one, other = pool.map(register, (resumed, simple))
    assert (one["dataset"], one["version"]) == (other["dataset"], other["version"])
    assert sorted([one["new"], other["new"]]) == [False, True]
    space.audit()


def test_up_23_ten_thousand_uploads_end_at_the_quota(
    client: Client, headers: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored, "WAITING", 3)
    paths = [_create(client, headers, 10) for _ in range(3)]
    sent = {**headers, "Upload-Length": "10", "Upload-Metadata": _said()}
    answer = client.post(PATH, headers=sent)
    assert (answer.status_code, answer.json()["limit"]) == (429, 3)
    assert int(answer.headers["retry-after"]) > 0
    assert client.post("/api/uploads?zone=government", headers=headers, content=CONTENT).status_code == 429
    assert client.delete(paths[0], headers=headers).status_code == 204
    assert client.post(PATH, headers=sent).status_code == 201


def test_up_23_the_bytes_that_wait_are_bounded_too(client: Client, headers: dict[str, str]) -> None:
    for _ in range(10):
        _create(client, headers, LIMIT)
    answer = client.post(PATH, headers={**headers, "Upload-Length": "1", "Upload-Metadata": _said()})
    assert (answer.status_code, answer.json()["limit"]) == (429, 10 * LIMIT)


def test_up_25_a_full_disk_is_told_and_what_arrived_before_goes_on(
    client: Client, headers: dict[str, str], small_disk: Any
) -> None:
    path = _create(client, headers, LIMIT)
    assert _patch(client, headers, path, 0, b"x" * 1000).status_code == 204
    with small_disk(1_500_000):
        answer = _patch(client, headers, path, 1000, b"x" * 2_000_000)
        assert (answer.status_code, answer.json()["code"]) == (507, "out-of-space")
        assert client.get("/api/catalog", headers=headers).status_code == 200
    assert _offset(client, headers, path) == 1000
    assert _patch(client, headers, path, 1000, b"x" * 1000).status_code == 204


@pytest.fixture
def small_disk() -> Any:
    """A context in which no file of this process grows over so many bytes: errors as of a full disk."""
    resource = pytest.importorskip("resource")

    @contextlib.contextmanager
    def small(size: int) -> Iterator[None]:
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    return small


def test_up_26_a_compressed_stretch_is_not_opened(client: Client, headers: dict[str, str]) -> None:
    path = _create(client, headers, 100)
    assert _patch(client, headers, path, 0, b"x", **{"Content-Encoding": "gzip"}).status_code == 415
    assert _offset(client, headers, path) == 0


def test_an_announcement_of_parts_or_with_another_body_is_not_taken_for_a_whole(
    client: Client, headers: dict[str, str]
) -> None:
    sent = {**headers, "Upload-Length": str(len(CONTENT)), "Upload-Metadata": _said()}
    assert client.post(PATH, headers={**sent, "Upload-Concat": "partial"}).status_code == 400
    answer = client.post(PATH, headers={**sent, "Content-Type": f"{tus.CONTENT}x"}, content=CONTENT)
    assert answer.status_code == 201
    assert _offset(client, headers, answer.headers["location"]) == 0


def test_a_stretch_is_of_the_protocols_type(client: Client, headers: dict[str, str]) -> None:
    path = _create(client, headers, 100)
    assert _patch(client, headers, path, 0, b"x", **{"Content-Type": "text/csv"}).status_code == 415


def test_what_came_whole_takes_no_more(client: Client, headers: dict[str, str]) -> None:
    path = _create(client, headers, len(CONTENT))
    _patch(client, headers, path, 0, CONTENT)
    assert _patch(client, headers, path, len(CONTENT), b"").status_code == 409
    _settled(client, headers, path)
    assert _offset(client, headers, path) == len(CONTENT)


def test_long_stretches_are_kept_piece_by_piece(
    space: Simulator, client: Client, app: Litestar, headers: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(incoming, "PIECE", 1 << 20)
    content = people(90_000)
    path = _create(client, headers, len(content))
    sent = {**headers, "Upload-Offset": "0", "Content-Type": tus.CONTENT}
    events = [chunk(content[at : at + (1 << 18)]) for at in range(0, 7 << 18, 1 << 18)]
    assert _send(app, "PATCH", path, sent, *events, DISCONNECT).status == 400
    assert len([name for name in _staged(space) if name.startswith(path.rpartition("/")[2])]) == 2
    offset = _offset(client, headers, path)
    assert offset == 7 << 18
    assert _patch(client, headers, path, offset, content[offset:]).status_code == 204
    found = _settled(client, headers, path)
    assert (found["state"], found["source_sha256"]) == ("ready", hashlib.sha256(content).hexdigest())


def test_a_file_that_cannot_be_read_fails_with_its_bad_rows(client: Client, headers: dict[str, str]) -> None:
    content = b"a,b\n1,2\n3\n4,5\n"
    path = _create(client, headers, len(content))
    assert _patch(client, headers, path, 0, content).status_code == 204
    found = _settled(client, headers, path)
    assert (found["state"], found["problem"]["status"]) == ("failed", 422)
    assert found["problem"]["rows"][0]["line"] == 3
    assert found["problem"]["type"].endswith("/problems/unprocessable")


def test_an_upload_can_be_ended_at_any_time(
    space: Simulator, client: Client, headers: dict[str, str]
) -> None:
    before = _staged(space)
    path = _create(client, headers, 100)
    _patch(client, headers, path, 0, b"x" * 10)
    assert client.delete(path, headers=headers).status_code == 204
    assert client.head(path, headers=headers).status_code == 404
    assert client.delete(path, headers=headers).status_code == 404
    assert _staged(space) == before


def test_uploads_are_listed_in_whatever_state(client: Client, headers: dict[str, str]) -> None:
    path = _create(client, headers, 100)
    [found] = client.get("/api/uploads", headers=headers).json()
    assert (found["id"], found["state"], found["received"]) == (path.rpartition("/")[2], State.RECEIVING, 0)


@settings(max_examples=300)
@given(st.text(max_size=200))
def test_noise_in_headers_is_refused_with_one_error(text: str) -> None:
    for parse in (tus.metadata, tus.checksum):
        with contextlib.suppress(Malformed):
            parse(text)


@settings(max_examples=200)
@given(st.dictionaries(st.from_regex(r"[a-z0-9]{1,20}", fullmatch=True), st.text(max_size=50), max_size=20))
def test_metadata_is_read_as_it_was_written(pairs: dict[str, str]) -> None:
    assert tus.metadata(tus.written(pairs)) == pairs
