"""What is stored of participants: the organisation, its tokens (hashed), its portal sessions (hashed)."""

from datetime import datetime
from enum import StrEnum

from sqlmodel import Field, SQLModel

from dataspace.moment import Moment


class Role(StrEnum):
    """What a participant may be in this space; one may be several."""

    PROVIDER = "provider"
    CONSUMER = "consumer"
    AUDITOR = "auditor"
    OPERATOR = "operator"


class Status(StrEnum):
    """A suspended participant's credentials stop working at once."""

    ACTIVE = "active"
    SUSPENDED = "suspended"


class Participant(SQLModel, table=True):
    """An organisation; `roles` and `zones` are comma-separated, sorted lists.

    `zones` bounds what an auditor may read; empty, it is every zone. `entity`
    is the digest of the identifier of the legal entity behind it, the same for all
    of its accounts (`membership.entity`): they share one privacy budget on a
    dataset; empty, the participant is its own.
    """

    id: str = Field(primary_key=True)
    name: str
    login: str = Field(unique=True)
    password_hash: str | None = None
    roles: str
    zones: str = Field(default="", sa_column_kwargs={"server_default": ""})
    status: str = Status.ACTIVE
    entity: str = Field(default="", index=True, sa_column_kwargs={"server_default": ""})
    created: datetime = Field(sa_type=Moment)

    @property
    def role_set(self) -> frozenset[Role]:
        """The roles as a set."""
        return frozenset(Role(role) for role in self.roles.split(",") if role)

    @property
    def zone_set(self) -> frozenset[str]:
        """The zones as a set; empty, every zone is meant."""
        return frozenset(zone for zone in self.zones.split(",") if zone)


class Credential(SQLModel, table=True):
    """A bearer token, of which only the SHA-256 is kept: the token itself has 256 random bits."""

    id: str = Field(primary_key=True)
    participant: str = Field(foreign_key="participant.id", index=True)
    token_sha256: str = Field(unique=True)
    created: datetime = Field(sa_type=Moment)
    revoked: datetime | None = Field(default=None, sa_type=Moment)


class PortalSession(SQLModel, table=True):
    """A login to the portal; only the hash of the cookie is kept."""

    __tablename__ = "portal_session"

    cookie_sha256: str = Field(primary_key=True)
    participant: str = Field(foreign_key="participant.id", index=True)
    created: datetime = Field(sa_type=Moment)
    expires: datetime = Field(sa_type=Moment)
