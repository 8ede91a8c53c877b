"""Exhaustion: an agreement with nothing left is suspended, in the transaction that spent the last of it.

Its state follows from the entries: `agreement.suspended` comes behind the entry
that spent, with the reason. It is answered no more, but with what it was
answered before (`repeat`); either side can still end it.

Without units nothing can be asked. Without epsilon rows can, exact aggregates
where the offer has them, and encrypted queries of a cube that was granted: an
agreement is suspended for it only when all its forms draw noise every time.
"""

from collections.abc import Collection
from enum import StrEnum
from typing import Final

from sqlmodel import Session, select

from dataspace.catalog.models import Form
from dataspace.negotiation.models import Agreement
from dataspace.negotiation.states import State
from dataspace.privacy.noised import LEAST_EPSILON
from dataspace.space import Space
from dataspace.transfer.budget import Left
from dataspace.transfer.case import Case
from dataspace.transfer.models import CubeGrant

_NOISED: Final = frozenset({Form.AGGREGATE, Form.ENCRYPTED})


class Exhausted(StrEnum):
    """What an agreement has none of any more; the codes are the policy's."""

    UNITS = "units-exhausted"
    EPSILON = "epsilon-exhausted"


def suspend(session: Session, space: Space, case: Case, left: Left | None) -> None:
    """Suspend the agreement of a case if nothing can be asked with what is `left`."""
    reason = _exhausted(session, case, left) if left else None
    if reason is None:
        return
    found = session.get_one(Agreement, case.agreement.id, populate_existing=True)
    if found.state != State.FINALIZED:
        return
    found.state = State.SUSPENDED
    session.add(found)
    space.log.append(session, "agreement.suspended", agreement=found.id, reason=reason.value)


def always_noised(forms: Collection[str], *, exact: bool) -> bool:
    """Tell whether every new question of these forms costs epsilon; `exact`: aggregates need not."""
    return _NOISED.issuperset(forms) and not (exact and Form.AGGREGATE in forms)


def _exhausted(session: Session, case: Case, left: Left) -> Exhausted | None:
    if left.units < 1:
        return Exhausted.UNITS
    if left.granted < LEAST_EPSILON or left.epsilon >= LEAST_EPSILON:
        return None
    if not always_noised(case.agreement.forms, exact=case.offer.exact):
        return None
    if Form.ENCRYPTED in case.agreement.forms:
        granted = select(CubeGrant).where(CubeGrant.agreement == case.agreement.id)
        session.flush()
        if session.exec(granted).first():
            return None
    return Exhausted.EPSILON
