"""The budget of an agreement: reserved before the work, settled with the answer.

Units are what is metered and priced: one for an aggregate or an encrypted
answer, one for each thousand rows begun. Epsilon, in millionths, is what a
cube's noise costs. Every change is one UPDATE whose WHERE holds the limit, so
that no two queries can spend the same unit.
"""

from dataclasses import dataclass

from sqlalchemy import text
from sqlmodel import Session

from dataspace.catalog.models import Form
from dataspace.errors import Conflict
from dataspace.negotiation.models import Agreement
from dataspace.transfer.models import Budget

ROWS_PER_UNIT = 1000

# As text: to build them anew for each query took longer than to run them (measured).
_RESERVE = text(
    "UPDATE budget SET units_reserved = units_reserved + :units, "
    "epsilon_reserved = epsilon_reserved + :epsilon WHERE agreement = :id "
    "AND units - units_spent - units_reserved >= :units "
    "AND epsilon - epsilon_spent - epsilon_reserved >= :epsilon AND (:epsilon = 0 OR epsilon - ("
    # Of all agreements of the legal entity on the dataset: privacy is lost once, however many there are.
    "SELECT sum(other.epsilon_spent + other.epsilon_reserved) FROM budget AS other "
    "JOIN agreement AS theirs ON theirs.id = other.agreement JOIN agreement AS mine ON mine.id = :id "
    "JOIN participant AS they ON they.id = theirs.consumer JOIN participant AS me ON me.id = mine.consumer "
    "WHERE coalesce(nullif(they.entity, ''), they.id) = coalesce(nullif(me.entity, ''), me.id) "
    "AND theirs.dataset = mine.dataset) >= :epsilon) AND (:epsilon = 0 OR ("
    "SELECT dataset.epsilon FROM dataset JOIN agreement ON agreement.dataset = dataset.id "
    "WHERE agreement.id = :id) - ("
    "SELECT sum(every.epsilon_spent + every.epsilon_reserved) FROM budget AS every "
    "JOIN agreement AS all_of ON all_of.id = every.agreement JOIN agreement AS one ON one.id = :id "
    "WHERE all_of.dataset = one.dataset) >= :epsilon)"
)
_OPEN = text(
    "INSERT INTO budget (agreement, units, units_spent, units_reserved, epsilon, epsilon_spent, "
    "epsilon_reserved) VALUES (:id, :granted, 0, 0, :epsilon, 0, 0) ON CONFLICT DO NOTHING"
)
_SETTLE = text(
    "UPDATE budget SET units_reserved = units_reserved - :units, units_spent = units_spent + :spent, "
    "epsilon_reserved = epsilon_reserved - :epsilon, epsilon_spent = epsilon_spent + :epsilon_spent "
    "WHERE agreement = :id RETURNING units - units_spent, epsilon - epsilon_spent, epsilon"
)


@dataclass(frozen=True)
class Charge:
    """What a query costs: units, and epsilon in millionths."""

    units: int
    epsilon: int = 0


def charge_for(form: Form, rows: int = 0) -> Charge:
    """Return what an answer of this form costs; `rows` are the rows it holds or may hold."""
    return Charge(max(1, -(-rows // ROWS_PER_UNIT)) if form is Form.ROWS else 1)


def budget_of(session: Session, agreement: Agreement) -> Budget:
    """Return the agreement's budget without storing it: whole until a query is asked."""
    return session.get(Budget, agreement.id) or unspent(agreement)


def unspent(agreement: Agreement) -> Budget:
    """Return the budget of an agreement of which nothing was spent."""
    return Budget(agreement=agreement.id, units=agreement.units, epsilon=agreement.epsilon)


def reserve(session: Session, agreement: Agreement, charge: Charge) -> None:
    """Set `charge` aside; the budget is made from the agreement's terms when it is first used.

    Raises:
        Conflict: so much is not left; another query may have taken it since the policy was asked.

    """
    connection, values = session.connection(), _values(agreement.id, charge)
    if connection.execute(_RESERVE, values).rowcount == 1:
        return
    connection.execute(_OPEN, {"id": agreement.id, "granted": agreement.units, "epsilon": agreement.epsilon})
    if connection.execute(_RESERVE, values).rowcount != 1:
        raise Conflict(f"the agreement has fewer than {charge.units} units left", needed=charge.units)


@dataclass(frozen=True)
class Left:
    """What of an agreement is not spent, and the epsilon it granted; what is reserved may still come back."""

    units: int
    epsilon: int
    granted: int


def settle(session: Session, agreement: str, reserved: Charge, spent: Charge) -> Left | None:
    """Turn a reservation into what was spent, zero for what was refused; return what is left of the budget.

    None is returned when there is no budget yet: nothing was ever asked of it.
    """
    values = _values(agreement, reserved) | {"spent": spent.units, "epsilon_spent": spent.epsilon}
    row = session.connection().execute(_SETTLE, values).first()
    return Left(*row) if row else None


def _values(agreement: str, charge: Charge) -> dict[str, str | int]:
    return {"id": agreement, "units": charge.units, "epsilon": charge.epsilon}


def facts(budget: Budget, elsewhere: int = 0) -> dict[str, dict[str, int]]:
    """Return what the policy is told of a budget.

    `elsewhere` is the epsilon that the same consumer's other agreements on the
    dataset have used: privacy is lost once, however many agreements share it.
    """
    return {
        "units": {"granted": budget.units, "spent": budget.units_spent, "reserved": budget.units_reserved},
        "epsilon": {
            "granted": budget.epsilon,
            "spent": budget.epsilon_spent + elsewhere,
            "reserved": budget.epsilon_reserved,
        },
    }
