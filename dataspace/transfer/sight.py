"""Who may see how much of an entry: its parties, the auditors of its zone, and those who see everything.

Whom an entry does not concern does not learn of it. An auditor that is bound
to zones learns of every entry, or it could not tell what is missing: of those
of other zones kind and time are shown, and the other fields stay hashes.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from sqlmodel import Session, col, or_, select

from dataspace.catalog.models import Dataset, Offer
from dataspace.negotiation.models import Agreement
from dataspace.participants.access import Caller
from dataspace.proof.disclosure import Disclosure, disclose
from dataspace.proof.record import Record

Shown = Record | Disclosure

# What an entry names its parties by, and what leads from it to a dataset and so to a zone.
_PARTIES: Final = ("participant", "provider", "consumer", "by", "agreement", "dataset")
_SUBJECTS: Final = ("dataset", "agreement", "offer")
# The space's own, which name nobody: every auditor judges the log by them.
_OF_THE_SPACE: Final = frozenset({"log.created", "key.adopted", "key.rotated", "policy.adopted"})
_OF_ALL: Final = ("kind", "time")
_OF_AN_ERASURE: Final = (*_OF_ALL, "entry")  # an index names nobody; a basis is somebody's words


class Sight:
    """What one caller may see of entries, in one snapshot of the database."""

    def __init__(self, session: Session, caller: Caller, *, party: bool = True) -> None:
        self._session = session
        self._caller = caller
        # As who checks alone, a caller that is party to an entry sees no more of it than others who check.
        self._own = _own(session, caller) if party and not caller.sees_everything else frozenset[str]()

    def of(self, found: Sequence[tuple[int, Record]]) -> list[tuple[int, Shown]]:
        """Return the entries that the caller may see, each whole or in part."""
        if self._caller.sees_everything:
            return list(found)
        whole, part = self._zoned([record for _, record in found]), self._caller.oversees
        shown: list[tuple[int, Shown]] = []
        for (index, record), inside in zip(found, whole, strict=True):
            if inside or any(record.fields.get(name) in self._own for name in _PARTIES):
                shown.append((index, record))
            elif part:
                shown.append((index, disclose(record, _least(record.fields["kind"]))))
        return shown

    def overseen(self, found: Sequence[tuple[int, Record]]) -> list[tuple[int, Record]]:
        """Return the entries that the caller sees whole as who checks them, and not as a party to them."""
        if self._caller.sees_everything:
            return list(found)
        inside = self._zoned([record for _, record in found])
        return [item for item, whole in zip(found, inside, strict=True) if whole]

    def _zoned(self, records: Sequence[Record]) -> list[bool]:
        """Tell of each record whether it is the whole space's, or of the zones that the caller oversees."""
        if not self._caller.oversees:
            return [False] * len(records)
        zones = _zones_of(self._session, records)
        return [self._within(record.fields, zones) for record in records]

    def _within(self, fields: dict[str, Any], zones: dict[str, str]) -> bool:
        if fields["kind"] in _OF_THE_SPACE:
            return True
        found = {zones[fields[name]] for name in _SUBJECTS if fields.get(name) in zones}
        # Of an upload that is no dataset yet, the entry names the zone itself.
        found |= {str(fields["zone"])} if "zone" in fields else set()
        return bool(found) and found <= self._caller.zones


def _least(kind: str) -> tuple[str, ...]:
    return _OF_AN_ERASURE if kind == "entry.erased" else _OF_ALL


def _own(session: Session, caller: Caller) -> frozenset[str]:
    agreements = session.exec(
        select(Agreement.id).where(
            or_(col(Agreement.consumer) == caller.id, col(Agreement.provider) == caller.id)
        )
    )
    datasets = session.exec(select(Dataset.id).where(Dataset.provider == caller.id))
    return frozenset({caller.id, *agreements, *datasets})


def _zones_of(session: Session, records: Iterable[Record]) -> dict[str, str]:
    """Return the zone of every dataset, agreement and offer that these records name."""
    named = {str(record.fields[name]) for record in records for name in _SUBJECTS if name in record.fields}
    leads = (
        select(Dataset.id, Dataset.zone).where(col(Dataset.id).in_(named)),
        select(Agreement.id, Dataset.zone)
        .join(Dataset, col(Dataset.id) == Agreement.dataset)
        .where(col(Agreement.id).in_(named)),
        select(Offer.id, Dataset.zone)
        .join(Dataset, col(Dataset.id) == Offer.dataset)
        .where(col(Offer.id).in_(named)),
    )
    return {identifier: zone for query in leads for identifier, zone in session.exec(query)}
