"""A provider's own datasets: what was registered, its receipt, and its withdrawal."""

from typing import Any

from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, RawBody

from dataspace.errors import NotFound, Unprocessable
from dataspace.participants.access import Caller
from dataspace.web.auth import AnyRequest
from dataspace.web.pages import page
from dataspace.web.portal.forms import Form, go_to
from dataspace.web.portal.known import quality_of, withdrawal
from dataspace.web.service import Service


@get("/portal/datasets", sync_to_thread=True)
def mine(
    request: AnyRequest, caller: NamedDependency[Caller], service: NamedDependency[Service]
) -> Response[str]:
    """List the reader's datasets, withdrawn ones too."""
    return page(request, "datasets.html", listings=service.catalogue.mine(caller), packs=service.space.packs)


@get("/portal/datasets/{dataset:str}", sync_to_thread=True)
def one(
    request: AnyRequest,
    dataset: FromPath[str],
    caller: NamedDependency[Caller],
    service: NamedDependency[Service],
    known: FromQuery[int] = 0,
) -> Response[str]:
    """Show one of the reader's datasets with its entry, its receipt and how to verify it.

    `known` is the version that a file turned out to be which was to be registered again.
    """
    listing = next((found for found in service.catalogue.mine(caller) if found.dataset == dataset), None)
    if listing is None:
        raise NotFound("there is no such dataset")
    return page(
        request,
        "registered.html",
        listing=listing,
        pack=service.space.packs[listing.zone],
        known=known if 0 < known <= listing.version else 0,
        quality=quality_of(listing),
        withdrawal=withdrawal(service, caller, listing),
    )


@post("/portal/datasets/{dataset:str}/withdraw", sync_to_thread=True)
def withdraw(
    dataset: FromPath[str], body: RawBody, caller: NamedDependency[Caller], service: NamedDependency[Service]
) -> Response[Any]:
    """Withdraw a dataset; the box beside the button must be ticked."""
    if not Form.read(body).text("sure"):
        raise Unprocessable("tick the box: a withdrawal destroys the keys and cannot be undone")
    service.registrar.withdraw(caller, dataset)
    return go_to(f"/portal/datasets/{dataset}")
