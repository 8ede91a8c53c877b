"""Uploads that go on where they stopped, by tus 1.0.0: any of its clients works."""

from typing import Any, Final

from litestar import Controller, HttpMethod, Request, Response, delete, head, patch, post, route
from litestar.concurrency import sync_to_thread
from litestar.di import NamedDependency
from litestar.params import FromPath

from dataspace.catalog.incoming import Incoming
from dataspace.catalog.models import Upload
from dataspace.catalog.resumable import Announced, expires, told
from dataspace.catalog.stored import received
from dataspace.errors import Malformed, TooLarge
from dataspace.participants.access import Caller
from dataspace.web import tus
from dataspace.web.auth import AnyRequest
from dataspace.web.bodies import taking
from dataspace.web.problems import respond
from dataspace.web.receive import blocks, body_of, check_headers
from dataspace.web.service import Service

_PATH: Final = "/api/uploads/resumable"
_DECLARED: Final = ("delimiter", "encoding", "format", "sheet", "title", "dataset")


def _answer_error(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """Answer an error as everywhere, with the header that every answer of the protocol has."""
    response = respond(request, error)
    response.headers["Tus-Resumable"] = tus.VERSION
    return response


class Resumable(Controller):
    """Uploads in many requests; each is its provider's alone."""

    path = "/uploads/resumable"
    tags = ("datasets",)
    exception_handlers = {Exception: _answer_error}  # noqa: RUF012 - the framework's own way

    # The first of the class by name: the framework registers by name, and its own OPTIONS would win else.
    @route(
        "/", http_method=[HttpMethod.OPTIONS], include_in_schema=False, status_code=204, sync_to_thread=False
    )
    def about(self, service: NamedDependency[Service]) -> Response[None]:
        """Tell what of the protocol is understood here."""
        return tus.answer(
            204,
            {
                "Tus-Version": tus.VERSION,
                "Tus-Extension": tus.EXTENSIONS,
                "Tus-Max-Size": str(service.space.settings.upload_limit),
                "Tus-Checksum-Algorithm": ",".join(tus.ALGORITHMS),
            },
        )

    @post(
        "/",
        request_max_body_size=None,
        status_code=201,
        operation_class=taking(tus.CONTENT, "the first bytes of the file, or none", required=False),
    )
    async def create(
        self, request: AnyRequest, caller: NamedDependency[Caller], service: NamedDependency[Service]
    ) -> Response[Any]:
        """Announce an upload that comes in many requests, by tus 1.0.0 (https://tus.io).

        Any tus client works; its extensions creation, creation-with-upload, termination, expiration and
        checksum (sha1, sha256) are there. Upload-Metadata must name `zone`, and may name `filename`,
        `title`, `sha256` (of the whole file, in hex), `delimiter`, `encoding`, `format`, `sheet` and
        `dataset`. The bytes go to Location by PATCH, as `application/offset+octet-stream` from
        `Upload-Offset` on. What arrived stays when a connection breaks: HEAD of Location tells where to
        go on. Once it is whole it is read in the background: `GET /api/uploads/{id}`, with the last part
        of Location, tells how far it is, and what was found.
        """
        url = service.space.settings.url
        if refused := tus.unsupported_version(request, url):
            return refused
        announced = _announced(request)
        upload = await sync_to_thread(service.resumable.create, caller, announced)
        headers = {"Location": f"{_PATH}/{upload.id}", "Upload-Expires": tus.http_date(expires(upload))}
        if tus.is_content(request):
            try:
                taken = await _take(request, caller, service, upload.id, 0)
            except BaseException:
                # Whoever sent it was never told where it is.
                await sync_to_thread(service.uploads.discard, caller, upload.id)
                raise
            if taken is None:
                await sync_to_thread(service.uploads.discard, caller, upload.id)
                return tus.mismatch(url)
            headers["Upload-Offset"] = str(received(taken))
        return tus.answer(201, headers)

    @head("/{upload:str}", include_in_schema=False, sync_to_thread=True)
    def tell(
        self,
        request: AnyRequest,
        upload: FromPath[str],
        caller: NamedDependency[Caller],
        service: NamedDependency[Service],
    ) -> Response[None]:
        """Tell where an upload goes on."""
        found = service.resumable.look(caller, upload)
        if refused := tus.unsupported_version(request, service.space.settings.url):
            return tus.answer(refused.status_code or 412, {"Tus-Version": tus.VERSION})
        return tus.answer(
            200,
            {
                **_offset(found),
                "Upload-Length": str(found.length),
                "Upload-Metadata": tus.written(told(found)),
                "Cache-Control": "no-store",
            },
        )

    @patch(
        "/{upload:str}",
        request_max_body_size=None,
        status_code=204,
        operation_class=taking(tus.CONTENT, "the next bytes of the file"),
    )
    async def append(
        self,
        request: AnyRequest,
        upload: FromPath[str],
        caller: NamedDependency[Caller],
        service: NamedDependency[Service],
    ) -> Response[None]:
        """Take the next bytes of an upload, from `Upload-Offset` on, as tus 1.0.0 has it.

        The offset is the one that HEAD of the same address tells: another is a 409. An Upload-Checksum
        (sha1 or sha256, in base64) is compared with the bytes; what belies it is not kept (460). The
        answer has the new `Upload-Offset`.
        """
        return await _append(request, upload, caller, service)

    @delete("/{upload:str}", include_in_schema=False, sync_to_thread=True, status_code=200)
    def terminate(
        self,
        request: AnyRequest,
        upload: FromPath[str],
        caller: NamedDependency[Caller],
        service: NamedDependency[Service],
    ) -> Response[Any]:
        """Forget an upload."""
        return _terminate(request, upload, caller, service)

    @post(
        "/{upload:str}",
        request_max_body_size=None,
        status_code=204,
        operation_class=taking(tus.CONTENT, "the next bytes of the file, or none", required=False),
    )
    async def overridden(
        self,
        request: AnyRequest,
        upload: FromPath[str],
        caller: NamedDependency[Caller],
        service: NamedDependency[Service],
    ) -> Response[None]:
        """Take the next bytes of an upload, or forget it, for clients that can send no PATCH and no DELETE.

        `X-HTTP-Method-Override` says which of them is meant; all else is as there.
        """
        match request.headers.get("x-http-method-override", "").upper():
            case "PATCH":
                return await _append(request, upload, caller, service)
            case "DELETE":
                return await sync_to_thread(_terminate, request, upload, caller, service)
        await sync_to_thread(service.resumable.look, caller, upload)
        raise Malformed("want PATCH, or POST with X-HTTP-Method-Override: PATCH or DELETE")


async def _append(request: AnyRequest, upload: str, caller: Caller, service: Service) -> Response[None]:
    # First of all whose it is: what is another's is not there, whatever the headers are.
    await sync_to_thread(service.resumable.look, caller, upload)
    if refused := tus.unsupported_version(request, service.space.settings.url):
        return refused
    tus.ensure_content(request)
    taken = await _take(request, caller, service, upload, tus.number(request, "upload-offset"))
    return tus.mismatch(service.space.settings.url) if taken is None else tus.answer(204, _offset(taken))


def _terminate(request: AnyRequest, upload: str, caller: Caller, service: Service) -> Response[Any]:
    service.resumable.look(caller, upload)
    if refused := tus.unsupported_version(request, service.space.settings.url):
        return refused
    service.uploads.discard(caller, upload)
    return tus.answer(204)


async def _take(
    request: AnyRequest, caller: Caller, service: Service, upload: str, offset: int
) -> Upload | None:
    """Take the body of a request; return the upload as it is then, None when it belies its checksum."""
    checksum = tus.checksum(request.headers.get("upload-checksum", ""))
    with service.limits.uploads.holding(caller.id):
        incoming = await sync_to_thread(service.resumable.resume, caller, upload, offset, checksum)
        try:
            check_headers(request, incoming.room)
            await _write(request, incoming)
            if not await sync_to_thread(incoming.matches):
                incoming.discard()
                return None
            return await sync_to_thread(incoming.finish)
        except BaseException:
            # Also when the server stops: whoever comes next must not wait for this one.
            incoming.discard()
            raise


async def _write(request: AnyRequest, incoming: Incoming) -> None:
    try:
        async for block in blocks(body_of(request, incoming.room)):
            await sync_to_thread(incoming.write, block)
    except TooLarge:
        raise
    except Malformed:
        # The connection broke, or drips: what arrived is kept.
        await sync_to_thread(incoming.keep)
        raise


def _announced(request: AnyRequest) -> Announced:
    if "upload-defer-length" in request.headers:
        raise Malformed("the length must be known: send Upload-Length")
    if "upload-concat" in request.headers:
        raise Malformed("uploads are not put together of others: send Upload-Length and the whole")
    said = tus.metadata(request.headers.get("upload-metadata", ""))
    if "zone" not in said:
        raise Malformed("the header Upload-Metadata must name the zone")
    return Announced(
        zone=said["zone"],
        length=tus.number(request, "upload-length"),
        filename=said.get("filename") or said.get("name") or "upload.csv",
        sha256=said.get("sha256", ""),
        declared={name: said[name] for name in _DECLARED if name in said},
    )


def _offset(upload: Upload) -> dict[str, str]:
    return {"Upload-Offset": str(received(upload)), "Upload-Expires": tus.http_date(expires(upload))}
