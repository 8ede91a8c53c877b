"""Membership: the operator admits participants, changes their roles, suspends them; each act is an entry.

Entries name participants by id and hold no name: an organisation may be one
person, and the ledger forgets nothing.
"""

from collections.abc import Collection
from dataclasses import dataclass

from sqlmodel import Session, col, select

from dataspace.errors import Conflict, NotFound, Refused, Unprocessable
from dataspace.membership.entity import entity_digest
from dataspace.membership.member import Applicant, Member, listed_roles, listed_zones
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
            return self._enrol(session, Applicant(name, login, {Role.OPERATOR}), password_hash)

        return self._space.database.commit(act)

    def admit(
        self,
        caller: Caller,
        name: str,
        login: str,
        roles: Collection[Role],
        password: str | None = None,
        *,
        zones: Collection[str] = (),
    ) -> Admission:
        """Admit a participant; its token is in the answer and nowhere else.

        `zones` bounds what an auditor may read; without any it reads every zone.

        Raises:
            PolicyDenied: the caller is no operator.
            Conflict: the login is taken.
            Unprocessable: no role, zones without the role auditor, or a password under 12 characters.
            NotFound: the space hosts no such zone.

        """
        decision, asked = self._space.decide("admit", participant=caller.facts())
        ensure(decision)
        applicant = Applicant(name, login, roles, zones)
        applicant.check(self._space)
        hashed = checked_hash(password)

        def act(session: Session) -> Admission:
            remember(session, asked)
            return self._enrol(session, applicant, hashed, by=caller.id)

        return self._space.database.commit(act)

    def change(
        self,
        caller: Caller,
        participant: str,
        *,
        roles: Collection[Role] | None = None,
        status: Status | None = None,
        zones: Collection[str] | None = None,
        entity: str | None = None,
    ) -> Member:
        """Give a participant other roles or zones, suspend it or bring it back; its portal sessions end.

        `entity` is the identifier of the legal entity behind it, as on its licence: it
        is kept, and told, as a digest alone. Accounts of one entity share one privacy budget.

        Raises:
            PolicyDenied: the caller is no operator.
            NotFound: there is no such participant, or no such zone.
            Unprocessable: no role is left, zones are given to somebody who is no auditor, or the entity
                is no identifier.
            Refused: an operator may not suspend or demote itself: the space would be left without one.

        """
        decision, asked = self._space.decide("admit", participant=caller.facts())
        ensure(decision)
        if participant == caller.id:
            raise Refused("an operator cannot change its own roles or status: ask another operator")
        named = None if entity is None else entity_digest(self._space.keys, entity)

        def act(session: Session) -> Member:
            found = _known(session, participant)
            found.roles = found.roles if roles is None else listed_roles(roles)
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
            if named is not None and named != found.entity:
                self._name(session, found, named, caller.id)
            if zones is not None:
                self._assign(session, found, listed_zones(self._space, zones, found.role_set), caller.id)
            return Member.of(found)

        return self._space.database.commit(act)

    def members(self, caller: Caller) -> list[Member]:
        """List the participants: all of them for an operator, otherwise the caller alone."""
        with self._space.database.reading() as session:
            everyone = session.exec(select(Participant).order_by(col(Participant.created))).all()
            return [
                Member.of(one) for one in everyone if Role.OPERATOR in caller.roles or one.id == caller.id
            ]

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
        self, session: Session, applicant: Applicant, password_hash: str | None, *, by: str = ""
    ) -> Admission:
        if session.exec(select(Participant).where(Participant.login == applicant.login)).first():
            raise Conflict(f"the login {applicant.login!r} is taken")
        participant = Participant(
            id=mint("pt"),
            name=applicant.name,
            login=applicant.login,
            roles=listed_roles(applicant.roles),
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
        self._assign(session, participant, listed_zones(self._space, applicant.zones, applicant.roles), by)
        return Admission(Member.of(participant), token, entry)

    def _name(self, session: Session, found: Participant, entity: str, by: str) -> None:
        found.entity = entity
        session.add(found)
        self._space.log.append(
            session, "participant.entity", participant=found.id, entity_sha256=entity, by=by
        )

    def _assign(self, session: Session, auditor: Participant, zones: str, by: str) -> None:
        """Bound what an auditor may read to `zones`, as an entry of its own; the same bounds are none."""
        if auditor.zones == zones:
            return
        auditor.zones = zones
        session.add(auditor)
        self._space.log.append(
            session, "auditor.assigned", participant=auditor.id, zones=sorted(auditor.zone_set), by=by
        )


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


def _credential(participant: str, token: str, space: Space) -> Credential:
    return Credential(
        id=mint("cr"), participant=participant, token_sha256=digest(token), created=space.clock()
    )
