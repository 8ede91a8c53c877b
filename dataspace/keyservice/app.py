"""The face of a key service: two addresses over HTTP, for loopback or a private network.

GET  /key        its public keys, as text: compare its id with the one you pinned
POST /requests   a signed request of the platform's, answered with a signed message
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import uvicorn
from litestar import Litestar, MediaType, Request, Response, get, post
from litestar.di import NamedDependency, Provide
from litestar.params import RawBody

from dataspace.errors import DataSpaceError, Unavailable
from dataspace.keyservice.home import Home
from dataspace.keyservice.service import OPENER, KeyService
from dataspace.keyservice.store import Store
from dataspace.sandbox import Pool
from dataspace.wire.keyservice import MEDIA_TYPE
from dataspace.wire.sealed import MANIFEST_LIMIT

_LOG: Final = logging.getLogger("dataspace.keyservice")
_BODY_LIMIT: Final = MANIFEST_LIMIT + (1 << 21)
_MEMORY: Final = 4 << 30
_SECONDS: Final = 60.0


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
    return Litestar(
        route_handlers=[key, requests],
        dependencies={"service": Provide(lambda: service, sync_to_thread=False)},
        exception_handlers={DataSpaceError: _problem, Exception: _unforeseen},
        request_max_body_size=_BODY_LIMIT,
        openapi_config=None,
        logging_config=None,
    )


def serve(folder: Path, host: str, port: int) -> None:
    """Serve a home until SIGTERM or SIGINT."""
    with opened(folder) as service:
        uvicorn.run(create(service), host=host, port=port, log_level="warning", server_header=False)


@get("/key", media_type=MediaType.TEXT, sync_to_thread=True)
def key(service: NamedDependency[KeyService]) -> str:
    """Show the public keys."""
    return service.key


@post("/requests", sync_to_thread=True, status_code=200)
def requests(body: RawBody, service: NamedDependency[KeyService]) -> Response[bytes]:
    """Answer the platform."""
    return Response(service.answer(body), media_type=MEDIA_TYPE)


def _problem(_: Request[object, object, object], error: DataSpaceError) -> Response[dict[str, object]]:  # type: ignore[type-var]
    status = 503 if isinstance(error, Unavailable) else 422
    return Response({"code": error.code, "detail": str(error), "facts": error.facts}, status_code=status)


def _unforeseen(_: Request[object, object, object], error: Exception) -> Response[dict[str, object]]:  # type: ignore[type-var]
    # The class alone: a text may hold what the key service knows.
    _LOG.error("a request failed: %s", type(error).__name__)
    return Response(
        {"code": Unavailable.code, "detail": "the key service failed", "facts": {}}, status_code=500
    )
