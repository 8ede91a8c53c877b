"""The program put together: a home is made by `initialise`, opened by `open_service`, and closed again."""

import hashlib
import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime
from pathlib import Path

from sqlmodel import Session, select

from dataspace import migrations
from dataspace.catalog.register import Registrar
from dataspace.catalog.search import Catalogue
from dataspace.catalog.upload import Uploads
from dataspace.database import Database
from dataspace.errors import Malformed, Unavailable, VerificationError
from dataspace.keys import KeyStore, open_keys
from dataspace.keys.file import FileKeys
from dataspace.ledger.anchored import FILE, Anchorage
from dataspace.ledger.anchors import open_anchor
from dataspace.ledger.log import Log
from dataspace.membership.admit import Admission, Membership, checked_hash
from dataspace.negotiation.negotiate import Negotiator
from dataspace.policy import PolicyEngine, open_policy
from dataspace.policy.models import PolicyBundle
from dataspace.proof.checkpoint import Checkpoint
from dataspace.proof.note import Verifier
from dataspace.sandbox import Pool
from dataspace.settings import Settings
from dataspace.space import Space, utc_now
from dataspace.transfer.answer import Answers
from dataspace.transfer.encrypted import EncryptedAnswers
from dataspace.transfer.engine import WORKER, Engine
from dataspace.transfer.receipts import Receipts
from dataspace.web.service import Service
from dataspace.worker import Job, Worker
from dataspace.zones.pack import Pack, load_packs

_LOG = logging.getLogger("dataspace")
_MEGABYTE = 1 << 20
_ENCRYPTED_MEMORY = 2048 * _MEGABYTE
_INTAKE_SECONDS = 600.0
_ENCRYPTED_SECONDS = 30.0
_EXPIRE_SECONDS = 3600.0


def initialise(settings: Settings, name: str, login: str, password: str | None = None) -> Admission | None:
    """Make keys, database, log and the first operator; of what is there only the schema is brought up.

    Returns None when the space has its first operator already.

    Raises:
        Unprocessable: the password is too short; nothing was made.
        Conflict: the space is being served.
        Unavailable: the database cannot be opened, or is of a newer program.

    """
    hashed = checked_hash(password)
    settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    packs, keys = _packs(settings), open_keys(settings.keys)
    Database(settings.database).close()  # or somebody else is using it
    migrations.upgrade(settings.database)
    if isinstance(keys, FileKeys):
        for needed in ("log", "anchor", *(f"zone/{zone}" for zone in packs)):
            if not keys.has(needed):
                keys.create(needed)
    with _space(settings, packs, keys, utc_now) as space:
        if settings.anchor != Settings(home=settings.home).anchor or (settings.home / FILE).exists():
            _anchorage(space).guard()
        _adopt(space, space.policy)
        return Membership(space).found(name, login, hashed)


def log_key(settings: Settings) -> str:
    """Return the log's verifier key, read from the service's own keys: what to give to auditors by hand."""
    return Log(settings.origin, open_keys(settings.keys), clock=utc_now).vkey()


@contextmanager
def open_service(
    settings: Settings, clock: Callable[[], datetime] = utc_now, *, warm: bool = False
) -> Iterator[Service]:
    """Open a space for serving; its workers and its database are closed with the context.

    `warm` starts every worker process at once, in the background, and not at its first call.

    Raises:
        Unavailable: the database is of another schema, or the log is behind its anchor and may not grow.
        Conflict: another process serves this home.

    """
    with ExitStack() as stack:
        space = stack.enter_context(_space(settings, _packs(settings), open_keys(settings.keys), clock))
        yield _service(space, stack, warm=warm)


def jobs(service: Service) -> Worker:
    """Return the periodic jobs of a space, not started."""
    return Worker(
        [
            Job("anchor", float(service.space.settings.anchor_seconds), service.anchors.publish),
            Job("expire-uploads", _EXPIRE_SECONDS, service.uploads.expire),
        ]
    )


@contextmanager
def _space(
    settings: Settings, packs: dict[str, Pack], keys: KeyStore, clock: Callable[[], datetime]
) -> Iterator[Space]:
    migrations.ensure_current(settings.database)
    log = Log(settings.origin, keys, clock=clock)
    database = Database(settings.database, log)
    try:
        policy = open_policy(settings.policy)
        yield Space(settings, database, log, policy, keys, packs, clock)
    finally:
        database.close()


def _anchorage(space: Space) -> Anchorage:
    settings, keys = space.settings, space.keys
    key = (lambda: keys.raw("anchor")) if isinstance(keys, FileKeys) else b""
    anchor = open_anchor(settings.anchor, settings.origin, key)
    return Anchorage(space.database, space.log, anchor, settings.home / FILE)


def _begin(space: Space) -> Anchorage:
    """Return the anchors, after they had their say: a log that is behind them gets no first entry."""
    _ensure_same_log(space)
    anchors = _anchorage(space)
    anchors.guard()
    _adopt(space, space.policy)
    return anchors


def _ensure_same_log(space: Space) -> None:
    """Let a log pass that has this origin and was signed by these keys."""
    verifier = Verifier.parse(space.log.vkey())
    with space.database.reading() as session:
        if not space.log.size(session):
            return
        note = space.log.checkpoint(session)
    try:
        Checkpoint.open(note, verifier)
    except VerificationError as error:
        raise Unavailable(
            f"the log in the database is {note.splitlines()[0]!r} under another key or origin than "
            f"{verifier}: restore the keys, and leave DATASPACE_ORIGIN as it was when the space was made"
        ) from error


def _service(space: Space, stack: ExitStack, *, warm: bool) -> Service:
    settings = space.settings
    intake = _pool(
        stack,
        Pool(
            "dataspace.catalog.intake:Intake",
            workers=1,
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
    answers = EncryptedAnswers(space, engine, builder, encrypted)

    def withdrawn(dataset: str) -> None:
        engine.evict(dataset)
        answers.forget(dataset)

    anchors = _begin(space)
    uploads = Uploads(space, intake)
    uploads.sweep()
    answers.sweep()
    return Service(
        space=space,
        anchors=anchors,
        membership=Membership(space),
        uploads=uploads,
        registrar=Registrar(space, uploads, withdrawn),
        catalogue=Catalogue(space),
        negotiator=Negotiator(space),
        answers=Answers(space, engine),
        encrypted=answers,
        receipts=Receipts(space, anchors),
    )


def _warm(pools: Sequence[Pool]) -> None:
    with suppress(
        Unavailable
    ):  # the service may be closing; and a pool that cannot start says so when called
        for pool in pools:
            pool.warm()


def _pool(stack: ExitStack, pool: Pool) -> Pool:
    stack.callback(pool.close)
    return pool


def _packs(settings: Settings) -> dict[str, Pack]:
    hosts = [zone for zone in settings.hosts.split(",") if zone]
    packs = load_packs(Path(settings.zones), hosts)
    missing = sorted(set(hosts) - packs.keys())
    if missing:
        raise Malformed(f"setting DATASPACE_HOSTS names the zone {missing[0]!r}, which has no pack")
    return packs


def _adopt(space: Space, policy: PolicyEngine) -> None:
    """Keep the bundle that decides from now on, by digest: replaying a decision needs it."""

    def known(session: Session) -> bool:
        return (
            session.exec(select(PolicyBundle.digest).where(PolicyBundle.digest == policy.digest)).first()
            is not None
        )

    def act(session: Session) -> None:
        if not known(session):
            content = policy.bundle()
            assert hashlib.sha256(content).hexdigest() == policy.digest  # noqa: S101
            session.add(PolicyBundle(digest=policy.digest, content=content, adopted=space.clock()))
            space.log.append(session, "policy.adopted", digest=policy.digest, revision=policy.revision)

    with space.database.reading() as session:
        if known(session):
            return
    space.database.commit(act)
