"""Databases of a provider's, from which tables become uploads."""

from typing import Any

from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, RawBody

from dataspace.participants.access import Caller, require
from dataspace.participants.models import Role
from dataspace.web.auth import AnyRequest
from dataspace.web.pages import page
from dataspace.web.portal.forms import Form, go_to
from dataspace.web.service import Service


@get("/portal/sources", sync_to_thread=True)
def overview(
    request: AnyRequest, caller: NamedDependency[Caller], service: NamedDependency[Service]
) -> Response[str]:
    """List the reader's databases, with a form to read from each, and one to add another."""
    require(caller, Role.PROVIDER)
    return page(
        request,
        "sources.html",
        packs=service.space.packs,
        sources=service.sources.mine(caller),
        allowed=service.space.settings.sources,
    )


@post("/portal/sources", sync_to_thread=True)
def add(body: RawBody, caller: NamedDependency[Caller], service: NamedDependency[Service]) -> Response[Any]:
    """Add a database; its address is sealed, and shown to nobody again."""
    form = Form.read(body)
    service.sources.add(caller, form.needed("zone"), form.needed("name"), form.needed("url"))
    return go_to("/portal/sources")


@post("/portal/sources/{source:str}/remove", sync_to_thread=True)
def remove(
    source: FromPath[str], caller: NamedDependency[Caller], service: NamedDependency[Service]
) -> Response[Any]:
    """Forget a database and its address."""
    service.sources.remove(caller, source)
    return go_to("/portal/sources")


@post("/portal/sources/{source:str}/uploads", sync_to_thread=True)
def take(
    source: FromPath[str], body: RawBody, caller: NamedDependency[Caller], service: NamedDependency[Service]
) -> Response[Any]:
    """Read a table, or what a query answers, and go on to how far that is."""
    form = Form.read(body)
    upload = service.sources.take(caller, source, table=form.text("table"), query=form.text("query"))
    return go_to(f"/portal/uploads/{upload.id}")
