"""Receipts: the proof of one entry, for those it is about, and for auditors."""

from dataclasses import replace
from typing import Any

from sqlmodel import Session, col, or_, select

from dataspace.catalog.models import Dataset
from dataspace.errors import NotFound
from dataspace.ledger.anchored import Anchorage
from dataspace.negotiation.models import Agreement
from dataspace.participants.access import Caller
from dataspace.participants.models import Role
from dataspace.proof.receipt import Receipt
from dataspace.space import Space

_PAGE = 1000


class Receipts:
    """Who may see which entry: its parties, and every auditor and operator."""

    def __init__(self, space: Space, anchors: Anchorage) -> None:
        self._space = space
        self._anchors = anchors

    def receipt(self, caller: Caller, index: int) -> Receipt:
        """Return the receipt of an entry, against the newest checkpoint.

        Raises:
            NotFound: there is no such entry, it was erased, or it is not the caller's to see.

        """
        with self._space.database.reading() as session:
            # One wording for all: what is another's and what is not there are told alike.
            record = self._space.log.record(session, index) if index < self._space.log.size(session) else None
            if record is None or not self._may_see(session, caller)(record.fields):
                raise NotFound("there is no such entry")
            receipt = self._space.log.receipt(session, index)
            return replace(receipt, anchor=self._anchors.evidence(session, index))

    def entries(self, caller: Caller, start: int, count: int) -> list[dict[str, Any]]:
        """List entries from `start` on that the caller may see; at most 1,000 are read at once."""
        with self._space.database.reading() as session:
            visible = self._may_see(session, caller)
            found = self._space.log.records(session, start, min(count, _PAGE))
            return [{"index": index, **record.to_json()} for index, record in found if visible(record.fields)]

    def _may_see(self, session: Session, caller: Caller) -> "_Sight":
        if caller.roles & {Role.AUDITOR, Role.OPERATOR}:
            return _Sight(None)
        agreements = session.exec(
            select(Agreement.id).where(
                or_(col(Agreement.consumer) == caller.id, col(Agreement.provider) == caller.id)
            )
        )
        datasets = session.exec(select(Dataset.id).where(Dataset.provider == caller.id))
        return _Sight(frozenset({caller.id, *agreements, *datasets}))


class _Sight:
    """Whether a record names something of the caller's; None sees everything."""

    _NAMES = ("participant", "provider", "consumer", "by", "agreement", "dataset")

    def __init__(self, own: frozenset[str] | None) -> None:
        self._own = own

    def __call__(self, fields: dict[str, Any]) -> bool:
        return self._own is None or any(fields.get(name) in self._own for name in self._NAMES)
