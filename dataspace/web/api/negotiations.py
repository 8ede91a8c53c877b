"""Contract negotiations: the messages of DSP 2025-1, one route each."""

from typing import Annotated

import msgspec
from litestar import Controller, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from dataspace.catalog.models import Form
from dataspace.negotiation.models import Negotiation
from dataspace.negotiation.states import State
from dataspace.participants.access import Caller
from dataspace.web.schemas import (
    AgreementId,
    DatasetId,
    Epsilon,
    Forms,
    In,
    Moment,
    NegotiationId,
    OfferId,
    Out,
    ParticipantId,
    Price,
    Purpose,
    Units,
)
from dataspace.web.service import Service


class TermsBody(Out):
    """The terms on the table, whoever spoke last."""

    purpose: Purpose
    forms: Forms
    units: Units
    epsilon: Epsilon
    price: Price


class NegotiationBody(Out):
    """A negotiation, as both of its sides see it."""

    id: NegotiationId
    state: Annotated[State, msgspec.Meta(description="a state of DSP 2025-1", examples=["FINALIZED"])]
    offer: OfferId
    dataset: DatasetId
    provider: ParticipantId
    consumer: ParticipantId
    terms: TermsBody
    agreement: AgreementId | None
    created: Moment
    updated: Moment

    @classmethod
    def of(cls, found: Negotiation) -> "NegotiationBody":
        """Return what is told of a negotiation."""
        terms = {name: found.terms[name] for name in TermsBody.__struct_fields__}
        return cls(
            id=found.id,
            state=State(found.state),
            offer=found.offer,
            dataset=found.dataset,
            provider=found.provider,
            consumer=found.consumer,
            terms=TermsBody(**terms),
            agreement=found.agreement,
            created=found.created,
            updated=found.updated,
        )


class RequestBody(In):
    """A ContractRequestMessage; without forms and units, all that the offer has."""

    offer: OfferId
    purpose: Purpose
    forms: Forms = msgspec.field(default_factory=list[Form])
    units: Units | None = None


class CounterofferBody(In):
    """A ContractOfferMessage: other terms from the provider."""

    units: Units
    price: Price


class Negotiations(Controller):
    """The negotiations a caller is a side of; those of others do not exist for it."""

    path = "/negotiations"
    tags = ("negotiations",)

    @get("/", sync_to_thread=True)
    def negotiations(
        self, caller: NamedDependency[Caller], service: NamedDependency[Service]
    ) -> list[NegotiationBody]:
        """List the caller's negotiations, on either side, newest first."""
        return [NegotiationBody.of(found) for found in service.negotiator.negotiations(caller)]

    @post("/", sync_to_thread=True)
    def request(
        self, data: JSONBody[RequestBody], caller: NamedDependency[Caller], service: NamedDependency[Service]
    ) -> NegotiationBody:
        """Ask for an agreement on an offer; an automatic one is agreed to at once, if the policy allows."""
        found = service.negotiator.request(caller, data.offer, data.purpose, data.forms, data.units)
        return NegotiationBody.of(found)

    @get("/{negotiation:str}", sync_to_thread=True)
    def negotiation(
        self, negotiation: FromPath[str], caller: NamedDependency[Caller], service: NamedDependency[Service]
    ) -> NegotiationBody:
        """Show one negotiation."""
        return NegotiationBody.of(service.negotiator.negotiation(caller, negotiation))

    @post("/{negotiation:str}/offer", sync_to_thread=True, status_code=200)
    def offer(
        self,
        negotiation: FromPath[str],
        data: JSONBody[CounterofferBody],
        caller: NamedDependency[Caller],
        service: NamedDependency[Service],
    ) -> NegotiationBody:
        """Answer a request with other terms, as the provider."""
        return NegotiationBody.of(service.negotiator.offer(caller, negotiation, data.units, data.price))

    @post("/{negotiation:str}/accept", sync_to_thread=True, status_code=200)
    def accept(
        self, negotiation: FromPath[str], caller: NamedDependency[Caller], service: NamedDependency[Service]
    ) -> NegotiationBody:
        """Accept the provider's terms, as the consumer."""
        return NegotiationBody.of(service.negotiator.accept(caller, negotiation))

    @post("/{negotiation:str}/agreement", sync_to_thread=True, status_code=200)
    def agree(
        self, negotiation: FromPath[str], caller: NamedDependency[Caller], service: NamedDependency[Service]
    ) -> NegotiationBody:
        """Agree, as the provider: the agreement is made, and is an entry of the ledger."""
        return NegotiationBody.of(service.negotiator.agree(caller, negotiation))

    @post("/{negotiation:str}/verification", sync_to_thread=True, status_code=200)
    def verify(
        self, negotiation: FromPath[str], caller: NamedDependency[Caller], service: NamedDependency[Service]
    ) -> NegotiationBody:
        """Verify the agreement, as the consumer; an automatic offer is then finalized at once."""
        return NegotiationBody.of(service.negotiator.verify(caller, negotiation))

    @post("/{negotiation:str}/finalization", sync_to_thread=True, status_code=200)
    def finalize(
        self, negotiation: FromPath[str], caller: NamedDependency[Caller], service: NamedDependency[Service]
    ) -> NegotiationBody:
        """Finalize the agreement, as the provider: queries may begin."""
        return NegotiationBody.of(service.negotiator.finalize(caller, negotiation))

    @post("/{negotiation:str}/termination", sync_to_thread=True, status_code=200)
    def terminate(
        self, negotiation: FromPath[str], caller: NamedDependency[Caller], service: NamedDependency[Service]
    ) -> NegotiationBody:
        """End a negotiation that is not finalized, from either side."""
        return NegotiationBody.of(service.negotiator.terminate(caller, negotiation))
