"""Registering: an upload its provider confirms becomes a dataset's version, on offer; withdrawing ends it."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlmodel import Session, col, delete, select

from dataspace.catalog.models import Dataset, DatasetKey, DatasetVersion, Offer, Upload
from dataspace.catalog.stored import next_version, owned_dataset, registered_before, upload_of
from dataspace.catalog.terms import OfferTerms, Registered, Registration, confirmed_columns, offer_of
from dataspace.catalog.upload import Uploads
from dataspace.errors import Conflict
from dataspace.participants.access import Caller
from dataspace.policy import Decision
from dataspace.policy.models import PolicyInput
from dataspace.proof.canonical import canonical
from dataspace.space import Space, ensure, mint, proof_of, remember
from dataspace.table import Column
from dataspace.zones.pack import Pack

__all__ = ["OfferTerms", "Registered", "Registrar", "Registration"]


@dataclass(frozen=True)
class _Confirmation:
    """An upload, what its provider said of it, and what was decided on it."""

    upload: Upload
    registration: Registration
    columns: Sequence[Column]
    offer: Offer
    decision: Decision
    asked: PolicyInput

    @property
    def level(self) -> int:
        return max(column.level for column in self.columns)


class Registrar:
    """The acts on datasets. `withdrawn` is called with a dataset's id after its keys are gone."""

    def __init__(self, space: Space, uploads: Uploads, withdrawn: Callable[[str], None]) -> None:
        self._space = space
        self._uploads = uploads
        self._withdrawn = withdrawn

    def confirm(self, caller: Caller, upload: str, registration: Registration) -> Registered:
        """Register an upload as a dataset, or as a new version of one, with its offer: one transaction.

        Raises:
            NotFound: the upload or the dataset is not the caller's.
            Unprocessable: a subject column or a correction does not fit.
            PolicyDenied: the policy denies it.
            Conflict: the dataset is withdrawn.

        """
        found = self._uploads.upload(caller, upload)
        pack = self._space.pack(found.zone)
        columns = confirmed_columns(found, pack, registration)
        offer = offer_of(registration.offer, pack, self._space.clock())
        decision, asked = self._decide(caller, pack, columns, offer)
        ensure(decision)
        confirmed = _Confirmation(found, registration, columns, offer, decision, asked)
        registered = self._space.database.commit(lambda session: self._register(session, caller, confirmed))
        self._uploads.forget(upload, payload=not registered.new)
        return registered

    def withdraw(self, caller: Caller, dataset: str) -> int:
        """Withdraw a dataset and destroy its data keys; return the entry's index.

        Raises:
            NotFound: it is not the caller's.
            PolicyDenied: the policy denies it.
            Conflict: it is withdrawn already.

        """
        with self._space.database.reading() as session:
            found = owned_dataset(session, caller, dataset)
        decision, asked = self._space.decide(
            "withdraw",
            participant=caller.facts(),
            zone=self._space.pack(found.zone).facts(),
            dataset={"id": found.id, "provider": found.provider, "withdrawn": found.withdrawn is not None},
        )
        if found.withdrawn:
            raise Conflict("the dataset is withdrawn already")
        ensure(decision)
        entry, paths = self._space.database.commit(
            lambda session: self._withdraw(session, caller, dataset, decision, asked)
        )
        # The keys are deleted; now nothing may keep a copy: not the log of the database, no worker, no file.
        self._space.database.shred()
        # The files first: a query that holds the key and waits for a worker must not load them again.
        for path in paths:
            path.unlink(missing_ok=True)
        self._withdrawn(dataset)
        return entry

    def _decide(
        self, caller: Caller, pack: Pack, columns: Sequence[Column], offer: Offer
    ) -> tuple[Decision, PolicyInput]:
        return self._space.decide(
            "register",
            participant=caller.facts(),
            zone=pack.facts(),
            dataset={
                "level": max(column.level for column in columns),
                "provider": caller.id,
                "withdrawn": False,
                "subjects": sum(column.subject for column in columns),
            },
            offer={
                "purposes": offer.purposes,
                "forms": offer.forms,
                "units": offer.units,
                "min_group": offer.min_group,
                "row_limit": offer.row_limit,
                "price": offer.price,
            },
        )

    def _register(self, session: Session, caller: Caller, confirmed: _Confirmation) -> Registered:
        upload, offer = confirmed.upload, confirmed.offer
        # Asked for again: of two confirmations at once the second finds nothing.
        session.delete(upload_of(session, caller, upload.id))
        known = registered_before(session, caller, upload, confirmed.registration.dataset)
        if known:
            return known
        dataset = self._dataset(session, caller, upload, confirmed.registration)
        offer.dataset = dataset.id
        version = offer.version = next_version(session, dataset.id)
        entry = self._append(session, confirmed, dataset, version)
        session.add(self._version(confirmed, dataset, version, entry))
        session.add(DatasetKey(dataset=dataset.id, version=version, wrapped=upload.key))
        session.add(offer)
        remember(session, confirmed.asked)
        return Registered(dataset.id, version, offer.id, entry, new=True)

    def _append(self, session: Session, confirmed: _Confirmation, dataset: Dataset, version: int) -> int:
        upload, offer = confirmed.upload, confirmed.offer
        return self._space.log.append(
            session,
            "dataset.registered",
            dataset=dataset.id,
            version=version,
            zone=dataset.zone,
            provider=dataset.provider,
            source_sha256=upload.source_sha256,
            payload_sha256=upload.payload_sha256,
            rows=upload.rows,
            schema_sha256=_digest([column.to_json() for column in confirmed.columns]),
            level=confirmed.level,
            offer=offer.id,
            offer_sha256=_digest(offer.model_dump(mode="json")),
            price=offer.price,
            **proof_of(confirmed.decision),
        )

    def _version(
        self, confirmed: _Confirmation, dataset: Dataset, version: int, entry: int
    ) -> DatasetVersion:
        upload = confirmed.upload
        return DatasetVersion(
            dataset=dataset.id,
            version=version,
            rows=upload.rows,
            size=upload.size,
            level=confirmed.level,
            columns=[column.to_json() for column in confirmed.columns],
            source_sha256=upload.source_sha256,
            payload_sha256=upload.payload_sha256,
            path=f"{upload.id}.sealed",
            entry=entry,
            created=self._space.clock(),
        )

    def _dataset(
        self, session: Session, caller: Caller, found: Upload, registration: Registration
    ) -> Dataset:
        if registration.dataset:
            dataset = owned_dataset(session, caller, registration.dataset)
            if dataset.withdrawn or dataset.zone != found.zone:
                raise Conflict("the dataset is withdrawn, or lies in another zone than the upload")
            return dataset
        dataset = Dataset(
            id=mint("ds"),
            provider=caller.id,
            zone=found.zone,
            title=registration.title,
            description=registration.description,
            created=self._space.clock(),
        )
        session.add(dataset)
        session.flush()
        return dataset

    def _withdraw(
        self, session: Session, caller: Caller, dataset: str, decision: Decision, asked: PolicyInput
    ) -> tuple[int, list[Path]]:
        found = owned_dataset(session, caller, dataset)
        if found.withdrawn:
            raise Conflict("the dataset is withdrawn already")
        found.withdrawn = self._space.clock()
        session.add(found)
        versions = session.exec(select(DatasetVersion).where(DatasetVersion.dataset == dataset)).all()
        session.exec(delete(DatasetKey).where(col(DatasetKey.dataset) == dataset))
        remember(session, asked)
        entry = self._space.log.append(
            session,
            "dataset.withdrawn",
            dataset=dataset,
            by=caller.id,
            versions=sorted(version.version for version in versions),
            **proof_of(decision),
        )
        return entry, [self._uploads.payload(version.path) for version in versions]


def _digest(value: Any) -> str:
    return hashlib.sha256(canonical(value)).hexdigest()
