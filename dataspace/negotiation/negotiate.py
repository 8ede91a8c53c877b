"""Negotiation: from a request on an offer to an agreement, by the state table of DSP.

Both sides are participants of this space. An automatic offer is agreed to and
finalized by the service in the provider's name, if the policy allows it; any
other waits for the provider.
"""

from collections.abc import Sequence

from sqlmodel import Session

from dataspace.catalog.models import Dataset, Form, Offer
from dataspace.errors import Conflict, Unprocessable
from dataspace.negotiation.conclude import conclude
from dataspace.negotiation.look import Dealings
from dataspace.negotiation.models import Agreement, Negotiation
from dataspace.negotiation.parties import agreement_of, negotiation_of, offered_dataset, side_of
from dataspace.negotiation.promise import promised
from dataspace.negotiation.states import Message, Side, State, after
from dataspace.negotiation.terms import Terms, offer_facts, terms_of
from dataspace.participants.access import Caller, require
from dataspace.participants.models import Role
from dataspace.policy import Decision
from dataspace.policy.models import PolicyInput
from dataspace.space import ensure, mint, proof_of, remember


class Negotiator(Dealings):
    """The acts of a negotiation; each is one transaction with its entry."""

    def request(
        self, caller: Caller, offer: str, purpose: str, forms: Sequence[Form] = (), units: int | None = None
    ) -> Negotiation:
        """Ask for an agreement on an offer: all its forms and units, unless less is asked for.

        Raises:
            NotFound: there is no such offer, or its dataset is withdrawn.
            PolicyDenied: the policy denies it; the denial is an entry.
            Unprocessable: more units than the offer has, or none.
            Conflict: the dataset's epsilon was promised to another just now.

        """
        with self._space.database.reading() as session:
            offered, dataset = offered_dataset(session, offer)
        terms = terms_of(offered, purpose, forms, units)
        decision, asked = self._decide(caller, offered, dataset, terms)
        if not decision.allow:
            self._refuse(caller, offered, decision, asked)
        return self._space.database.commit(
            lambda session: self._request(session, caller, offer, terms, asked)
        )

    def offer(self, caller: Caller, negotiation: str, units: int, price: int) -> Negotiation:
        """Answer a request, as the provider, with other terms."""
        if units < 1 or price < 0:
            raise Unprocessable("an offer has at least one unit and a price of zero or more")

        require(caller, Role.PROVIDER)

        def act(session: Session) -> Negotiation:
            found = negotiation_of(session, caller, negotiation)
            found.terms = {**found.terms, "units": units, "price": price}
            return self._advance(session, found, Message.OFFER, caller)

        return self._space.database.commit(act)

    def accept(self, caller: Caller, negotiation: str) -> Negotiation:
        """Accept, as the consumer, the terms the provider offered."""
        require(caller, Role.CONSUMER)
        return self._plain(caller, negotiation, Message.ACCEPT)

    def agree(self, caller: Caller, negotiation: str) -> Negotiation:
        """Agree, as the provider: the agreement is made, and is an entry.

        Raises:
            NotFound: the negotiation is not the caller's, or the dataset was withdrawn.
            IllegalTransition: it does not stand where it can be agreed to.
            Conflict: the dataset's epsilon was promised to others in the meantime.

        """
        require(caller, Role.PROVIDER)

        def act(session: Session) -> Negotiation:
            found = negotiation_of(session, caller, negotiation)
            entered = after(State(found.state), Message.AGREE, side_of(found, caller))
            return self._agree(session, found, entered, caller.id)

        return self._space.database.commit(act)

    def verify(self, caller: Caller, negotiation: str) -> Negotiation:
        """Verify the agreement, as the consumer; an automatic offer is then finalized at once."""
        require(caller, Role.CONSUMER)

        def act(session: Session) -> Negotiation:
            found = self._advance(
                session, negotiation_of(session, caller, negotiation), Message.VERIFY, caller
            )
            offered, _ = offered_dataset(session, found.offer)
            return self._finalize(session, found, found.provider) if offered.automatic else found

        return self._space.database.commit(act)

    def finalize(self, caller: Caller, negotiation: str) -> Negotiation:
        """Finalize the agreement, as the provider: queries may begin."""
        require(caller, Role.PROVIDER)

        def act(session: Session) -> Negotiation:
            found = negotiation_of(session, caller, negotiation)
            after(State(found.state), Message.FINALIZE, side_of(found, caller))
            return self._finalize(session, found, caller.id)

        return self._space.database.commit(act)

    def terminate(self, caller: Caller, negotiation: str) -> Negotiation:
        """End a negotiation that is not finalized, from either side."""

        def act(session: Session) -> Negotiation:
            found = self._advance(
                session, negotiation_of(session, caller, negotiation), Message.TERMINATE, caller
            )
            if found.agreement:
                agreement_of(session, caller, found.agreement).state = State.TERMINATED
            return found

        return self._space.database.commit(act)

    def end(self, caller: Caller, agreement: str) -> Agreement:
        """End an agreement in force or suspended, from either side: no query is answered under it any more.

        Raises:
            Conflict: it is neither.

        """

        def act(session: Session) -> Agreement:
            found = agreement_of(session, caller, agreement)
            if found.state not in (State.FINALIZED, State.SUSPENDED):
                raise Conflict(f"the agreement is {found.state}, want {State.FINALIZED}")
            found.state = State.TERMINATED
            session.add(found)
            self._space.log.append(
                session, "agreement.terminated", agreement=found.id, by=caller.id, reason="ended by a party"
            )
            return found

        return self._space.database.commit(act)

    def _decide(
        self, caller: Caller, offered: Offer, dataset: Dataset, terms: Terms
    ) -> tuple[Decision, PolicyInput]:
        pack = self._space.pack(dataset.zone)
        with self._space.database.reading() as session:
            promise = promised(session, dataset.id, caller.id)
        return self._space.decide(
            "negotiate",
            participant=caller.facts(),
            zone=pack.facts(),
            offer=offer_facts(offered),
            dataset={
                "id": dataset.id,
                "provider": dataset.provider,
                "withdrawn": dataset.withdrawn is not None,
                "epsilon": {"granted": dataset.epsilon, "spent": promise.others, "reserved": promise.own},
            },
            agreement={
                "purpose": terms.purpose,
                "forms": list(terms.forms),
                # An entity's agreements share one budget: only what is more than it has is new.
                "epsilon": max(0, terms.epsilon - promise.own),
            },
        )

    def _refuse(self, caller: Caller, offered: Offer, decision: Decision, asked: PolicyInput) -> None:
        def act(session: Session) -> int:
            remember(session, asked)
            return self._space.log.append(
                session,
                "negotiation.refused",
                offer=offered.id,
                consumer=caller.id,
                reasons=[reason.code for reason in decision.reasons],
                **proof_of(decision),
            )

        entry = self._space.database.commit(act)
        # Raised only now: the refusal is a fact of the ledger and must commit.
        ensure(decision, entry=entry)

    def _request(
        self, session: Session, caller: Caller, offer: str, terms: Terms, asked: PolicyInput
    ) -> Negotiation:
        offered, dataset = offered_dataset(session, offer)
        remember(session, asked)
        now = self._space.clock()
        found = Negotiation(
            id=mint("ng"),
            offer=offer,
            dataset=dataset.id,
            provider=dataset.provider,
            consumer=caller.id,
            state=after(None, Message.REQUEST, Side.CONSUMER),
            terms={**terms.to_json(), "input": asked.digest, "policy": self._space.policy.digest},
            created=now,
            updated=now,
        )
        session.add(found)
        session.flush()
        self._record(session, found, caller.id)
        if offered.automatic:
            return self._agree(
                session, found, after(State.REQUESTED, Message.AGREE, Side.PROVIDER), dataset.provider
            )
        return found

    def _plain(self, caller: Caller, negotiation: str, message: Message) -> Negotiation:
        return self._space.database.commit(
            lambda session: self._advance(
                session, negotiation_of(session, caller, negotiation), message, caller
            )
        )

    def _advance(self, session: Session, found: Negotiation, message: Message, caller: Caller) -> Negotiation:
        return self._enter(
            session, found, after(State(found.state), message, side_of(found, caller)), caller.id
        )

    def _enter(self, session: Session, found: Negotiation, entered: State, by: str) -> Negotiation:
        found.state = entered
        found.updated = self._space.clock()
        session.add(found)
        self._record(session, found, by)
        return found

    def _record(self, session: Session, found: Negotiation, by: str) -> None:
        self._space.log.append(
            session,
            "negotiation.changed",
            negotiation=found.id,
            offer=found.offer,
            provider=found.provider,
            consumer=found.consumer,
            state=found.state,
            by=by,
        )

    def _agree(self, session: Session, found: Negotiation, entered: State, by: str) -> Negotiation:
        offered, dataset = offered_dataset(session, found.offer)
        found.agreement = conclude(session, self._space, found, (offered, dataset)).id
        return self._enter(session, found, entered, by)

    def _finalize(self, session: Session, found: Negotiation, by: str) -> Negotiation:
        agreement = session.get_one(Agreement, found.agreement)
        agreement.state = State.FINALIZED
        session.add(agreement)
        return self._enter(session, found, State.FINALIZED, by)
