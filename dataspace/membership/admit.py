"""Membership: the operator admits participants, changes their roles, suspends them; each act is an entry.

Entries name participants by id and hold no name: an organisation may be one
person, and the ledger forgets nothing.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass

from sqlmodel import Session, col, select

from dataspace.errors import Conflict, NotFound, Refused, Unprocessable
from dataspace.participants.access import (
    Caller,
    caller_of_password,
    close_session,
    close_sessions_of,
    digest,
    hash_password,
    new_token,
    open_session,
)
from dataspace.participants.models import Credential, Participant, Role, Status
from dataspace.space import Space, ensure, mint, remember

_SHORTEST_PASSWORD = 12
_LONGEST_NAME = 200
_LOGIN = re.compile(r"[A-Za-z0-9._@-]{3,64}")


@dataclass(frozen=True)
class Member:
    """A participant as others may see it."""

    id: str
    name: str
    login: str
    roles: tuple[Role, ...]
    status: Status


@dataclass(frozen=True)
class Admission:
    """A new participant and its first token, shown this once."""

    member: Member
    token: str
    entry: int

    def __repr__(self) -> str:
        return f"Admission({self.member.id}, entry {self.entry})"


class Membership:
    """The acts on participants; every one is a transaction with its entry."""

    def __init__(self, space: Space) -> None:
        self._space = space

    def found(self, name: str, login: str, password_hash: str | None = None) -> Admission | None:
        """Admit the first operator of a new space, on nobody's word but that of who can run `init`.

        Returns None when the space has a participant already.
        """

        def act(session: Session) -> Admission | None:
            if session.exec(select(Participant)).first():
                return None
            return self._enrol(session, name, login, {Role.OPERATOR}, password_hash=password_hash)

        return self._space.database.commit(act)

    def admit(
        self, caller: Caller, name: str, login: str, roles: Collection[Role], password: str | None = None
    ) -> Admission:
        """Admit a participant; its token is in the answer and nowhere else.

        Raises:
            PolicyDenied: the caller is no operator.
            Conflict: the login is taken.
            Unprocessable: no role, or a password under 12 characters.

        """
        decision, asked = self._space.decide("admit", participant=caller.facts())
        ensure(decision)
        _check_names(name, login)
        hashed = checked_hash(password)

        def act(session: Session) -> Admission:
            remember(session, asked)
            return self._enrol(session, name, login, roles, password_hash=hashed, by=caller.id)

        return self._space.database.commit(act)

    def change(
        self,
        caller: Caller,
        participant: str,
        *,
        roles: Collection[Role] | None = None,
        status: Status | None = None,
    ) -> Member:
        """Give a participant other roles, suspend it or bring it back; its portal sessions end.

        Raises:
            PolicyDenied: the caller is no operator.
            NotFound: there is no such participant.
            Refused: an operator may not suspend or demote itself: the space would be left without one.

        """
        decision, asked = self._space.decide("admit", participant=caller.facts())
        ensure(decision)
        if participant == caller.id:
            raise Refused("an operator cannot change its own roles or status: ask another operator")

        def act(session: Session) -> Member:
            found = _known(session, participant)
            found.roles = found.roles if roles is None else _listed(roles)
            found.status = found.status if status is None else status
            session.add(found)
            remember(session, asked)
            close_sessions_of(session, found.id)
            self._space.log.append(
                session,
                "participant.changed",
                participant=found.id,
                roles=found.roles.split(","),
                status=found.status,
                by=caller.id,
            )
            return _member(found)

        return self._space.database.commit(act)

    def members(self, caller: Caller) -> list[Member]:
        """List the participants: all of them for an operator, otherwise the caller alone."""
        with self._space.database.reading() as session:
            everyone = session.exec(select(Participant).order_by(col(Participant.created))).all()
            return [_member(one) for one in everyone if Role.OPERATOR in caller.roles or one.id == caller.id]

    def member(self, caller: Caller, participant: str) -> Member:
        """Return one participant.

        Raises:
            NotFound: there is none, or it is not the caller's to see.

        """
        found = next((one for one in self.members(caller) if one.id == participant), None)
        if found is None:
            raise NotFound("there is no such participant")
        return found

    def issue_token(self, caller: Caller, participant: str) -> str:
        """Return a new token for the caller itself or, for an operator, for another.

        Raises:
            NotFound: there is no such participant, or it is not the caller's to see.

        """
        if participant != caller.id and Role.OPERATOR not in caller.roles:
            raise NotFound("there is no such participant")
        token = new_token()

        def act(session: Session) -> None:
            _known(session, participant)
            session.add(_credential(participant, token, self._space))
            self._space.log.append(session, "credential.issued", participant=participant, by=caller.id)

        self._space.database.commit(act)
        return token

    def revoke_token(self, caller: Caller, token: str) -> None:
        """Make one of the caller's own tokens worthless.

        Raises:
            NotFound: the caller has no such token.

        """

        def act(session: Session) -> None:
            query = select(Credential).where(
                Credential.token_sha256 == digest(token), Credential.participant == caller.id
            )
            found = session.exec(query).first()
            if found is None:
                raise NotFound("there is no such token")
            found.revoked = self._space.clock()
            session.add(found)
            self._space.log.append(session, "credential.revoked", participant=caller.id, by=caller.id)

        self._space.database.commit(act)

    def log_in(self, login: str, password: str, address: str = "") -> tuple[Caller, str]:
        """Open a portal session under a fresh cookie, whatever cookie came with the request.

        `address` is where the login comes from: each address waits for its own.

        Raises:
            Unauthenticated: the name or the password is wrong.
            TooMany: too many are logging in at once.

        """
        # Argon2 runs outside the writer, or a login storm would stop every other act.
        with self._space.database.reading() as session:
            caller = caller_of_password(session, login, password, address)
        cookie = self._space.database.commit(
            lambda session: open_session(session, caller, self._space.clock())
        )
        return caller, cookie

    def log_out(self, cookie: str) -> None:
        """End a portal session."""
        self._space.database.commit(lambda session: close_session(session, cookie))

    def _enrol(
        self,
        session: Session,
        name: str,
        login: str,
        roles: Collection[Role],
        *,
        password_hash: str | None,
        by: str = "",
    ) -> Admission:
        if session.exec(select(Participant).where(Participant.login == login)).first():
            raise Conflict(f"the login {login!r} is taken")
        participant = Participant(
            id=mint("pt"),
            name=name,
            login=login,
            roles=_listed(roles),
            password_hash=password_hash,
            created=self._space.clock(),
        )
        session.add(participant)
        session.flush()
        token = new_token()
        session.add(_credential(participant.id, token, self._space))
        entry = self._space.log.append(
            session,
            "participant.admitted",
            participant=participant.id,
            roles=participant.roles.split(","),
            by=by or participant.id,
        )
        return Admission(_member(participant), token, entry)


def _check_names(name: str, login: str) -> None:
    if not 0 < len(name) <= _LONGEST_NAME or not name.isprintable():
        raise Unprocessable(f"the name is not one: want 1 to {_LONGEST_NAME} printable characters")
    if not _LOGIN.fullmatch(login):
        raise Unprocessable("the login is not one: want 3 to 64 of letters, digits, and . _ @ -")


def checked_hash(password: str | None) -> str | None:
    """Return the hash of a password to be set, None for none; Unprocessable when it is too short."""
    if password is not None and len(password) < _SHORTEST_PASSWORD:
        raise Unprocessable(
            f"the password has {len(password)} characters, want at least {_SHORTEST_PASSWORD}"
        )
    return hash_password(password) if password is not None else None


def _known(session: Session, participant: str) -> Participant:
    found = session.get(Participant, participant)
    if found is None:
        raise NotFound("there is no such participant")
    return found


def _listed(roles: Collection[Role]) -> str:
    if not roles:
        raise Unprocessable(f"no role given: want one or more of {', '.join(Role)}")
    return ",".join(sorted(set(roles)))


def _member(participant: Participant) -> Member:
    return Member(
        participant.id,
        participant.name,
        participant.login,
        tuple(sorted(participant.role_set)),
        Status(participant.status),
    )


def _credential(participant: str, token: str, space: Space) -> Credential:
    return Credential(
        id=mint("cr"), participant=participant, token_sha256=digest(token), created=space.clock()
    )
