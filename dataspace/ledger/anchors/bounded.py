"""HTTP to an RPC that may be hostile: one call ends in time, and its answer fits in memory (CH-01, CH-06).

The timeouts of requests bound a single read. A server that sends a byte now and
then would hold a call, and the anchor's lock with it, for as long as it likes.
"""

import socket
import time
from threading import Timer
from typing import Any, Final

from requests import ConnectionError as Broken
from requests import PreparedRequest, Response, Session
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPResponse, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection

ANSWER_SECONDS: Final = 20.0  # from the request sent to the last byte of the answer
ANSWER_LIMIT: Final = 1 << 24  # bytes
_CHUNK: Final = 1 << 16


class _Timed(HTTPConnection):
    """Shuts its socket when the answer, its header too, is not there in time; the adapter stops the timer."""

    def getresponse(self) -> HTTPResponse:  # type: ignore[override]  # as in urllib3
        timer = Timer(ANSWER_SECONDS, _shut, [self.sock])
        timer.daemon = True
        timer.start()
        try:
            response = super().getresponse()
        except BaseException:
            timer.cancel()
            raise
        response.timer = timer  # type: ignore[attr-defined]  # the adapter gets this very object
        return response


class _TimedTls(_Timed, HTTPSConnection):
    """The same over TLS."""


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Timed


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TimedTls


class _Bounded(HTTPAdapter):
    """Reads every answer whole, within the limits, before anybody else sees it."""

    def init_poolmanager(self, *arguments: Any, **given: Any) -> None:
        super().init_poolmanager(*arguments, **given)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}

    def send(self, request: PreparedRequest, *arguments: Any, **given: Any) -> Response:
        """Send, and read the answer.

        Raises:
            RequestException: it is too long, too late, or not to be had.

        """
        deadline = time.monotonic() + ANSWER_SECONDS
        response = super().send(request, *arguments, **{**given, "stream": True})
        try:
            response._content = _body(response)  # noqa: SLF001 - where requests keeps what it read
        except BaseException:
            response.close()
            raise
        finally:
            response.raw.timer.cancel()
        if time.monotonic() > deadline:
            # Cut off by the timer, which without a stated length looks like an end.
            response.close()
            raise Broken("the answer takes too long")
        return response


def bounded_session() -> Session:
    """Return a session that bounds every answer in time and length, and asks no proxy."""
    session = Session()
    session.trust_env = False  # no proxy and no .netrc stands between us and the chain
    session.max_redirects = 0
    for scheme in ("http://", "https://"):
        session.mount(scheme, _Bounded())
    return session


def _body(response: Response) -> bytes:
    body = bytearray()
    for chunk in response.iter_content(_CHUNK):
        body += chunk
        if len(body) > ANSWER_LIMIT:
            raise Broken(f"the answer is longer than {ANSWER_LIMIT} bytes")
    return bytes(body)


def _shut(connected: socket.socket) -> None:
    try:
        # The plain socket's own: that of TLS would take the session away under the thread that reads.
        socket.socket.shutdown(connected, socket.SHUT_RDWR)
    except OSError:
        return  # it is closed already
