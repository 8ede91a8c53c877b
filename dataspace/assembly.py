"""The journeys of a space, put together over the worker processes they call."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

from dataspace.catalog.approvals import Approvals
from dataspace.catalog.draft import Drafts
from dataspace.catalog.progress import Readings
from dataspace.catalog.register import Registrar
from dataspace.catalog.resumable import Resumable
from dataspace.catalog.sealed import SealedRegistrar
from dataspace.catalog.search import Catalogue
from dataspace.catalog.source import Sources
from dataspace.catalog.upload import Uploads
from dataspace.ledger.anchored import Anchorage
from dataspace.ledger.cosign import Witnesses, read_policy
from dataspace.ledger.keyring import witness_name
from dataspace.ledger.publisher import Publisher
from dataspace.ledger.timestamps import Authority
from dataspace.ledger.witness import Witness
from dataspace.membership.admit import Membership
from dataspace.negotiation.negotiate import Negotiator
from dataspace.pools import Pools, open_pools
from dataspace.proof.witnesses import WitnessPolicy
from dataspace.space import Space
from dataspace.transfer.engine import Engine
from dataspace.transfer.forms.answer import Answers
from dataspace.transfer.forms.encrypted import EncryptedAnswers
from dataspace.transfer.forms.intersections import Intersections
from dataspace.transfer.forms.joint import JointAnswers
from dataspace.transfer.forms.keyservice import KeyServiceClient
from dataspace.transfer.forms.lookups import Lookups
from dataspace.transfer.forms.noised import NoisedAnswers
from dataspace.transfer.forms.peers import read_peers
from dataspace.transfer.forms.scores import Scores
from dataspace.transfer.forms.scoring import Models
from dataspace.transfer.forms.sealed import SealedAnswers
from dataspace.transfer.forms.selectors import Selectors
from dataspace.transfer.receipts import Receipts
from dataspace.transfer.repeat import Repeats
from dataspace.web.service import Service


def assemble(space: Space, anchors: Anchorage, stack: ExitStack, *, warm: bool) -> Service:
    """Return the journeys of an open space; their worker processes end with `stack`.

    `warm` starts the processes that most questions need at once, in the background.

    Raises:
        Malformed: the witness policy is.
        Unavailable: the time authority's library is not installed.

    """
    settings, pools = space.settings, open_pools(space.settings, stack)
    if warm:
        pools.warm()
    policy = read_policy(Path(settings.witnesses)) if settings.witnesses else None
    engine, keyservice = Engine(pools.queries), KeyServiceClient(space)
    uploads, models = Uploads(space, pools.intake), Models(space, pools.scorer)
    readings = Readings(space, uploads, pools.intake, pools.copier)
    stack.callback(readings.close)
    drafts = Drafts(space, uploads)
    answers = Answers(space, engine)
    encrypted = EncryptedAnswers(space, engine, pools.noiser, pools.encrypted)
    lookups = Lookups(space, engine, pools.evaluator)
    intersections = Intersections(space, engine, pools.matcher)
    sealed = SealedAnswers(space, pools.sealed, keyservice)
    joint = _joint(space, engine, pools) if settings.peers else None
    kept = [one for one in (answers, encrypted, lookups, intersections, joint) if one is not None]
    service = Service(
        space=space,
        anchors=anchors,
        publisher=_publisher(space, anchors, policy),
        witness=None if policy is None else _witness(space, policy),
        membership=Membership(space),
        uploads=uploads,
        resumable=Resumable(space, uploads, readings),
        sources=Sources(space, uploads, readings),
        registrar=Registrar(space, uploads, drafts, _forgetting([*kept, Repeats(space), models, sealed])),
        approvals=Approvals(space, drafts),
        catalogue=Catalogue(space),
        negotiator=Negotiator(space),
        answers=answers,
        encrypted=encrypted,
        noised=NoisedAnswers(space, engine, pools.noiser),
        models=models,
        scores=Scores(space, models, pools.scorer),
        selectors=Selectors(space, engine, pools.selector),
        lookups=lookups,
        intersections=intersections,
        sealing=SealedRegistrar(space, keyservice.id),
        sealed=sealed,
        receipts=Receipts(space, anchors),
        joint=joint,
    )
    for swept in (uploads, *kept):
        swept.sweep()
    service.sources.resume()
    return service


class _Forgetful(Protocol):
    def forget(self, dataset: str) -> None: ...


def _forgetting(keepers: Sequence[_Forgetful]) -> Callable[[str], None]:
    """Return what makes all that keep anything of a dataset forget it."""

    def withdrawn(dataset: str) -> None:
        for keeper in keepers:
            keeper.forget(dataset)

    return withdrawn


def _joint(space: Space, engine: Engine, pools: Pools) -> JointAnswers:
    peers = read_peers(Path(space.settings.peers), space.keys)
    return JointAnswers(space, engine, pools.masker, pools.adder, peers)


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
