"""Files on their way in: the form for one, the list of those that wait."""

from collections.abc import Mapping
from typing import Any, Final

from litestar import Response, get, post
from litestar.concurrency import sync_to_thread
from litestar.di import NamedDependency
from litestar.params import FromQuery

from dataspace.catalog.staging import Staging
from dataspace.catalog.stored import received
from dataspace.participants.access import Caller, require
from dataspace.participants.models import Role
from dataspace.web.auth import AnyRequest
from dataspace.web.pages import page
from dataspace.web.portal.forms import go_to
from dataspace.web.receive import receive
from dataspace.web.service import Service

# What the form says of the file beside it; titles and the like never go into an address.
_DECLARED: Final = ("title", "dataset", "format", "sheet", "delimiter", "encoding")
# How the form writes delimiters that a field cannot hold.
_NAMED: Final = {"tab": "\t", "soh": "\x01", "space": " "}


@get("/portal/upload", sync_to_thread=True)
def choose(
    request: AnyRequest,
    caller: NamedDependency[Caller],
    service: NamedDependency[Service],
    dataset: FromQuery[str] = "",
) -> Response[str]:
    """Show the form for a file, and what waits; `dataset` is one of the reader's, for a new version of it."""
    require(caller, Role.PROVIDER)
    former = next((found for found in service.catalogue.mine(caller) if found.dataset == dataset), None)
    return page(
        request,
        "upload.html",
        packs=service.space.packs,
        former=former,
        limit=service.space.settings.upload_limit,
        waiting=[(one, received(one)) for one in service.uploads.waiting(caller)],
        sources=service.sources.mine(caller),
    )


@post("/portal/upload", request_max_body_size=None)
async def receive_file(
    request: AnyRequest, caller: NamedDependency[Caller], service: NamedDependency[Service]
) -> Response[Any]:
    """Take a file, read it in a sandbox, and go on to what was found in it."""
    uploads = service.uploads

    def stage(fields: Mapping[str, str]) -> Staging:
        return uploads.stage(caller, fields.get("zone", ""))

    with service.limits.uploads.holding(caller.id):
        received = await receive(request, stage, service.space.settings.upload_limit)
        said = received.fields
        declared = {name: said[name] for name in _DECLARED if said.get(name)}
        if "delimiter" in declared:
            declared["delimiter"] = _NAMED.get(declared["delimiter"], declared["delimiter"])
        upload = await sync_to_thread(
            uploads.read, caller, said.get("zone", ""), received.filename, received.staging, declared
        )
    return go_to(f"/portal/uploads/{upload.id}")
