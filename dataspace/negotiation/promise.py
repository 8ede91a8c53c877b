"""What agreements promise of a dataset's own privacy budget.

Each legal entity is promised the most that one of its agreements grants, since
they share it. A promise is kept for as long as the dataset is there: so no
consumer can use up what another one was granted, and ended agreements give
nothing back, for what was learnt is not forgotten.
"""

from dataclasses import dataclass

from sqlalchemy import text
from sqlmodel import Session

from dataspace.catalog.models import Dataset
from dataspace.errors import Conflict

_PROMISED = text(
    "SELECT mine, sum(most) FROM (SELECT max(agreement.epsilon) AS most, "
    "coalesce(nullif(they.entity, ''), they.id) = coalesce(nullif(me.entity, ''), me.id) AS mine "
    "FROM agreement JOIN participant AS they ON they.id = agreement.consumer "
    "JOIN participant AS me ON me.id = :consumer WHERE agreement.dataset = :dataset "
    "GROUP BY coalesce(nullif(they.entity, ''), they.id), mine) AS promises GROUP BY mine"
)


@dataclass(frozen=True)
class Promise:
    """Epsilon, in millionths, that others and the consumer's own legal entity are promised of a dataset."""

    others: int
    own: int


def promised(session: Session, dataset: str, consumer: str) -> Promise:
    """Return what is promised of a dataset, as the consumer's entity sees it."""
    rows = session.connection().execute(_PROMISED, {"dataset": dataset, "consumer": consumer})
    found = {bool(mine): int(most) for mine, most in rows}
    return Promise(found.get(False, 0), found.get(True, 0))


def ensure_promisable(session: Session, dataset: Dataset, consumer: str, epsilon: int) -> None:
    """Let an agreement pass whose epsilon is still to be promised, in the transaction that promises it.

    Raises:
        Conflict: less is left of the dataset's own.

    """
    promise = promised(session, dataset.id, consumer)
    needed, left = max(0, epsilon - promise.own), dataset.epsilon - promise.others - promise.own
    if needed > left:
        raise Conflict(
            f"dataset-epsilon-promised: {needed} millionths of epsilon are needed, {left} are left",
            needed=needed,
            left=left,
        )
