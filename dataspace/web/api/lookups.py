"""Private lookups and intersections: bodies are packed points, as `dataspace.client` makes them."""

from typing import Annotated

import msgspec
from litestar import Controller, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter, RawBody

from dataspace.participants.access import Caller
from dataspace.transfer.forms.lookups import TableView
from dataspace.web.api.agreements import answered
from dataspace.web.bodies import CLIENT, taking
from dataspace.web.schemas import Out
from dataspace.web.service import Service
from dataspace.wire import OCTETS
from dataspace.wire.intersection import OPENING_LIMIT, RETURNED_LIMIT
from dataspace.wire.oprf import LABEL, POINT

_POINTS_LIMIT = 1000 * POINT
_WHOLE = -1

Identifier = Annotated[
    str, QueryParameter(description="the column of the dataset that is looked up by", max_length=200)
]
Ticket = Annotated[int, QueryParameter(description="the entry of an evaluation under the agreement", ge=0)]
Bucket = Annotated[int, QueryParameter(description="the bucket; -1 is the whole table", ge=-1, le=65_535)]


class FieldBody(Out):
    """A column of a record."""

    name: Annotated[str, msgspec.Meta(description="as in the file", examples=["district"])]
    type: Annotated[str, msgspec.Meta(description="the type of its values as they leave", examples=["text"])]


class LookupTableBody(Out):
    """The table that evaluations are of; until it is built, `progress` alone says something."""

    progress: Annotated[int, msgspec.Meta(description="percent of it that are built", examples=[100])]
    table: Annotated[str, msgspec.Meta(description="its name", examples=["lt-1029384756abcdef"])]
    fields: Annotated[
        list[FieldBody],
        msgspec.Meta(
            description="what a row of a record holds", examples=[[{"name": "district", "type": "text"}]]
        ),
    ]
    records: Annotated[int, msgspec.Meta(description="how many subjects have a record", examples=[20_000])]
    length: Annotated[int, msgspec.Meta(description="bytes of a sealed record", examples=[144])]
    buckets: Annotated[int, msgspec.Meta(description="how many buckets it is cut into", examples=[16])]

    @classmethod
    def of(cls, view: TableView) -> "LookupTableBody":
        """Return what is told of a table."""
        if view.head is None:
            return cls(view.progress, "", [], 0, 0, 0)
        fields = [FieldBody(field["name"], field["type"]) for field in view.head.fields]
        length = view.head.stride - LABEL
        return cls(view.progress, view.id, fields, view.head.records, length, len(view.head.counts))


class Lookups(Controller):
    """Private lookups and intersections under an agreement."""

    path = "/agreements/{agreement:str}"
    tags = ("agreements",)

    @post(
        "/evaluations",
        sync_to_thread=True,
        status_code=200,
        request_max_body_size=_POINTS_LIMIT,
        operation_class=taking(OCTETS, CLIENT, _POINTS_LIMIT),
    )
    def evaluate(
        self,
        agreement: FromPath[str],
        identifier: Identifier,
        body: RawBody,
        caller: NamedDependency[Caller],
        service: NamedDependency[Service],
    ) -> Response[bytes]:
        """Evaluate blinded points, one unit each; the first time, build the table they are for."""
        with service.limits.queries.holding(caller.id):
            return answered(service.lookups.evaluate(caller, agreement, identifier, body))

    @get("/lookup", sync_to_thread=True)
    def table(
        self,
        agreement: FromPath[str],
        identifier: Identifier,
        caller: NamedDependency[Caller],
        service: NamedDependency[Service],
    ) -> LookupTableBody:
        """Show the table that evaluations are of, or how far its building is."""
        return LookupTableBody.of(service.lookups.table(caller, agreement, identifier))

    @get("/lookup/{table:str}", sync_to_thread=True, media_type=OCTETS)
    def records(
        self,
        agreement: FromPath[str],
        table: FromPath[str],
        entry: Ticket,
        caller: NamedDependency[Caller],
        service: NamedDependency[Service],
        bucket: Bucket = _WHOLE,
    ) -> bytes:
        """Fetch sealed records: of one bucket, which tells the service that much, or all of them."""
        with service.limits.queries.holding(caller.id):
            wanted = None if bucket == _WHOLE else bucket
            return service.lookups.records(caller, agreement, table, entry=entry, bucket=wanted)

    @post(
        "/intersections",
        sync_to_thread=True,
        status_code=200,
        request_max_body_size=OPENING_LIMIT,
        operation_class=taking(OCTETS, CLIENT, OPENING_LIMIT),
    )
    def begin(
        self,
        agreement: FromPath[str],
        body: RawBody,
        caller: NamedDependency[Caller],
        service: NamedDependency[Service],
    ) -> Response[bytes]:
        """Begin an intersection: the consumer's blinded set for the zone's, for one unit."""
        with service.limits.queries.holding(caller.id):
            return answered(service.intersections.begin(caller, agreement, body))

    @post(
        "/intersections/{job:str}",
        sync_to_thread=True,
        status_code=200,
        request_max_body_size=RETURNED_LIMIT,
        operation_class=taking(OCTETS, CLIENT, RETURNED_LIMIT),
    )
    def finish(
        self,
        agreement: FromPath[str],
        job: FromPath[str],
        body: RawBody,
        caller: NamedDependency[Caller],
        service: NamedDependency[Service],
    ) -> Response[bytes]:
        """Finish an intersection: the noised answer, for epsilon and a unit for each thousand items begun."""
        with service.limits.queries.holding(caller.id):
            return answered(service.intersections.finish(caller, agreement, job, body))
