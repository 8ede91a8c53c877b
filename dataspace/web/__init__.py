"""The web: API, portal and public ledger of one service; the only importer of Litestar."""

from concurrent.futures import ThreadPoolExecutor

from litestar import Litestar, Router
from litestar.concurrency import set_asyncio_executor
from litestar.datastructures import State
from litestar.di import Provide

from dataspace.web import auth, bodies, docs, pages
from dataspace.web.api import (
    acknowledgements,
    agreements,
    approvals,
    catalog,
    datasets,
    estimates,
    evidence,
    joint,
    lookups,
    negotiations,
    participants,
    resumable,
    rules,
    scores,
    sealed,
    selectors,
    sources,
    uploads,
)
from dataspace.web.api import ledger as entries
from dataspace.web.headers import securing
from dataspace.web.health import health
from dataspace.web.ledger import Ledger
from dataspace.web.portal import portal
from dataspace.web.service import Service
from dataspace.web.witness import WitnessController

# A query holds its thread while a worker process computes: threads must not be what is short.
_THREADS = ThreadPoolExecutor(max_workers=32, thread_name_prefix="web")
_BODY_LIMIT = 1 << 20


def create(service: Service) -> Litestar:
    """Return the application; the service stays its caller's, who closes it."""
    set_asyncio_executor(_THREADS)
    return Litestar(
        route_handlers=[
            participants.Session,
            _api(),
            *portal(),
            Ledger,
            WitnessController,
            joint.Parts,
            health,
            pages.explain,
            pages.static(),
            docs.openapi_document,
        ],
        dependencies={"service": Provide(lambda: service, sync_to_thread=False)},
        state=State({"service": service}),
        exception_handlers={Exception: pages.answer_error},
        before_request=bodies.check_types,
        before_send=[securing(service.space.settings.url)],
        openapi_config=docs.config(service.space.settings),
        request_max_body_size=_BODY_LIMIT,
        # What is logged is decided in `problems`: Litestar would log the request with it.
        logging_config=None,
    )


def _api() -> Router:
    return Router(
        "/api",
        route_handlers=[
            participants.me,
            participants.Participants,
            participants.revoke_token,
            catalog.zones,
            catalog.CatalogController,
            uploads.Uploads,
            resumable.Resumable,
            sources.Sources,
            datasets.Datasets,
            sealed.SealedUploads,
            sealed.SealedTotals,
            approvals.Approvals,
            rules.Rules,
            rules.Recognisers,
            negotiations.Negotiations,
            agreements.Agreements,
            estimates.Estimates,
            lookups.Lookups,
            joint.Jobs,
            joint.Sums,
            scores.Scores,
            selectors.Selectors,
            scores.DatasetModels,
            scores.withdraw_model,
            entries.receipt,
            entries.entries,
            entries.erase,
            acknowledgements.acknowledge,
            evidence.policy,
            evidence.decisions,
        ],
        guards=[auth.signed_in],
        dependencies={"caller": Provide(auth.caller_of, sync_to_thread=False)},
    )
