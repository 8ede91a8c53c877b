"""The catalogue: which datasets are to be had, with their columns and offers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlmodel import Session, col, or_, select

from dataspace.catalog.models import Dataset, DatasetVersion, Offer
from dataspace.catalog.sample import sample_of_version
from dataspace.errors import NotFound
from dataspace.participants.access import Caller
from dataspace.participants.models import Participant
from dataspace.space import Space
from dataspace.table import Column


@dataclass(frozen=True)
class Listing:
    """A dataset as the catalogue shows it: its newest version and the offers that stand.

    `product` is the record of `listing.py`; `report` all of the version's, of
    which the catalogue shows the quality. Both are empty for older ones.
    """

    dataset: str
    version: int
    zone: str
    title: str
    description: str
    provider: str
    provider_name: str
    rows: int
    level: int
    columns: tuple[Column, ...]
    offers: tuple[Offer, ...]
    created: datetime
    withdrawn: datetime | None
    entry: int
    product: Mapping[str, Any]
    report: Mapping[str, Any]
    report_sha256: str


@dataclass(frozen=True)
class Reported:
    """The report of one version, its digest, and the registration's entry, which holds the digest.

    `sample` is what is sealed in the report, for its provider with the rows as they are; None once the
    dataset is withdrawn.
    """

    dataset: str
    version: int
    report: Mapping[str, Any]
    sha256: str
    entry: int
    sample: Mapping[str, Any] | None


class Catalogue:
    """What can be found; everybody with an account sees the same."""

    def __init__(self, space: Space) -> None:
        self._space = space

    def listings(self, zone: str = "", text: str = "") -> list[Listing]:
        """List the datasets on offer, newest first; `text` is looked for in titles and descriptions."""
        query = select(Dataset).where(col(Dataset.withdrawn).is_(None)).order_by(col(Dataset.created).desc())
        if zone:
            query = query.where(Dataset.zone == zone)
        if text:
            query = query.where(
                or_(
                    col(Dataset.title).contains(text, autoescape=True),
                    col(Dataset.description).contains(text, autoescape=True),
                )
            )
        with self._space.database.reading() as session:
            return self._listed(session, session.exec(query).all())

    def listing(self, dataset: str) -> Listing:
        """Return one dataset.

        Raises:
            NotFound: there is none, or it is withdrawn.

        """
        with self._space.database.reading() as session:
            found = session.get(Dataset, dataset)
            if found is None or found.withdrawn:
                raise NotFound("there is no such dataset")
            return self._listed(session, [found])[0]

    def mine(self, caller: Caller) -> list[Listing]:
        """List the caller's own datasets, withdrawn ones too, newest first."""
        query = select(Dataset).where(Dataset.provider == caller.id).order_by(col(Dataset.created).desc())
        with self._space.database.reading() as session:
            return self._listed(session, session.exec(query).all())

    def report(self, caller: Caller, dataset: str, version: int = 0) -> Reported:
        """Return the report of a version, 0 for the newest: for its provider, and for who oversees its zone.

        Raises:
            NotFound: there is none that the caller may see, or the version has no report.

        """
        with self._space.database.reading() as session:
            found = session.get(Dataset, dataset)
            if found is None or not _may_read(caller, found):
                raise NotFound("there is no such dataset")
            query = select(DatasetVersion).where(DatasetVersion.dataset == dataset)
            if version:
                query = query.where(DatasetVersion.version == version)
            row = session.exec(query.order_by(col(DatasetVersion.version).desc())).first()
            if row is None or not row.report:
                raise NotFound("there is no report of this version")
            provider = found.provider == caller.id
            sample = sample_of_version(session, self._space, row, provider=provider)
        return Reported(dataset, row.version, row.report, row.report_sha256, row.entry, sample)

    def sample(self, dataset: str, version: int) -> Mapping[str, Any] | None:
        """Return a few desensitized rows of a version that offers rows: for all, until its withdrawal."""
        with self._space.database.reading() as session:
            row = session.get(DatasetVersion, (dataset, version))
            return None if row is None else sample_of_version(session, self._space, row)

    def _listed(self, session: Session, datasets: Sequence[Dataset]) -> list[Listing]:
        wanted = [dataset.id for dataset in datasets]
        versions = {
            version.dataset: version
            for version in session.exec(
                select(DatasetVersion)
                .where(col(DatasetVersion.dataset).in_(wanted))
                .order_by(col(DatasetVersion.version))
            )
        }
        offers = session.exec(
            select(Offer)
            .where(col(Offer.dataset).in_(wanted), Offer.expires > self._space.clock())
            .order_by(col(Offer.created).desc())
        ).all()
        names = {one.id: one.name for one in session.exec(select(Participant))}
        return [
            _listing(
                dataset,
                versions[dataset.id],
                names,
                tuple(offer for offer in offers if _stands(offer, versions[dataset.id])),
            )
            for dataset in datasets
        ]


def _may_read(caller: Caller, dataset: Dataset) -> bool:
    if caller.sees_everything or caller.id == dataset.provider:
        return True
    return caller.oversees and dataset.zone in caller.zones


def _stands(offer: Offer, newest: DatasetVersion) -> bool:
    """Tell whether an offer is of the newest version: terms are for what they were made for."""
    return (offer.dataset, offer.version) == (newest.dataset, newest.version)


def _listing(
    dataset: Dataset, version: DatasetVersion, names: dict[str, str], offers: tuple[Offer, ...]
) -> Listing:
    return Listing(
        dataset.id,
        version.version,
        dataset.zone,
        dataset.title,
        dataset.description,
        dataset.provider,
        names.get(dataset.provider, ""),
        version.rows,
        version.level,
        tuple(Column.from_json(column) for column in version.columns),
        offers,
        version.created,
        dataset.withdrawn,
        version.entry,
        dataset.listing,
        version.report,
        version.report_sha256,
    )
