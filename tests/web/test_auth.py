"""Who gets in, and how: attacks AU-03, AU-07, AU-08, AU-12 to AU-15, AU-18, AU-21."""

import logging
import re
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from dataspace.participants.models import Role, Status
from dataspace.web.portal.forms import local_path
from tests.simulator import PASSWORD, Simulator
from tests.web.asgi import send
from tests.web.words import PAGE, bearer, log_in, login_of, own

Client = TestClient[Litestar]


def test_a_token_opens_the_api(space: Simulator, client: Client) -> None:
    consumer = space.consumer()
    answer = client.get("/api/me", headers=bearer(space, consumer))
    assert (answer.status_code, answer.json()["id"]) == (200, consumer.id)


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer ", "Basic b3A6b3A=", "Bearer dsp_unknown", "dsp_unknown"]
)
def test_what_is_no_valid_token_is_told_how_to_be_one(client: Client, header: str) -> None:
    answer = client.get("/api/me", headers={"Authorization": header})
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")


def test_a_wrong_token_is_not_saved_by_a_cookie(space: Simulator, client: Client) -> None:
    log_in(space, client, space.consumer())
    assert client.get("/api/me", headers={"Authorization": "Bearer dsp_wrong"}).status_code == 401


def test_au_03_a_revoked_token_is_dead_at_once(space: Simulator, client: Client) -> None:
    headers = bearer(space, space.consumer())
    assert client.delete("/api/tokens/current", headers=headers).status_code == 204
    assert client.get("/api/me", headers=headers).status_code == 401


def test_au_03_a_cookie_is_dead_after_logout(space: Simulator, client: Client) -> None:
    cookie = log_in(space, client, space.consumer())
    assert client.post("/logout", headers=own(space)).status_code == 303
    client.cookies.set("dataspace", cookie)
    assert client.get("/api/me").status_code == 401


def test_au_03_suspension_ends_tokens_and_sessions(space: Simulator, client: Client) -> None:
    consumer = space.consumer()
    log_in(space, client, consumer)
    space.service.membership.change(space.operator, consumer.id, status=Status.SUSPENDED)
    assert client.get("/api/me").status_code == 401
    client.cookies.clear()
    assert client.get("/api/me", headers=bearer(space, consumer)).status_code == 401


def test_au_03_a_role_that_is_taken_is_gone_with_the_next_request(space: Simulator, client: Client) -> None:
    member = space.member(Role.PROVIDER, Role.CONSUMER)
    path = "/api/uploads?zone=nowhere"
    assert client.post(path, headers=bearer(space, member), content=b"a\n1\n").status_code == 404
    space.service.membership.change(space.operator, member.id, roles=[Role.CONSUMER])
    assert client.post(path, headers=bearer(space, member), content=b"a\n1\n").status_code == 403


def test_au_07_many_logins_at_once_are_told_to_come_back(space: Simulator, client: Client) -> None:
    body = {"login": "nobody", "password": PASSWORD}
    with ThreadPoolExecutor(60) as pool:
        answers = list(pool.map(lambda _: client.post("/api/session", json=body), range(60)))
    assert {answer.status_code for answer in answers} == {401, 429}
    assert all(int(answer.headers["retry-after"]) > 0 for answer in answers if answer.status_code == 429)
    assert client.get("/api/me", headers=bearer(space, space.operator)).status_code == 200


def test_au_08_an_unknown_name_gets_the_same_words_as_a_wrong_password(
    space: Simulator, client: Client
) -> None:
    known = {"login": login_of(space, space.consumer()), "password": "wrong wrong wrong"}
    unknown = {"login": "nobody-at-all", "password": "wrong wrong wrong"}
    one, other = (client.post("/api/session", json=body) for body in (known, unknown))
    assert one.status_code == 401
    assert (one.status_code, one.content) == (other.status_code, other.content)


def test_au_08_an_unknown_name_takes_as_long_as_a_wrong_password(space: Simulator, client: Client) -> None:
    known = login_of(space, space.consumer())

    def shortest(login: str) -> float:
        times = []
        for _ in range(3):
            began = time.perf_counter()
            client.post("/api/session", json={"login": login, "password": "wrong wrong wrong"})
            times.append(time.perf_counter() - began)
        return min(times)

    assert shortest("nobody-at-all") > shortest(known) / 3


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {},
        {"Sec-Fetch-Site": "cross-site", "Origin": "http://127.0.0.1:8000"},
    ],
)
def test_au_12_a_cookie_changes_nothing_for_another_site(
    space: Simulator, client: Client, headers: dict[str, str]
) -> None:
    log_in(space, client, space.operator)
    body = {"name": "x", "login": "planted", "roles": ["operator"]}
    assert client.post("/api/participants", json=body, headers=headers).status_code == 403
    assert client.post("/portal/members", data={"name": "x"}, headers=headers).status_code == 403
    assert client.delete("/api/session", headers=headers).status_code == 403
    assert client.get("/api/me").status_code == 200


def test_au_12_reading_with_a_cookie_needs_no_origin(space: Simulator, client: Client) -> None:
    log_in(space, client, space.consumer())
    assert client.get("/api/me", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 200


def test_au_12_nobody_is_logged_in_by_another_site(space: Simulator, client: Client) -> None:
    form = {"login": login_of(space, space.consumer()), "password": PASSWORD}
    answer = client.post("/login", data=form, headers={"Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers


def test_au_12_a_token_needs_no_origin(space: Simulator, client: Client) -> None:
    answer = client.post(
        "/api/negotiations",
        headers=bearer(space, space.consumer()),
        json={"offer": "of-0", "purpose": "statistics"},
    )
    assert answer.status_code == 404


def test_au_13_a_login_changes_the_cookie_and_ends_the_session_before(
    space: Simulator, client: Client
) -> None:
    member = space.consumer()
    first = log_in(space, client, member)
    second = log_in(space, client, member)
    assert first != second
    client.cookies.clear()
    client.cookies.set("dataspace", first)
    assert client.get("/api/me").status_code == 401


def test_au_13_a_planted_cookie_is_never_taken_over(space: Simulator, client: Client) -> None:
    client.cookies.set("dataspace", "planted-by-somebody-else")
    form = {"login": login_of(space, space.consumer()), "password": PASSWORD}
    answer = client.post("/login", data=form, headers=own(space))
    assert "planted-by-somebody-else" not in answer.headers["set-cookie"]


def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(space: Simulator, client: Client) -> None:
    form = {"login": login_of(space, space.consumer()), "password": PASSWORD}
    cookie = client.post("/login", data=form, headers=own(space)).headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie


@pytest.mark.parametrize(
    "path",
    [
        "//evil.example",
        "///evil.example",
        "/\\evil.example",
        "/%5Cevil.example",
        "/%2F/evil.example",
        "\\\\evil",
        "https://evil.example",
        "javascript:alert(1)",
        "/a\r\nSet-Cookie: x=1",
        "evil",
        "",
        "/%0d%0aX",
    ],
)
def test_au_14_no_redirect_leads_away(space: Simulator, client: Client, path: str) -> None:
    assert local_path(path) == "/"
    form = {"login": login_of(space, space.consumer()), "password": PASSWORD, "to": path}
    assert client.post("/login", data=form, headers=own(space)).headers["location"] == "/"


def test_a_reader_is_sent_to_the_login_and_back(client: Client) -> None:
    answer = client.get("/portal/datasets", headers=PAGE)
    assert (answer.status_code, answer.headers["location"]) == (303, "/login?to=%2Fportal%2Fdatasets")
    assert 'value="/portal/datasets"' in client.get(answer.headers["location"], headers=PAGE).text


@pytest.mark.parametrize(
    "path",
    [
        "/api//me",
        "//api/me",
        "/api/./me",
        "/api/login/../me",
        "/api/me/",
        "/api/me;a",
        "/api/me.",
        "/api/%6de",
        "/api/me%2f",
        "/API/me",
        "/login/../api/me",
        "/health/../api/me",
        "/ledger/../api/me",
        "/api/docs/../me",
    ],
)
def test_au_15_no_spelling_of_a_path_gets_past_the_guard(app: Litestar, path: str) -> None:
    # What a server hands over is decoded already: both spellings are tried, and none is told who it is.
    for spelled in (path, path.replace("%6d", "m").replace("%2f", "/")):
        reply = send(app, "GET", spelled, {})
        assert reply.status in {401, 404}, spelled


def test_every_route_but_a_few_needs_a_credential(app: Litestar) -> None:
    public = {"/", "/health", "/login", "/language", "/verify", "/api/session", "/api/openapi.json"}
    # A part of a joint sum comes from a service, which signs it and has no login.
    prefixes = ("/static", "/problems/", "/ledger/", "/witness/", "/api/docs", "/joint/")
    for route in app.routes:
        path = getattr(route, "path_format", route.path)
        if path in public - {"/"} or path.startswith(prefixes):
            continue
        for method in sorted(getattr(route, "methods", set()) - {"OPTIONS"}):
            reply = send(app, method, re.sub(r"\{[^}]*\}", "1", path), {})
            assert reply.status in {401, 303}, (method, path)


@pytest.mark.parametrize(
    "header", ["Host", "X-Forwarded-Host", "X-Forwarded-For", "X-Forwarded-Proto", "Forwarded"]
)
def test_au_18_links_come_from_the_settings_alone(space: Simulator, client: Client, header: str) -> None:
    headers = {**bearer(space, space.operator), header: "evil.example"}
    answers = [
        client.get(path, headers=headers) for path in ("/api/catalog", "/api/nothing", "/api/openapi.json")
    ]
    assert not any("evil.example" in answer.text for answer in answers)
    assert all(space.settings.url in answer.text for answer in answers)


def _logged(caplog: pytest.LogCaptureFixture) -> str:
    """Return what the service logged; the test's own client logs what it sends."""
    formatter = logging.Formatter()
    return "\n".join(formatter.format(one) for one in caplog.records if not one.name.startswith("httpx"))


def test_au_21_nothing_secret_is_logged_or_told(
    space: Simulator, client: Client, monkeypatch: Any, caplog: pytest.LogCaptureFixture
) -> None:
    headers = bearer(space, space.consumer())
    secret, cell = headers["Authorization"].removeprefix("Bearer "), str(139 * 10**8)

    def fail(*_: object) -> None:
        raise ValueError(cell + secret)

    monkeypatch.setattr(type(space.service.catalogue), "listings", fail)
    with caplog.at_level(logging.DEBUG):
        answer = client.get("/api/catalog", params={"q": cell}, headers=headers)
        client.post("/api/session", json={"login": "nobody", "password": "hunter2-hunter2"})
    identifier = answer.json()["id"]
    assert answer.status_code == 500
    assert identifier in _logged(caplog)
    for text in (secret, cell, "hunter2"):
        assert text not in _logged(caplog) + answer.text


def test_au_21_no_request_writes_a_line_of_its_own_into_the_log(
    space: Simulator, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        client.get("/api/catalog/ds%0d%0aERROR%20forged", headers=bearer(space, space.operator))
        client.post("/login", data={"login": "x\r\nERROR forged", "password": "y"}, headers=own(space))
    assert "forged" not in _logged(caplog)


def test_au_21_a_credential_is_never_part_of_an_address(app: Litestar) -> None:
    described = app.openapi_schema.to_schema()
    names = {
        parameter["name"]
        for path in described["paths"].values()
        for operation in path.values()
        for parameter in operation.get("parameters", [])
        if parameter["in"] == "query"
    }
    assert not names & {"token", "password", "key", "secret", "cookie"}
