"""Files on their way to become datasets: sent in one request, and looked at while they are read."""

from typing import Annotated, Any, Final

import msgspec
from litestar import Controller, delete, get, post
from litestar.concurrency import sync_to_thread
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter

from dataspace.catalog.models import State, Upload
from dataspace.catalog.stored import received
from dataspace.catalog.upload import LIFETIME
from dataspace.participants.access import Caller
from dataspace.web.auth import AnyRequest
from dataspace.web.bodies import taking
from dataspace.web.problems import PROBLEMS, Problem
from dataspace.web.receive import receive
from dataspace.web.schemas import Moment, Out, Sha256, UploadId, Zone
from dataspace.web.service import Service
from dataspace.wire import OCTETS

ZoneOf = Annotated[str, QueryParameter(description="the zone the dataset is for", max_length=64)]
Delimiter = Annotated[
    str,
    QueryParameter(description="the delimiter, where detection goes wrong: any one character", max_length=1),
]
Encoding = Annotated[
    str,
    QueryParameter(description="the encoding, where detection goes wrong: UTF-8 and so on", max_length=20),
]
Format = Annotated[
    str,
    QueryParameter(
        description="the format, where detection goes wrong: csv, tsv, jsonl, xlsx, parquet", max_length=10
    ),
]
Sheet = Annotated[str, QueryParameter(description="the worksheet, where it is not the first", max_length=100)]
Filename = Annotated[str, QueryParameter(description="the file's name, for showing", max_length=1024)]

_DECLARED: Final = ("title", "dataset", "delimiter", "encoding", "format", "sheet", "sha256")


class UploadBody(Out):
    """A file on its way: it arrives, is read, and then waits for its provider's word.

    `state` is receiving, reading, ready or failed. While it is reading, `stage`
    says what is being done (copying, joining, scanning, classifying, encrypting,
    assessing) and `progress` how much of that, in percent. `proposal` is what was
    found in it, once it is ready; `problem` why it failed.
    """

    id: UploadId
    zone: Zone
    filename: Annotated[str, msgspec.Meta(examples=["sample.csv"])]
    state: State
    stage: Annotated[str, msgspec.Meta(examples=[""])]
    progress: Annotated[int, msgspec.Meta(examples=[100])]
    length: Annotated[
        int, msgspec.Meta(description="as announced, in bytes; 0 of what was not", examples=[0])
    ]
    received: Annotated[int, msgspec.Meta(description="how much of `length` arrived, in bytes", examples=[0])]
    rows: Annotated[int, msgspec.Meta(examples=[5000])]
    bytes: Annotated[int, msgspec.Meta(description="as read, in bytes", examples=[1048576])]
    source_sha256: Sha256
    declared: Annotated[
        dict[str, str],
        msgspec.Meta(description="what its sender said of it", examples=[{"title": "企业用电月报"}]),
    ]
    proposal: Annotated[
        dict[str, Any],
        msgspec.Meta(
            description="format, encoding, delimiter, columns with category, level and evidence, warnings, a "
            "preview, and in `assessment` the risk and quality as measured",
            examples=[{"format": "csv", "encoding": "utf-8", "delimiter": ",", "columns": []}],
        ),
    ]
    problem: Annotated[
        dict[str, Any], msgspec.Meta(description="a problem document, or empty", examples=[{}])
    ]
    created: Moment
    expires: Annotated[Moment, msgspec.Meta(description="when it is forgotten, unless it was confirmed")]

    @classmethod
    def of(cls, upload: Upload, url: str) -> "UploadBody":
        """Return what is told of an upload: all but its key; `url` is the service's."""
        return cls(
            id=upload.id,
            zone=upload.zone,
            filename=upload.filename,
            state=State(upload.state),
            stage=upload.stage,
            progress=upload.progress,
            length=upload.length,
            received=received(upload),
            rows=upload.rows,
            bytes=upload.size,
            source_sha256=upload.source_sha256,
            declared={name: upload.declared[name] for name in _DECLARED if upload.declared.get(name)},
            proposal=upload.proposal,
            problem=_problem(upload, url),
            created=upload.created,
            expires=upload.created + LIFETIME,
        )


class Uploads(Controller):
    """Files on their way to become datasets; each is its provider's alone."""

    path = "/uploads"
    tags = ("datasets",)

    @post("/", request_max_body_size=None, operation_class=taking(OCTETS, "the provider's file"))
    async def upload(  # noqa: PLR0913 - the parameters of the query
        self,
        request: AnyRequest,
        caller: NamedDependency[Caller],
        service: NamedDependency[Service],
        *,
        zone: ZoneOf,
        filename: Filename = "upload.csv",
        delimiter: Delimiter = "",
        encoding: Encoding = "",
        format: Format = "",  # noqa: A002 - the name of the parameter
        sheet: Sheet = "",
    ) -> UploadBody:
        """Upload a file for a zone: it is read in a sandbox, its columns classified and its risk measured.

        The body is the file as it is, or a form (multipart/form-data) with one file: delimited text, JSON
        Lines, XLSX or Parquet, also compressed with gzip. A Content-Digest (RFC 9530) with sha-256 is
        compared with what arrives. The answer is a proposal, which `POST /api/datasets` confirms within a
        day. Large files are better sent to `/api/uploads/resumable`, which answers before they are read.
        """
        limit, url = service.space.settings.upload_limit, service.space.settings.url
        uploads = service.uploads
        declared = {"delimiter": delimiter, "encoding": encoding, "format": format, "sheet": sheet}
        with service.limits.uploads.holding(caller.id):
            received = await receive(request, lambda _: uploads.stage(caller, zone), limit, filename)
            found = await sync_to_thread(
                uploads.read, caller, zone, received.filename, received.staging, declared
            )
        return UploadBody.of(found, url)

    @get("/", sync_to_thread=True)
    def waiting(self, caller: NamedDependency[Caller], service: NamedDependency[Service]) -> list[UploadBody]:
        """List the caller's uploads, newest first, without previews."""
        url = service.space.settings.url
        return [UploadBody.of(found, url) for found in service.uploads.waiting(caller)]

    @get("/{upload:str}", sync_to_thread=True)
    def show(
        self, upload: FromPath[str], caller: NamedDependency[Caller], service: NamedDependency[Service]
    ) -> UploadBody:
        """Show an upload: how far it is, and what was found in it."""
        return UploadBody.of(service.uploads.look(caller, upload), service.space.settings.url)

    @delete("/{upload:str}", sync_to_thread=True)
    def discard(
        self, upload: FromPath[str], caller: NamedDependency[Caller], service: NamedDependency[Service]
    ) -> None:
        """Forget an upload that was not confirmed."""
        service.uploads.discard(caller, upload)


def _problem(upload: Upload, url: str) -> dict[str, Any]:
    if not upload.problem:
        return {}
    facts = {name: value for name, value in upload.problem.items() if name not in ("code", "detail")}
    code = upload.problem["code"]
    return Problem(code, PROBLEMS[code].status, upload.problem["detail"], facts, {}).document(url)
