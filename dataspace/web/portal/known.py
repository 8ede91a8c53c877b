"""What a reader may know of the things its pages name by id: titles, names, the entry of a withdrawal."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from dataspace.catalog.search import Listing
from dataspace.errors import NotFound
from dataspace.moment import written
from dataspace.participants.access import Caller
from dataspace.web.service import Service

_NEAR = 1000  # entries of other acts that may stand between a withdrawal's clock and its entry


@dataclass(frozen=True)
class Known:
    """Listings by dataset, None for those that are gone from the catalogue; names by participant."""

    listings: dict[str, Listing | None]
    names: dict[str, str]

    def title(self, dataset: str) -> str:
        """Return a dataset's title, empty when the reader cannot see it."""
        found = self.listings.get(dataset)
        return found.title if found else ""

    def withdrawn(self, dataset: str) -> bool:
        """Tell whether a dataset that the reader negotiated on is withdrawn."""
        found = self.listings.get(dataset)
        return found is None or found.withdrawn is not None


def known(service: Service, caller: Caller, datasets: Collection[str]) -> Known:
    """Look up what the reader may know of these datasets and of participants."""
    listings: dict[str, Listing | None] = {one.dataset: one for one in service.catalogue.mine(caller)}
    for dataset in set(datasets) - listings.keys():
        listings[dataset] = _listed(service, dataset)
    names = {member.id: member.name for member in service.membership.members(caller)}
    names |= {found.provider: found.provider_name for found in listings.values() if found}
    return Known(listings, names)


def quality_of(listing: Listing) -> dict[str, Mapping[str, Any]]:
    """Return the quality of each column by name; nothing of versions without a report."""
    return {column["name"]: column["quality"] for column in listing.report.get("columns", [])}


def newest_of(listing: Listing) -> str:
    """Return how new the newest values of any column are, as far as it is told; empty if it is not."""
    return max((str(one.get("newest") or "") for one in quality_of(listing).values()), default="")


def withdrawal(service: Service, caller: Caller, listing: Listing) -> int | None:
    """Return the entry of a dataset's withdrawal; None when there is none to be found."""
    if listing.withdrawn is None:
        return None
    start = _first_since(service, listing.entry, listing.withdrawn)
    for index, shown in service.receipts.records(caller, start, _NEAR):
        if shown.fields["kind"] == "dataset.withdrawn" and shown.fields.get("dataset") == listing.dataset:
            return index
    return None


def _listed(service: Service, dataset: str) -> Listing | None:
    try:
        return service.catalogue.listing(dataset)
    except NotFound:
        return None


def _first_since(service: Service, low: int, moment: datetime) -> int:
    """Return the index of the first entry not before `moment`, by halving: entries' times never fall."""
    log = service.space.log
    text = written(moment)
    with service.space.database.reading() as session:
        high = log.size(session)
        while low < high:
            middle = (low + high) // 2
            record = log.record(session, middle)
            # An erased record has no time: what is later is looked through anyway.
            if record is not None and record.fields["time"] < text:
                low = middle + 1
            else:
                high = middle
    return low
