"""The review of what was found in an upload: correct it, measure again, ask a second person, register it."""

from typing import Any, Final

from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, RawBody

from dataspace.catalog.approvals import Checked
from dataspace.catalog.listing import Frequency
from dataspace.catalog.models import State, Upload
from dataspace.catalog.search import Listing
from dataspace.catalog.stored import received
from dataspace.errors import Conflict, DataSpaceError, NotFound, PolicyDenied
from dataspace.participants.access import Caller
from dataspace.table import Attribute
from dataspace.web.auth import AnyRequest
from dataspace.web.pages import page
from dataspace.web.portal.forms import Form, go_to
from dataspace.web.portal.measured import MEASURES, measured
from dataspace.web.portal.parameters import choices, examples
from dataspace.web.portal.product import examples_shown
from dataspace.web.portal.registration import (
    FORM,
    columns_of,
    form_of,
    keep,
    registration,
    settled,
    suggested,
    taught,
)
from dataspace.web.problems import PROBLEMS, Problem, describe
from dataspace.web.service import Service
from dataspace.zones.personal import personal

# What a form of the review asks for; the first is what the Enter key does.
ACTS: Final = ("check", "suggest", "aggregates", "ask", "confirm")
# A form has a dozen fields for each of up to some thousand columns.
_BODY: Final = 8 << 20
_FIELDS: Final = 100_000


@get("/portal/uploads/{upload:str}", sync_to_thread=True)
def review(
    request: AnyRequest,
    upload: FromPath[str],
    caller: NamedDependency[Caller],
    service: NamedDependency[Service],
) -> Response[str]:
    """Show an upload: how far it is, why it failed, or what was found, to be corrected and confirmed."""
    found = service.uploads.look(caller, upload)
    if found.state == State.READY:
        return _shown(request, caller, service, found)
    problem = found.problem or {"code": "internal", "detail": ""}
    return page(
        request,
        "progress.html",
        upload=found,
        arrived=received(found),
        pack=service.space.packs[found.zone],
        problem=problem,
        kind=PROBLEMS.get(problem["code"], PROBLEMS["internal"]),
    )


@post("/portal/uploads/{upload:str}", sync_to_thread=True, request_max_body_size=_BODY)
def act(
    request: AnyRequest,
    upload: FromPath[str],
    body: RawBody,
    caller: NamedDependency[Caller],
    service: NamedDependency[Service],
) -> Response[Any]:
    """Do what a button of the review says; what is refused shows the form again, as it was filled in."""
    sent = Form.read(body, _FIELDS)
    found = service.uploads.upload(caller, upload)
    try:
        return _act(service, caller, found, sent)
    except (NotFound, Conflict):
        raise
    except DataSpaceError as error:
        problem = describe(error)
        shown = service.uploads.upload(caller, upload)
        shown.proposal = {**shown.proposal, FORM: dict(sent.fields)}
        return _shown(request, caller, service, shown, problem)


@post("/portal/uploads/{upload:str}/discard", sync_to_thread=True)
def discard(
    upload: FromPath[str], caller: NamedDependency[Caller], service: NamedDependency[Service]
) -> Response[Any]:
    """Forget an upload."""
    service.uploads.discard(caller, upload)
    return go_to("/portal/upload")


def _act(service: Service, caller: Caller, found: Upload, sent: Form) -> Response[Any]:
    pack, columns = taught(service, caller, found.zone), columns_of(found)
    form = settled(sent, form_of(found, pack, None), columns, pack)
    asked = form.chosen("act", ACTS) if form.text("act") else "confirm"
    if asked == "confirm":
        return _confirm(service, caller, found, form)
    if asked == "suggest":
        measure = measured(service.space, found, pack)
        if measure and measure.suggestion:
            form = suggested(form, columns, measure.suggestion)
    elif asked == "aggregates":
        form = form.changed({"form": [name for name in form.all("form") if name != "rows"] or ["aggregate"]})
    _check(service, caller, found, form)
    if asked == "ask":
        service.approvals.ask(caller, found.id, registration(form, found, pack), form.text("basis"))
    return go_to(f"/portal/uploads/{found.id}#measured")


def _check(service: Service, caller: Caller, found: Upload, form: Form) -> None:
    """Measure what a form says, and keep both."""
    pack = taught(service, caller, found.zone)
    checked = service.approvals.check(caller, found.id, registration(form, found, pack))
    keep(service, caller, found.id, form, _kept(checked))


def _confirm(service: Service, caller: Caller, found: Upload, form: Form) -> Response[Any]:
    """Register; a file that was registered before leads to that version, and the page says so."""
    said = registration(form, found, taught(service, caller, found.zone))
    try:
        registered = service.registrar.confirm(caller, found.id, said)
    except PolicyDenied:
        # What it was denied for is shown with the ways out of it.
        _check(service, caller, found, form)
        raise
    onward = f"/portal/datasets/{registered.dataset}"
    return go_to(onward if registered.new else f"{onward}?known={registered.version}")


def _kept(checked: Checked) -> dict[str, Any]:
    return {
        "report": checked.report,
        "reasons": [{"code": one.code, **one.facts} for one in checked.decision.reasons],
        "liftable": checked.liftable,
    }


def _shown(
    request: AnyRequest, caller: Caller, service: Service, found: Upload, problem: Problem | None = None
) -> Response[str]:
    pack = taught(service, caller, found.zone)
    former = _former(service, caller, str(found.declared.get("dataset", "")))
    form = form_of(found, pack, former)
    return page(
        request,
        "review.html",
        200 if problem is None else problem.status,
        upload=found,
        proposal=found.proposal,
        form=form,
        columns=list(zip(columns_of(found), found.proposal["proposals"], strict=True)),
        fields={field.category: field for field in reversed(pack.fields)},
        pack=pack,
        choices=choices,
        examples=examples(),
        attributes=list(Attribute),
        frequencies=list(Frequency),
        measure=measured(service.space, found, pack),
        measures=MEASURES,
        approvals=[one for one in service.approvals.approvals(caller) if one.upload == found.id],
        former=former,
        named=personal(found.filename),
        queries=examples_shown(form),
        problem=problem,
        kind=PROBLEMS[problem.code] if problem else None,
    )


def _former(service: Service, caller: Caller, dataset: str) -> Listing | None:
    return next((one for one in service.catalogue.mine(caller) if one.dataset == dataset), None)
