"""What a provider taught its zones: corrections that hold for its next files, and recognisers of its own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlmodel import Session, col, func, select

from dataspace.catalog.models import ColumnRule, Recogniser
from dataspace.errors import NotFound, TooMany
from dataspace.participants.access import Caller, require
from dataspace.participants.models import Role
from dataspace.space import Space, mint
from dataspace.zones.pack import Pack, read_fields
from dataspace.zones.recognisers import read_recogniser
from dataspace.zones.schema import Field

_RECOGNISERS = 100  # of one provider in one zone: each is tried on every column of every upload
_RULES = 10_000


@dataclass(frozen=True)
class Known:
    """What a provider taught one zone: its recognisers, and by column name (`rule_name`) the category."""

    fields: tuple[Field, ...]
    rules: Mapping[str, str]

    def taught(self, pack: Pack) -> Pack:
        """Return the pack as it is for this provider."""
        return pack.extended(self.fields) if self.fields else pack


def known(session: Session, provider: str, zone: str) -> Known:
    """Return what a provider taught a zone."""
    recognisers = session.exec(
        select(Recogniser.field)
        .where(Recogniser.provider == provider, Recogniser.zone == zone)
        .order_by(col(Recogniser.created), col(Recogniser.id))
    ).all()
    rules = session.exec(
        select(ColumnRule).where(ColumnRule.provider == provider, ColumnRule.zone == zone)
    ).all()
    return Known(tuple(read_fields(list(recognisers))), {rule.name: rule.category for rule in rules})


def learn(session: Session, rules: Sequence[ColumnRule]) -> None:
    """Store corrections, each in the place of the one before it for the same name.

    Beyond 10,000 names nothing more is learnt: a provider's files are not made of that many columns.
    """
    for rule in rules:
        mine = (ColumnRule.provider == rule.provider, ColumnRule.zone == rule.zone)
        if session.exec(select(func.count()).select_from(ColumnRule).where(*mine)).one() < _RULES:
            session.merge(rule)


class Rules:
    """The acts of a provider on what it taught."""

    def __init__(self, space: Space) -> None:
        self._space = space

    def rules(self, caller: Caller) -> list[ColumnRule]:
        """List the caller's corrections that hold for its next files."""
        query = select(ColumnRule).where(ColumnRule.provider == caller.id)
        with self._space.database.reading() as session:
            return list(session.exec(query.order_by(col(ColumnRule.zone), col(ColumnRule.name))))

    def forget(self, caller: Caller, zone: str, name: str) -> None:
        """Forget a correction.

        Raises:
            NotFound: there is none of that name.

        """

        def act(session: Session) -> None:
            found = session.get(ColumnRule, (caller.id, zone, name))
            if found is None:
                raise NotFound("there is no such rule")
            session.delete(found)

        self._space.database.commit(act)

    def recognisers(self, caller: Caller) -> list[Recogniser]:
        """List the caller's recognisers, oldest first."""
        query = select(Recogniser).where(Recogniser.provider == caller.id).order_by(col(Recogniser.created))
        with self._space.database.reading() as session:
            return list(session.exec(query))

    def add(self, caller: Caller, zone: str, data: Mapping[str, Any]) -> Recogniser:
        """Add a recogniser, for the files that come from now on.

        Raises:
            Refused: the caller is no provider.
            NotFound: there is no such zone here.
            Malformed: it is none, or its pattern is one that may take for ever (attack UP-24).
            TooMany: the caller has a hundred in the zone.

        """
        require(caller, Role.PROVIDER)
        field = read_recogniser(data, self._space.pack(zone))

        def act(session: Session) -> Recogniser:
            mine = (Recogniser.provider == caller.id, Recogniser.zone == zone)
            if session.exec(select(func.count()).select_from(Recogniser).where(*mine)).one() >= _RECOGNISERS:
                raise TooMany(f"a provider has at most {_RECOGNISERS} recognisers in a zone")
            # What cannot be one with the pack as it is now is found here, and by nobody later.
            known(session, caller.id, zone).taught(self._space.pack(zone)).extended([field])
            row = Recogniser(
                id=mint("rc"),
                provider=caller.id,
                zone=zone,
                field=msgspec.to_builtins(field),
                created=self._space.clock(),
            )
            session.add(row)
            session.flush()
            session.expunge(row)
            return row

        return self._space.database.commit(act)

    def remove(self, caller: Caller, recogniser: str) -> None:
        """Remove a recogniser.

        Raises:
            NotFound: it is not one of the caller's.

        """

        def act(session: Session) -> None:
            found = session.get(Recogniser, recogniser)
            if found is None or found.provider != caller.id:
                raise NotFound("there is no such recogniser")
            session.delete(found)

        self._space.database.commit(act)
