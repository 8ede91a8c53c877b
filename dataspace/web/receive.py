"""Uploads as they arrive: from the socket to the staged file, counted, timed, never whole in memory.

A body is the file itself, or a form (multipart/form-data, RFC 7578) whose text
fields come before its one file. Whatever goes wrong on the way, the staged
file is gone when this raises.
"""

import base64
import re
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import anyio
from litestar.concurrency import sync_to_thread
from multipart import (
    MultipartError,
    MultipartSegment,
    PushMultipartParser,
)

from dataspace.catalog.staging import Staging
from dataspace.errors import Malformed, TooLarge, TooSlow, Unsupported
from dataspace.web.auth import AnyRequest

DEADLINE: Final = 3600.0  # seconds for a whole upload
_SLOWEST: Final = 1024  # bytes each second, on average, after the first `_GRACE` seconds
_GRACE: Final = 30.0
_BLOCK: Final = 1 << 20
_FIELD: Final = 4096  # bytes of one text field of a form
_PARTS: Final = 16
_FRAME: Final = 1 << 16  # bytes that a form may add around its file
_DIGEST: Final = re.compile(r"sha-256=:([A-Za-z0-9+/]{43}=):")


@dataclass
class Received:
    """An upload that arrived whole, staged but not finished; `fields` are the form's text fields."""

    staging: Staging
    filename: str
    fields: dict[str, str] = field(default_factory=dict)


Open = Callable[[Mapping[str, str]], Staging]


async def receive(request: AnyRequest, open_staging: Open, limit: int, filename: str = "") -> Received:
    """Stage the body of `request` and compare it with the digest it declares.

    `open_staging` is called in a worker thread once the fields of a form are known (with none for a plain
    body).

    Raises:
        TooLarge: the declared length, or what really came, passes `limit` bytes.
        TooSlow: it drips.
        Malformed: it is cut off, no form, or of a form with no file or two.
        Unsupported: it is compressed.
        Unprocessable: it is empty, or another file than its digest says.

    """
    declared = _declared_digest(request)
    check_headers(request, limit, frame=_FRAME)
    kind, options = request.content_type
    if kind == "multipart/form-data":
        if declared:
            raise Malformed("a digest names the bytes of the body: send the file as the body, not in a form")
        return await _form(body_of(request, limit + _FRAME), options.get("boundary", ""), open_staging)
    received = Received(await sync_to_thread(open_staging, {}), filename)
    return await _write(received, body_of(request, limit), declared)


async def _write(received: Received, chunks: AsyncIterator[bytes], declared: str = "") -> Received:
    staging = received.staging
    try:
        async for block in blocks(chunks):
            await sync_to_thread(staging.write, block)
        await sync_to_thread(staging.finish, declared)
    except BaseException:
        # Also when the client is gone or the server stops: no part of a file stays.
        staging.discard()
        raise
    return received


async def blocks(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Join what arrives, also before it broke off, into blocks worth a trip to another thread."""
    buffer = bytearray()
    try:
        async for chunk in chunks:
            buffer += chunk
            if len(buffer) >= _BLOCK:
                yield bytes(buffer)
                buffer.clear()
    except Malformed:
        if buffer:
            yield bytes(buffer)
        raise
    if buffer:
        yield bytes(buffer)


async def body_of(request: AnyRequest, limit: int) -> AsyncIterator[bytes]:
    """Yield what arrives, until the body ends; the clock is the whole upload's, not a chunk's.

    Raises:
        TooLarge: more than `limit` bytes came.
        TooSlow: it drips (attack UP-02).
        Malformed: the sender is gone.

    """
    began, size = time.monotonic(), 0
    while True:
        elapsed = time.monotonic() - began
        # Whoever has sent so much may take so long for all of it: a drip ends at the grace.
        patience = min(DEADLINE, _GRACE + size / _SLOWEST) - elapsed
        with anyio.move_on_after(max(patience, 0)) as timer:
            event: Any = await request.receive()
        if timer.cancelled_caught:
            raise TooSlow(f"the upload is too slow: want at least {_SLOWEST} bytes a second", received=size)
        if event["type"] == "http.disconnect":
            raise Malformed("the upload was cut off", received=size)
        if body := event.get("body", b""):
            size += len(body)
            if size > limit:
                raise TooLarge(f"the body has more than {limit} bytes", limit=limit)
            yield body
        if not event.get("more_body", False):
            return


async def _form(chunks: AsyncIterator[bytes], boundary: str, open_staging: Open) -> Received:
    form = _Form(open_staging)
    try:
        with PushMultipartParser(boundary, max_segment_count=_PARTS) as parser:
            async for block in blocks(chunks):
                await sync_to_thread(_feed, parser, form, block)
        return await sync_to_thread(form.finish)
    except MultipartError as error:
        form.discard()
        raise Malformed("the body is not a well-formed form") from error
    except BaseException:
        form.discard()
        raise


def _feed(parser: PushMultipartParser, form: "_Form", block: bytes) -> None:
    for event in parser.parse(block):
        form.take(event)


class _Form:
    """A form on its way in: text fields are kept, the one file goes to its staging."""

    def __init__(self, open_staging: Open) -> None:
        self._open = open_staging
        self._fields: dict[str, str] = {}
        self._received: Received | None = None
        self._part: MultipartSegment | None = None
        self._text = bytearray()

    def take(self, event: MultipartSegment | bytearray | bytes | None) -> None:
        """Take the parser's next event: a part begins, bytes of it, or None: it ended."""
        if isinstance(event, MultipartSegment):
            self._begin(event)
        elif event is None:
            self._end()
        elif self._part is not None and self._part.filename is not None:
            assert self._received is not None  # noqa: S101 - `_begin` opened it
            self._received.staging.write(bytes(event))
        else:
            self._text += event
            if len(self._text) > _FIELD:
                raise TooLarge(f"a field of the form has more than {_FIELD} bytes", limit=_FIELD)

    def finish(self) -> Received:
        """Close the file and return what was received."""
        if self._received is None:
            raise Malformed("the form holds no file")
        self._received.staging.finish()
        return self._received

    def discard(self) -> None:
        """Remove what was staged."""
        if self._received is not None:
            self._received.staging.discard()

    def _begin(self, part: MultipartSegment) -> None:
        self._part = part
        self._text.clear()
        if part.filename is None:
            return
        if self._received is not None:
            raise Malformed("the form holds more than one file")
        self._received = Received(self._open(self._fields), part.filename, self._fields)

    def _end(self) -> None:
        if self._part is not None and self._part.filename is None:
            try:
                self._fields[self._part.name] = self._text.decode()
            except UnicodeDecodeError as error:
                raise Malformed("a field of the form is not UTF-8") from error


def check_headers(request: AnyRequest, limit: int, *, frame: int = 0) -> None:
    """Refuse a body by what its headers say of it.

    Raises:
        Unsupported: it is compressed (attack UP-26).
        TooLarge: its honest length is more than `limit` bytes, and `frame` for what is around them.

    """
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding != "identity":
        raise Unsupported("the body is compressed: send the file as it is")
    length = request.headers.get("content-length", "0")
    # An honest length is refused before a byte is read; a lying one when the count passes the limit.
    if length.isdecimal() and len(length) < 20 and int(length) > limit + frame:
        raise TooLarge(f"the upload has {length} bytes, want at most {limit}", limit=limit)


def _declared_digest(request: AnyRequest) -> str:
    """Return the SHA-256 of Content-Digest or Repr-Digest (RFC 9530) in hex, or nothing."""
    for name in ("content-digest", "repr-digest"):
        header = request.headers.get(name)
        if header is None:
            continue
        found = _DIGEST.search(header)
        if found is None:
            raise Malformed(f"the header {name} holds no sha-256=:<base64>:")
        return base64.b64decode(found[1]).hex()
    return ""
