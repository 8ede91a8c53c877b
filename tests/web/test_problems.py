"""What goes wrong is told in one form, and nothing is told that should not be."""

import json
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from dataspace import errors
from dataspace.errors import DataSpaceError
from dataspace.web.problems import PROBLEMS, STATUS, describe
from tests.simulator import Simulator
from tests.web.asgi import send
from tests.web.words import PAGE, bearer

Client = TestClient[Litestar]
KINDS = [
    kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, DataSpaceError)
]


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind is not DataSpaceError])
def test_every_error_has_a_status_and_a_page(client: Client, kind: type[DataSpaceError]) -> None:
    problem = describe(kind("what happened", limit=3))
    assert (problem.code, problem.status, problem.detail) == (kind.code, STATUS[kind], "what happened")
    assert f"{problem.status}" in client.get(f"/problems/{kind.code}").text


@pytest.mark.parametrize(
    "line",
    [
        line
        for line in (errors.__doc__ or "").splitlines()
        if line.endswith(("0", "1", "2", "3", "4", "5", "9"))
    ],
)
def test_the_statuses_are_those_of_the_error_tree(line: str) -> None:
    name, status = line.strip("│├└─. ").split()[0], int(line.rsplit(maxsplit=1)[-1])
    assert STATUS[getattr(errors, name)] == status


def test_a_document_names_its_type_and_its_facts(space: Simulator, client: Client) -> None:
    answer = client.get("/api/catalog/ds-nothing", headers=bearer(space, space.operator))
    assert answer.headers["content-type"] == "application/problem+json"
    told = answer.json()
    assert told["type"] == f"{space.settings.url}/problems/not-found"
    assert {"title", "status", "detail", "code"} <= told.keys()


def test_facts_never_replace_a_member_of_the_document() -> None:
    document = describe(errors.Conflict("right", status="wrong", detail="wrong", state="here")).document(
        "http://x"
    )
    assert (document["status"], document["detail"], document["state"]) == (409, "right", "here")


def test_a_subclass_is_told_as_what_it_is() -> None:
    class Special(errors.PolicyDenied):
        """Not in the table."""

    assert (describe(Special("x")).code, describe(Special("x")).status) == ("policy-denied", 403)


@pytest.mark.parametrize("kind", [errors.TooMany, errors.Unavailable])
def test_who_should_come_back_is_told_when(kind: type[DataSpaceError]) -> None:
    assert int(describe(kind("x")).headers["Retry-After"]) > 0
    assert describe(kind("x", retry_after=7)).headers["Retry-After"] == "7"


@pytest.mark.parametrize("body", [b"[" * 100_000, b'{"a":' * 100_000, b"[" * 100_000 + b"]" * 100_000])
def test_a_body_nested_a_hundred_thousand_deep_is_malformed(
    space: Simulator, client: Client, body: bytes
) -> None:
    for path in ("/api/participants", "/api/session", "/api/agreements/ag-0/cubes"):
        answer = client.post(path, headers=bearer(space, space.operator), content=body)
        assert (answer.status_code, answer.json()["code"]) == (400, "malformed"), path


@pytest.mark.parametrize(
    "body", [b"", b"{", b"null", b"[]", b"\xff\xfe", b'{"login": 1, "password": "x"}', b"{}x"]
)
def test_a_body_that_does_not_fit_is_malformed(client: Client, body: bytes) -> None:
    answer = client.post("/api/session", content=body)
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed")


@pytest.mark.parametrize(
    ("path", "body", "key"),
    [
        ("/api/negotiations", {"offer": "of-0", "purpose": "x", "units": "1e6"}, "units"),
        ("/api/negotiations", {"offer": "of-0", "purpose": "x", "units": 1.5}, "units"),
        ("/api/datasets", {"upload": "u", "title": "t", "offer": {"price": "100"}}, "offer.price"),
        ("/api/datasets", {"upload": "u", "title": "t", "offer": {"price": 1, "exact": "no"}}, "offer.exact"),
        ("/api/acknowledgements", [{"entry": "1", "answer_sha256": "0" * 64}], "[0].entry"),
        ("/api/acknowledgements", 1, ""),
    ],
)
def test_a_value_of_another_type_is_refused_by_name(
    space: Simulator, client: Client, path: str, body: Any, key: str
) -> None:
    answer = client.post(path, headers=bearer(space, space.operator), json=body)
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed")
    assert answer.json()["errors"][0]["key"] == key


def test_the_numbers_of_a_query_are_still_read(space: Simulator, client: Client) -> None:
    answer = client.get("/api/entries?start=0&count=1", headers=bearer(space, space.operator))
    assert [entry["index"] for entry in answer.json()] == [0]


def test_a_password_is_not_repeated_by_an_error(client: Client) -> None:
    answer = client.post("/api/session", json={"login": ["x"], "password": "hunter2-hunter2"})
    assert "hunter2" not in answer.text


def test_a_body_over_the_limit_is_not_read(space: Simulator, app: Litestar) -> None:
    headers = {**bearer(space, space.operator), "Content-Length": str(2 << 20)}
    answer = send(app, "POST", "/api/participants", headers)
    told = json.loads(answer.body)
    assert (answer.status, told["limit"]) == (413, 1 << 20)
    assert told["detail"] == f"the body is larger than the {1 << 20} bytes that this resource takes"


def test_a_form_over_the_limit_is_told_the_limit_on_its_page(client: Client) -> None:
    answer = client.post("/login", content=bytes((1 << 20) + 1), headers=PAGE)
    assert (answer.status_code, f"larger than the {1 << 20} bytes" in answer.text) == (413, True)


def test_a_wrong_method_names_the_right_ones(client: Client) -> None:
    answer = client.put("/health")
    assert (answer.status_code, answer.json()["code"]) == (405, "method-not-allowed")
    assert "GET" in answer.headers["allow"]


def test_a_browser_gets_a_page_and_a_program_a_document(client: Client) -> None:
    assert client.get("/nothing", headers=PAGE).headers["content-type"].startswith("text/html")
    assert client.get("/nothing").headers["content-type"] == "application/problem+json"
    assert client.get("/api/nothing", headers=PAGE).headers["content-type"] == "application/problem+json"


def test_a_type_of_problem_that_there_is_not_is_not_found(client: Client) -> None:
    assert client.get("/problems/nothing").status_code == 404
    assert {"internal", "method-not-allowed"} <= PROBLEMS.keys()


@pytest.mark.parametrize(
    "path",
    [
        "/login",
        "/api/me",
        "/nothing",
        "/ledger/checkpoint",
        "/static/portal.css",
        "/health",
        "/api/docs",
        "/problems/refused",
        "/ledger/tile/0/000.p/1",
    ],
)
def test_every_answer_carries_the_headers(client: Client, path: str) -> None:
    headers = client.get(path).headers
    assert "script-src 'self'" in headers["content-security-policy"]
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert "cache-control" in headers


def test_answers_of_the_api_are_never_stored(space: Simulator, client: Client) -> None:
    assert client.get("/api/me", headers=bearer(space, space.operator)).headers["cache-control"] == "no-store"
    assert client.get("/login").headers["cache-control"] == "no-store"


def test_an_error_nobody_foresaw_is_an_id(space: Simulator, client: Client, monkeypatch: Any) -> None:
    def fail(*_: object) -> None:
        raise KeyError("a cell")

    monkeypatch.setattr(type(space.service.catalogue), "listings", fail)
    told = client.get("/api/catalog", headers=bearer(space, space.operator))
    assert (told.status_code, told.json()["code"]) == (500, "internal")
    assert "a cell" not in told.text
    page = client.get("/", headers={**bearer(space, space.operator), **PAGE})
    assert (page.status_code, "a cell" in page.text) == (500, False)


def test_reasons_and_entries_of_a_refusal_go_into_the_document() -> None:
    error = errors.PolicyDenied("no", reasons=[{"code": "purpose-not-agreed"}], entry=41)
    told = json.loads(json.dumps(describe(error).document("http://x")))
    assert (told["reasons"], told["entry"]) == ([{"code": "purpose-not-agreed"}], 41)


def test_a_body_that_is_not_utf_8_is_malformed(space: Simulator, client: Client) -> None:
    headers = {**bearer(space, space.operator), "content-type": "application/json"}
    answer = client.post("/api/participants", content=b'{"name": "\xff"}', headers=headers)
    assert (answer.status_code, answer.json()["type"].rpartition("/")[2]) == (400, "malformed")
