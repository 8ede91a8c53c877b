"""Serving: the space, its web face and its periodic jobs in one process, until it is told to stop."""

import logging
from contextlib import ExitStack
from dataclasses import replace

import uvicorn

from dataspace import web
from dataspace.app import jobs, open_service
from dataspace.chain import kept_chain, log_in_lines
from dataspace.settings import Settings

_LOG = logging.getLogger("dataspace.serve")
_GRACE_SECONDS = 20


def run(settings: Settings, host: str, port: int) -> None:
    """Serve until SIGTERM or SIGINT; requests under way are finished.

    Raises:
        Conflict: another process serves this home (attack CR-11).
        Unavailable: the database is of another schema.

    """
    with ExitStack() as stack:
        settings = stack.enter_context(kept_chain(settings))
        service = stack.enter_context(open_service(settings))
        if settings.worker == "inline":
            worker = jobs(service)
            worker.start()
            stack.callback(worker.stop)
        _announce(settings)
        uvicorn.run(
            web.create(service),
            host=host,
            port=port,
            log_level="warning",
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=_GRACE_SECONDS,
        )


def _announce(settings: Settings) -> None:
    url = settings.url
    print(
        f"the space {settings.origin}: portal {url}/ · API {url}/api/docs · ledger {url}/ledger/checkpoint · "
        f"verify a receipt {url}/verify",
        flush=True,
    )
    for line in log_in_lines(settings.home):
        print(f"  demo login  {line}", flush=True)


def run_jobs(settings: Settings) -> None:
    """Run the periodic jobs until SIGINT."""
    with open_service(replace(settings, workers=1)) as service:
        worker = jobs(service)
        worker.start()
        try:
            worker.wait()
        except KeyboardInterrupt:
            worker.stop()
