"""What is stored of queries: budgets, cubes and their grants, public keys, nonces, acknowledgements."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, Integer, UniqueConstraint
from sqlmodel import Field, SQLModel

from dataspace.moment import Moment

# On SQLite only a column of type INTEGER is the row's own number.
_COUNT = BigInteger().with_variant(Integer(), "sqlite")


class Budget(SQLModel, table=True):
    """What an agreement may still spend; epsilon in millionths.

    A reservation counts as spent until it is settled, so that a crash can
    only ever cost budget, never give it back.
    """

    agreement: str = Field(primary_key=True, foreign_key="agreement.id")
    units: int
    units_spent: int = 0
    units_reserved: int = 0
    epsilon: int
    epsilon_spent: int = 0
    epsilon_reserved: int = 0


class Cube(SQLModel, table=True):
    """A cube, sealed under its dataset version's data key: suppressed and noised once.

    `smallest` is the number of distinct subjects that every cell has at least.
    """

    __table_args__ = (UniqueConstraint("dataset", "version", "spec_sha256"),)

    id: str = Field(primary_key=True)
    dataset: str = Field(foreign_key="dataset.id", index=True)
    version: int
    spec: dict[str, Any] = Field(sa_type=JSON)
    spec_sha256: str
    cells_sha256: str
    path: str
    epsilon: int
    smallest: int
    created: datetime = Field(sa_type=Moment)


class CubeGrant(SQLModel, table=True):
    """An agreement that was charged for a cube, and may query it as often as its units allow."""

    __tablename__ = "cube_grant"

    cube: str = Field(primary_key=True, foreign_key="cube.id")
    agreement: str = Field(primary_key=True, foreign_key="agreement.id")
    entry: int
    created: datetime = Field(sa_type=Moment)


class ConsumerKey(SQLModel, table=True):
    """The one public key an agreement's encrypted queries come under; `key_id` is its SHA-256."""

    __tablename__ = "consumer_key"

    agreement: str = Field(primary_key=True, foreign_key="agreement.id")
    key_id: str
    context: bytes
    created: datetime = Field(sa_type=Moment)


class Nonce(SQLModel, table=True):
    """A nonce that an encrypted query has used: it is answered once."""

    agreement: str = Field(primary_key=True, foreign_key="agreement.id")
    nonce: str = Field(primary_key=True)
    created: datetime = Field(sa_type=Moment)


class Acknowledgement(SQLModel, table=True):
    """That the entry of an answer was acknowledged, and by which entry: once, whoever asks again."""

    answered: int = Field(primary_key=True, sa_type=_COUNT, sa_column_kwargs={"autoincrement": False})
    entry: int = Field(unique=True, sa_type=_COUNT)


class Prepared(SQLModel, table=True):
    """Columns that cost much to desensitize, computed once for an agreement and a version, and sealed.

    `methods_sha256` is of the columns and methods they were computed by, `key` the wrapped data key.
    """

    agreement: str = Field(primary_key=True, foreign_key="agreement.id")
    version: int = Field(primary_key=True)
    methods_sha256: str = Field(primary_key=True)
    path: str
    key: bytes
    created: datetime = Field(sa_type=Moment)
