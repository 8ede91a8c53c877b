"""The catalogue, one dataset of it, and the entries of the ledger that the reader may see."""

from typing import Annotated, Any

from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, QueryParameter

from dataspace.catalog.search import Listing
from dataspace.participants.access import Caller
from dataspace.proof.disclosure import Disclosure
from dataspace.web.api.products import ReleaseBody
from dataspace.web.auth import AnyRequest
from dataspace.web.pages import page
from dataspace.web.portal.known import newest_of, quality_of
from dataspace.web.service import Service

_PAGE = 200

Before = Annotated[int, QueryParameter(ge=0, le=2**62)]


@get("/", sync_to_thread=True)
def catalogue(
    request: AnyRequest, service: NamedDependency[Service], zone: FromQuery[str] = "", q: FromQuery[str] = ""
) -> Response[str]:
    """Show the datasets on offer."""
    listings = service.catalogue.listings(zone, q)
    return page(
        request,
        "catalogue.html",
        listings=listings,
        packs=service.space.packs,
        zone=zone,
        q=q,
        newest=newest_of,
    )


@get("/catalog/{dataset:str}", sync_to_thread=True)
def dataset(
    request: AnyRequest,
    dataset: FromPath[str],
    caller: NamedDependency[Caller],
    service: NamedDependency[Service],
) -> Response[str]:
    """Show one dataset: record, columns, quality, a sample, offers, and a form to ask for an agreement."""
    listing = service.catalogue.listing(dataset)
    return page(
        request,
        "dataset.html",
        listing=listing,
        pack=service.space.packs[listing.zone],
        quality=quality_of(listing),
        sample=service.catalogue.sample(listing.dataset, listing.version),
        newest=newest_of(listing),
        release=ReleaseBody.of(listing),
        readable=bool(listing.report) and _may_read(caller, listing),
    )


@get("/entries", sync_to_thread=True)
def entries(
    request: AnyRequest,
    caller: NamedDependency[Caller],
    service: NamedDependency[Service],
    before: Before = 2**62,
) -> Response[str]:
    """Show the entries that the reader may see, newest first, with their receipts."""
    with service.space.database.reading() as session:
        size = service.space.log.size(session)
    end = min(before, size)
    start = max(0, end - _PAGE)
    return page(
        request,
        "entries.html",
        entries=_rows(service, caller, start, end)[::-1],
        start=start,
        end=end,
        size=size,
        everything=caller.oversees,
    )


def _may_read(caller: Caller, listing: Listing) -> bool:
    """Tell whether the catalogue would show the report to the caller."""
    if caller.sees_everything or caller.id == listing.provider:
        return True
    return caller.oversees and listing.zone in caller.zones


def _rows(service: Service, caller: Caller, start: int, end: int) -> list[dict[str, Any]]:
    """Return the entries from `start` to before `end` as the page lists them; `by` is what erased one."""
    shown = service.receipts.records(caller, start, end - start)
    missing = caller.oversees and len(shown) < end - start
    erased = service.receipts.erased(caller, start, end - start) if missing else {}
    rows = [
        {"index": index, "fields": found.fields, "part": isinstance(found, Disclosure), "by": None}
        for index, found in shown
    ]
    rows += [{"index": index, "fields": {}, "part": False, "by": by} for index, by in erased.items()]
    return sorted(rows, key=lambda row: row["index"])
