"""Participants, for operators: admit, suspend, bring back, and a further token."""

from typing import Any

from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, RawBody

from dataspace.membership.admit import Admission
from dataspace.participants.access import Caller, require
from dataspace.participants.models import Role, Status
from dataspace.web.auth import AnyRequest
from dataspace.web.pages import page
from dataspace.web.portal.forms import Form, go_to
from dataspace.web.service import Service

_PAGE = "/portal/members"


@get(_PAGE, sync_to_thread=True)
def overview(
    request: AnyRequest, caller: NamedDependency[Caller], service: NamedDependency[Service]
) -> Response[str]:
    """List the participants, with a form to admit another."""
    require(caller, Role.OPERATOR)
    return _shown(request, caller, service, None)


@post(_PAGE, sync_to_thread=True)
def admit(
    request: AnyRequest, body: RawBody, caller: NamedDependency[Caller], service: NamedDependency[Service]
) -> Response[str]:
    """Admit a participant; its token is on this page and nowhere else, so nothing redirects."""
    form = Form.read(body)
    roles = [Role(role) for role in form.all("role") if role in set(Role)]
    password = form.text("password") or None
    admission = service.membership.admit(
        caller, form.needed("name"), form.needed("login"), roles, password, zones=form.all("zone")
    )
    return _shown(request, caller, service, admission)


@post(_PAGE + "/{participant:str}", sync_to_thread=True)
def change(
    participant: FromPath[str],
    body: RawBody,
    caller: NamedDependency[Caller],
    service: NamedDependency[Service],
) -> Response[Any]:
    """Suspend a participant, bring it back, or name the legal entity behind it."""
    form = Form.read(body)
    if entity := form.text("entity"):
        service.membership.change(caller, participant, entity=entity)
    else:
        status = Status(form.chosen("status", list(Status)))
        service.membership.change(caller, participant, status=status)
    return go_to(_PAGE)


def _shown(
    request: AnyRequest, caller: Caller, service: Service, admission: Admission | None
) -> Response[str]:
    return page(
        request,
        "members.html",
        members=service.membership.members(caller),
        roles=list(Role),
        packs=service.space.packs,
        admission=admission,
    )
