"""Serving: the space, its web face and its periodic jobs in one process, until it is told to stop."""

import logging
import signal
import socket
import sys
import threading
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import uvicorn

from dataspace import migrations, web
from dataspace.app import jobs, open_service
from dataspace.chain import kept_chain, log_in_lines
from dataspace.database import Database
from dataspace.errors import Conflict
from dataspace.settings import Settings

_LOG = logging.getLogger("dataspace.serve")
_GRACE_SECONDS = 20


def run(settings: Settings, host: str, port: int) -> None:
    """Serve until SIGTERM or SIGINT; requests under way are finished.

    Raises:
        Conflict: another process serves this home (attack CR-11), or the port is taken.
        Unavailable: the database is of another schema.

    """
    ended = _end_orderly()
    with ExitStack() as stack:
        listening = stack.enter_context(_listening(host, port))
        _ensure_alone(settings)
        settings = stack.enter_context(kept_chain(settings))
        service = stack.enter_context(open_service(settings, warm=True))
        if settings.worker == "inline":
            worker = jobs(service)
            worker.start()
            stack.callback(worker.stop)
        _announce(settings)
        config = uvicorn.Config(
            web.create(service),
            log_level="warning",
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=_GRACE_SECONDS,
        )
        if not ended.is_set():
            uvicorn.Server(config).run(sockets=[listening])


def run_jobs(settings: Settings) -> None:
    """Run the periodic jobs until SIGTERM or SIGINT."""
    _end_orderly()
    with open_service(replace(settings, workers=1)) as service:
        worker = jobs(service)
        worker.start()
        try:
            worker.wait()
        except KeyboardInterrupt:
            _LOG.info("stopping")
        finally:
            worker.stop()


def _end_orderly() -> threading.Event:
    """Make SIGTERM unwind what is open; uvicorn sends itself the signal again after it has shut down.

    The event is set too: while modules are being imported an exception may be lost.
    """
    ended = threading.Event()

    def end(*_: Any) -> None:
        ended.set()
        sys.exit(0)

    signal.signal(signal.SIGTERM, end)
    return ended


def _listening(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        # With the protocol named: only then does asyncio switch Nagle off.
        listening = socket.socket(family, kind, protocol)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
    except OSError as error:
        raise Conflict(
            f"cannot listen on {host} port {port}: {error.strerror}: choose another with --port"
        ) from error
    return listening


def _ensure_alone(settings: Settings) -> None:
    """Find out whether the home is in use before anything is started for it."""
    migrations.ensure_current(settings.database)
    Database(settings.database).close()


def _announce(settings: Settings) -> None:
    url = settings.url
    print(
        f"the space {settings.origin}: portal {url}/ · API {url}/api/docs · ledger {url}/ledger/checkpoint · "
        f"verify a receipt {url}/verify",
        flush=True,
    )
    for line in log_in_lines(settings.home):
        print(f"  demo login  {line}", flush=True)
