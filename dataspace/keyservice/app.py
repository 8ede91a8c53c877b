"""The face of a key service: two addresses over HTTP, for loopback or a private network.

GET  /key        its public keys, as text: compare its id with the one you pinned
POST /requests   a signed request of the platform's, answered with a signed message
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import uvicorn
from litestar import Litestar, MediaType, Request, Response, get, post
from litestar.concurrency import sync_to_thread
from litestar.di import NamedDependency, Provide
from uvicorn.protocols.http.h11_impl import H11Protocol

from dataspace.errors import DataSpaceError, Malformed, TooSlow, Unavailable
from dataspace.keyservice.home import Home
from dataspace.keyservice.service import OPENER, KeyService
from dataspace.keyservice.store import Store
from dataspace.sandbox import Pool
from dataspace.wire.keyservice import MEDIA_TYPE, Message
from dataspace.wire.sealed import MANIFEST_LIMIT

_LOG: Final = logging.getLogger("dataspace.keyservice")
_BODY_LIMIT: Final = MANIFEST_LIMIT + (1 << 21)
_BODIES: Final = 2  # requests whose attachments, of up to 256 MiB, are read and answered at a time
_CONNECTIONS: Final = 64
_MEMORY: Final = 4 << 30
_SECONDS: Final = 60.0
_SILENT: Final = 10.0  # seconds in which a connection has to bring the head of its request

_Asked = Request[object, object, object]  # type: ignore[type-var]


@contextmanager
def opened(folder: Path) -> Iterator[KeyService]:
    """Open the key service of a home; its worker ends with the context.

    Raises:
        NotFound: there is none.
        Unavailable: its database does not open.

    """
    home = Home.open(folder)
    store, opener = Store(home.database), Pool(OPENER, workers=1, memory=_MEMORY, deadline=_SECONDS)
    try:
        yield KeyService(home, store, opener)
    finally:
        opener.close()
        store.close()


def create(service: KeyService) -> Litestar:
    """Return the application of a key service."""
    bodies = asyncio.Semaphore(_BODIES)
    return Litestar(
        route_handlers=[key, requests],
        dependencies={
            "service": Provide(lambda: service, sync_to_thread=False),
            "bodies": Provide(lambda: bodies, sync_to_thread=False),
        },
        exception_handlers={DataSpaceError: _problem, Exception: _unforeseen},
        request_max_body_size=_BODY_LIMIT,
        openapi_config=None,
        logging_config=None,
    )


class Connection(H11Protocol):
    """A connection of one request, whose head comes soon: else silent ones would take every place."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the request."""
        super().connection_made(transport)
        self.loop.call_later(_SILENT, self._end_if_silent)

    def _end_if_silent(self) -> None:
        if self.cycle is None:
            self.transport.close()


def serve(folder: Path, host: str, port: int) -> None:
    """Serve a home until SIGTERM or SIGINT."""
    with opened(folder) as service:
        uvicorn.run(
            create(service),
            host=host,
            port=port,
            log_level="warning",
            server_header=False,
            http=Connection,
            headers=[("Connection", "close")],  # what still comes after an answer keeps no place
            limit_concurrency=_CONNECTIONS,
        )


@get("/key", media_type=MediaType.TEXT, sync_to_thread=True)
def key(service: NamedDependency[KeyService]) -> str:
    """Show the public keys."""
    return service.key


@post("/requests", status_code=200)
async def requests(
    request: _Asked, service: NamedDependency[KeyService], bodies: NamedDependency[asyncio.Semaphore]
) -> Response[bytes]:
    """Answer the platform: of nobody else more is read than the statement and its signature."""
    data, chunks = bytearray(), aiter(request.stream())
    try:
        async with asyncio.timeout(_SECONDS):
            act = await sync_to_thread(service.admit, await _begun(data, chunks))
        async with bodies:
            async with asyncio.timeout(_SECONDS):
                async for chunk in chunks:
                    data += chunk
            answer = await sync_to_thread(lambda: act(Message.decode(data)))
    except TimeoutError as error:
        raise TooSlow(f"the request takes more than {_SECONDS:.0f} seconds") from error
    return Response(answer, media_type=MEDIA_TYPE)


async def _begun(data: bytearray, chunks: AsyncIterator[bytes]) -> Message:
    """Return a message of which no attachment was waited for; what was read is in `data`."""
    while (head := Message.begin(data)) is None:
        if not (chunk := await anext(chunks, b"")):
            raise Malformed("malformed message: it is cut off")
        data += chunk
    return head


def _problem(_: _Asked, error: DataSpaceError) -> Response[dict[str, object]]:
    status = 503 if isinstance(error, Unavailable) else 422
    return Response({"code": error.code, "detail": str(error), "facts": error.facts}, status_code=status)


def _unforeseen(_: _Asked, error: Exception) -> Response[dict[str, object]]:
    # The class alone: a text may hold what the key service knows.
    _LOG.error("a request failed: %s", type(error).__name__)
    return Response(
        {"code": Unavailable.code, "detail": "the key service failed", "facts": {}}, status_code=500
    )
