"""Databases of providers, from which tables become uploads."""

from typing import Annotated

import msgspec
from litestar import Controller, delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from dataspace.catalog.models import Source
from dataspace.participants.access import Caller
from dataspace.web.api.uploads import UploadBody
from dataspace.web.schemas import In, Moment, Out, Zone
from dataspace.web.service import Service

SourceId = Annotated[
    str, msgspec.Meta(description="a database of a provider's", examples=["sr-0f1e2d3c4b5a6978"])
]
Name = Annotated[str, msgspec.Meta(description="what its provider calls it", examples=["登记库"])]


class SourceIn(In):
    """A database to read from. Its address is kept under the zone's key, and never shown again."""

    zone: Zone
    name: Name
    url: Annotated[
        str,
        msgspec.Meta(
            description="postgresql://user:password@host:port/database, with ?sslmode=require or disable "
            "where the certificate cannot be verified; the operator lists the hosts (DATASPACE_SOURCES)",
            examples=["postgresql://reader:secret@db.example:5432/registry"],
            max_length=2048,
        ),
    ]


class SourceBody(Out):
    """A database to read from, without its address."""

    id: SourceId
    zone: Zone
    name: Name
    created: Moment

    @classmethod
    def of(cls, source: Source) -> "SourceBody":
        """Return what is told of a source."""
        return cls(id=source.id, zone=source.zone, name=source.name, created=source.created)


class TakeIn(In):
    """What to read: a table, or what a query answers."""

    table: Annotated[
        str, msgspec.Meta(description="like people, or public.people", examples=["people"], max_length=200)
    ] = ""
    query: Annotated[
        str,
        msgspec.Meta(
            description="exactly one SELECT", examples=["SELECT id, age FROM people"], max_length=8192
        ),
    ] = ""


class Sources(Controller):
    """Databases to read from; each is its provider's alone."""

    path = "/sources"
    tags = ("datasets",)

    @post("/", sync_to_thread=True)
    def add(
        self,
        data: JSONBody[SourceIn],
        caller: NamedDependency[Caller],
        service: NamedDependency[Service],
    ) -> SourceBody:
        """Add a PostgreSQL database to read from; nothing is asked of it yet."""
        return SourceBody.of(service.sources.add(caller, data.zone, data.name, data.url))

    @get("/", sync_to_thread=True)
    def mine(self, caller: NamedDependency[Caller], service: NamedDependency[Service]) -> list[SourceBody]:
        """List the caller's sources, newest first, without their addresses."""
        return [SourceBody.of(source) for source in service.sources.mine(caller)]

    @delete("/{source:str}", sync_to_thread=True)
    def remove(
        self, source: FromPath[str], caller: NamedDependency[Caller], service: NamedDependency[Service]
    ) -> None:
        """Forget a source and its address."""
        service.sources.remove(caller, source)

    @post("/{source:str}/uploads", sync_to_thread=True, status_code=202)
    def take(
        self,
        source: FromPath[str],
        data: JSONBody[TakeIn],
        caller: NamedDependency[Caller],
        service: NamedDependency[Service],
    ) -> UploadBody:
        """Upload a table, or what a query answers, from the database itself.

        It is copied in one read-only transaction and read in the background: `GET /api/uploads/{id}` tells
        how far it is, and what was found.
        """
        upload = service.sources.take(caller, source, table=data.table, query=data.query)
        return UploadBody.of(upload, service.space.settings.url)
