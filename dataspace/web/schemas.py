"""What crosses HTTP: the base of the Structs, and the kinds of field that many of them share.

A Struct that comes in knows every field it may have, and refuses the rest. One
that goes out is built field by field: a stored row never leaves. The examples
of the fields are the examples of the API's description.
"""

from datetime import datetime
from typing import Annotated

import msgspec

from dataspace.catalog.models import Form
from dataspace.table import Attribute, Column, Method, Type


class In(msgspec.Struct, forbid_unknown_fields=True):
    """A body that is sent to the service."""


class Out(msgspec.Struct):
    """A body that the service answers with."""


def _meta(description: str, example: object) -> msgspec.Meta:
    return msgspec.Meta(description=description, examples=[example])


ParticipantId = Annotated[str, _meta("a participant", "pt-5f0c8a1d2b3e4f60")]
DatasetId = Annotated[str, _meta("a dataset", "ds-0a1b2c3d4e5f6071")]
OfferId = Annotated[str, _meta("an offer of a dataset", "of-1122334455667788")]
NegotiationId = Annotated[str, _meta("a negotiation", "ng-8877665544332211")]
AgreementId = Annotated[str, _meta("an agreement", "ag-00ff11ee22dd33cc")]
UploadId = Annotated[str, _meta("an upload that waits to be confirmed", "up-1f2e3d4c5b6a7988")]
Zone = Annotated[str, _meta("a zone that this service hosts: GET /api/zones lists them", "commerce")]
Entry = Annotated[int, _meta("the index of the ledger's entry", 41)]
Units = Annotated[
    int,
    _meta("metered units: one for each thousand rows begun, or for one other answer", 100),
    msgspec.Meta(ge=1),
]
Epsilon = Annotated[int, _meta("privacy budget, in millionths of epsilon", 1_000_000), msgspec.Meta(ge=0)]
Price = Annotated[int, _meta("price of one unit, in fen (0.01 yuan)", 250), msgspec.Meta(ge=0)]
Purpose = Annotated[str, _meta("one of the zone's purposes", "statistics"), msgspec.Meta(max_length=64)]
Purposes = Annotated[list[Purpose], _meta("some of the zone's purposes", ["statistics"])]
Sha256 = Annotated[
    str, _meta("SHA-256 in hex", "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08")
]
Version = Annotated[int, _meta("a version of the dataset, from 1", 1)]
Link = Annotated[str, _meta("a path on this service", "/api/receipts/41")]

Forms = Annotated[list[Form], _meta("the forms an answer may take", ["rows", "aggregate"])]
Moment = Annotated[datetime, _meta("a time, in UTC", "2026-11-23T01:30:00Z")]
Level = Annotated[int, _meta("how sensitive it is: a level of the zone, from 1", 2)]


class ColumnBody(Out):
    """A column of a dataset: what it is, and how its values leave as rows."""

    name: Annotated[str, _meta("as in the file", "district")]
    type: Type
    category: Annotated[str, _meta("a category of the zone", "general")]
    level: Level
    method: Annotated[Method, _meta("how its values leave as rows", "keep")]
    parameters: Annotated[dict[str, int | str], _meta("the parameters of the method", {})]
    aggregable: Annotated[bool, _meta("whether SUM and AVG may be asked of it", False)]
    subject: Annotated[bool, _meta("whether it says whom a row is about", False)]
    attribute: Annotated[Attribute, _meta("what it tells of a person whom somebody looks for", "other")]

    @classmethod
    def of(cls, column: Column) -> "ColumnBody":
        """Return what is told of a column."""
        return cls(
            **{name: getattr(column, name) for name in cls.__struct_fields__ if name != "parameters"},
            parameters=dict(column.parameters),
        )
