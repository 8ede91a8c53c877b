"""What auditors make decisions again with, over HTTP: who may read it, and that a real audit does."""

import hashlib
import json

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from dataspace.audit.audit import audit
from dataspace.audit.report import Stage
from dataspace.audit.sources import Remote
from dataspace.participants.models import Role
from dataspace.proof.verify import Outcome
from dataspace.web.api import evidence
from tests.simulator import Simulator, people
from tests.web.served import served
from tests.web.words import bearer

Client = TestClient[Litestar]


@pytest.fixture(scope="module")
def entry(space: Simulator) -> int:
    """A space in which something was decided; the entry of an answer."""
    provider, consumer = space.provider(), space.consumer()
    agreement = space.agreed(consumer, space.registered(provider, people(60), subjects=["number"]).offer)
    return space.query(consumer, agreement.id, "SELECT COUNT(*) FROM data").entry


def test_a_decision_is_shown_verbatim_to_auditors(space: Simulator, client: Client, entry: int) -> None:
    auditor = bearer(space, space.member(Role.AUDITOR))
    page = client.get(f"/api/decisions?start={entry}&count=1", headers=auditor).json()
    assert page["next"] == entry + 1
    (decision,) = page["decisions"]
    assert decision["entry"] == entry
    assert hashlib.sha256(decision["input"].encode()).hexdigest() == decision["digest"]
    assert json.loads(decision["input"])["action"] == "query"


def test_a_policy_is_shown_by_its_digest(space: Simulator, client: Client, entry: int) -> None:
    del entry
    auditor = bearer(space, space.member(Role.AUDITOR))
    digest = space.service.space.policy.digest
    answer = client.get(f"/api/policies/{digest}", headers=auditor)
    assert answer.headers["Content-Type"] == "application/gzip"
    assert hashlib.sha256(answer.content).hexdigest() == digest
    assert client.get(f"/api/policies/{'0' * 64}", headers=auditor).status_code == 404


@pytest.mark.parametrize("path", ["/api/decisions", f"/api/policies/{'0' * 64}"])
def test_au_10_a_party_does_not_see_what_was_decided_on(space: Simulator, client: Client, path: str) -> None:
    for role in (Role.CONSUMER, Role.PROVIDER):
        assert client.get(path, headers=bearer(space, space.member(role))).status_code == 403
    assert client.get(path).status_code == 401


def test_an_auditor_of_other_zones_sees_no_decision(space: Simulator, client: Client, entry: int) -> None:
    auditor = space.member(Role.AUDITOR)
    space.service.membership.change(space.operator, auditor.id, zones=["finance"])
    found = client.get(f"/api/decisions?start={entry}&count=1", headers=bearer(space, auditor)).json()
    assert found == {"decisions": [], "next": entry + 1}


def test_a_party_that_audits_another_zone_does_not_see_what_was_decided_on_its_own_queries(
    space: Simulator, client: Client
) -> None:
    both = space.member(Role.CONSUMER, Role.AUDITOR)
    space.service.membership.change(space.operator, both.id, zones=["finance"])
    offer = space.registered(space.provider(), people(240), subjects=["number"]).offer
    agreement = space.agreed(both, offer)
    entry = space.query(both, agreement.id, "SELECT COUNT(*) FROM data").entry
    headers = bearer(space, both)
    assert client.get(f"/api/receipts/{entry}", headers=headers).status_code == 200
    found = client.get(f"/api/decisions?start={entry}&count=1", headers=headers).json()
    assert found["decisions"] == []
    with served(space) as url:
        report = audit(Remote(url, space.tokens[both.id]), space.service.space.log.vkey())
    assert report.ok, report


def test_a_page_that_gets_too_long_says_where_to_go_on(
    space: Simulator, client: Client, entry: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evidence, "_BYTES", 10)
    operator = bearer(space, space.operator)
    seen, at = [], 0
    while at <= entry:
        page = client.get(f"/api/decisions?start={at}&count=100", headers=operator).json()
        assert len(page["decisions"]) <= 1
        assert page["next"] > at
        seen += [one["entry"] for one in page["decisions"]]
        at = page["next"]
    assert seen == sorted(set(seen))
    assert entry in seen


def test_a_service_is_audited_over_http_with_its_decisions_and_what_it_published(
    space: Simulator, entry: int
) -> None:
    del entry
    space.service.publisher.publish()
    space.service.publisher.anchor()
    token = space.tokens[space.member(Role.AUDITOR).id]
    with served(space) as url:
        report = audit(Remote(url, token), space.service.space.log.vkey())
    assert report.ok, report
    passed = {step.number for step in report.steps if step.outcome is Outcome.PASSED}
    assert {Stage.PUBLISHED, Stage.MEANING, Stage.DECISIONS} <= passed


def test_an_auditor_of_one_zone_audits_its_zone_whole_and_the_rest_in_part(
    space: Simulator, entry: int
) -> None:
    del entry
    vkey = space.service.space.log.vkey()
    records: dict[str, str] = {}
    for zone in ("government", "finance"):
        auditor = space.member(Role.AUDITOR)
        space.service.membership.change(space.operator, auditor.id, zones=[zone])
        with served(space) as url:
            report = audit(Remote(url, space.tokens[auditor.id]), vkey)
        assert report.ok, report
        records[zone] = report.steps[Stage.RECORDS - 1].detail
    assert all("shown in part" in detail for detail in records.values())
    whole = {zone: int(detail.split()[0]) for zone, detail in records.items()}
    assert whole["government"] > whole["finance"] > 0  # where the dataset is
