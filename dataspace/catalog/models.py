"""What is stored of datasets: uploads that wait, versions, their data keys, offers.

A data key lies in a table of its own, wrapped by the zone's key, so that
withdrawing a dataset deletes a row and nothing else of the history.
"""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, BigInteger
from sqlmodel import Field, SQLModel

from dataspace.moment import Moment


class Form(StrEnum):
    """The forms an answer can take.

    The first three are what zones offer when a provider says nothing. The
    others are offered by name: a record looked up by an identifier that the
    service does not learn, the size of an intersection of sets, an encrypted
    score of a model, an encrypted selector of rows with a blind threshold, a
    total joint with other zones', and totals of a dataset that only its key
    service can open.
    """

    ROWS = "rows"
    AGGREGATE = "aggregate"
    ENCRYPTED = "encrypted"
    LOOKUP = "lookup"
    INTERSECTION = "intersection"
    SCORE = "score"
    SELECTOR = "selector"
    JOINT = "joint"
    SEALED = "sealed"


class State(StrEnum):
    """Where an upload stands; `Upload.stage` says more while it is being read."""

    RECEIVING = "receiving"
    READING = "reading"
    READY = "ready"
    FAILED = "failed"


class Upload(SQLModel, table=True):
    """A file on its way to become a version of a dataset; `proposal` is what intake found, once it is ready.

    `key` is its data key, wrapped by the zone's. While it is received, `parts`
    are the sealed pieces that lie in staging, each `[offset, size]`, `length`
    is what was announced, and `declared` what its sender says of it. `problem`
    is why it failed, as a problem document without its address.
    """

    id: str = Field(primary_key=True)
    provider: str = Field(foreign_key="participant.id", index=True)
    zone: str
    filename: str
    source_sha256: str = ""
    payload_sha256: str = ""
    rows: int = 0
    size: int = 0
    proposal: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)
    key: bytes
    created: datetime = Field(sa_type=Moment)
    state: str = Field(default=State.READY, index=True)
    stage: str = ""
    progress: int = 0  # of the stage, in percent
    length: int = Field(default=0, sa_type=BigInteger)
    parts: list[list[int]] = Field(default_factory=list, sa_type=JSON)
    declared: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)
    problem: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)


class Source(SQLModel, table=True):
    """A database of a provider's that datasets are read from; `wrapped` is its address with the password."""

    id: str = Field(primary_key=True)
    provider: str = Field(foreign_key="participant.id", index=True)
    zone: str
    name: str
    wrapped: bytes
    created: datetime = Field(sa_type=Moment)


class ColumnRule(SQLModel, table=True):
    """What a provider said a column is, when it corrected a proposal: said once, it holds for its next files.

    `name` is the column's, as `zones.classify.rule_name` writes it.
    """

    __tablename__ = "column_rule"

    provider: str = Field(primary_key=True, foreign_key="participant.id")
    zone: str = Field(primary_key=True)
    name: str = Field(primary_key=True)
    category: str
    created: datetime = Field(sa_type=Moment)


class Recogniser(SQLModel, table=True):
    """A kind of column of a provider's own; `field` is a field of a zone pack, as JSON."""

    id: str = Field(primary_key=True)
    provider: str = Field(foreign_key="participant.id", index=True)
    zone: str
    field: dict[str, Any] = Field(sa_type=JSON)
    created: datetime = Field(sa_type=Moment)


class Approval(SQLModel, table=True):
    """What a second person is asked for before an upload may be registered, and what it said.

    `asked` are the reason codes that would be lifted; `registration_sha256` is
    of the very columns, terms and report they would be lifted for.
    """

    id: str = Field(primary_key=True)
    provider: str = Field(foreign_key="participant.id", index=True)
    upload: str = Field(index=True)
    zone: str
    asked: list[str] = Field(sa_type=JSON)
    basis: str
    registration_sha256: str
    report: dict[str, Any] = Field(sa_type=JSON)
    state: str = "requested"  # approved, rejected
    by: str = ""
    entry: int | None = None
    created: datetime = Field(sa_type=Moment)


class Dataset(SQLModel, table=True):
    """What a provider offers in a zone, through all its versions.

    `epsilon`, in millionths, is what all consumers together may be granted of it.
    """

    id: str = Field(primary_key=True)
    provider: str = Field(foreign_key="participant.id", index=True)
    zone: str = Field(index=True)
    title: str
    description: str
    listing: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)
    epsilon: int = Field(default=0, sa_type=BigInteger)
    created: datetime = Field(sa_type=Moment)
    withdrawn: datetime | None = Field(default=None, sa_type=Moment)


class DatasetVersion(SQLModel, table=True):
    """One registered file: its confirmed columns, digests and entry.

    `report` is what was measured of it (`report.py`), and `release` how its
    rows are kept k-anonymous (`privacy.release`); both are empty for versions
    that were registered before there were reports. `sealed` is what is known
    of a version whose cells came encrypted for a key service; otherwise empty.
    """

    __tablename__ = "dataset_version"

    dataset: str = Field(primary_key=True, foreign_key="dataset.id")
    version: int = Field(primary_key=True)
    rows: int
    size: int
    level: int
    columns: list[dict[str, Any]] = Field(sa_type=JSON)
    source_sha256: str = Field(index=True)
    payload_sha256: str
    path: str
    entry: int
    report: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)
    report_sha256: str = ""
    release: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)
    sealed: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)
    created: datetime = Field(sa_type=Moment)


class DatasetKey(SQLModel, table=True):
    """A version's data key, wrapped by the zone's key; gone when the dataset is withdrawn."""

    __tablename__ = "dataset_key"

    dataset: str = Field(primary_key=True, foreign_key="dataset.id")
    version: int = Field(primary_key=True)
    wrapped: bytes


class Offer(SQLModel, table=True):
    """The terms on which one version of a dataset is to be had (an ODRL Offer).

    `units` and `epsilon` (in millionths) are what one agreement grants;
    `price` is in fen for one unit. An `automatic` offer is agreed to by the
    service in the provider's name when the policy allows it. `methods` maps a
    column to the stricter method it leaves by under this offer, `sample` is
    the percentage of the subjects whose rows leave. `exact` lets aggregates
    leave without noise, where the history of the dataset allows it;
    `semi_honest` names the consumers that are trusted to follow the protocol,
    without which some forms are refused.
    """

    id: str = Field(primary_key=True)
    dataset: str = Field(foreign_key="dataset.id", index=True)
    version: int
    purposes: list[str] = Field(sa_type=JSON)
    forms: list[str] = Field(sa_type=JSON)
    units: int
    epsilon: int
    price: int
    min_group: int
    row_limit: int
    days: int
    automatic: bool
    methods: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)
    sample: int = 100
    exact: bool = True
    semi_honest: list[str] = Field(default_factory=list, sa_type=JSON)
    expires: datetime = Field(sa_type=Moment)
    created: datetime = Field(sa_type=Moment)
