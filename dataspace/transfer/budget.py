"""The budget of an agreement: reserved before the work, settled with the answer.

Units are what is metered and priced: one for an aggregate or an encrypted
answer, one for each thousand rows begun. Epsilon, in millionths, is what a
cube's noise costs. Every change is one UPDATE whose WHERE holds the limit, so
that no two queries can spend the same unit.
"""

from dataclasses import dataclass

from sqlalchemy import update
from sqlmodel import Session, col

from dataspace.catalog.models import Form
from dataspace.errors import Conflict
from dataspace.negotiation.models import Agreement
from dataspace.transfer.models import Budget

ROWS_PER_UNIT = 1000


@dataclass(frozen=True)
class Charge:
    """What a query costs: units, and epsilon in millionths."""

    units: int
    epsilon: int = 0


def charge_for(form: Form, rows: int = 0) -> Charge:
    """Return what an answer of this form costs; `rows` are the rows it holds or may hold."""
    return Charge(max(1, -(-rows // ROWS_PER_UNIT)) if form is Form.ROWS else 1)


def open_budget(session: Session, agreement: Agreement) -> Budget:
    """Return the agreement's budget, made from its terms when it is first used."""
    found = budget_of(session, agreement)
    session.add(found)
    session.flush()
    return found


def budget_of(session: Session, agreement: Agreement) -> Budget:
    """Return the agreement's budget without storing it: whole until a query is asked."""
    return session.get(Budget, agreement.id) or unspent(agreement)


def unspent(agreement: Agreement) -> Budget:
    """Return the budget of an agreement of which nothing was spent."""
    return Budget(agreement=agreement.id, units=agreement.units, epsilon=agreement.epsilon)


def reserve(session: Session, agreement: str, charge: Charge) -> None:
    """Set `charge` aside.

    Raises:
        Conflict: so much is not left; another query may have taken it since the policy was asked.

    """
    left = (
        col(Budget.units) - Budget.units_spent - Budget.units_reserved >= charge.units,
        col(Budget.epsilon) - Budget.epsilon_spent - Budget.epsilon_reserved >= charge.epsilon,
    )
    statement = (
        update(Budget)
        .where(col(Budget.agreement) == agreement, *left)
        .values(
            units_reserved=col(Budget.units_reserved) + charge.units,
            epsilon_reserved=col(Budget.epsilon_reserved) + charge.epsilon,
        )
    )
    if session.connection().execute(statement).rowcount != 1:
        raise Conflict(f"the agreement has fewer than {charge.units} units left", needed=charge.units)


def settle(session: Session, agreement: str, reserved: Charge, spent: Charge) -> None:
    """Turn a reservation into what was spent; `spent` is zero for what was refused."""
    statement = (
        update(Budget)
        .where(col(Budget.agreement) == agreement)
        .values(
            units_reserved=col(Budget.units_reserved) - reserved.units,
            units_spent=col(Budget.units_spent) + spent.units,
            epsilon_reserved=col(Budget.epsilon_reserved) - reserved.epsilon,
            epsilon_spent=col(Budget.epsilon_spent) + spent.epsilon,
        )
    )
    session.connection().execute(statement)


def facts(budget: Budget) -> dict[str, dict[str, int]]:
    """Return what the policy is told of a budget."""
    return {
        "units": {"granted": budget.units, "spent": budget.units_spent, "reserved": budget.units_reserved},
        "epsilon": {
            "granted": budget.epsilon,
            "spent": budget.epsilon_spent,
            "reserved": budget.epsilon_reserved,
        },
    }
