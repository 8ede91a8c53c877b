"""Negotiations between participants of one space."""

import pytest

from dataspace.catalog.models import Form
from dataspace.errors import Conflict, IllegalTransition, NotFound, PolicyDenied, Unprocessable
from dataspace.participants.models import Role
from tests.simulator import Simulator, people


def test_an_automatic_offer_is_agreed_at_once_and_final_when_the_consumer_verifies(space: Simulator) -> None:
    provider, consumer = space.provider(), space.consumer()
    offer = space.registered(provider, people(200), subjects=["number"]).offer
    negotiation = space.service.negotiator.request(consumer, offer, "statistics")
    assert negotiation.state == "AGREED"
    assert space.service.negotiator.verify(consumer, negotiation.id).state == "FINALIZED"
    wanted = ["negotiation.changed", "agreement.concluded"] + 3 * ["negotiation.changed"]
    assert space.kinds()[-5:] == wanted
    space.audit()


def test_an_offer_that_is_not_automatic_waits_for_its_provider(space: Simulator) -> None:
    provider, consumer = space.provider(), space.consumer()
    offer = space.registered(provider, people(201), subjects=["number"], automatic=False).offer
    negotiator = space.service.negotiator
    negotiation = negotiator.request(consumer, offer, "statistics").id
    assert negotiator.offer(provider, negotiation, units=5, price=300).state == "OFFERED"
    negotiator.accept(consumer, negotiation)
    agreement = negotiator.agree(provider, negotiation).agreement
    negotiator.verify(consumer, negotiation)
    assert negotiator.finalize(provider, negotiation).state == "FINALIZED"
    found = negotiator.agreement(consumer, str(agreement))
    assert (found.units, found.price, found.state) == (5, 300, "FINALIZED")
    space.audit()


def test_a_message_out_of_turn_changes_nothing(space: Simulator) -> None:
    provider, consumer = space.provider(), space.member(Role.CONSUMER, Role.PROVIDER)
    offer = space.registered(provider, people(202), subjects=["number"], automatic=False).offer
    negotiation = space.service.negotiator.request(consumer, offer, "statistics").id
    with pytest.raises(IllegalTransition):
        space.service.negotiator.agree(consumer, negotiation)
    assert space.service.negotiator.negotiation(consumer, negotiation).state == "REQUESTED"
    space.audit()


def test_a_purpose_outside_the_offer_is_refused_and_the_refusal_is_an_entry(space: Simulator) -> None:
    provider, consumer = space.provider(), space.consumer()
    offer = space.registered(provider, people(203), subjects=["number"]).offer
    with pytest.raises(PolicyDenied) as refused:
        space.service.negotiator.request(consumer, offer, "advertising")
    assert "purpose-not-offered" in {reason["code"] for reason in refused.value.facts["reasons"]}
    assert space.kinds()[-1] == "negotiation.refused"
    assert refused.value.facts["entry"] == len(space.kinds()) - 1
    space.audit()


def test_more_units_than_offered_are_not_to_be_had(space: Simulator) -> None:
    provider, consumer = space.provider(), space.consumer()
    offer = space.registered(provider, people(204), subjects=["number"], units=10).offer
    with pytest.raises(Unprocessable, match="11 units asked, want 1 to 10"):
        space.service.negotiator.request(consumer, offer, "statistics", (Form.AGGREGATE,), 11)
    space.audit()


def test_what_is_between_others_is_not_found(space: Simulator) -> None:
    provider, consumer, stranger = space.provider(), space.consumer(), space.consumer()
    agreement = space.agreed(consumer, space.registered(provider, people(205), subjects=["number"]).offer)
    with pytest.raises(NotFound):
        space.service.negotiator.agreement(stranger, agreement.id)
    with pytest.raises(NotFound):
        space.service.negotiator.negotiation(stranger, agreement.negotiation)
    space.audit()


def test_an_agreement_that_a_party_ended_answers_no_more(space: Simulator) -> None:
    provider, consumer = space.provider(), space.consumer()
    agreement = space.agreed(consumer, space.registered(provider, people(206), subjects=["number"]).offer)
    space.service.negotiator.end(provider, agreement.id)
    with pytest.raises(PolicyDenied, match="agreement-not-finalized"):
        space.query(consumer, agreement.id, "SELECT COUNT(*) FROM data")
    with pytest.raises(Conflict):
        space.service.negotiator.end(consumer, agreement.id)
    space.audit()
