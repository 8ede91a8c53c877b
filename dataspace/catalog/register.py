"""Registering: an upload its provider confirms becomes a dataset's version, on offer; withdrawing ends it."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlmodel import Session, col, delete, select

from dataspace.catalog.draft import Draft, Drafts
from dataspace.catalog.models import ColumnRule, Dataset, DatasetKey, DatasetVersion
from dataspace.catalog.repeated import registered_before
from dataspace.catalog.report import release_of, report, report_sha256
from dataspace.catalog.rules import learn
from dataspace.catalog.stored import next_version, owned_dataset, upload_of
from dataspace.catalog.terms import OfferTerms, Registered, Registration, dataset_epsilon, offer_json
from dataspace.catalog.upload import Uploads
from dataspace.errors import Conflict
from dataspace.participants.access import Caller
from dataspace.policy import Decision
from dataspace.policy.models import PolicyInput
from dataspace.proof.canonical import canonical
from dataspace.space import Space, ensure, mint, proof_of, remember
from dataspace.zones.classify import rule_name

__all__ = ["OfferTerms", "Registered", "Registrar", "Registration"]


@dataclass(frozen=True)
class _Confirmation:
    """A draft, what was decided on it, and its report."""

    draft: Draft
    decision: Decision
    asked: PolicyInput
    report: dict[str, Any]


class Registrar:
    """The acts on datasets. `withdrawn` is called with a dataset's id after its keys are gone."""

    def __init__(
        self, space: Space, uploads: Uploads, drafts: Drafts, withdrawn: Callable[[str], None]
    ) -> None:
        self._space = space
        self._uploads = uploads
        self._drafts = drafts
        self._withdrawn = withdrawn

    def confirm(self, caller: Caller, upload: str, registration: Registration) -> Registered:
        """Register an upload as a dataset, or as a new version of one, with its offer: one transaction.

        It is measured as it would leave: what fails the zone's thresholds, or is
        graded lower than the zone does, needs an approval of exactly this.

        Raises:
            NotFound: the upload or the dataset is not the caller's.
            Unprocessable: a subject column, a correction, a term or a text does not fit.
            PolicyDenied: the policy denies it.
            Conflict: the dataset is withdrawn, the upload is not ready, or its bytes are on offer under
                other terms.

        """
        draft = self._drafts.draft(caller, upload, registration)
        decision, asked = self._drafts.decide(caller, draft)
        ensure(decision)
        confirmed = _Confirmation(draft, decision, asked, report(draft, self._space.clock()))
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

    def _register(self, session: Session, caller: Caller, confirmed: _Confirmation) -> Registered:
        draft = confirmed.draft
        upload, offer = draft.upload, draft.offer
        # Asked for again: of two confirmations at once the second finds nothing.
        session.delete(upload_of(session, caller, upload.id))
        known = registered_before(session, caller, draft)
        if known:
            return known
        dataset = self._dataset(session, caller, draft)
        offer.dataset = dataset.id
        version = offer.version = next_version(session, dataset.id)
        entry = self._append(session, confirmed, dataset, version)
        session.add(self._version(confirmed, dataset, version, entry))
        session.add(DatasetKey(dataset=dataset.id, version=version, wrapped=upload.key))
        session.add(offer)
        learn(session, self._learnt(draft))
        remember(session, confirmed.asked)
        return Registered(dataset.id, version, offer.id, entry, new=True)

    def _append(self, session: Session, confirmed: _Confirmation, dataset: Dataset, version: int) -> int:
        draft = confirmed.draft
        upload, offer = draft.upload, draft.offer
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
            schema_sha256=_digest([column.to_json() for column in draft.columns]),
            level=draft.level,
            offer=offer.id,
            offer_sha256=_digest(offer_json(offer)),
            price=offer.price,
            report_sha256=report_sha256(confirmed.report),
            approval=draft.approval.id if draft.approval else "",
            lifted=draft.lifted,
            **proof_of(confirmed.decision),
        )

    def _version(
        self, confirmed: _Confirmation, dataset: Dataset, version: int, entry: int
    ) -> DatasetVersion:
        draft = confirmed.draft
        upload = draft.upload
        return DatasetVersion(
            dataset=dataset.id,
            version=version,
            rows=upload.rows,
            size=upload.size,
            level=draft.level,
            columns=[column.to_json() for column in draft.columns],
            source_sha256=upload.source_sha256,
            payload_sha256=upload.payload_sha256,
            path=f"{upload.id}.sealed",
            entry=entry,
            report=confirmed.report,
            report_sha256=report_sha256(confirmed.report),
            release=release_of(confirmed.report),
            created=self._space.clock(),
        )

    def _dataset(self, session: Session, caller: Caller, draft: Draft) -> Dataset:
        registration = draft.registration
        if registration.dataset:
            dataset = owned_dataset(session, caller, registration.dataset)
            if dataset.withdrawn or dataset.zone != draft.upload.zone:
                raise Conflict("the dataset is withdrawn, or lies in another zone than the upload")
            if registration.listing:
                dataset.listing = dict(registration.listing)
                session.add(dataset)
            return dataset
        dataset = Dataset(
            id=mint("ds"),
            provider=caller.id,
            zone=draft.upload.zone,
            title=registration.title,
            description=registration.description,
            listing=dict(registration.listing),
            epsilon=dataset_epsilon(registration.offer, self._space.pack(draft.upload.zone)),
            created=self._space.clock(),
        )
        session.add(dataset)
        session.flush()
        return dataset

    def _learnt(self, draft: Draft) -> list[ColumnRule]:
        """Return the corrected categories as rules for the provider's next files.

        What values contradict is not learnt: every such file needs a second person anew.
        """
        upload, now = draft.upload, self._space.clock()
        proposed = {column["name"]: column["category"] for column in upload.proposal["columns"]}
        return [
            ColumnRule(
                provider=upload.provider,
                zone=upload.zone,
                name=rule_name(column.name),
                category=column.category,
                created=now,
            )
            for column in draft.columns
            if column.category != proposed[column.name] and column.name not in draft.contradicted
        ]

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
