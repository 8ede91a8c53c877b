"""What the portal tells of budgets: to consumers in words, to providers by consumer."""

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from dataspace.participants.access import Caller
from dataspace.participants.models import Role
from tests.simulator import Simulator
from tests.transfer.noised import agreed, ask
from tests.web.words import PAGE, log_in, own

Client = TestClient[Litestar]


def _see(space: Simulator, client: Client, caller: Caller, language: str = "en") -> str:
    client.cookies.clear()
    log_in(space, client, caller)
    return client.get("/portal/agreements", headers={**PAGE, "Accept-Language": language}).text


@pytest.mark.parametrize(
    ("language", "said"),
    [("en", "more counts at +-5 % in a group of 90 rows"), ("zh", "次计数，90 行的组误差约 ±5%")],
)
def test_a_consumer_reads_what_is_left_in_words(
    space: Simulator, client: Client, language: str, said: str
) -> None:
    consumer, agreement = agreed(space, 900 if language == "en" else 901)
    ask(space, consumer, agreement)
    page = _see(space, client, consumer, language)
    assert said in page
    assert "11%" in page


def test_a_suspended_agreement_says_so_and_can_be_ended(space: Simulator, client: Client) -> None:
    consumer, agreement = agreed(space, 902, units=1)
    ask(space, consumer, agreement)
    page = _see(space, client, consumer)
    assert "SUSPENDED" in page
    assert "the agreement is suspended" in page
    sent = client.post(
        f"/portal/agreements/{agreement.id}/termination", data={"sure": "yes"}, headers=own(space)
    )
    assert sent.status_code == 303
    assert "TERMINATED" in _see(space, client, consumer)
    space.audit()


def test_qy_10_a_provider_is_warned_by_whom_its_budget_is_used(space: Simulator, client: Client) -> None:
    consumer, agreement = agreed(space, 903, epsilon=4_000_000, dataset_epsilon=5_000_000)
    ask(space, consumer, agreement)
    page = _see(space, client, Caller(agreement.provider, frozenset({Role.PROVIDER})))
    assert "Promised or spent: 80%" in page
    assert consumer.id in page
    assert "has spent 25% of its share, which is 80%" in page


def test_an_operator_names_an_entity_that_is_shown_as_a_digest(space: Simulator, client: Client) -> None:
    consumer = space.consumer()
    log_in(space, client, space.operator)
    sent = client.post(
        f"/portal/members/{consumer.id}", data={"entity": "91110000100000000X"}, headers=own(space)
    )
    assert sent.status_code == 303
    page = client.get("/portal/members", headers=PAGE).text
    found = space.service.membership.member(space.operator, consumer.id)
    assert f"<code>{found.entity[:8]}</code>" in page
    assert "91110000100000000X" not in page
