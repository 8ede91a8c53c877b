"""Approvals: what providers may not register alone, for the operator that is the second person."""

from typing import Any

from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, RawBody

from dataspace.catalog.approvals import may_answer
from dataspace.participants.access import Caller
from dataspace.web.auth import AnyRequest
from dataspace.web.pages import page
from dataspace.web.portal.forms import Form, go_to
from dataspace.web.portal.measured import MEASURES, of_report
from dataspace.web.service import Service

_PAGE = "/portal/approvals"
_ANSWERS = ("grant", "reject")


@get(_PAGE, sync_to_thread=True)
def overview(
    request: AnyRequest, caller: NamedDependency[Caller], service: NamedDependency[Service]
) -> Response[str]:
    """List what the reader asked for, or may see; what waits for its word first."""
    found = service.approvals.approvals(caller)
    names = {member.id: member.name for member in service.membership.members(caller)}
    return page(
        request,
        "approvals.html",
        approvals=sorted(found, key=lambda one: not may_answer(caller, one)),
        names=names,
        packs=service.space.packs,
        may_answer=may_answer,
    )


@get(_PAGE + "/{approval:str}", sync_to_thread=True)
def one(
    request: AnyRequest,
    approval: FromPath[str],
    caller: NamedDependency[Caller],
    service: NamedDependency[Service],
) -> Response[str]:
    """Show one with the report that it is about, and the two answers to whom may give them."""
    found = service.approvals.approval(caller, approval)
    names = {member.id: member.name for member in service.membership.members(caller)}
    return page(
        request,
        "approval.html",
        approval=found,
        report=found.report,
        measure=of_report(found.report, service.approvals.sample(found)),
        measures=MEASURES,
        pack=service.space.packs[found.zone],
        names=names,
        answerable=may_answer(caller, found),
    )


@post(_PAGE + "/{approval:str}", sync_to_thread=True)
def answer(
    approval: FromPath[str],
    body: RawBody,
    caller: NamedDependency[Caller],
    service: NamedDependency[Service],
) -> Response[Any]:
    """Approve it or not."""
    granted = Form.read(body).chosen("answer", _ANSWERS) == "grant"
    service.approvals.answer(caller, approval, granted=granted)
    return go_to(f"{_PAGE}/{approval}")
