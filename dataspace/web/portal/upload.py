"""From a file to a registered dataset: choose, see what was found, correct, confirm."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from litestar import Response, get, post
from litestar.concurrency import sync_to_thread
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, RawBody

from dataspace.catalog.models import Form as AnswerForm
from dataspace.catalog.models import Upload
from dataspace.catalog.register import OfferTerms, Registration
from dataspace.catalog.staging import Staging
from dataspace.errors import Unprocessable
from dataspace.participants.access import Caller, require
from dataspace.participants.models import Role
from dataspace.table import Column, Method
from dataspace.web.auth import AnyRequest
from dataspace.web.pages import language_of, page
from dataspace.web.portal.evidence import evidence
from dataspace.web.portal.forms import Form, go_to
from dataspace.web.receive import receive
from dataspace.web.service import Service

_EPSILON = 1_000_000


@get("/portal/upload", sync_to_thread=True)
def choose(
    request: AnyRequest,
    caller: NamedDependency[Caller],
    service: NamedDependency[Service],
    dataset: FromQuery[str] = "",
) -> Response[str]:
    """Show the form for a file; `dataset` is one of the reader's, for a new version of it."""
    require(caller, Role.PROVIDER)
    former = next((found for found in service.catalogue.mine(caller) if found.dataset == dataset), None)
    limit = service.space.settings.upload_limit
    return page(request, "upload.html", packs=service.space.packs, former=former, limit=limit)


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
        zone, title = received.fields.get("zone", ""), received.fields.get("title", "")
        declared = {name: received.fields.get(name, "") for name in ("delimiter", "encoding")}
        upload = await sync_to_thread(
            uploads.read, caller, zone, received.filename, received.staging, declared
        )
    onward = f"/portal/uploads/{upload.id}?title={quote(title)}"
    if dataset := received.fields.get("dataset", ""):
        onward += f"&dataset={quote(dataset)}"
    return go_to(onward)


@get("/portal/uploads/{upload:str}", sync_to_thread=True)
def review(
    request: AnyRequest,
    upload: FromPath[str],
    caller: NamedDependency[Caller],
    service: NamedDependency[Service],
    title: FromQuery[str] = "",
    dataset: FromQuery[str] = "",
) -> Response[str]:
    """Show what was found in a file, to be corrected and confirmed."""
    found = service.uploads.upload(caller, upload)
    chinese = language_of(request) == "zh"
    columns = [
        (column, evidence(why) if chinese else why["evidence"], why["confidence"])
        for column, why in zip(_columns(found), found.proposal["proposals"], strict=True)
    ]
    return page(
        request,
        "review.html",
        upload=found,
        proposal=found.proposal,
        columns=columns,
        pack=service.space.packs[found.zone],
        methods=list(Method),
        title=title,
        dataset=dataset,
    )


@post("/portal/uploads/{upload:str}", sync_to_thread=True)
def confirm(
    upload: FromPath[str], body: RawBody, caller: NamedDependency[Caller], service: NamedDependency[Service]
) -> Response[Any]:
    """Register the upload with the corrections of the form, and show its entry and its receipt.

    A file that was registered before leads to that version, and the page says so.
    """
    form = Form.read(body)
    found = service.uploads.upload(caller, upload)
    subjects = tuple(
        column.name for place, column in enumerate(_columns(found)) if form.text(f"subject.{place}")
    )
    registered = service.registrar.confirm(
        caller,
        upload,
        Registration(
            title=form.needed("title"),
            offer=_terms(form),
            description=form.text("description"),
            subjects=subjects,
            corrections=_corrections(form, found),
            dataset=form.text("dataset"),
        ),
    )
    onward = f"/portal/datasets/{registered.dataset}"
    return go_to(onward if registered.new else f"{onward}?known={registered.version}")


@post("/portal/uploads/{upload:str}/discard", sync_to_thread=True)
def discard(
    upload: FromPath[str], caller: NamedDependency[Caller], service: NamedDependency[Service]
) -> Response[Any]:
    """Forget an upload."""
    service.uploads.discard(caller, upload)
    return go_to("/portal/upload")


def _columns(upload: Upload) -> list[Column]:
    return [Column.from_json(column) for column in upload.proposal["columns"]]


def _terms(form: Form) -> OfferTerms:
    return OfferTerms(
        price=form.number("price"),
        purposes=form.all("purpose"),
        forms=tuple(AnswerForm(name) for name in form.all("form") if name in set(AnswerForm)),
        units=form.number("units", 1000),
        epsilon=form.number("epsilon") * _EPSILON,
        min_group=form.number("min_group"),
        row_limit=form.number("row_limit"),
        days=form.number("days", 365),
        automatic=bool(form.text("automatic")),
    )


def _corrections(form: Form, upload: Upload) -> dict[str, dict[str, Any]]:
    """Return what the form says otherwise than the proposal, by column.

    With another category, its own rule gives what the reader left alone.
    """
    corrections = {}
    for place, column in enumerate(_columns(upload)):
        said: dict[str, Any] = {
            "category": form.text(f"category.{place}", column.category),
            "level": form.number(f"level.{place}", column.level),
            "method": form.text(f"method.{place}", column.method),
            "parameters": _parameters(form.text(f"parameters.{place}")),
        }
        was = {
            "category": column.category,
            "level": column.level,
            "method": column.method,
            "parameters": dict(column.parameters),
        }
        changed = {name: value for name, value in said.items() if value != was[name]}
        if changed:
            corrections[column.name] = changed
    return corrections


def _parameters(text: str) -> dict[str, int | str]:
    """Read `first=3 last=4`.

    Raises:
        Unprocessable: it is something else.

    """
    found: dict[str, int | str] = {}
    for part in text.split():
        name, equals, value = part.partition("=")
        if not equals or not value:
            raise Unprocessable("parameters are written like first=3 last=4", field="parameters")
        found[name] = int(value) if value.isascii() and value.isdecimal() and len(value) < 10 else value
    return found
