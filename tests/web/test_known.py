"""Pages that tell more than ids: offers, withdrawals, titles, names, and a file that came twice."""

import re

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from dataspace.participants.access import Caller
from dataspace.participants.models import Role
from tests.simulator import Simulator, people
from tests.web.words import PAGE, form_of, log_in, own

Client = TestClient[Litestar]


def _see(space: Simulator, client: Client, caller: Caller, path: str, language: str = "en") -> str:
    client.cookies.clear()
    log_in(space, client, caller)
    client.cookies.set("language", language)
    return " ".join(client.get(path, headers=PAGE).text.split())


def _uploaded(space: Simulator, client: Client, content: bytes, title: str = "People") -> str:
    form = {"zone": "government", "title": title}
    answer = client.post(
        "/portal/upload", data=form, files={"file": ("people.csv", content)}, headers=own(space)
    )
    assert answer.status_code == 303, answer.text
    return str(answer.headers["location"])


def test_a_file_that_was_registered_before_is_said_to_be(space: Simulator, client: Client) -> None:
    provider = space.provider()
    before = space.registered(provider, people(341), subjects=["number"])
    log_in(space, client, provider)
    address = _uploaded(space, client, people(341), "Another title")
    form = form_of(client.get(address, headers=PAGE).text, address)
    refused = client.post(address, data=form, headers=own(space))
    assert refused.status_code == 409
    assert "with other terms (subjects)" in refused.text
    done = client.post(address, data={**form, "subject.0": "yes"}, headers=own(space))
    assert done.status_code == 303, done.text
    assert done.headers["location"] == f"/portal/datasets/{before.dataset}?known=1"
    page = _see(space, client, provider, done.headers["location"])
    assert "This very file was registered already" in page
    assert "the new title and description were not taken" in page
    assert "Registered, and an entry" not in page
    assert "Another title" not in page
    assert "registered already" not in _see(
        space, client, provider, f"/portal/datasets/{before.dataset}?known=7"
    )


def test_a_provider_sees_its_offers(space: Simulator, client: Client) -> None:
    provider = space.provider()
    found = space.registered(provider, people(342), subjects=["number"], price=1234, units=77, days=31)
    for path in ("/portal/datasets", f"/portal/datasets/{found.dataset}"):
        page = _see(space, client, provider, path)
        for text in ("¥12.34", "77", "31", "Statistics", "aggregates", "+08:00"):
            assert text in page, (path, text)


def test_a_withdrawal_is_shown_with_its_receipt_and_to_the_consumer(space: Simulator, client: Client) -> None:
    provider, consumer = space.provider(), space.consumer()
    found = space.registered(provider, people(343), subjects=["number"])
    space.agreed(consumer, found.offer)
    assert "was withdrawn" not in _see(space, client, consumer, "/portal/agreements")
    entry = space.service.registrar.withdraw(provider, found.dataset)
    space.registered(provider, people(344), subjects=["number"])  # later entries do not hide it
    page = _see(space, client, provider, f"/portal/datasets/{found.dataset}")
    assert f'<span id="withdrawal">{entry}</span>' in page
    assert f'href="/api/receipts/{entry}"' in page
    for party in (provider, consumer):
        page = _see(space, client, party, "/portal/agreements")
        assert "The dataset was withdrawn: no query is answered any more." in page


def test_agreements_show_titles_and_the_names_one_may_know(space: Simulator, client: Client) -> None:
    provider, consumer = space.member(Role.PROVIDER, login="bureau"), space.member(Role.CONSUMER, login="lab")
    space.agreed(consumer, space.registered(provider, people(345), subjects=["number"]).offer)
    page = _see(space, client, consumer, "/portal/agreements")
    assert "a dataset <code>ds-" in page
    assert f"bureau <code>{provider.id}</code>" in page
    page = _see(space, client, provider, "/portal/agreements")
    assert "a dataset <code>ds-" in page
    assert consumer.id in page
    assert "lab <code>" not in page


def test_agreements_show_a_purpose_in_words(space: Simulator, client: Client) -> None:
    consumer = space.consumer()
    space.agreed(consumer, space.registered(space.provider(), people(349), subjects=["number"]).offer)
    for language, words in (("en", "Statistics"), ("zh", "统计分析")):
        page = _see(space, client, consumer, "/portal/agreements", language)
        assert page.count(f"<dd>{words}</dd>") == 2  # of the negotiation and of the agreement
        assert "<dd>statistics</dd>" not in page


def test_without_a_subject_column_the_pages_warn(space: Simulator, client: Client) -> None:
    provider = space.provider()
    warning = "Without a subject column every row counts as a person of its own"
    with_one = space.registered(provider, people(346), subjects=["number"])
    without = space.registered(provider, people(347))
    assert warning not in _see(space, client, provider, f"/portal/datasets/{with_one.dataset}")
    assert warning in _see(space, client, provider, f"/portal/datasets/{without.dataset}")


@pytest.mark.parametrize(
    ("role", "title"),
    [(Role.AUDITOR, "All entries"), (Role.OPERATOR, "All entries"), (Role.CONSUMER, "My entries")],
)
def test_entries_are_titled_by_who_reads_them(
    space: Simulator, client: Client, role: Role, title: str
) -> None:
    page = _see(space, client, space.member(role), "/entries")
    assert f"<h1>{title}</h1>" in page
    assert re.search(r"<td>\d{4}-\d\d-\d\d \d\d:\d\d \+08:00</td>", page) or role is Role.CONSUMER


def test_the_key_file_has_the_name_it_has_everywhere(client: Client) -> None:
    page = client.get("/verify", headers=PAGE).text
    assert "@log.key" in page
    assert "vkey" not in page


def test_evidence_is_in_the_language_of_the_page(space: Simulator, client: Client) -> None:
    log_in(space, client, space.provider())
    client.cookies.set("language", "zh")
    page = client.get(_uploaded(space, client, people(348)), headers=PAGE).text
    assert "个取值中有" in page
    assert "values pass" not in page
    assert "its name says so" not in page
