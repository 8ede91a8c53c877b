"""What a participant sees of its negotiations and agreements, on either side."""

from sqlmodel import col, or_, select

from dataspace.negotiation.models import Agreement, Negotiation
from dataspace.negotiation.parties import agreement_of, negotiation_of
from dataspace.participants.access import Caller
from dataspace.space import Space


class Dealings:
    """The reading side of negotiating."""

    def __init__(self, space: Space) -> None:
        self._space = space

    def negotiation(self, caller: Caller, negotiation: str) -> Negotiation:
        """Return one of the caller's negotiations; NotFound when it is not."""
        with self._space.database.reading() as session:
            return negotiation_of(session, caller, negotiation)

    def negotiations(self, caller: Caller) -> list[Negotiation]:
        """List the caller's negotiations, on either side, newest first."""
        with self._space.database.reading() as session:
            mine = or_(col(Negotiation.consumer) == caller.id, col(Negotiation.provider) == caller.id)
            return list(
                session.exec(select(Negotiation).where(mine).order_by(col(Negotiation.created).desc()))
            )

    def agreement(self, caller: Caller, agreement: str) -> Agreement:
        """Return one of the caller's agreements; NotFound when it is not."""
        with self._space.database.reading() as session:
            return agreement_of(session, caller, agreement)

    def agreements(self, caller: Caller) -> list[Agreement]:
        """List the caller's agreements, on either side, newest first."""
        with self._space.database.reading() as session:
            mine = or_(col(Agreement.consumer) == caller.id, col(Agreement.provider) == caller.id)
            return list(session.exec(select(Agreement).where(mine).order_by(col(Agreement.created).desc())))
