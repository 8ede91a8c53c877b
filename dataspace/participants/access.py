"""Credentials: who holds this token, this cookie, this password.

Every way in answers with one `Caller` or one error, `Unauthenticated`, that is
the same for an unknown name, a wrong secret, a revoked token and a suspended
participant: who asks learns nothing but "no".
"""

import hashlib
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError
from sqlmodel import Session, col, delete, select

from dataspace.errors import Refused, TooMany, Unauthenticated
from dataspace.participants.models import Credential, Participant, PortalSession, Role, Status

SESSION_LIFETIME = timedelta(hours=8)

_HASHER = PasswordHasher()
_SLOTS = 2
_SLOT_SECONDS = 3.0
# An unknown name costs what a known one does; the password behind this hash is random and forgotten.
_NOBODY = _HASHER.hash(secrets.token_urlsafe(32))


class _Hashing:
    """Who may compute Argon2 now: it takes 64 MiB and 0.15 s, so two at once, and one for each address.

    A storm of guesses from one address is bounded, and leaves the other slot to everybody else.
    """

    def __init__(self) -> None:
        self._turn = threading.Condition()
        self._busy: set[str] = set()

    @contextmanager
    def slot(self, address: str) -> Iterator[None]:
        """Hold a slot while the context lasts.

        Raises:
            TooMany: none came free in three seconds.

        """
        with self._turn:
            free = self._turn.wait_for(
                lambda: len(self._busy) < _SLOTS and address not in self._busy, _SLOT_SECONDS
            )
            if not free:
                raise TooMany("too many logins at once: try again in a few seconds", retry_after=5)
            self._busy.add(address)
        try:
            yield
        finally:
            with self._turn:
                self._busy.discard(address)
                self._turn.notify_all()


_HASHING = _Hashing()


@dataclass(frozen=True)
class Caller:
    """A participant that showed a valid credential; roles and zones are as of this request."""

    id: str
    roles: frozenset[Role]
    zones: frozenset[str] = frozenset()

    @property
    def oversees(self) -> bool:
        """Whether it may read entries it is no party of: of every zone, or of its own `zones`."""
        return bool(self.roles & {Role.AUDITOR, Role.OPERATOR})

    @property
    def sees_everything(self) -> bool:
        """Whether it may read every entry: operators, and auditors without bounds."""
        return Role.OPERATOR in self.roles or (Role.AUDITOR in self.roles and not self.zones)

    def facts(self) -> dict[str, Any]:
        """Return what the policy is told of the caller."""
        return {"id": self.id, "roles": sorted(self.roles), "status": Status.ACTIVE}


def digest(secret: str) -> str:
    """Return the SHA-256 under which a token or cookie is stored, in hex."""
    return hashlib.sha256(secret.encode()).hexdigest()


def new_token() -> str:
    """Return a fresh bearer token: 256 random bits behind a prefix that secret scanners can find."""
    return "dsp_" + secrets.token_urlsafe(32)


def hash_password(password: str) -> str:
    """Return the Argon2id hash of a password.

    Raises:
        TooMany: every slot for hashing stayed taken for three seconds.

    """
    with _HASHING.slot(f"set {secrets.token_hex(4)}"):
        return _HASHER.hash(password)


def caller_of_token(session: Session, token: str) -> Caller:
    """Return who holds `token`.

    Raises:
        Unauthenticated: unknown or revoked, or its holder is suspended.

    """
    query = (
        select(Participant)
        .join(Credential, col(Credential.participant) == Participant.id)
        .where(Credential.token_sha256 == digest(token), col(Credential.revoked).is_(None))
    )
    return _active(session.exec(query).first(), "the token is unknown, revoked, or its holder is suspended")


def caller_of_cookie(session: Session, cookie: str, now: datetime) -> Caller:
    """Return who logged in with `cookie`.

    Raises:
        Unauthenticated: unknown, logged out or expired, or its holder is suspended.

    """
    query = (
        select(Participant, PortalSession)
        .join(PortalSession, col(PortalSession.participant) == Participant.id)
        .where(PortalSession.cookie_sha256 == digest(cookie))
    )
    found = session.exec(query).first()
    alive = found is not None and found[1].expires > now
    return _active(found[0] if found and alive else None, "the session has ended: log in again")


def caller_of_password(session: Session, login: str, password: str, address: str) -> Caller:
    """Return who logs in from `address`; takes as long for an unknown name as for a known one.

    Raises:
        Unauthenticated: the name is unknown, the password wrong, or the participant suspended.
        TooMany: too many are logging in at once.

    """
    participant = session.exec(select(Participant).where(Participant.login == login)).first()
    stored = participant.password_hash if participant else None
    if not _verify(stored or _NOBODY, password, address) or stored is None:
        raise Unauthenticated("the name or the password is wrong")
    return _active(participant, "the name or the password is wrong")


def open_session(session: Session, caller: Caller, now: datetime) -> str:
    """Store a new portal session; return its cookie, which nobody can read again."""
    cookie = secrets.token_urlsafe(32)
    session.add(
        PortalSession(
            cookie_sha256=digest(cookie), participant=caller.id, created=now, expires=now + SESSION_LIFETIME
        )
    )
    session.exec(delete(PortalSession).where(col(PortalSession.expires) < now))
    return cookie


def close_session(session: Session, cookie: str) -> None:
    """Forget a portal session; a second time does nothing."""
    session.exec(delete(PortalSession).where(col(PortalSession.cookie_sha256) == digest(cookie)))


def close_sessions_of(session: Session, participant: str) -> None:
    """End every portal session of a participant: its rights have changed."""
    session.exec(delete(PortalSession).where(col(PortalSession.participant) == participant))


def require(caller: Caller, *roles: Role) -> None:
    """Let a caller pass who has one of `roles`.

    Raises:
        Refused: it has none of them.

    """
    if not caller.roles & set(roles):
        raise Refused(f"this needs the role {' or '.join(roles)}", needed=sorted(roles))


def _active(participant: Participant | None, refusal: str) -> Caller:
    if participant is None or participant.status != Status.ACTIVE:
        raise Unauthenticated(refusal)
    return Caller(participant.id, participant.role_set, participant.zone_set)


def _verify(stored: str, password: str, address: str) -> bool:
    with _HASHING.slot(address):
        try:
            return _HASHER.verify(stored, password)
        except (Argon2Error, InvalidHashError):
            return False
