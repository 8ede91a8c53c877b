"""A provider's word on an upload as the form of the review says it: read, filled in, and kept until it holds.

The columns of the form are counted: `method.3` is of the fourth, whatever its
name is. What a form says of a column is held against the zone's rule for the
category that it names, and only what differs is a correction, so that two
forms that mean the same are the same registration.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

from sqlmodel import Session

from dataspace.catalog.models import Form as AnswerForm
from dataspace.catalog.models import Upload
from dataspace.catalog.register import OfferTerms, Registration
from dataspace.catalog.rules import known
from dataspace.catalog.search import Listing
from dataspace.catalog.stored import upload_of
from dataspace.catalog.terms import least_of
from dataspace.participants.access import Caller
from dataspace.table import Column
from dataspace.web.portal.forms import Form
from dataspace.web.portal.parameters import read_parameters, write_parameters
from dataspace.web.portal.product import read_product, write_product
from dataspace.web.service import Service
from dataspace.zones.pack import Pack

_EPSILON: Final = 1_000_000
# What the rule of a category says; a method and its parameters are one thing.
_RULED: Final = (("level",), ("method", "parameters"), ("attribute",))
_ACT: Final = ("act", "basis")
# Of an upload's proposal: the form as its provider left it, and what was measured of it.
FORM, CHECKED = "form", "checked"


def columns_of(upload: Upload) -> list[Column]:
    """Return the columns that were proposed."""
    return [Column.from_json(column) for column in upload.proposal["columns"]]


def taught(service: Service, caller: Caller, zone: str) -> Pack:
    """Return a zone's pack with what the caller taught it."""
    pack = service.space.packs[zone]
    with service.space.database.reading() as session:
        return known(session, caller.id, zone).taught(pack)


def form_of(upload: Upload, pack: Pack, former: Listing | None) -> Form:
    """Return the form of an upload: as it was left, or as it is proposed; `former` has its last version."""
    kept = upload.proposal.get(FORM)
    if kept:
        return Form(kept)
    columns = columns_of(upload)
    fields: dict[str, list[str]] = {
        "title": [former.title if former else str(upload.declared.get("title", ""))],
        "description": [former.description if former else ""],
        "dataset": [former.dataset if former else ""],
        "price": [str(pack.price)],
        "units": ["1000"],
        "days": ["365"],
        "sample": ["100"],
        "purpose": list(pack.purposes),
        "form": list(pack.forms),
        "automatic": ["yes"],
    }
    for place, column in enumerate(columns):
        fields |= _written(place, column)
        fields[f"subject.{place}"] = ["yes"] if column.subject else []
    return Form(fields | write_product(former.product if former else {}, columns))


def settled(form: Form, before: Form, columns: Sequence[Column], pack: Pack) -> Form:
    """Return a form in which the rule of another category fills in what was left as it was `before`."""
    fields: dict[str, list[str]] = {}
    for place, column in enumerate(columns):
        category = form.text(f"category.{place}", column.category)
        if category == before.text(f"category.{place}", column.category):
            continue
        rule = _written(place, least_of(column, pack, category))
        for together in _RULED:
            names = [f"{name}.{place}" for name in together]
            if all(form.text(name) == before.text(name) for name in names):
                fields |= {name: rule[name] for name in names}
    return form.changed(fields)


def suggested(form: Form, columns: Sequence[Column], suggestion: Mapping[str, Any]) -> Form:
    """Return a form with the methods of a suggested release."""
    methods = {column["name"]: Column.from_json(column) for column in suggestion["columns"]}
    fields: dict[str, list[str]] = {}
    for place, column in enumerate(columns):
        if found := methods.get(column.name):
            fields |= {f"method.{place}": [str(found.method)]}
            fields |= {f"parameters.{place}": [write_parameters(found.parameters)]}
    return form.changed(fields)


def registration(form: Form, upload: Upload, pack: Pack) -> Registration:
    """Return what a form says of an upload.

    Raises:
        Unprocessable: a field has none of its values.
        Malformed: the zone has no category of a column.

    """
    columns = columns_of(upload)
    return Registration(
        title=form.needed("title"),
        offer=_terms(form, columns),
        description=form.text("description"),
        subjects=tuple(one.name for place, one in enumerate(columns) if form.text(f"subject.{place}")),
        corrections=_corrections(form, columns, pack),
        dataset=form.text("dataset"),
        level=form.number("lowered"),
        listing=read_product(form, columns),
        acknowledged=form.all("acknowledged"),
    )


def keep(
    service: Service, caller: Caller, upload: str, form: Form, checked: Mapping[str, Any] | None
) -> None:
    """Keep a form with what was measured of it, so that a reload, a refusal or an approval finds it again."""

    def act(session: Session) -> None:
        row = upload_of(session, caller, upload)
        kept = {name: list(values) for name, values in form.fields.items() if name not in _ACT}
        row.proposal = {**row.proposal, FORM: kept, CHECKED: dict(checked) if checked else None}
        session.add(row)

    service.space.database.commit(act)


def _terms(form: Form, columns: Sequence[Column]) -> OfferTerms:
    methods = {
        column.name: {
            "method": form.text(f"offered.{place}"),
            "parameters": read_parameters(form.text(f"offered_parameters.{place}")),
        }
        for place, column in enumerate(columns)
        if form.text(f"offered.{place}")
    }
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
        methods=methods,
        sample=form.number("sample", 100),
        exact=not form.text("noised"),
        semi_honest=tuple(form.text("semi_honest").replace(",", " ").split()),
        dataset_epsilon=form.number("dataset_epsilon") * _EPSILON,
    )


def _corrections(form: Form, columns: Sequence[Column], pack: Pack) -> dict[str, dict[str, Any]]:
    found = {}
    for place, column in enumerate(columns):
        category = form.text(f"category.{place}", column.category)
        rule = asdict(least_of(column, pack, category))
        said = {
            "level": form.number(f"level.{place}", column.level),
            "method": form.text(f"method.{place}", column.method),
            "parameters": read_parameters(
                form.text(f"parameters.{place}", write_parameters(column.parameters))
            ),
            "attribute": form.text(f"attribute.{place}", column.attribute),
        }
        changed: dict[str, Any] = {name: value for name, value in said.items() if value != rule[name]}
        if category != column.category:
            changed["category"] = category
        if changed:
            found[column.name] = changed
    return found


def _written(place: int, column: Column) -> dict[str, list[str]]:
    return {
        f"category.{place}": [column.category],
        f"level.{place}": [str(column.level)],
        f"method.{place}": [str(column.method)],
        f"parameters.{place}": [write_parameters(column.parameters)],
        f"attribute.{place}": [str(column.attribute)],
    }
