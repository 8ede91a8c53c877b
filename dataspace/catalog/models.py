"""What is stored of datasets: uploads that wait, versions, their data keys, offers.

A data key lies in a table of its own, wrapped by the zone's key, so that
withdrawing a dataset deletes a row and nothing else of the history.
"""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON
from sqlmodel import Field, SQLModel

from dataspace.moment import Moment


class Form(StrEnum):
    """The forms an answer can take."""

    ROWS = "rows"
    AGGREGATE = "aggregate"
    ENCRYPTED = "encrypted"


class Upload(SQLModel, table=True):
    """A file that was read and waits for its provider's word; `proposal` is what intake found."""

    id: str = Field(primary_key=True)
    provider: str = Field(foreign_key="participant.id", index=True)
    zone: str
    filename: str
    source_sha256: str
    payload_sha256: str
    rows: int
    size: int
    proposal: dict[str, Any] = Field(sa_type=JSON)
    key: bytes
    created: datetime = Field(sa_type=Moment)


class Dataset(SQLModel, table=True):
    """What a provider offers in a zone, through all its versions."""

    id: str = Field(primary_key=True)
    provider: str = Field(foreign_key="participant.id", index=True)
    zone: str = Field(index=True)
    title: str
    description: str
    created: datetime = Field(sa_type=Moment)
    withdrawn: datetime | None = Field(default=None, sa_type=Moment)


class DatasetVersion(SQLModel, table=True):
    """One registered file: its confirmed columns, digests and entry."""

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
    service in the provider's name when the policy allows it.
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
    expires: datetime = Field(sa_type=Moment)
    created: datetime = Field(sa_type=Moment)
