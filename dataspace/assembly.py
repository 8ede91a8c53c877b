"""The journeys of a space put together: what they stand on, and the worker processes they call."""

import threading
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

from dataspace.catalog.approvals import Approvals
from dataspace.catalog.draft import Drafts
from dataspace.catalog.progress import Readings
from dataspace.catalog.register import Registrar
from dataspace.catalog.resumable import Resumable
from dataspace.catalog.search import Catalogue
from dataspace.catalog.source import Sources
from dataspace.catalog.upload import Uploads
from dataspace.errors import Unavailable
from dataspace.ledger.anchored import Anchorage
from dataspace.ledger.cosign import Witnesses, read_policy
from dataspace.ledger.keyring import witness_name
from dataspace.ledger.publisher import Publisher
from dataspace.ledger.timestamps import Authority
from dataspace.ledger.witness import Witness
from dataspace.membership.admit import Membership
from dataspace.negotiation.negotiate import Negotiator
from dataspace.proof.witnesses import WitnessPolicy
from dataspace.sandbox import Pool
from dataspace.space import Space
from dataspace.transfer.answer import Answers
from dataspace.transfer.encrypted import EncryptedAnswers
from dataspace.transfer.engine import WORKER, Engine
from dataspace.transfer.receipts import Receipts
from dataspace.web.service import Service

_MEGABYTE = 1 << 20
_ENCRYPTED_MEMORY = 2048 * _MEGABYTE
_INTAKE_SECONDS = 600.0
_COPIER_MEMORY = 1024 * _MEGABYTE
_ENCRYPTED_SECONDS = 30.0


def assemble(space: Space, anchors: Anchorage, stack: ExitStack, *, warm: bool) -> Service:
    """Return the journeys of an open space; their worker processes end with `stack`.

    `warm` starts every worker process at once, in the background.

    Raises:
        Malformed: the witness policy is.
        Unavailable: the time authority's library is not installed.

    """
    settings = space.settings
    intake = _pool(
        stack,
        Pool(
            "dataspace.catalog.intake:Intake",
            # One may be reading in the background while another is waited for.
            workers=settings.workers,
            memory=settings.worker_memory,
            deadline=_INTAKE_SECONDS,
        ),
    )
    queries = _pool(
        stack,
        Pool(
            WORKER,
            workers=settings.workers,
            memory=settings.worker_memory,
            deadline=float(settings.query_seconds),
        ),
    )
    encrypted = _pool(
        stack,
        Pool(
            "dataspace.privacy.encrypted:Evaluator",
            workers=settings.workers,
            memory=_ENCRYPTED_MEMORY,
            deadline=_ENCRYPTED_SECONDS,
        ),
    )
    builder = _pool(
        stack,
        Pool(
            "dataspace.privacy.cube:Builder", workers=1, memory=_ENCRYPTED_MEMORY, deadline=_ENCRYPTED_SECONDS
        ),
    )
    if warm:
        threading.Thread(target=_warm, args=((queries, intake, encrypted, builder),), daemon=True).start()
    engine = Engine(queries)
    answers, shown = EncryptedAnswers(space, engine, builder, encrypted), Answers(space, engine)

    def withdrawn(dataset: str) -> None:
        shown.forget(dataset)
        answers.forget(dataset)

    policy = read_policy(Path(settings.witnesses)) if settings.witnesses else None
    uploads = Uploads(space, intake)
    copier = _pool(
        stack,
        Pool("dataspace.catalog.copying:Copier", workers=1, memory=_COPIER_MEMORY, deadline=_INTAKE_SECONDS),
    )
    readings = Readings(space, uploads, intake, copier)
    stack.callback(readings.close)
    sources = Sources(space, uploads, readings)
    drafts = Drafts(space, uploads)
    uploads.sweep()
    sources.resume()
    answers.sweep()
    shown.sweep()
    return Service(
        space=space,
        anchors=anchors,
        publisher=_publisher(space, anchors, policy),
        witness=None if policy is None else _witness(space, policy),
        membership=Membership(space),
        uploads=uploads,
        resumable=Resumable(space, uploads, readings),
        sources=sources,
        registrar=Registrar(space, uploads, drafts, withdrawn),
        approvals=Approvals(space, drafts),
        catalogue=Catalogue(space),
        negotiator=Negotiator(space),
        answers=shown,
        encrypted=answers,
        receipts=Receipts(space, anchors),
    )


def _publisher(space: Space, anchors: Anchorage, policy: WitnessPolicy | None) -> Publisher:
    settings, witnesses = space.settings, None
    if policy is not None:
        closed = settings.witness_fail == "closed"
        witnesses = Witnesses(policy, witness_name(settings.origin), closed=closed)
    return Publisher(
        space.database,
        space.log,
        space.keys,
        clock=space.clock,
        anchors=anchors,
        witnesses=witnesses,
        authority=Authority(settings.timestamps) if settings.timestamps else None,
    )


def _witness(space: Space, policy: WitnessPolicy) -> Witness:
    return Witness(space.database, space.keys, space.settings.origin, policy.logs, clock=space.clock)


def _warm(pools: Sequence[Pool]) -> None:
    with suppress(
        Unavailable
    ):  # the service may be closing; and a pool that cannot start says so when called
        for pool in pools:
            pool.warm()


def _pool(stack: ExitStack, pool: Pool) -> Pool:
    stack.callback(pool.close)
    return pool
