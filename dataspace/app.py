"""The program put together: a home is made by `initialise`, opened by `open_service`, and closed again."""

import hashlib
import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlmodel import Session, func, select

from dataspace import migrations
from dataspace.database import Database
from dataspace.errors import Malformed, Unavailable, VerificationError
from dataspace.keys import KeyStore, open_keys
from dataspace.keys.file import FileKeys
from dataspace.ledger import keyring
from dataspace.ledger.anchored import FILE, Anchorage
from dataspace.ledger.anchors import open_anchor
from dataspace.ledger.keyring import KEYS, adopt_keys
from dataspace.ledger.log import Log
from dataspace.ledger.models import ADOPTED, LedgerEntry
from dataspace.membership.admit import Admission, Membership, checked_hash
from dataspace.policy import PolicyEngine, open_policy
from dataspace.policy.models import PolicyBundle
from dataspace.proof.checkpoint import Checkpoint
from dataspace.proof.key import Verifier
from dataspace.settings import Settings
from dataspace.space import Space, utc_now
from dataspace.transfer.forms.peers import PEER_KEYS, public_peer_keys
from dataspace.transfer.mark import Mark
from dataspace.worker import Job, Worker
from dataspace.zones.pack import Pack, load_packs

if TYPE_CHECKING:
    from dataspace.web.service import Service

_LOG = logging.getLogger("dataspace")
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
        for needed in (*KEYS, *PEER_KEYS, *(f"zone/{zone}" for zone in packs)):
            if not keys.has(needed):
                keys.create(needed)
    with _space(settings, packs, keys, utc_now) as space:
        if settings.anchor != Settings(home=settings.home).anchor or (settings.home / FILE).exists():
            _anchorage(space).guard()
        _adopt(space, space.policy)
        adopt_keys(space.database, space.log, space.settings.origin, keys)
        return Membership(space).found(name, login, hashed)


def log_key(settings: Settings) -> str:
    """Return the log's verifier key, read from the service's own keys: what to give to auditors by hand."""
    return str(public_keys(settings)["log"])


def public_keys(settings: Settings) -> dict[str, Any]:
    """Return every verifier key of a space, in use or not, the rotations of its log's key, and its peer keys.

    Raises:
        Unavailable: the space was not made yet, or its keys are not there.

    """
    migrations.ensure_current(settings.database)
    keys = open_keys(settings.keys)
    log = Log(settings.origin, keys, clock=utc_now)
    database = Database(settings.database, readonly=True)
    try:
        with database.reading() as session:
            log.recall(session)
            return {**keyring.public_keys(log, session), "peer": public_peer_keys(keys)}
    finally:
        database.close()


def anchor_account(settings: Settings) -> tuple[str, bytes]:
    """Return the address and the secret of the space's anchor key, which pays for anchors.

    Raises:
        Unavailable: the space was not made yet.
        Malformed: the keys are not in a folder.

    """
    from dataspace.ledger.anchors.signing import address_of, public_key  # noqa: PLC0415 - web3 is slow

    migrations.ensure_current(settings.database)
    keys = open_keys(settings.keys)
    if not isinstance(keys, FileKeys):
        raise Malformed("the anchor's key can be used only from a folder of keys")
    secret = keys.raw("anchor")
    return address_of(public_key(secret)), secret


@contextmanager
def open_space(settings: Settings, clock: Callable[[], datetime] = utc_now) -> Iterator[Space]:
    """Open a space for one act of its operator, without its workers; the log may grow if its anchor lets it.

    Raises:
        Unavailable: the database is of another schema, or the log is behind its anchor and may not grow.
        Conflict: another process serves this home.

    """
    with _space(settings, _packs(settings), open_keys(settings.keys), clock) as space:
        _begin(space)
        yield space


@contextmanager
def open_service(
    settings: Settings, clock: Callable[[], datetime] = utc_now, *, warm: bool = False
) -> Iterator["Service"]:
    """Open a space for serving; its workers and its database are closed with the context.

    `warm` starts every worker process at once, in the background, and not at its first call.

    Raises:
        Unavailable: the database is of another schema, or the log is behind its anchor and may not grow.
        Conflict: another process serves this home.

    """
    from dataspace.assembly import assemble  # noqa: PLC0415 - slow, and most commands serve nothing

    with ExitStack() as stack:
        space = stack.enter_context(_space(settings, _packs(settings), open_keys(settings.keys), clock))
        yield assemble(space, _begin(space), stack, warm=warm)


def jobs(service: "Service") -> Worker:
    """Return the periodic jobs of a space, not started."""
    from dataspace.transfer.repeat import Repeats  # noqa: PLC0415 - as slow

    return Worker(
        [
            Job("publish", float(service.space.settings.publish_seconds), service.publisher.publish),
            Job("anchor", float(service.space.settings.anchor_seconds), service.publisher.anchor),
            Job("expire-uploads", _EXPIRE_SECONDS, service.uploads.expire),
            Job("sweep-prepared", _EXPIRE_SECONDS, service.answers.sweep),
            Job("sweep-answers", _EXPIRE_SECONDS, Repeats(service.space).sweep),
            *([Job("sweep-joint", _EXPIRE_SECONDS, service.joint.sweep)] if service.joint else []),
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
    with space.database.reading() as session:
        name = keyring.key_name(session, keyring.Role.ANCHOR)
    key = (lambda: keys.raw(name)) if isinstance(keys, FileKeys) else b""
    anchor = open_anchor(settings.anchor, settings.origin, key)
    return Anchorage(space.database, space.log, anchor, settings.home / FILE)


def _begin(space: Space) -> Anchorage:
    """Return the anchors, after they had their say: a log that is behind them gets no first entry."""
    _ensure_same_log(space)
    anchors = _anchorage(space)
    anchors.guard()
    # A database restored from before noise was last drawn would draw it again (attack QY-24).
    space.log.floor(Mark(space.settings.home).read())
    _adopt(space, space.policy)
    adopt_keys(space.database, space.log, space.settings.origin, space.keys)
    return anchors


def _ensure_same_log(space: Space) -> None:
    """Let a log pass that has this origin and was signed by these keys."""
    with space.database.reading() as session:
        if not space.log.size(session):
            return
        space.log.recall(session)
        note = space.log.checkpoint(session)
    verifier = Verifier.parse(space.log.vkey())
    try:
        Checkpoint.open(note, verifier)
    except VerificationError as error:
        raise Unavailable(
            f"the log in the database is {note.splitlines()[0]!r} under another key or origin than "
            f"{verifier}: restore the keys, and leave DATASPACE_ORIGIN as it was when the space was made"
        ) from error


def _packs(settings: Settings) -> dict[str, Pack]:
    hosts = [zone for zone in settings.hosts.split(",") if zone]
    packs = load_packs(Path(settings.zones), hosts)
    missing = sorted(set(hosts) - packs.keys())
    if missing:
        raise Malformed(f"setting DATASPACE_HOSTS names the zone {missing[0]!r}, which has no pack")
    return packs


def _adopt(space: Space, policy: PolicyEngine) -> None:
    """Keep the bundle that decides from now on, by digest, and say so: also when it is an old one again."""

    def in_force(session: Session) -> bool:
        newest = session.exec(select(func.max(LedgerEntry.index)).where(ADOPTED)).one()
        record = None if newest is None else space.log.record(session, newest)
        return record is not None and record.fields["digest"] == policy.digest

    def act(session: Session) -> None:
        if in_force(session):
            return
        if session.get(PolicyBundle, policy.digest) is None:
            content = policy.bundle()
            assert hashlib.sha256(content).hexdigest() == policy.digest  # noqa: S101
            session.add(PolicyBundle(digest=policy.digest, content=content, adopted=space.clock()))
        space.log.append(session, "policy.adopted", digest=policy.digest, revision=policy.revision)

    with space.database.reading() as session:
        if in_force(session):
            return
    space.database.commit(act)
