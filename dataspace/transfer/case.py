"""A case: everything one query is decided on, read at one moment."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy
from sqlmodel import Session, and_, col, func, select

from dataspace.catalog.models import Dataset, DatasetKey, DatasetVersion, Offer
from dataspace.errors import NotFound
from dataspace.negotiation.models import Agreement
from dataspace.negotiation.terms import offer_facts
from dataspace.participants.access import Caller
from dataspace.participants.models import Participant, Status
from dataspace.privacy.release import Release
from dataspace.space import Space, nanoseconds
from dataspace.table import Column, Method
from dataspace.transfer import budget
from dataspace.transfer.engine import Payload
from dataspace.transfer.models import Budget
from dataspace.transfer.sql.leaving import Protection
from dataspace.zones.pack import Pack


@dataclass(frozen=True)
class Case:
    """An agreement of the caller's with all that stands behind it; `columns` leave as the offer has them.

    `entity` is the legal entity behind the consumer. `used` is what of the dataset's own
    epsilon is spent and reserved, by all consumers.
    """

    caller: Caller
    entity: str
    agreement: Agreement
    offer: Offer
    dataset: Dataset
    version: DatasetVersion
    columns: tuple[Column, ...]
    pack: Pack
    budget: Mapping[str, Mapping[str, int]]
    used: Mapping[str, int]
    wrapped: bytes | None = field(repr=False)

    def facts(self) -> dict[str, Any]:
        """Return what the policy is told, but for the query and its result."""
        agreement, dataset = self.agreement, self.dataset
        return {
            "participant": self.caller.facts(),
            "zone": self.pack.facts(),
            "offer": offer_facts(self.offer),
            "dataset": {
                "id": dataset.id,
                "version": self.version.version,
                "level": self.version.level,
                "withdrawn": dataset.withdrawn is not None,
                "provider": dataset.provider,
                "epsilon": {"granted": dataset.epsilon, **self.used},
            },
            "agreement": {
                "id": agreement.id,
                "state": agreement.state,
                "consumer": agreement.consumer,
                "purpose": agreement.purpose,
                "forms": agreement.forms,
                "versions": agreement.versions,
                "expires": nanoseconds(agreement.expires),
                **self.budget,
            },
        }

    def payload(self, space: Space) -> Payload:
        """Return the dataset as a worker loads it, its key unwrapped.

        Raises:
            NotFound: the key is gone: the dataset was withdrawn.

        """
        if self.wrapped is None:
            raise NotFound("the dataset was withdrawn")
        name = Path(self.version.path).stem
        key = space.keys.secret(f"zone/{self.dataset.zone}").unwrap(self.wrapped, name.encode())
        return Payload(
            dataset=self.dataset.id,
            version=self.version.version,
            path=str(space.settings.home / "payloads" / self.version.path),
            key=key,
            context=name.encode(),
        )

    def protection(self) -> Protection:
        """Return what is done to rows beside the methods of their columns."""
        release = Release.from_json(self.version.release)
        return Protection.of(release, self.offer.sample, self.columns)

    def pseudonym_key(self, space: Space) -> bytes:
        """Return the key of the agreement's own pseudonyms."""
        return _key_of(space, self.dataset, self.agreement)


def read_case(session: Session, space: Space, caller: Caller, agreement: str) -> Case:
    """Read a case: the newest version of the dataset that the agreement covers.

    Raises:
        NotFound: the agreement is not one of which the caller is the consumer.

    """
    found = session.get(Agreement, agreement)
    if found is None or found.consumer != caller.id:
        raise NotFound("there is no such agreement")
    row = session.exec(_behind(found)).first()
    if row is None:
        raise NotFound("the agreement covers no version of the dataset")
    offer, dataset, version, key, spent, behind, elsewhere, used, reserved = row
    return Case(
        caller,
        behind,
        found,
        offer,
        dataset,
        version,
        offered(version.columns, offer.methods),
        space.pack(dataset.zone),
        budget.facts(spent or budget.unspent(found), int(elsewhere)),
        {"spent": int(used), "reserved": int(reserved)},
        key.wrapped if key else None,
    )


def steady_key(session: Session, space: Space, case: Case) -> bytes:
    """Return the key of what is drawn for a consumer: the one of its first agreement on the dataset.

    Its later agreements, and those on later versions, draw the same: agreeing
    again gives nothing to average.
    """
    query = select(Agreement).where(
        Agreement.dataset == case.dataset.id, Agreement.consumer == case.agreement.consumer
    )
    first = session.exec(query.order_by(col(Agreement.created), col(Agreement.id))).first()
    return _key_of(space, case.dataset, first or case.agreement)


def _key_of(space: Space, dataset: Dataset, agreement: Agreement) -> bytes:
    return space.keys.secret(f"zone/{dataset.zone}").unwrap(agreement.key, agreement.id.encode())


def offered(columns: Sequence[Mapping[str, Any]], methods: Mapping[str, Any]) -> tuple[Column, ...]:
    """Return the columns of a version as an offer lets them leave: by its own methods, which are stricter.

    What an offer suppresses does not leave as a sum either.
    """
    return tuple(_offered(column, methods.get(str(column["name"]), {})) for column in columns)


def _offered(column: Mapping[str, Any], method: Mapping[str, Any]) -> Column:
    silenced = {"aggregable": False} if method.get("method") == Method.SUPPRESS else {}
    return Column.from_json({**column, **method, **silenced})


def still_stands(session: Session, case: Case) -> bool:
    """Tell whether nothing that forbids an answer has happened since the case was read."""
    query = (
        select(Agreement.state, Dataset.withdrawn, Participant.status)
        .select_from(Agreement)
        .join(Dataset, col(Dataset.id) == Agreement.dataset)
        .join(Participant, col(Participant.id) == Agreement.consumer)
        .where(Agreement.id == case.agreement.id)
    )
    return session.exec(query).one() == (case.agreement.state, None, Status.ACTIVE)


def _behind(agreement: Agreement) -> Any:
    """Return the query for what and who is behind an agreement, and the epsilon used elsewhere: one row."""
    newest = max(agreement.versions, default=0)
    of_version = and_(
        col(DatasetKey.dataset) == DatasetVersion.dataset, col(DatasetKey.version) == DatasetVersion.version
    )
    mine = sqlalchemy.select(entity()).where(col(Participant.id) == agreement.consumer).scalar_subquery()
    elsewhere = _used(
        agreement, (Budget.epsilon_spent, Budget.epsilon_reserved), entity() == mine, _other(agreement)
    )
    everywhere = (_used(agreement, (part,)) for part in (Budget.epsilon_spent, Budget.epsilon_reserved))
    return (
        sqlalchemy.select(Offer, Dataset, DatasetVersion, DatasetKey, Budget, mine, elsewhere, *everywhere)
        .select_from(Offer)
        .join(Dataset, col(Dataset.id) == agreement.dataset)
        .join(DatasetVersion, col(DatasetVersion.dataset) == Dataset.id)
        .join(DatasetKey, of_version, isouter=True)
        .join(Budget, col(Budget.agreement) == agreement.id, isouter=True)
        .where(col(Offer.id) == agreement.offer, col(DatasetVersion.version) == newest)
    )


def entity() -> Any:
    """Return SQL of the legal entity behind a participant: itself, if none is named."""
    return func.coalesce(func.nullif(col(Participant.entity), ""), col(Participant.id))


def agreements_of(case: Case) -> Any:
    """Return SQL of the ids of all agreements of the legal entity behind a case."""
    of_consumer = col(Participant.id) == col(Agreement.consumer)
    return sqlalchemy.select(col(Agreement.id)).join(Participant, of_consumer).where(entity() == case.entity)


def _other(agreement: Agreement) -> Any:
    return col(Agreement.id) != agreement.id


def _used(agreement: Agreement, parts: Sequence[Any], *where: Any) -> Any:
    """Return SQL of the epsilon that agreements on the dataset have used."""
    return (
        sqlalchemy.select(func.coalesce(func.sum(sum(map(col, parts))), 0))
        .select_from(Budget)
        .join(Agreement, col(Agreement.id) == Budget.agreement)
        .join(Participant, col(Participant.id) == Agreement.consumer)
        .where(col(Agreement.dataset) == agreement.dataset, *where)
        .correlate(None)
        .scalar_subquery()
    )
