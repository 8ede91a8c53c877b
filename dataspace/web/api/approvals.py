"""Approvals: what a provider may not register alone, and the second person's word on it."""

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from litestar import Controller, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from dataspace.catalog.models import Approval
from dataspace.participants.access import Caller
from dataspace.web.api.products import SampleBody
from dataspace.web.api.registrations import RegistrationBody, Report
from dataspace.web.schemas import Entry, In, Moment, Out, ParticipantId, Sha256, UploadId, Zone
from dataspace.web.service import Service

ApprovalId = Annotated[str, msgspec.Meta(description="an approval", examples=["ap-7766554433221100"])]
Basis = Annotated[
    str,
    msgspec.Meta(
        description="why it should be allowed all the same; no person's name",
        examples=["已公开的统计数据"],
        min_length=1,
        max_length=2000,
    ),
]


class AskBody(In):
    """A registration that needs a second person, and why it should be allowed."""

    registration: RegistrationBody
    basis: Basis


class ApprovalBody(Out):
    """What was asked for, of exactly which registration, and what came of it."""

    id: ApprovalId
    provider: ParticipantId
    upload: UploadId
    zone: Zone
    codes: Annotated[
        list[str],
        msgspec.Meta(description="the reasons that would be lifted", examples=[["release-above-threshold"]]),
    ]
    basis: Basis
    state: Annotated[str, msgspec.Meta(description="requested, approved or rejected", examples=["requested"])]
    by: Annotated[str, msgspec.Meta(description="who answered", examples=["pt-5f0c8a1d2b3e4f60"])]
    registration_sha256: Sha256
    report: Report
    sample: Annotated[
        SampleBody | None, msgspec.Meta(description="only where one is shown, while its upload waits")
    ]
    entry: Entry | None
    created: Moment

    @classmethod
    def of(cls, approval: Approval, sample: Mapping[str, Any] | None = None) -> "ApprovalBody":
        """Return what is told of an approval."""
        told: dict[str, Any] = {
            name: getattr(approval, name) for name in cls.__struct_fields__ if name not in ("codes", "sample")
        }
        return cls(**told, codes=approval.asked, sample=SampleBody.of(sample))


class Approvals(Controller):
    """Providers ask, operators answer; whoever oversees a zone sees all of its."""

    path = "/approvals"
    tags = ("datasets",)

    @get("/", sync_to_thread=True)
    def approvals(
        self, caller: NamedDependency[Caller], service: NamedDependency[Service]
    ) -> list[ApprovalBody]:
        """List approvals, newest first: the caller's own, or all that it oversees."""
        return [ApprovalBody.of(one) for one in service.approvals.approvals(caller)]

    @post("/", sync_to_thread=True)
    def ask(
        self, data: JSONBody[AskBody], caller: NamedDependency[Caller], service: NamedDependency[Service]
    ) -> ApprovalBody:
        """Ask a second person to allow exactly this registration; once it did, register the same again."""
        asked = data.registration
        return ApprovalBody.of(service.approvals.ask(caller, asked.upload, asked.registration(), data.basis))

    @get("/{approval:str}", sync_to_thread=True)
    def show(
        self, approval: FromPath[str], caller: NamedDependency[Caller], service: NamedDependency[Service]
    ) -> ApprovalBody:
        """Show an approval with the report that it is about."""
        found = service.approvals.approval(caller, approval)
        return ApprovalBody.of(found, service.approvals.sample(found))

    @post("/{approval:str}/grant", sync_to_thread=True, status_code=200)
    def grant(
        self, approval: FromPath[str], caller: NamedDependency[Caller], service: NamedDependency[Service]
    ) -> ApprovalBody:
        """Allow it, as an operator that is not the provider."""
        return ApprovalBody.of(service.approvals.answer(caller, approval, granted=True))

    @post("/{approval:str}/reject", sync_to_thread=True, status_code=200)
    def reject(
        self, approval: FromPath[str], caller: NamedDependency[Caller], service: NamedDependency[Service]
    ) -> ApprovalBody:
        """Do not allow it, as an operator that is not the provider."""
        return ApprovalBody.of(service.approvals.answer(caller, approval, granted=False))
