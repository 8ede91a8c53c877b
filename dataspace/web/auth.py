"""Who asks: a bearer token or the portal's cookie, made a `Caller` before anything else of a request is read.

`signed_in` is a guard of the routers whose handlers act for somebody: a route
is public only because it stands on a router without it, never by its path.
A cookie is sent by a browser on its own, so whoever comes with one and wants
to change something must come from a page of this service: the headers
`Sec-Fetch-Site` or `Origin` say so, and nothing needs to be remembered.
"""

import threading
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit

from litestar import Request
from litestar.concurrency import sync_to_thread
from litestar.connection import ASGIConnection
from litestar.datastructures import Cookie
from litestar.handlers import BaseRouteHandler

from dataspace.errors import Refused, TooMany, Unauthenticated
from dataspace.participants.access import SESSION_LIFETIME, Caller, caller_of_cookie, caller_of_token
from dataspace.web.service import Service

Connection = ASGIConnection[Any, Any, Any, Any]
AnyRequest = Request[Any, Any, Any]

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
# A login holds a thread while Argon2 works: more than these at once are told to come back.
_LOGINS = threading.BoundedSemaphore(8)


class Site(StrEnum):
    """Where a browser says a request comes from; programs say nothing."""

    OWN = "own"
    FOREIGN = "foreign"
    UNKNOWN = "unknown"


async def signed_in(connection: Connection, _: BaseRouteHandler) -> None:
    """Let a request pass that shows a valid credential, and remember its caller.

    Raises:
        Unauthenticated: it shows none, or one that is not valid any more.
        Refused: it changes something by cookie and does not come from our own pages.

    """
    connection.scope["state"]["caller"] = await sync_to_thread(_identify, connection)


def caller_of(request: AnyRequest) -> Caller:
    """Return whom the guard let in; a dependency of every handler that acts for somebody."""
    caller = request.scope["state"].get("caller")
    if not isinstance(caller, Caller):
        raise Unauthenticated("log in, or send a token")
    return caller


def bearer(connection: Connection) -> str | None:
    """Return the token of the header Authorization, None without the header.

    Raises:
        Unauthenticated: the header is there and of another kind.

    """
    header = connection.headers.get("authorization")
    if header is None:
        return None
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Unauthenticated("the header Authorization is not of the kind Bearer")
    return token.strip()


def site_of(connection: Connection) -> Site:
    """Return where a request comes from, as its browser says."""
    fetch = connection.headers.get("sec-fetch-site")
    if fetch is not None:
        return Site.OWN if fetch in ("same-origin", "none") else Site.FOREIGN
    origin = connection.headers.get("origin")
    if origin is None:
        return Site.UNKNOWN
    url = service_of(connection).space.settings.url
    return Site.OWN if origin == _origin(url) else Site.FOREIGN


def log_in(request: AnyRequest, login: str, password: str) -> tuple[Caller, Cookie]:
    """Open a portal session under a fresh cookie and end the one the request came with.

    Raises:
        Unauthenticated: the name or the password is wrong.
        TooMany: too many are logging in at once.
        Refused: another site's page sends this form.

    """
    if site_of(request) is Site.FOREIGN:
        raise Refused("this form was sent by another site's page")
    service = service_of(request)
    if not _LOGINS.acquire(blocking=False):
        raise TooMany("too many logins at once: try again in a few seconds", retry_after=5)
    try:
        caller, secret = service.membership.log_in(login, password, _address(request))
    finally:
        _LOGINS.release()
    # Whatever session the browser had before is over: nobody keeps a cookie across a login.
    if former := request.cookies.get(cookie_name(service)):
        service.membership.log_out(former)
    return caller, _cookie(service, secret, int(SESSION_LIFETIME.total_seconds()))


def log_out(request: AnyRequest) -> Cookie:
    """End the session the request came with; return the cookie that removes its own."""
    service = service_of(request)
    if cookie := request.cookies.get(cookie_name(service)):
        service.membership.log_out(cookie)
    return _cookie(service, "", 0)


def cookie_name(service: Service) -> str:
    """Return the cookie's name; over HTTPS one that no other host or path can have set."""
    return "__Host-dataspace" if _secure(service) else "dataspace"


def service_of(connection: Connection) -> Service:
    """Return the service the application was made for."""
    service: Service = connection.app.state.service
    return service


def _identify(connection: Connection) -> Caller:
    service = service_of(connection)
    token = bearer(connection)
    cookie = connection.cookies.get(cookie_name(service))
    with service.space.database.reading() as session:
        if token is not None:
            return caller_of_token(session, token)
        if not cookie:
            raise Unauthenticated("log in, or send a token")
        caller = caller_of_cookie(session, cookie, service.space.clock())
    if connection.scope.get("method") not in _SAFE and site_of(connection) is not Site.OWN:
        raise Refused(
            "this change was not asked for by a page of this service: send a token instead of the cookie"
        )
    return caller


def _cookie(service: Service, value: str, seconds: int) -> Cookie:
    return Cookie(
        key=cookie_name(service),
        value=value,
        max_age=seconds,
        path="/",
        secure=_secure(service),
        httponly=True,
        samesite="lax",
    )


def _secure(service: Service) -> bool:
    return service.space.settings.url.startswith("https://")


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _address(request: AnyRequest) -> str:
    """Return the peer's address: of the proxy, behind one; a header that names another is not believed."""
    return request.client.host if request.client else ""
