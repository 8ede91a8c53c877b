"""A participant as it is admitted and as others see it, and what its name, roles and zones may be."""

import re
from collections.abc import Collection
from dataclasses import dataclass

from dataspace.errors import Unprocessable
from dataspace.participants.models import Participant, Role, Status
from dataspace.space import Space

_LONGEST_NAME = 200
_LOGIN = re.compile(r"[A-Za-z0-9._@-]{3,64}")


@dataclass(frozen=True)
class Member:
    """A participant as others may see it; `zones` bounds an auditor's sight, empty it is every zone.

    `entity` is equal for accounts of one legal entity, and empty where none is named.
    """

    id: str
    name: str
    login: str
    roles: tuple[Role, ...]
    status: Status
    zones: tuple[str, ...] = ()
    entity: str = ""

    @classmethod
    def of(cls, participant: Participant) -> "Member":
        """Return what is told of a participant."""
        return cls(
            participant.id,
            participant.name,
            participant.login,
            tuple(sorted(participant.role_set)),
            Status(participant.status),
            tuple(sorted(participant.zone_set)),
            participant.entity,
        )


@dataclass(frozen=True)
class Applicant:
    """Who is to be admitted, and as what."""

    name: str
    login: str
    roles: Collection[Role]
    zones: Collection[str] = ()

    def check(self, space: Space) -> None:
        """Let pass whom a space can have.

        Raises:
            Unprocessable: the name would mislead, the login is none, there is no role, or zones bound
                somebody who is no auditor.
            NotFound: the space hosts no such zone.

        """
        if not 0 < len(self.name) <= _LONGEST_NAME or not self.name.isprintable():
            raise Unprocessable(f"the name is not one: want 1 to {_LONGEST_NAME} printable characters")
        if not _LOGIN.fullmatch(self.login):
            raise Unprocessable("the login is not one: want 3 to 64 of letters, digits, and . _ @ -")
        listed_roles(self.roles)
        listed_zones(space, self.zones, self.roles)


def listed_roles(roles: Collection[Role]) -> str:
    """Return roles as they are stored.

    Raises:
        Unprocessable: there is none.

    """
    if not roles:
        raise Unprocessable(f"no role given: want one or more of {', '.join(Role)}")
    return ",".join(sorted(set(roles)))


def listed_zones(space: Space, zones: Collection[str], roles: Collection[Role]) -> str:
    """Return the zones that bound an auditor as they are stored.

    Raises:
        Unprocessable: the roles hold no auditor, so that the bounds would bound nobody.
        NotFound: the space hosts no such zone.

    """
    if zones and Role.AUDITOR not in roles:
        raise Unprocessable("zones bound what an auditor may read: want the role auditor with them")
    return ",".join(sorted({zone for zone in zones if space.pack(zone)}))
