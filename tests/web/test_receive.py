"""Uploads on their way in: attacks UP-01, UP-02, UP-03, UP-05, UP-06, UP-19, UP-26."""

import base64
import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from dataspace import web
from dataspace.web import receive
from tests.simulator import Simulator, people, simulated
from tests.web.asgi import DISCONNECT, Event, chunk, send
from tests.web.words import bearer

Client = TestClient[Litestar]
PATH = "/api/uploads?zone=government&filename=people.csv"
LIMIT = 100_000
_PART = b'--b\r\nContent-Disposition: form-data; name="a"; filename="a"\r\n\r\n'


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    with simulated(tmp_path_factory.mktemp("home"), upload_limit=LIMIT) as simulator:
        yield simulator


@pytest.fixture(scope="module")
def headers(space: Simulator) -> dict[str, str]:
    return bearer(space, space.provider())


def _left(space: Simulator) -> list[Path]:
    return [path for name in ("staging", "payloads") for path in (space.settings.home / name).glob("*")]


def _size(space: Simulator) -> int:
    with space.service.space.database.reading() as session:
        return space.service.space.log.size(session)


def _refused(space: Simulator, app: Litestar, headers: dict[str, str], *events: Event, **more: str) -> Any:
    """Send an upload that must leave nothing behind."""
    before, size = _left(space), _size(space)
    reply = send(
        app,
        "POST",
        PATH,
        {**headers, **{name.replace("_", "-"): text for name, text in more.items()}},
        events,
    )
    assert _left(space) == before
    assert _size(space) == size
    return reply


def test_up_01_an_honest_length_is_refused_before_a_byte_is_read(
    space: Simulator, app: Litestar, headers: dict[str, str]
) -> None:
    reply = _refused(space, app, headers, content_length=str(LIMIT * 2))
    assert (reply.status, b'"limit":100000' in reply.body) == (413, True)


@pytest.mark.parametrize("length", [{}, {"content_length": "10"}, {"content_length": "0"}])
def test_up_01_a_lying_length_is_refused_when_the_count_passes(
    space: Simulator, app: Litestar, headers: dict[str, str], length: dict[str, str]
) -> None:
    # The body has no end: whoever read on would never answer.
    reply = _refused(space, app, headers, *[chunk(b"x" * 60_000)] * 2, **length)
    assert reply.status == 413


def test_up_01_a_form_is_counted_whole(space: Simulator, app: Litestar, headers: dict[str, str]) -> None:
    junk = [chunk(b"\r\n" + b"x" * 60_000)] * 4
    reply = _refused(space, app, headers, *junk, content_type="multipart/form-data; boundary=b")
    assert reply.status == 413


def test_up_02_a_drip_does_not_hold_the_door_for_ever(
    space: Simulator, app: Litestar, headers: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receive, "_GRACE", 0.2)
    reply = _refused(space, app, headers, chunk(b"a,b\n"))
    assert (reply.status, b"too slow" in reply.body) == (408, True)


def test_up_03_what_a_client_leaves_half_sent_is_gone(
    space: Simulator, app: Litestar, headers: dict[str, str]
) -> None:
    reply = _refused(space, app, headers, chunk(people(100)), DISCONNECT)
    assert reply.status == 400


def test_up_03_a_form_that_is_cut_off_leaves_nothing(
    space: Simulator, app: Litestar, headers: dict[str, str]
) -> None:
    begun = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\n' + people(100)
    kind = "multipart/form-data; boundary=b"
    assert _refused(space, app, headers, chunk(begun), DISCONNECT, content_type=kind).status == 400
    assert _refused(space, app, headers, chunk(begun, more=False), content_type=kind).status == 400


def test_up_05_other_bytes_than_declared_are_refused(
    space: Simulator, app: Litestar, headers: dict[str, str]
) -> None:
    digest = base64.b64encode(hashlib.sha256(people(99)).digest()).decode()
    reply = _refused(
        space, app, headers, chunk(people(100), more=False), content_digest=f"sha-256=:{digest}:"
    )
    assert (reply.status, b"declared" in reply.body) == (422, True)


@pytest.mark.parametrize("header", ["sha-256=abc", "md5=:AAAA:", "sha-256=::"])
def test_a_digest_that_cannot_be_compared_is_refused(
    space: Simulator, app: Litestar, headers: dict[str, str], header: str
) -> None:
    assert _refused(space, app, headers, chunk(people(10), more=False), content_digest=header).status == 400


def test_up_26_a_compressed_body_is_not_opened(
    space: Simulator, app: Litestar, headers: dict[str, str]
) -> None:
    assert _refused(space, app, headers, chunk(b"x", more=False), content_encoding="gzip").status == 415


@pytest.mark.parametrize(
    "form",
    [
        b"--b--\r\n",
        b"",
        b"no form at all",
        b'--b\r\nContent-Disposition: form-data; name="zone"\r\n\r\n' + b"x" * 5000 + b"\r\n--b--\r\n",
        _PART + b"a\n1\r\n" + _PART + b"b\n1\r\n--b--\r\n",
        b'--b\r\nContent-Disposition: form-data; name="zone"\r\n\r\n\xff\xfe\r\n--b--\r\n',
    ],
)
def test_a_form_without_exactly_one_file_is_refused(
    space: Simulator, app: Litestar, headers: dict[str, str], form: bytes
) -> None:
    kind = "multipart/form-data; boundary=b"
    assert _refused(space, app, headers, chunk(form, more=False), content_type=kind).status in {400, 413}


def test_a_file_is_refused_before_it_is_read_from_who_is_no_provider(space: Simulator, app: Litestar) -> None:
    # No event is ever sent: the answer cannot have waited for the body.
    assert _refused(space, app, bearer(space, space.consumer())).status == 403


def test_a_body_and_a_form_are_read_alike(space: Simulator, client: Client, headers: dict[str, str]) -> None:
    content = people(120)
    digest = base64.b64encode(hashlib.sha256(content).digest()).decode()
    plain = client.post(PATH, headers={**headers, "Content-Digest": f"sha-256=:{digest}:"}, content=content)
    form = client.post(PATH, headers=headers, files={"file": ("people.csv", content)})
    assert (plain.status_code, form.status_code) == (201, 201)
    found = [answer.json() for answer in (plain, form)]
    assert {one["source_sha256"] for one in found} == {hashlib.sha256(content).hexdigest()}
    assert found[0]["filename"] == found[1]["filename"] == "people.csv"
    for one in found:
        assert client.delete(f"/api/uploads/{one['id']}", headers=headers).status_code == 204
    assert _left(space) == []


@pytest.mark.parametrize(
    "name", ["../../../tmp/x", "..\\..\\x", "a\x00b.csv", "x" * 1000, "\u202evsc.exe", "CON", "表📄.csv"]
)
def test_up_06_a_filename_is_for_showing_only(
    space: Simulator, client: Client, headers: dict[str, str], name: str
) -> None:
    answer = client.post(
        "/api/uploads", params={"zone": "government", "filename": name}, headers=headers, content=people(20)
    )
    assert answer.status_code == 201
    shown = answer.json()["filename"]
    assert not set(shown) & set("/\\\x00\u202e")
    assert client.delete(f"/api/uploads/{answer.json()['id']}", headers=headers).status_code == 204
    assert _left(space) == []


def test_up_19_the_same_file_twice_is_one_version(
    space: Simulator, client: Client, headers: dict[str, str]
) -> None:
    def register(_: int) -> dict[str, Any]:
        upload = client.post(PATH, headers=headers, content=people(130)).json()["id"]
        body = {"upload": upload, "title": "twice", "offer": {"price": 1}, "subjects": ["number"]}
        answer = client.post("/api/datasets", headers=headers, json=body)
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    with ThreadPoolExecutor(2) as pool:
        one, other = pool.map(register, range(2))
    assert (one["dataset"], one["version"], one["entry"]) == (
        other["dataset"],
        other["version"],
        other["entry"],
    )
    assert sorted([one["new"], other["new"]]) == [False, True]
    assert len(client.get("/api/datasets", headers=headers).json()) == 1
    space.audit()


def test_a_service_behind_https_marks_its_cookie(space: Simulator) -> None:
    settings = replace(space.settings, url="https://space.example")
    secured = web.create(replace(space.service, space=replace(space.service.space, settings=settings)))
    with TestClient(secured, base_url="https://space.example") as client:
        client.follow_redirects = False
        form = {"login": "operator", "password": "correct horse battery"}
        answer = client.post("/login", data=form, headers={"Origin": "https://space.example"})
    assert answer.headers["set-cookie"].startswith("__Host-dataspace=")
    assert "; secure" in answer.headers["set-cookie"].lower()
    assert "strict-transport-security" in answer.headers
