"""Whose is it: look-ups that find what the caller is a party of, and nothing else."""

from sqlmodel import Session

from dataspace.catalog.models import Dataset, Offer
from dataspace.errors import NotFound
from dataspace.negotiation.models import Agreement, Negotiation
from dataspace.negotiation.states import Side
from dataspace.participants.access import Caller


def offered_dataset(session: Session, offer: str) -> tuple[Offer, Dataset]:
    """Return an offer and its dataset; NotFound when there is none, or the dataset is withdrawn."""
    found = session.get(Offer, offer)
    dataset = session.get(Dataset, found.dataset) if found else None
    if found is None or dataset is None or dataset.withdrawn:
        raise NotFound("there is no such offer")
    return found, dataset


def negotiation_of(session: Session, caller: Caller, negotiation: str) -> Negotiation:
    """Return a negotiation of the caller's; NotFound when it is not."""
    found = session.get(Negotiation, negotiation)
    if found is None or caller.id not in (found.consumer, found.provider):
        raise NotFound("there is no such negotiation")
    return found


def agreement_of(session: Session, caller: Caller, agreement: str) -> Agreement:
    """Return an agreement of the caller's; NotFound when it is not."""
    found = session.get(Agreement, agreement)
    if found is None or caller.id not in (found.consumer, found.provider):
        raise NotFound("there is no such agreement")
    return found


def side_of(found: Negotiation, caller: Caller) -> Side:
    """Return on which side a party of a negotiation stands."""
    return Side.CONSUMER if caller.id == found.consumer else Side.PROVIDER
