"""Whether the service answers, for whoever watches it."""

from litestar import get
from litestar.di import NamedDependency

from dataspace.web.schemas import Out
from dataspace.web.service import Service


class HealthBody(Out):
    """The database and the ledger can be read; `entries` is the size of the log.

    `anchored` is the largest size that its anchor holds for good, `pending` a
    larger one that was submitted, or 0.
    """

    status: str
    entries: int
    anchored: int
    pending: int


@get("/health", sync_to_thread=True, tags=["health"])
def health(service: NamedDependency[Service]) -> HealthBody:
    """Tell that the service answers, and how many entries its ledger has."""
    with service.space.database.reading() as session:
        size = service.space.log.size(session)
    anchors = service.anchors.status
    return HealthBody(status="ok", entries=size, anchored=anchors.anchored, pending=anchors.pending)
