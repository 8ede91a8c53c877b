"""The same bytes again: what they are already, when all that is asked for is so; else a Conflict."""

from collections.abc import Iterator
from typing import Final

from sqlmodel import Session, col, select

from dataspace.catalog.draft import Draft
from dataspace.catalog.models import Dataset, DatasetVersion, Offer
from dataspace.catalog.terms import Registered
from dataspace.errors import Conflict
from dataspace.participants.access import Caller

_TERMS: Final = (
    "price",
    "units",
    "epsilon",
    "min_group",
    "row_limit",
    "days",
    "automatic",
    "methods",
    "sample",
    "exact",
)
_SETS: Final = ("purposes", "forms", "semi_honest")


def registered_before(session: Session, caller: Caller, draft: Draft) -> Registered | None:
    """Return the version with the same bytes and terms: of the dataset that is named, or any of the caller's.

    Who lost the answer asks with the same terms, and gets the same again.

    Raises:
        Conflict: the bytes are registered, and under other terms only, which it names.

    """
    upload, named = draft.upload, draft.registration.dataset
    query = (
        select(DatasetVersion, Dataset, Offer)
        .join(Dataset, col(Dataset.id) == DatasetVersion.dataset)
        .join(Offer, (col(Offer.dataset) == Dataset.id) & (col(Offer.version) == DatasetVersion.version))
        .where(
            DatasetVersion.source_sha256 == upload.source_sha256,
            Dataset.provider == caller.id,
            Dataset.zone == upload.zone,
            col(Dataset.withdrawn).is_(None),
        )
    )
    if named:
        query = query.where(Dataset.id == named)
    conflict = None
    for version, dataset, offer in session.exec(query.order_by(col(DatasetVersion.entry).desc())):
        differing = list(_differing(draft, version, dataset, offer))
        if not differing:
            return Registered(dataset.id, version.version, offer.id, version.entry, new=False)
        conflict = conflict or _conflict(offer, differing)
    if conflict:
        raise conflict
    return None


def _differing(draft: Draft, version: DatasetVersion, dataset: Dataset, offer: Offer) -> Iterator[str]:
    asked = draft.offer
    yield from (name for name in _TERMS if getattr(asked, name) != getattr(offer, name))
    yield from (name for name in _SETS if set(getattr(asked, name)) != set(getattr(offer, name)))
    wanted = draft.registration.offer.dataset_epsilon
    if wanted and not draft.registration.dataset and wanted != dataset.epsilon:
        yield "dataset_epsilon"
    yield from _differing_columns(draft, version)


def _differing_columns(draft: Draft, version: DatasetVersion) -> Iterator[str]:
    """Compare what was said of columns alone: what was learnt since may change what nobody said."""
    registered = {column["name"]: column for column in version.columns}
    asked = {column.name: column.to_json() for column in draft.columns}
    if asked.keys() != registered.keys():
        yield "columns"  # the bytes were read otherwise: by another delimiter, or of another sheet
        return
    if any(asked[name]["subject"] != registered[name].get("subject", False) for name in asked):
        yield "subjects"
    # The level is graded anew, of all columns together.
    said = (
        (name, key)
        for name, correction in draft.registration.corrections.items()
        for key in correction.keys() - {"level"}
    )
    if any(asked[name].get(key) != registered[name].get(key) for name, key in said):
        yield "corrections"


def _conflict(offer: Offer, differing: list[str]) -> Conflict:
    return Conflict(
        f"these bytes are {offer.dataset} version {offer.version} already, under offer {offer.id} with other "
        f"terms ({', '.join(differing)}): withdraw the dataset, or register other bytes as its new version",
        dataset=offer.dataset,
        version=offer.version,
        offer=offer.id,
        differing=differing,
    )
