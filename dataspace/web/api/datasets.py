"""Uploads and the datasets they become."""

from typing import Annotated, Any

import msgspec
from litestar import Controller, delete, get, post
from litestar.concurrency import sync_to_thread
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter

from dataspace.catalog.models import Form, Upload
from dataspace.catalog.register import OfferTerms, Registered, Registration
from dataspace.errors import NotFound
from dataspace.participants.access import Caller
from dataspace.table import Method
from dataspace.web.api.catalog import DatasetBody
from dataspace.web.auth import AnyRequest
from dataspace.web.receive import receive
from dataspace.web.schemas import (
    DatasetId,
    Entry,
    Epsilon,
    Forms,
    In,
    Level,
    Link,
    Moment,
    OfferId,
    Out,
    Price,
    Purposes,
    Sha256,
    Units,
    UploadId,
    Version,
    Zone,
)
from dataspace.web.service import Service

ZoneOf = Annotated[str, QueryParameter(description="the zone the dataset is for", max_length=64)]
Delimiter = Annotated[
    str, QueryParameter(description="the delimiter, where detection goes wrong: , ; | or a tab", max_length=1)
]
Encoding = Annotated[
    str,
    QueryParameter(description="the encoding, where detection goes wrong: UTF-8 and so on", max_length=20),
]
Filename = Annotated[str, QueryParameter(description="the file's name, for showing", max_length=1024)]


class UploadBody(Out):
    """A file that was read and waits for its provider's word; `proposal` is what was found in it."""

    id: UploadId
    zone: Zone
    filename: Annotated[str, msgspec.Meta(examples=["sample.csv"])]
    rows: Annotated[int, msgspec.Meta(examples=[5000])]
    bytes: Annotated[int, msgspec.Meta(description="as read, in bytes", examples=[1048576])]
    source_sha256: Sha256
    proposal: Annotated[
        dict[str, Any],
        msgspec.Meta(
            description="encoding, delimiter, columns with category, level and evidence, warnings, a preview",
            examples=[{"encoding": "utf-8", "delimiter": ",", "columns": []}],
        ),
    ]
    created: Moment

    @classmethod
    def of(cls, upload: Upload) -> "UploadBody":
        """Return what is told of an upload: all but its key."""
        return cls(
            id=upload.id,
            zone=upload.zone,
            filename=upload.filename,
            rows=upload.rows,
            bytes=upload.size,
            source_sha256=upload.source_sha256,
            proposal=upload.proposal,
            created=upload.created,
        )


class CorrectionBody(In):
    """What differs from the proposal for one column; only ever stricter than the zone's rule."""

    category: (
        Annotated[str, msgspec.Meta(description="a category of the zone", examples=["general"])] | None
    ) = None
    level: Level | None = None
    method: Annotated[Method, msgspec.Meta(examples=["mask"])] | None = None
    parameters: Annotated[dict[str, int | str], msgspec.Meta(examples=[{"first": 3}])] | None = None
    aggregable: bool | None = None


class OfferTermsIn(In):
    """The terms of the offer; what is left out is the zone's default."""

    price: Price
    purposes: Purposes = msgspec.field(default_factory=list)
    forms: Forms = msgspec.field(default_factory=list[Form])
    units: Units = 1000
    epsilon: Epsilon = 0
    min_group: Annotated[int, msgspec.Meta(description="the least subjects in a group", ge=0, le=10**6)] = 0
    row_limit: Annotated[int, msgspec.Meta(description="the most rows of one answer", ge=0, le=10**9)] = 0
    days: Annotated[int, msgspec.Meta(description="how long an agreement lasts", ge=1, le=3660)] = 365
    automatic: bool = True


class RegistrationBody(In):
    """The provider's word on an upload; with `dataset`, it becomes a new version of that one."""

    upload: UploadId
    title: Annotated[
        str,
        msgspec.Meta(
            description="what the catalogue shows", examples=["企业用电月报"], min_length=1, max_length=200
        ),
    ]
    offer: OfferTermsIn
    description: Annotated[str, msgspec.Meta(examples=["各区县企业月度用电量"], max_length=10_000)] = ""
    subjects: Annotated[
        list[str],
        msgspec.Meta(description="the columns that together say whom a row is about", examples=[["uscc"]]),
    ] = msgspec.field(default_factory=list)
    corrections: Annotated[
        dict[str, CorrectionBody],
        msgspec.Meta(description="by column", examples=[{"phone": {"method": "suppress", "parameters": {}}}]),
    ] = msgspec.field(default_factory=dict)
    dataset: Annotated[
        str, msgspec.Meta(description="a dataset of yours, for a new version", max_length=64)
    ] = ""

    def registration(self) -> Registration:
        """Return it as the journey takes it."""
        terms = msgspec.structs.asdict(self.offer)
        corrections = {
            column: {
                name: value for name, value in msgspec.structs.asdict(given).items() if value is not None
            }
            for column, given in self.corrections.items()
        }
        return Registration(
            title=self.title,
            offer=OfferTerms(
                **{**terms, "purposes": tuple(self.offer.purposes), "forms": tuple(self.offer.forms)}
            ),
            description=self.description,
            subjects=tuple(self.subjects),
            corrections=corrections,
            dataset=self.dataset,
        )


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


class Uploads(Controller):
    """Files on their way to become datasets; each is its provider's alone."""

    path = "/uploads"
    tags = ("datasets",)

    @post("/", request_max_body_size=None)
    async def upload(
        self,
        request: AnyRequest,
        caller: NamedDependency[Caller],
        service: NamedDependency[Service],
        *,
        zone: ZoneOf,
        filename: Filename = "upload.csv",
        delimiter: Delimiter = "",
        encoding: Encoding = "",
    ) -> UploadBody:
        """Upload a file for a zone: it is read in a sandbox, and its columns are classified.

        The body is the file as it is, delimited text in UTF-8, GB18030 or UTF-16, or a form
        (multipart/form-data) with one file. A Content-Digest (RFC 9530) with sha-256 is compared
        with what arrives. The answer is a proposal, which `POST /api/datasets` confirms within a day.
        """
        limit = service.space.settings.upload_limit
        uploads = service.uploads
        declared = {"delimiter": delimiter, "encoding": encoding}
        with service.limits.uploads.holding(caller.id):
            received = await receive(request, lambda _: uploads.stage(caller, zone), limit, filename)
            found = await sync_to_thread(
                uploads.read, caller, zone, received.filename, received.staging, declared
            )
        return UploadBody.of(found)

    @get("/{upload:str}", sync_to_thread=True)
    def show(
        self, upload: FromPath[str], caller: NamedDependency[Caller], service: NamedDependency[Service]
    ) -> UploadBody:
        """Show an upload that waits for its provider's word."""
        return UploadBody.of(service.uploads.upload(caller, upload))

    @delete("/{upload:str}", sync_to_thread=True)
    def discard(
        self, upload: FromPath[str], caller: NamedDependency[Caller], service: NamedDependency[Service]
    ) -> None:
        """Forget an upload that was not confirmed."""
        service.uploads.discard(caller, upload)


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
