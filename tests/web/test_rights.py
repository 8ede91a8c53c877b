"""Whose it is, and who may: attacks AU-09 (identifiers), AU-10 (roles), AU-11 (extra members)."""

import re
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest
from litestar import Litestar
from litestar.testing import TestClient

from dataspace.catalog.models import Source
from dataspace.catalog.register import OfferTerms, Registration
from dataspace.participants.access import Caller
from dataspace.participants.models import Role
from dataspace.web.schemas import In, Out
from tests.privacy.scores import linear
from tests.simulator import Simulator, people
from tests.web.words import PAGE, bearer, log_in, own

Client = TestClient[Litestar]

_JSON = {
    "/api/participants/{participant}": {"status": "suspended"},
    "/api/negotiations/{negotiation}/offer": {"units": 1, "price": 1},
    "/api/agreements/{agreement}/queries": {"sql": "SELECT COUNT(*) FROM data", "form": "aggregate"},
    "/api/agreements/{agreement}/estimates": {"sql": "SELECT COUNT(*) FROM data"},
    "/api/agreements/{agreement}/estimates/cubes": {
        "dimensions": [],
        "measures": [{"kind": "count"}],
        "max_rows": 1,
        "epsilon": 1_000_000,
    },
    "/api/agreements/{agreement}/cubes": {
        "dimensions": ["district"],
        "measures": [{"kind": "count"}],
        "max_rows": 1,
        "epsilon": 1_000_000,
    },
    "/api/agreements/{agreement}/selector-layouts": {"columns": ["district"]},
    "/api/agreements/{agreement}/sealed/layout": {"key": "AAAA"},
    "/api/agreements/{agreement}/sealed/totals": {
        "measure": "count",
        "groups": [{"cells": [0], "weights": [1]}],
        "epsilon": 1_000_000,
        "key": "AAAA",
    },
    "/api/entries/{entry}/erasure": {"basis": "a test"},
    "/api/datasets/{dataset}/models": {"name": "x", "releasable": True, "model": linear([1]).to_json()},
    "/api/sources/{source}/uploads": {"table": "people"},
}
_FORMS = {
    "/portal/datasets/{dataset}/withdraw": {"sure": "yes"},
    "/portal/agreements/{agreement}/termination": {"sure": "yes"},
    "/portal/negotiations/{negotiation}/{message}": {"units": "1", "price": "1"},
    "/portal/members/{participant}": {"status": "suspended"},
    "/portal/uploads/{upload}": {"title": "x", "price": "1"},
    "/portal/approvals/{approval}": {"answer": "grant"},
}
_QUERIES = {
    "/api/agreements/{agreement}/evaluations": {"identifier": "number"},
    "/api/agreements/{agreement}/lookup": {"identifier": "number"},
    "/api/agreements/{agreement}/lookup/{table}": {"entry": "1"},
}
# Envelopes, which are read before anything is looked up.
_BYTES = ("/encrypted", "/selectors", "/scores")
# Everybody with an account sees these, or everybody at all.
# What peers bring is nobody's: its signature counts.
_SHARED = (
    *("/api/catalog/", "/catalog/", "/problems/", "/ledger/", "/witness/", "/joint/", "/static", "/api/docs"),
)
# An operator's act: who is none is refused before anything is looked up.
_OPERATORS = {
    ("PATCH", "/api/participants/{participant}"),
    ("POST", "/portal/members/{participant}"),
    ("POST", "/api/entries/{entry}/erasure"),
    ("GET", "/api/policies/{digest}"),
}


@dataclass
class Victim:
    """What belongs to a provider and a consumer who know nothing of the attacker."""

    participant: str
    upload: str
    approval: str
    recogniser: str
    source: str
    dataset: str
    negotiation: str
    agreement: str
    entry: int
    model: str


@pytest.fixture(scope="module")
def victim(space: Simulator) -> Victim:
    provider, consumer = space.provider(), space.consumer()
    registered = space.registered(provider, people(200), subjects=["number"])
    agreement = space.agreed(consumer, registered.offer)
    upload = space.upload(provider, people(201)).id
    lower = Registration("x", OfferTerms(price=1), level=1)
    models = space.service.models
    meter = {
        "category": "meter_no",
        "title": {"zh": "电表号", "en": "Meter"},
        "level": 2,
        "method": "mask",
        "pattern": "M[0-9]{8}",
    }
    return Victim(
        provider.id,
        upload,
        space.service.approvals.ask(provider, upload, lower, "a test").id,
        space.service.rules.add(provider, "government", meter).id,
        _source(space, provider),
        registered.dataset,
        agreement.negotiation,
        agreement.id,
        agreement.entry,
        models.register(provider, registered.dataset, "x", linear([1]).to_json(), releasable=True).id,
    )


def _source(space: Simulator, provider: Caller) -> str:
    """Plant a source: none can be added where the operator lists no host."""
    source = Source(
        id="sr-00112233445566", provider=provider.id, zone="government", name="registry", wrapped=b"",
        created=space.service.space.clock(),
    )  # fmt: skip
    space.service.space.database.commit(lambda session: session.add(source))
    return "sr-00112233445566"


@pytest.fixture(scope="module")
def attacker(space: Simulator) -> Caller:
    return space.member(Role.PROVIDER, Role.CONSUMER)


def _identified(app: Litestar) -> list[tuple[str, str]]:
    """Return every method and route with an identifier in it."""
    found = []
    for route in app.routes:
        path = getattr(route, "path_format", "")
        if "{" in path and not path.startswith(_SHARED):
            found += [(method, path) for method in sorted(getattr(route, "methods", set()) - {"OPTIONS"})]
    return found


def _ask(client: Client, method: str, path: str, names: dict[str, Any], headers: dict[str, str]) -> Any:
    body: dict[str, Any] = {}
    if path in _JSON and method != "GET":
        body = {"json": _JSON[path]}
    elif path.startswith("/portal") and method == "POST":
        body = {"data": _FORMS.get(path, {})}
    elif path.endswith("/encrypted"):
        body = {"content": b"DSHQ"}
    if path in _QUERIES:
        body["params"] = _QUERIES[path]
    return client.request(method, path.format(**names), headers=headers, **body)


def test_au_09_what_is_anothers_looks_like_what_does_not_exist(
    space: Simulator, app: Litestar, client: Client, victim: Victim, attacker: Caller
) -> None:
    headers = {**bearer(space, attacker), "Accept": "application/json"}
    theirs = {**vars(victim), "message": "termination", "digest": space.service.space.policy.digest}
    theirs |= {"table": "lt-0011223344556677", "job": theirs.get("job", "is-0011223344556677")}
    nobodys: dict[str, Any] = {
        name: re.sub(r"-.*", "-0123456789abcdef", str(value)) for name, value in theirs.items()
    }
    nobodys |= {"entry": 10**9, "message": "termination"}
    routes = _identified(app)
    assert len(routes) > 25
    for method, path in routes:
        one, other = (_ask(client, method, path, names, headers) for names in (theirs, nobodys))
        expected = {403} if (method, path) in _OPERATORS else {400} if path.endswith(_BYTES) else {404}
        assert {one.status_code, other.status_code} == expected, (method, path, one.text, other.text)
        assert one.content == other.content, (method, path)
    space.audit()


def test_au_09_lists_hold_ones_own_alone(
    space: Simulator, client: Client, victim: Victim, attacker: Caller
) -> None:
    headers = bearer(space, attacker)
    owned = ("negotiations", "agreements", "datasets", "approvals", "rules", "recognisers", "sources")
    for path in (f"/api/{name}" for name in owned):
        assert client.get(path, headers=headers).json() == []
    assert [one["id"] for one in client.get("/api/participants", headers=headers).json()] == [attacker.id]
    entries = client.get("/api/entries?count=1000", headers=headers).text
    assert not any(str(name) in entries for name in (victim.dataset, victim.agreement, victim.participant))


_ADMIT = {"name": "x", "login": "somebody", "roles": ["operator"]}


@pytest.mark.parametrize(
    ("method", "path", "body", "allowed"),
    [
        ("POST", "/api/participants", {"json": _ADMIT}, {Role.OPERATOR}),
        ("POST", "/api/uploads?zone=government&filename=a.csv", {"content": people(50)}, {Role.PROVIDER}),
        ("GET", "/portal/members", {}, {Role.OPERATOR}),
        ("GET", "/api/decisions", {}, {Role.AUDITOR, Role.OPERATOR}),
        ("GET", "/portal/upload", {}, {Role.PROVIDER}),
    ],
)
def test_au_10_an_act_needs_its_role(
    space: Simulator, client: Client, method: str, path: str, body: dict[str, Any], allowed: set[Role]
) -> None:
    for role in set(Role) - allowed:
        member = space.member(role)
        answer = client.request(method, path, headers=bearer(space, member), **body)
        assert answer.status_code == 403, (role, answer.text)
    for role in allowed:
        answer = client.request(method, path, headers=bearer(space, space.member(role)), **body)
        assert answer.status_code < 300, (role, answer.text)


def test_au_10_only_consumers_negotiate(space: Simulator, client: Client) -> None:
    offer = space.registered(space.provider(), people(202), subjects=["number"]).offer
    body = {"offer": offer, "purpose": "statistics"}
    answers = {
        role: client.post("/api/negotiations", headers=bearer(space, space.member(role)), json=body)
        for role in Role
    }
    assert {role for role, answer in answers.items() if answer.status_code == 201} == {Role.CONSUMER}
    assert {reason["code"] for reason in answers[Role.PROVIDER].json()["reasons"]} == {"role-missing"}


def test_au_10_auditors_and_operators_see_every_entry(
    space: Simulator, client: Client, victim: Victim
) -> None:
    for member in (space.member(Role.AUDITOR), space.operator):
        found = client.get("/api/entries?count=1000", headers=bearer(space, member)).json()
        assert [one["index"] for one in found] == list(range(len(found)))
        assert client.get(f"/api/receipts/{victim.entry}", headers=bearer(space, member)).status_code == 200


def test_au_10_a_cookie_has_no_more_rights_than_a_token(space: Simulator, client: Client) -> None:
    log_in(space, client, space.consumer())
    assert client.get("/portal/members", headers=PAGE).status_code == 403
    form = {"name": "x", "login": "planted", "role": "operator"}
    assert client.post("/portal/members", data=form, headers=own(space)).status_code == 403


def _bodies(kind: type[Any]) -> list[type[Any]]:
    return [found for child in kind.__subclasses__() for found in (child, *_bodies(child))]


def test_au_11_every_body_refuses_members_it_does_not_know() -> None:
    assert len(_bodies(In)) >= 8
    assert all(body.__struct_config__.forbid_unknown_fields for body in _bodies(In))


@pytest.mark.parametrize("extra", ["id", "owner_id", "role", "status", "secret", "password_hash", "key"])
def test_au_11_an_unknown_member_is_an_error(space: Simulator, client: Client, extra: str) -> None:
    body = {"name": "x", "login": "somebody", "roles": ["consumer"], extra: "z"}
    answer = client.post("/api/participants", headers=bearer(space, space.operator), json=body)
    assert answer.status_code == 400
    assert extra in answer.json()["errors"][0]["message"]


def test_au_11_nothing_that_goes_out_has_room_for_a_secret() -> None:
    fields = {(body.__name__, field.name) for body in _bodies(Out) for field in msgspec.structs.fields(body)}
    secret = {"key", "wrapped", "password", "password_hash", "token_sha256", "path", "cookie"}
    assert not {(body, name) for body, name in fields if name in secret}


def test_au_11_no_stored_secret_comes_out(space: Simulator, client: Client) -> None:
    provider, consumer = space.provider(), space.consumer()
    agreement = space.agreed(consumer, space.registered(provider, people(203), subjects=["number"]).offer)
    found = client.get(f"/api/agreements/{agreement.id}", headers=bearer(space, consumer))
    assert "key" not in found.json()
    member = client.get("/api/me", headers=bearer(space, consumer)).text
    assert "argon2" not in member
