"""What is stored of decisions, so that an auditor can make them again: bundles and inputs, by digest."""

from datetime import datetime

from sqlmodel import Field, SQLModel

from dataspace.moment import Moment


class PolicyBundle(SQLModel, table=True):
    """A bundle that decided here at some time; append-only."""

    __tablename__ = "policy_bundle"

    digest: str = Field(primary_key=True)
    content: bytes
    adopted: datetime = Field(sa_type=Moment)


class PolicyInput(SQLModel, table=True):
    """The input of one decision, as the bytes its digest is of; holds no cell of a dataset."""

    __tablename__ = "policy_input"

    digest: str = Field(primary_key=True)
    content: str
