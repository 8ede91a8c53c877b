"""Datasets of their providers: from a confirmed upload to the withdrawal."""

from typing import Annotated

from litestar import Controller, delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter

from dataspace.catalog.register import Registered
from dataspace.errors import NotFound
from dataspace.participants.access import Caller
from dataspace.web.api.catalog import DatasetBody
from dataspace.web.api.products import SampleBody
from dataspace.web.api.registrations import CheckedBody, RegistrationBody, Report
from dataspace.web.schemas import (
    DatasetId,
    Entry,
    Link,
    OfferId,
    Out,
    Sha256,
    Version,
)
from dataspace.web.service import Service

VersionOf = Annotated[int, QueryParameter(description="a version; 0 is the newest", ge=0)]


class ReportBody(Out):
    """The report of a version; its digest is in the entry of the registration."""

    dataset: DatasetId
    version: Version
    report: Report
    report_sha256: Sha256
    entry: Entry
    sample: SampleBody | None


class RegisteredBody(Out):
    """A registered version; `new` is false when the very file was registered before."""

    dataset: DatasetId
    version: Version
    offer: OfferId
    entry: Entry
    new: bool
    receipt: Link

    @classmethod
    def of(cls, registered: Registered) -> "RegisteredBody":
        """Return what is told of a registration."""
        return cls(
            dataset=registered.dataset,
            version=registered.version,
            offer=registered.offer,
            entry=registered.entry,
            new=registered.new,
            receipt=f"/api/receipts/{registered.entry}",
        )


class WithdrawnBody(Out):
    """A withdrawal: the data keys are destroyed."""

    dataset: DatasetId
    entry: Entry
    receipt: Link


class Datasets(Controller):
    """A provider's own datasets; the catalogue shows everybody's."""

    path = "/datasets"
    tags = ("datasets",)

    @get("/", sync_to_thread=True)
    def mine(self, caller: NamedDependency[Caller], service: NamedDependency[Service]) -> list[DatasetBody]:
        """List the caller's datasets, withdrawn ones too, newest first."""
        url = service.space.settings.url
        return [DatasetBody.of(found, url) for found in service.catalogue.mine(caller)]

    @post("/", sync_to_thread=True)
    def confirm(
        self,
        data: JSONBody[RegistrationBody],
        caller: NamedDependency[Caller],
        service: NamedDependency[Service],
    ) -> RegisteredBody:
        """Register an upload as a dataset, or as a new version of one, with its offer.

        The same file, sent twice, is registered once: both answers name the same version.
        """
        return RegisteredBody.of(service.registrar.confirm(caller, data.upload, data.registration()))

    @post("/check", sync_to_thread=True, status_code=200)
    def check(
        self,
        data: JSONBody[RegistrationBody],
        caller: NamedDependency[Caller],
        service: NamedDependency[Service],
    ) -> CheckedBody:
        """Tell what a registration would come to: its report, and whether the policy allows it.

        It is measured as for the registration itself, which takes as long; nothing is changed.
        """
        return CheckedBody.of(service.approvals.check(caller, data.upload, data.registration()))

    @get("/{dataset:str}/report", sync_to_thread=True)
    def report(
        self,
        dataset: FromPath[str],
        caller: NamedDependency[Caller],
        service: NamedDependency[Service],
        version: VersionOf = 0,
    ) -> ReportBody:
        """Show the report on a dataset's columns and risks: to its provider, operators and auditors."""
        found = service.catalogue.report(caller, dataset, version)
        return ReportBody(
            dataset=found.dataset,
            version=found.version,
            report=dict(found.report),
            report_sha256=found.sha256,
            entry=found.entry,
            sample=SampleBody.of(found.sample),
        )

    @get("/{dataset:str}", sync_to_thread=True)
    def show(
        self, dataset: FromPath[str], caller: NamedDependency[Caller], service: NamedDependency[Service]
    ) -> DatasetBody:
        """Show one of the caller's datasets, withdrawn or not."""
        for found in service.catalogue.mine(caller):
            if found.dataset == dataset:
                return DatasetBody.of(found, service.space.settings.url)
        raise NotFound("there is no such dataset")

    @delete("/{dataset:str}", sync_to_thread=True, status_code=200)
    def withdraw(
        self, dataset: FromPath[str], caller: NamedDependency[Caller], service: NamedDependency[Service]
    ) -> WithdrawnBody:
        """Withdraw a dataset: its data keys are destroyed, and no query is answered from it any more."""
        entry = service.registrar.withdraw(caller, dataset)
        return WithdrawnBody(dataset=dataset, entry=entry, receipt=f"/api/receipts/{entry}")
