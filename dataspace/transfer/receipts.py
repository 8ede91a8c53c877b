"""Receipts: the proof of one entry, whole or field by field, for those who may see it."""

from collections.abc import Collection
from dataclasses import replace
from typing import Any

from sqlmodel import Session

from dataspace.errors import Malformed, NotFound
from dataspace.ledger.anchored import Anchorage
from dataspace.ledger.published import Published
from dataspace.membership.erase import erasures
from dataspace.participants.access import Caller
from dataspace.proof.disclosure import disclose
from dataspace.proof.receipt import Receipt
from dataspace.proof.record import Record
from dataspace.space import Space
from dataspace.transfer.sight import Shown, Sight

_PAGE = 1000


class Receipts:
    """Who may see which entry, and how much of it, is in `sight`."""

    def __init__(self, space: Space, anchors: Anchorage) -> None:
        self._space = space
        self._anchors = anchors

    def receipt(self, caller: Caller, index: int, fields: Collection[str] = ()) -> Receipt:
        """Return the receipt of an entry, against the newest cosigned checkpoint that covers it, or the head.

        `fields` names those it is to show; without any it shows what the caller may see.

        Raises:
            NotFound: there is no such entry, it was erased, or it is not the caller's to see.
            Malformed: the entry has no such field, or not for the caller.

        """
        with self._space.database.reading() as session:
            record = self._space.log.record(session, index) if index < self._space.log.size(session) else None
            if record is None:
                raise _missing(session, caller, index)
            found = Sight(session, caller).of([(index, record)])
            if not found:
                # One wording for both: what is another's and what is not there are told alike.
                raise NotFound("there is no such entry")
            shown = _narrowed(record, found[0][1], fields) if fields else found[0][1]
            cosigned = Published(closed=True).newest(session)
            note = cosigned.note if cosigned and cosigned.size > index else ""
            receipt = self._space.log.receipt(session, index, note)
            anchor = self._anchors.evidence(session, index, cosigned.size if cosigned and note else None)
            return replace(receipt, record=shown, anchor=anchor)

    def records(
        self, caller: Caller, start: int, count: int, *, party: bool = True
    ) -> list[tuple[int, Shown]]:
        """Return entries from `start` on as the caller may see them; at most 1,000 are read at once.

        Those that were erased are not among them. Without `party` it sees them as who checks them alone.
        """
        with self._space.database.reading() as session:
            found = self._space.log.records(session, start, min(count, _PAGE))
            return Sight(session, caller, party=party).of(found)

    def overseen(self, caller: Caller, start: int, count: int) -> list[tuple[int, Record]]:
        """Return entries from `start` on that the caller sees whole because it is to check them.

        A party to an entry does not learn in this way what was decided on.
        """
        with self._space.database.reading() as session:
            found = self._space.log.records(session, start, min(count, _PAGE))
            return Sight(session, caller).overseen(found)

    def entries(self, caller: Caller, start: int, count: int, *, party: bool = True) -> list[dict[str, Any]]:
        """Return `records` as JSON-ready data: with record and salts, or with what is disclosed."""
        found = self.records(caller, start, count, party=party)
        return [{"index": index, **shown.to_json()} for index, shown in found]

    def erased(self, caller: Caller, start: int, count: int) -> dict[int, int]:
        """Return the erased entries from `start` on, each with the entry that says so; auditors alone ask."""
        if not caller.oversees:
            return {}
        with self._space.database.reading() as session:
            return erasures(session, range(start, start + min(count, _PAGE)))


def _narrowed(record: Record, shown: Shown, fields: Collection[str]) -> Shown:
    # Of what this caller sees: that there is a field which it does not see is not told.
    unknown = sorted(set(fields) - shown.fields.keys())
    if unknown:
        known = ", ".join(sorted(shown.fields))
        raise Malformed(f"no field {', '.join(unknown)} to show, want one of {known}")
    return disclose(record, fields)


def _missing(session: Session, caller: Caller, index: int) -> NotFound:
    """Return what a caller is told of an entry that is not there, or not any more."""
    by = erasures(session, {index}).get(index) if caller.oversees else None
    if by is None:
        return NotFound("there is no such entry")
    return NotFound(f"what entry {index} says was erased by entry {by}", erased_by=by)
