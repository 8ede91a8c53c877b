"""The catalogue: which datasets are to be had, with their columns and offers."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session, col, or_, select

from dataspace.catalog.models import Dataset, DatasetVersion, Offer
from dataspace.errors import NotFound
from dataspace.participants.access import Caller
from dataspace.participants.models import Participant
from dataspace.space import Space
from dataspace.table import Column


@dataclass(frozen=True)
class Listing:
    """A dataset as the catalogue shows it: its newest version and the offers that stand."""

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
    )
