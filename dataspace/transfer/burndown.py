"""How much of a dataset's own epsilon is promised and spent, and by whom: for its provider.

A promise is what one legal entity was granted at most (`negotiation.promise`):
accounts of one share it. From four fifths on, of either, the provider is warned.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final

import sqlalchemy
from sqlmodel import col, func

from dataspace.catalog.models import Dataset
from dataspace.negotiation.models import Agreement
from dataspace.participants.access import Caller
from dataspace.participants.models import Participant
from dataspace.space import Space
from dataspace.transfer.case import entity
from dataspace.transfer.models import Budget

ALERT: Final = 80  # percent of what a dataset has


@dataclass(frozen=True)
class Share:
    """What one legal entity was granted and has spent, reservations included; its accounts by id."""

    consumers: tuple[str, ...]
    granted: int
    spent: int


@dataclass(frozen=True)
class Burndown:
    """The epsilon of a dataset, in millionths, and each entity's share of it, the largest first."""

    dataset: str
    granted: int
    shares: tuple[Share, ...]

    @property
    def promised(self) -> int:
        """What all entities were granted."""
        return sum(share.granted for share in self.shares)

    @property
    def spent(self) -> int:
        """What all entities have spent."""
        return sum(share.spent for share in self.shares)

    @property
    def percent(self) -> int:
        """How much of it is promised or spent, whichever is more."""
        return 100 * max(self.promised, self.spent) // self.granted if self.granted else 0

    @property
    def alert(self) -> bool:
        """Whether the provider should look at it."""
        return self.percent >= ALERT


def burndowns(space: Space, caller: Caller) -> list[Burndown]:
    """Return the burn-down of each dataset of the caller's on which there is an agreement."""
    query = (
        sqlalchemy.select(
            col(Dataset.id),
            col(Dataset.epsilon),
            entity(),
            col(Agreement.consumer),
            col(Agreement.epsilon),
            func.coalesce(col(Budget.epsilon_spent) + col(Budget.epsilon_reserved), 0),
        )
        .select_from(Agreement)
        .join(Dataset, col(Dataset.id) == Agreement.dataset)
        .join(Participant, col(Participant.id) == Agreement.consumer)
        .join(Budget, col(Budget.agreement) == Agreement.id, isouter=True)
        .where(col(Dataset.provider) == caller.id, col(Dataset.withdrawn).is_(None))
        .order_by(col(Dataset.id), entity())
    )
    with space.database.reading() as session:
        rows = session.connection().execute(query).all()
    return [_burndown(list(group)) for _, group in groupby(rows, key=lambda row: row[0])]


def _burndown(rows: list[Any]) -> Burndown:
    shares = [_share(group) for _, group in groupby(rows, key=lambda row: row[2])]
    largest = sorted(shares, key=lambda share: (-share.spent, -share.granted, share.consumers))
    return Burndown(rows[0][0], rows[0][1], tuple(largest))


def _share(rows: Iterable[Any]) -> Share:
    found = list(rows)
    consumers = tuple(dict.fromkeys(row[3] for row in found))
    return Share(consumers, max(row[4] for row in found), sum(int(row[5]) for row in found))
