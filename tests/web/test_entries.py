"""Entries over HTTP: erased, shown in part, acknowledged."""

from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from dataspace.participants.access import Caller
from dataspace.participants.models import Role
from dataspace.proof.disclosure import Disclosure
from dataspace.proof.merkle import leaf_hash
from dataspace.proof.record import Record
from dataspace.proof.tiles import WIDTH
from dataspace.proof.verify import verify_receipt
from dataspace.transfer.acknowledge import MOST
from tests.simulator import Simulator, people
from tests.transfer.answers import answered
from tests.web.words import PAGE, bearer, log_in

Client = TestClient[Litestar]
BASIS = {"basis": "PIPL article 47"}


@pytest.fixture(scope="module")
def consumer(space: Simulator) -> Caller:
    return space.consumer()


@pytest.fixture(scope="module")
def answers(space: Simulator, consumer: Caller) -> list[tuple[int, str]]:
    offer = space.registered(space.provider(), people(170), subjects=["number"]).offer
    return answered(space, consumer, space.agreed(consumer, offer), 20)


def _items(answers: list[tuple[int, str]]) -> list[dict[str, Any]]:
    return [{"entry": entry, "answer_sha256": digest} for entry, digest in answers]


def _admitted(space: Simulator, client: Client, *zones: str) -> dict[str, str]:
    body = {"name": "x", "login": f"bound-{len(space.tokens)}", "roles": ["auditor"], "zones": list(zones)}
    admitted = client.post("/api/participants", headers=bearer(space, space.operator), json=body).json()
    assert admitted["participant"]["zones"] == list(zones)
    space.tokens[admitted["participant"]["id"]] = admitted["token"]
    return {"Authorization": f"Bearer {admitted['token']}"}


def _leaves(client: Client) -> list[bytes]:
    """Return the leaf hashes that the public ledger tells."""
    size = int(client.get("/ledger/checkpoint").text.split("\n")[1])
    assert size < WIDTH
    data = client.get(f"/ledger/tile/0/000.p/{size}").content
    return [data[at : at + 32] for at in range(0, len(data), 32)]


def test_every_entry_that_an_auditor_of_a_zone_reads_leads_to_its_leaf(
    space: Simulator, client: Client, answers: list[tuple[int, str]]
) -> None:
    assert answers
    headers, leaves = _admitted(space, client, "finance"), _leaves(client)
    found = client.get("/api/entries?count=1000", headers=headers).json()
    assert [one["index"] for one in found][: len(leaves)] == list(range(len(leaves)))
    kinds = set()
    for one in found[: len(leaves)]:
        shown = Record.from_json(one) if "record" in one else Disclosure.from_json(one)
        assert leaf_hash(shown.entry()) == leaves[one["index"]]
        kinds.add(tuple(sorted(one)))
    assert kinds == {("index", "record", "salts"), ("disclosure", "index")}


@pytest.mark.parametrize("fields", ["fields=kind,zone", "fields=kind&fields=zone"])
def test_a_receipt_shows_the_fields_that_are_named(space: Simulator, client: Client, fields: str) -> None:
    provider = space.provider()
    entry = space.registered(provider, people(171), subjects=["number"]).entry
    answer = client.get(f"/api/receipts/{entry}?{fields}", headers=bearer(space, provider))
    report = verify_receipt(answer.content, space.service.space.log.vkey())
    assert report.ok
    assert report.receipt
    assert report.receipt.record.fields == {"kind": "dataset.registered", "zone": "government"}
    wrong = client.get(f"/api/receipts/{entry}?fields=kind,colour", headers=bearer(space, provider))
    assert (wrong.status_code, "no field colour to show" in wrong.json()["detail"]) == (400, True)


def test_an_erasure_answers_with_its_entry_and_ends_the_receipt(space: Simulator, client: Client) -> None:
    provider, operator = space.provider(), bearer(space, space.operator)
    entry = space.registered(provider, people(172), subjects=["number"]).entry
    answer = client.post(f"/api/entries/{entry}/erasure", headers=operator, json=BASIS)
    assert answer.status_code == 201
    said = answer.json()["entry"]
    gone = client.get(f"/api/receipts/{entry}", headers=operator)
    assert (gone.status_code, gone.json()["erased_by"]) == (404, said)
    hidden = client.get(f"/api/receipts/{entry}", headers=bearer(space, provider))
    assert (hidden.status_code, "erased" in hidden.text) == (404, False)
    again = client.post(f"/api/entries/{entry}/erasure", headers=operator, json=BASIS)
    assert (again.status_code, again.json()["erased_by"]) == (409, said)
    listed = client.get("/api/entries?count=1000", headers=operator).json()
    assert entry not in {one["index"] for one in listed}
    space.audit()


def test_erasing_what_the_log_needs_is_refused(space: Simulator, client: Client) -> None:
    answer = client.post("/api/entries/0/erasure", headers=bearer(space, space.operator), json=BASIS)
    assert (answer.status_code, answer.json()["code"]) == (422, "unprocessable")


def test_a_list_is_acknowledged_item_by_item(
    space: Simulator, client: Client, consumer: Caller, answers: list[tuple[int, str]]
) -> None:
    answer = client.post("/api/acknowledgements", headers=bearer(space, consumer), json=_items(answers))
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert [one["record"]["answered"] for one in told["acknowledgements"]] == [entry for entry, _ in answers]
    assert len({one["entry"] for one in told["acknowledgements"]}) == len(answers)
    again = client.post("/api/acknowledgements", headers=bearer(space, consumer), json=_items(answers))
    entries = [[one["entry"] for one in found["acknowledgements"]] for found in (told, again.json())]
    assert entries[0] == entries[1]
    space.audit()


def test_a_wrong_item_is_named_by_its_position(
    space: Simulator, client: Client, consumer: Caller, answers: list[tuple[int, str]]
) -> None:
    items = _items(answers)
    items[7]["answer_sha256"] = "0" * 64
    answer = client.post("/api/acknowledgements", headers=bearer(space, consumer), json=items)
    assert (answer.status_code, answer.json()["position"]) == (422, 7)


@pytest.mark.parametrize("count", [0, MOST + 1])
def test_a_list_that_is_too_short_or_too_long_is_refused(
    space: Simulator, client: Client, consumer: Caller, count: int
) -> None:
    items = [{"entry": number, "answer_sha256": "0" * 64} for number in range(count)]
    answer = client.post("/api/acknowledgements", headers=bearer(space, consumer), json=items)
    assert (answer.status_code, "want 1 to 1000" in answer.text) == (422, True)


@pytest.mark.parametrize(
    "body",
    [
        {},
        [{"entry": 1}],
        [{"entry": -1, "answer_sha256": "0" * 64}],
        [{"entry": 2**63, "answer_sha256": "0" * 64}],
        [{"entry": 1, "answer_sha256": "0" * 63}],
        [{"entry": 1, "answer_sha256": "0" * 64, "by": "pt-1"}],
    ],
)
def test_a_list_of_another_shape_is_malformed(
    space: Simulator, client: Client, consumer: Caller, body: Any
) -> None:
    answer = client.post("/api/acknowledgements", headers=bearer(space, consumer), json=body)
    assert answer.status_code == 400


def test_the_page_of_entries_tells_what_is_erased_and_what_is_shown_in_part(
    space: Simulator, client: Client
) -> None:
    entry = space.registered(space.provider(), people(173), subjects=["number"]).entry
    said = space.service.erasure.erase(space.operator, entry, "a test")
    client.cookies.set("language", "en")
    log_in(space, client, space.operator)
    page = client.get("/entries", headers=PAGE).text
    assert f"content erased by entry {said}" in page
    assert '<input type="checkbox" name="fields" value="kind">' in page
    bound = space.member(Role.AUDITOR)
    space.service.membership.change(space.operator, bound.id, zones=["finance"])
    log_in(space, client, bound)
    page = client.get("/entries", headers=PAGE).text
    assert f"content erased by entry {said}" in page
    assert "(the others are not of your zones)" in page


def test_a_page_admits_an_auditor_of_a_zone(space: Simulator, client: Client) -> None:
    log_in(space, client, space.operator)
    form = {"name": "Court of audit", "login": "court", "role": "auditor", "zone": "finance"}
    headers = {"Sec-Fetch-Site": "same-origin", "Accept": "text/html"}
    page = client.post("/portal/members", data=form, headers=headers)
    assert page.status_code == 200, page.text
    assert "auditor (Finance)" in client.get("/portal/members", headers=PAGE).text
