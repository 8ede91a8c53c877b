"""Registering sealed datasets: the platform takes what it cannot open, on its provider's signed report.

The report is held against the zone as far as it can be without a value: its
rules are the zone's today, no column is graded lower or summed against the zone's
word, and what is offered are sealed totals alone. The container is kept like
every payload, under a data key of its own: withdrawing the dataset ends it.
"""

import hashlib
from dataclasses import dataclass, replace
from typing import Final

from sqlmodel import Session

from dataspace.catalog.container import Taken, take
from dataspace.catalog.listing import check_impersonal, read_listing
from dataspace.catalog.models import Dataset, DatasetKey, DatasetVersion, Form, Offer
from dataspace.catalog.places import Places
from dataspace.catalog.report import report_sha256
from dataspace.catalog.sealed_report import facts_of, report_of, sealed_of
from dataspace.catalog.staging import Staging
from dataspace.catalog.stored import next_version, owned_dataset
from dataspace.catalog.terms import Registered, Registration, dataset_epsilon, offer_json, offer_of
from dataspace.database import crash_at
from dataspace.errors import Conflict, Unavailable, Unprocessable
from dataspace.participants.access import Caller
from dataspace.policy import Decision
from dataspace.policy.models import PolicyInput
from dataspace.proof.canonical import canonical
from dataspace.space import Space, ensure, mint, proof_of, remember
from dataspace.zones.pack import Pack

_FORMS: Final = (Form.SEALED,)


@dataclass(frozen=True)
class _Confirmed:
    """What is registered, and what was decided on it."""

    taken: Taken
    registration: Registration
    offer: Offer
    decision: Decision
    asked: PolicyInput


class SealedRegistrar:
    """Takes sealed datasets. `keyservice` is the id of the key service that this space asks."""

    def __init__(self, space: Space, keyservice: str) -> None:
        self._space, self._keyservice = space, keyservice
        self._places = Places(space.settings.home)

    def register(self, caller: Caller, zone: str, staging: Staging, registration: Registration) -> Registered:
        """Register a staged container as a dataset, or as a new version of one; the staged file is gone then.

        Raises:
            Malformed: it is no container, or cut off.
            Unprocessable: it contradicts itself, its zone or this space.
            Unavailable: this space has no key service.
            NotFound: the dataset is not the caller's.
            PolicyDenied: the policy denies it.

        """
        try:
            pack = self._space.pack(zone)
            taken = self._take(staging, pack)
        finally:
            staging.discard()
        try:
            confirmed = self._confirmed(caller, pack, taken, registration)
            crash_at("sealed.before_row")
            return self._space.database.commit(lambda session: self._register(session, caller, confirmed))
        except BaseException:
            self._places.payload(f"{taken.name}.sealed").unlink(missing_ok=True)
            raise

    def _take(self, staging: Staging, pack: Pack) -> Taken:
        if not self._keyservice:
            raise Unavailable("this space has no key service: it takes no sealed datasets")
        return take(staging, self._places.payload("").resolve(), pack, self._keyservice)

    def _confirmed(self, caller: Caller, pack: Pack, taken: Taken, registration: Registration) -> _Confirmed:
        names = [column.name for column in taken.columns]
        registration = replace(registration, listing=read_listing(registration.listing, taken.columns))
        words = {"title": registration.title, "description": registration.description}
        check_impersonal({**words, "listing": registration.listing, "columns": names})
        if registration.offer.forms not in ((), _FORMS):
            raise Unprocessable(
                "a sealed dataset is offered in the form sealed alone: nobody here can open it"
            )
        terms = replace(registration.offer, forms=_FORMS, exact=False, methods={})
        offer = offer_of(terms, pack, taken.columns, self._space.clock())
        if offer.min_group > taken.report.min_group:
            raise Unprocessable(
                f"the offer wants groups of {offer.min_group} subjects, "
                f"it was sealed for {taken.report.min_group}: seal it again with that min_group"
            )
        decision, asked = self._space.decide("register", **facts_of(caller, pack, taken, offer))
        ensure(decision)
        return _Confirmed(taken, registration, offer, decision, asked)

    def _register(self, session: Session, caller: Caller, confirmed: _Confirmed) -> Registered:
        taken, offer = confirmed.taken, confirmed.offer
        dataset = self._dataset(session, caller, confirmed)
        offer.dataset, offer.version = dataset.id, next_version(session, dataset.id)
        now = self._space.clock()
        told = report_of(taken, offer, confirmed.registration.title, self._space.pack(dataset.zone), now)
        row = DatasetVersion(
            dataset=dataset.id,
            version=offer.version,
            rows=taken.report.rows,
            size=taken.size,
            level=taken.report.level,
            columns=[column.to_json() for column in taken.columns],
            source_sha256=taken.sha256,
            payload_sha256=taken.sha256,
            path=f"{taken.name}.sealed",
            entry=0,
            report=told,
            report_sha256=report_sha256(told),
            sealed=sealed_of(taken),
            created=now,
        )
        row.entry = self._append(session, confirmed, dataset, row)
        wrapped = self._space.keys.secret(f"zone/{dataset.zone}").wrap(taken.key, taken.name.encode())
        session.add(row)
        session.add(DatasetKey(dataset=dataset.id, version=row.version, wrapped=wrapped))
        session.add(offer)
        remember(session, confirmed.asked)
        return Registered(dataset.id, row.version, offer.id, row.entry, new=True)

    def _append(self, session: Session, confirmed: _Confirmed, dataset: Dataset, row: DatasetVersion) -> int:
        offer = confirmed.offer
        return self._space.log.append(
            session,
            "dataset.registered",
            dataset=dataset.id,
            version=row.version,
            zone=dataset.zone,
            provider=dataset.provider,
            source_sha256=row.source_sha256,
            payload_sha256=row.payload_sha256,
            rows=row.rows,
            schema_sha256=hashlib.sha256(canonical(row.columns)).hexdigest(),
            level=row.level,
            offer=offer.id,
            offer_sha256=hashlib.sha256(canonical(offer_json(offer))).hexdigest(),
            price=offer.price,
            report_sha256=row.report_sha256,
            approval="",
            lifted=[],
            **proof_of(confirmed.decision),
        )

    def _dataset(self, session: Session, caller: Caller, confirmed: _Confirmed) -> Dataset:
        registration, zone = confirmed.registration, confirmed.taken.report.zone
        if registration.dataset:
            dataset = owned_dataset(session, caller, registration.dataset)
            if dataset.withdrawn or dataset.zone != zone:
                raise Conflict("the dataset is withdrawn, or lies in another zone than the container")
            return dataset
        dataset = Dataset(
            id=mint("ds"),
            provider=caller.id,
            zone=zone,
            title=registration.title,
            description=registration.description,
            listing=dict(registration.listing),
            epsilon=dataset_epsilon(registration.offer, self._space.pack(zone)),
            created=self._space.clock(),
        )
        session.add(dataset)
        session.flush()
        return dataset
