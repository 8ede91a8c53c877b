"""Whether the service answers, for whoever watches it."""

from litestar import get
from litestar.di import NamedDependency

from dataspace.web.schemas import Out
from dataspace.web.service import Service


class HealthBody(Out):
    """The database and the ledger can be read; `entries` is the size of the log."""

    status: str
    entries: int


@get("/health", sync_to_thread=True, tags=["health"])
def health(service: NamedDependency[Service]) -> HealthBody:
    """Tell that the service answers, and how many entries its ledger has."""
    with service.space.database.reading() as session:
        return HealthBody(status="ok", entries=service.space.log.size(session))
