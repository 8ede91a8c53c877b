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
    """The one public key of a parameter set an agreement's encrypted queries come under.

    `key_id` is its SHA-256.
    """

    __tablename__ = "consumer_key"

    agreement: str = Field(primary_key=True, foreign_key="agreement.id")
    parameters: str = Field(primary_key=True)
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


class Released(SQLModel, table=True):
    """What was released of a dataset version, in the order of release, for the history check.

    `sequence` counts from 1 without a gap: two releases that were checked
    against the same history cannot both be appended. `content` is what was
    asked, sealed under the version's data key: it may name values.
    """

    dataset: str = Field(primary_key=True, foreign_key="dataset.id")
    version: int = Field(primary_key=True)
    sequence: int = Field(primary_key=True)
    agreement: str = Field(foreign_key="agreement.id", index=True)
    query_sha256: str
    entry: int
    content: bytes
    created: datetime = Field(sa_type=Moment)


class Repeatable(SQLModel, table=True):
    """An answer that is kept so that the same question gets the same bytes, at no further cost.

    `content` is sealed under the version's data key; `expires` is None where it is kept
    as long as the dataset.
    """

    agreement: str = Field(primary_key=True, foreign_key="agreement.id")
    query_sha256: str = Field(primary_key=True)
    dataset: str = Field(foreign_key="dataset.id", index=True)
    version: int
    media_type: str
    content: bytes
    sha256: str
    entry: int
    units: int
    price: int
    created: datetime = Field(sa_type=Moment)
    expires: datetime | None = Field(default=None, sa_type=Moment)


class LookupTable(SQLModel, table=True):
    """An oblivious table: each record of an offer's dataset under a key that only an evaluation gives.

    `wrapped` is the key of the pseudorandom function, under the version's data key.
    """

    __tablename__ = "lookup_table"

    id: str = Field(primary_key=True)
    dataset: str = Field(foreign_key="dataset.id", index=True)
    version: int
    offer: str = Field(foreign_key="offer.id")
    identifier: str
    fields_sha256: str
    records: int
    buckets: int
    path: str
    wrapped: bytes
    created: datetime = Field(sa_type=Moment)


class Intersection(SQLModel, table=True):
    """A set intersection under way; `state` is blinded, answered or gone; `secret` is sealed."""

    id: str = Field(primary_key=True)
    agreement: str = Field(foreign_key="agreement.id", index=True)
    state: str
    items: int
    secret: bytes
    path: str
    created: datetime = Field(sa_type=Moment)


class ScoreModel(SQLModel, table=True):
    """A linear or logistic model; `weights` and `intercept` are integers in units of 10^-precision, sealed.

    `releasable` says that a consumer may know it whole.
    """

    __tablename__ = "score_model"

    id: str = Field(primary_key=True)
    dataset: str = Field(foreign_key="dataset.id", index=True)
    version: int
    provider: str = Field(foreign_key="participant.id")
    name: str
    features: list[dict[str, Any]] = Field(sa_type=JSON)
    link: str
    precision: int
    output: int
    releasable: bool
    content: bytes
    content_sha256: str
    entry: int
    created: datetime = Field(sa_type=Moment)
    withdrawn: datetime | None = Field(default=None, sa_type=Moment)


class JointPart(SQLModel, table=True):
    """A zone's part of a joint statistic: computed once for a job, delivered as often as it is asked for."""

    __tablename__ = "joint_part"

    job: str = Field(primary_key=True)
    agreement: str = Field(primary_key=True, foreign_key="agreement.id")
    job_sha256: str
    content: bytes
    entry: int
    created: datetime = Field(sa_type=Moment)


class JointSum(SQLModel, table=True):
    """The parts of a joint statistic as the service that adds them up has them, until all are there."""

    __tablename__ = "joint_sum"

    job: str = Field(primary_key=True)
    peer: str = Field(primary_key=True)
    job_sha256: str
    content: bytes
    created: datetime = Field(sa_type=Moment)


class SealedJob(SQLModel, table=True):
    """A computation on a sealed dataset that the key service is asked to open: once."""

    __tablename__ = "sealed_job"

    id: str = Field(primary_key=True)
    agreement: str = Field(foreign_key="agreement.id", index=True)
    plan_sha256: str
    result_sha256: str
    entry: int
    created: datetime = Field(sa_type=Moment)
