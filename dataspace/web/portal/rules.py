"""What a provider taught its zones: corrections that hold for its next files, and recognisers of its own."""

from typing import Any

from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, RawBody

from dataspace.participants.access import Caller, require
from dataspace.participants.models import Role
from dataspace.table import Attribute, Method
from dataspace.web.auth import AnyRequest
from dataspace.web.pages import page
from dataspace.web.portal.forms import Form, go_to
from dataspace.web.portal.parameters import read_parameters
from dataspace.web.service import Service
from dataspace.zones.schema import CheckDigit

_PAGE = "/portal/rules"


@get(_PAGE, sync_to_thread=True)
def overview(
    request: AnyRequest, caller: NamedDependency[Caller], service: NamedDependency[Service]
) -> Response[str]:
    """List the reader's rules and recognisers, with a form to add a recogniser."""
    require(caller, Role.PROVIDER)
    return page(
        request,
        "rules.html",
        rules=service.rules.rules(caller),
        recognisers=service.rules.recognisers(caller),
        packs=service.space.packs,
        methods=list(Method),
        attributes=list(Attribute),
        digits=list(CheckDigit),
    )


@post(_PAGE + "/forget", sync_to_thread=True)
def forget(
    body: RawBody, caller: NamedDependency[Caller], service: NamedDependency[Service]
) -> Response[Any]:
    """Forget a rule; the name of its column comes in the form, never in the address."""
    form = Form.read(body)
    service.rules.forget(caller, form.needed("zone"), form.needed("name"))
    return go_to(_PAGE)


@post("/portal/recognisers", sync_to_thread=True)
def add(body: RawBody, caller: NamedDependency[Caller], service: NamedDependency[Service]) -> Response[Any]:
    """Add a recogniser."""
    form = Form.read(body)
    service.rules.add(caller, form.needed("zone"), _recogniser(form))
    return go_to(_PAGE)


@post("/portal/recognisers/{recogniser:str}/remove", sync_to_thread=True)
def remove(
    recogniser: FromPath[str], caller: NamedDependency[Caller], service: NamedDependency[Service]
) -> Response[Any]:
    """Remove a recogniser."""
    service.rules.remove(caller, recogniser)
    return go_to(_PAGE)


def _recogniser(form: Form) -> dict[str, Any]:
    """Return what the form says; of one of the zone's categories the zone says how columns leave."""
    found: dict[str, Any] = {
        "category": form.needed("category"),
        "names": form.lines("names"),
        "pattern": form.text("pattern"),
        "check_digit": form.text("check_digit") or str(CheckDigit.NONE),
        "share": form.number("share", 90),
    }
    if form.text("title_zh") or form.text("title_en"):
        found["title"] = {"zh": form.needed("title_zh"), "en": form.needed("title_en")}
    if form.text("level"):
        found["level"] = form.number("level")
    if form.text("method"):
        found["method"] = form.text("method")
        found["parameters"] = read_parameters(form.text("parameters"))
    if form.text("attribute"):
        found["attribute"] = form.text("attribute")
    return found
