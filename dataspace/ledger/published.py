"""What a log has published: checkpoints with the lines of its own keys, cosignatures and time tokens.

With a quorum of witnesses and fail-closed, a checkpoint is published only
once the quorum has signed it; until then it lies here and is shown to nobody.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from sqlmodel import Session, col, select

from dataspace.ledger.models import LedgerCheckpoint, LedgerCosignature, LedgerTimestamp

PAGE: Final = 100  # published checkpoints in one listing


class TimeToken(NamedTuple):
    """A time-stamp authority's response (DER) over the text of a checkpoint."""

    authority: str
    token: bytes


@dataclass(frozen=True)
class PublishedCheckpoint:
    """A checkpoint with every line it got; `quorum`: whether the witnesses' quorum is among them."""

    size: int
    note: str
    timestamps: tuple[TimeToken, ...] = ()
    quorum: bool = False

    @property
    def text(self) -> str:
        """What the lines sign."""
        return text_of(self.note)


class Published:
    """The readable side, which needs no key; `closed`: only what a quorum has signed is published."""

    def __init__(self, *, closed: bool = False) -> None:
        self.closed = closed

    def all(self, session: Session, after: int, count: int) -> list[PublishedCheckpoint]:
        """Return at most `count`, and `PAGE`, of those larger than `after`, the smallest first."""
        query = select(LedgerCheckpoint).where(col(LedgerCheckpoint.size) > after)
        if self.closed:
            query = query.where(col(LedgerCheckpoint.cosigned))
        rows = session.exec(query.order_by(col(LedgerCheckpoint.size)).limit(min(count, PAGE))).all()
        return [whole(session, row) for row in rows]

    def newest(self, session: Session) -> PublishedCheckpoint | None:
        """Return the newest published checkpoint, if there is one."""
        row = newest_row(session, cosigned=self.closed)
        return None if row is None else whole(session, row)


def text_of(note: str) -> str:
    """Return the text of a note that is known to be one."""
    return note.rpartition("\n\n")[0] + "\n"


def newest_row(session: Session, *, cosigned: bool = False) -> LedgerCheckpoint | None:
    """Return the row of the largest checkpoint, of those with a quorum alone if `cosigned`."""
    query = select(LedgerCheckpoint).order_by(col(LedgerCheckpoint.size).desc()).limit(1)
    return session.exec(query.where(col(LedgerCheckpoint.cosigned)) if cosigned else query).first()


def cosignatures_of(session: Session, size: int) -> Sequence[LedgerCosignature]:
    """Return the witnesses' lines under the checkpoint of a size, in one order."""
    query = select(LedgerCosignature).where(LedgerCosignature.size == size)
    return session.exec(query.order_by(col(LedgerCosignature.key))).all()


def whole(session: Session, row: LedgerCheckpoint) -> PublishedCheckpoint:
    """Return a checkpoint with the lines and tokens that lie beside it."""
    lines = "".join(item.line for item in cosignatures_of(session, row.size))
    query = select(LedgerTimestamp).where(LedgerTimestamp.size == row.size)
    tokens = session.exec(query.order_by(col(LedgerTimestamp.authority))).all()
    found = tuple(TimeToken(item.authority, item.token) for item in tokens)
    return PublishedCheckpoint(row.size, row.note + lines, found, row.cosigned)
