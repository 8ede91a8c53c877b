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
from dataspace.catalog.sealed import SealedRegistrar
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
from dataspace.transfer.intersections import Intersections
from dataspace.transfer.joint import ADDER, MASKER, JointAnswers
from dataspace.transfer.keyservice import KeyServiceClient
from dataspace.transfer.lookups import Lookups
from dataspace.transfer.noised import NoisedAnswers
from dataspace.transfer.peers import read_peers
from dataspace.transfer.receipts import Receipts
from dataspace.transfer.repeat import Repeats
from dataspace.transfer.scores import Scores
from dataspace.transfer.scoring import Models
from dataspace.transfer.sealed import ADDER as SEALED_ADDER
from dataspace.transfer.sealed import SealedAnswers
from dataspace.transfer.selectors import Selectors
from dataspace.web.service import Service

_MEGABYTE = 1 << 20
_ENCRYPTED_MEMORY = 2048 * _MEGABYTE
_INTAKE_SECONDS = 600.0
_COPIER_MEMORY = 1024 * _MEGABYTE
_ENCRYPTED_SECONDS = 30.0
_MATCHING_MEMORY = 3072 * _MEGABYTE  # a lookup table of 512 MiB, before it is one
# Calls after which a worker is replaced: what a hostile ciphertext may have left ends then.
_RECYCLED = 1000
# Of processor time in a worker's life. At half of it, it is replaced: the longest call, of 300 s, fits in.
_CPU_SECONDS = 600


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
    encrypted = _sacrificial(stack, "dataspace.privacy.encrypted:Evaluator", workers=settings.workers)
    builder = _sacrificial(stack, "dataspace.privacy.noised:Noiser")
    scorer = _sacrificial(stack, "dataspace.privacy.score:Scorer", workers=settings.workers)
    selector = _sacrificial(stack, "dataspace.privacy.evaluation:SelectorEvaluator", workers=1)
    models = Models(space, scorer)
    if warm:
        threading.Thread(target=_warm, args=((queries, intake, encrypted, builder),), daemon=True).start()
    engine = Engine(queries)
    answers, shown = EncryptedAnswers(space, engine, builder, encrypted), Answers(space, engine)

    joint = _joint(space, engine, stack) if settings.peers else None
    lookups, intersections = _matching(space, engine, stack)
    keyservice = KeyServiceClient(space)
    sealed = _sealed(space, keyservice, stack)

    def withdrawn(dataset: str) -> None:
        shown.forget(dataset)
        answers.forget(dataset)
        Repeats(space).forget(dataset)
        if joint is not None:
            joint.forget(dataset)
        lookups.forget(dataset)
        intersections.forget(dataset)
        models.forget(dataset)
        sealed.forget(dataset)

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
    if joint is not None:
        joint.sweep()
    lookups.sweep()
    intersections.sweep()
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
        noised=NoisedAnswers(space, engine, builder),
        models=models,
        scores=Scores(space, models, scorer),
        selectors=Selectors(space, engine, selector),
        lookups=lookups,
        intersections=intersections,
        sealing=SealedRegistrar(space, keyservice.id),
        sealed=sealed,
        receipts=Receipts(space, anchors),
        joint=joint,
    )


def _matching(space: Space, engine: Engine, stack: ExitStack) -> tuple[Lookups, Intersections]:
    """Return the forms that compare identifiers, whose processes start when they are first asked for."""
    evaluator, counter = (
        _sacrificial(stack, target, workers=space.settings.workers, memory=_MATCHING_MEMORY)
        for target in ("dataspace.privacy.lookup:Lookup", "dataspace.privacy.intersection:Intersection")
    )
    return Lookups(space, engine, evaluator), Intersections(space, engine, counter)


def _sealed(space: Space, keyservice: KeyServiceClient, stack: ExitStack) -> SealedAnswers:
    """Return the sealed form of answer, whose process is started when it is first asked for."""
    adder = _sacrificial(stack, SEALED_ADDER, memory=space.settings.worker_memory)
    return SealedAnswers(space, adder, keyservice)


def _joint(space: Space, engine: Engine, stack: ExitStack) -> JointAnswers:
    """Return the joint form of answer, whose processes are started when it is first asked for."""
    # Two: the one that has exact cells never reads what a consumer sent, nor the other the cells.
    masker, adder = (_sacrificial(stack, target) for target in (MASKER, ADDER))
    return JointAnswers(space, engine, masker, adder, read_peers(Path(space.settings.peers), space.keys))


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


def _sacrificial(stack: ExitStack, target: str, *, workers: int = 1, memory: int = _ENCRYPTED_MEMORY) -> Pool:
    """Return a pool for what computes on bytes of others, whose workers may die of it and do not grow old."""
    return _pool(
        stack,
        Pool(
            target,
            workers=workers,
            memory=memory,
            deadline=_ENCRYPTED_SECONDS,
            recycle=_RECYCLED,
            cpu=_CPU_SECONDS,
        ),
    )
