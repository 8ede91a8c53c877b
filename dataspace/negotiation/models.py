"""What is stored of negotiations and agreements."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON
from sqlmodel import Field, SQLModel

from dataspace.moment import Moment


class Negotiation(SQLModel, table=True):
    """One contract negotiation; `terms` are the ones on the table, whoever spoke last."""

    id: str = Field(primary_key=True)
    offer: str = Field(foreign_key="offer.id")
    dataset: str = Field(foreign_key="dataset.id")
    provider: str = Field(foreign_key="participant.id", index=True)
    consumer: str = Field(foreign_key="participant.id", index=True)
    state: str
    terms: dict[str, Any] = Field(sa_type=JSON)
    agreement: str | None = None
    created: datetime = Field(sa_type=Moment)
    updated: datetime = Field(sa_type=Moment)


class Agreement(SQLModel, table=True):
    """What both sides hold each other to (an ODRL Agreement); its key makes its pseudonyms its own."""

    id: str = Field(primary_key=True)
    negotiation: str = Field(foreign_key="negotiation.id")
    offer: str = Field(foreign_key="offer.id")
    dataset: str = Field(foreign_key="dataset.id", index=True)
    provider: str = Field(foreign_key="participant.id", index=True)
    consumer: str = Field(foreign_key="participant.id", index=True)
    versions: list[int] = Field(sa_type=JSON)
    purpose: str
    forms: list[str] = Field(sa_type=JSON)
    units: int
    epsilon: int
    price: int
    expires: datetime = Field(sa_type=Moment)
    state: str
    key: bytes
    entry: int
    created: datetime = Field(sa_type=Moment)
