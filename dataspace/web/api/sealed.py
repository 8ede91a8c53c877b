"""Sealed datasets: taken as they come, and answered by totals that only the consumer opens."""

import base64
from typing import Annotated

import msgspec
from litestar import Controller, Response, post
from litestar.concurrency import sync_to_thread
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter

from dataspace.catalog.register import OfferTerms, Registration
from dataspace.participants.access import Caller
from dataspace.web.api.agreements import answered
from dataspace.web.api.datasets import RegisteredBody
from dataspace.web.auth import AnyRequest
from dataspace.web.bodies import taking
from dataspace.web.receive import receive
from dataspace.web.schemas import Epsilon, In
from dataspace.web.service import Service
from dataspace.wire import OCTETS
from dataspace.wire.sealed import CELLS_LIMIT, COUNT, GROUPS_LIMIT

_KEY = base64.b64encode(bytes(12)).decode()
_BODY_LIMIT = 1 << 20

ZoneOf = Annotated[str, QueryParameter(description="the zone it was sealed for", max_length=64)]
Title = Annotated[str, QueryParameter(description="what it is called", max_length=200)]
Text = Annotated[str, QueryParameter(description="what it is", max_length=2000)]
Amount = Annotated[int, QueryParameter(description="in fen, for one unit", ge=0, le=10**12)]
Count = Annotated[
    int, QueryParameter(description="what one agreement grants; 0 is the usual", ge=0, le=10**12)
]
DatasetOf = Annotated[str, QueryParameter(description="for a new version of a dataset", max_length=64)]
Purposes = Annotated[
    str,
    QueryParameter(description="the purposes it is offered for, a comma between; without any, the zone's"),
]

PublicKey = Annotated[
    str,
    msgspec.Meta(
        description="the key that the answer is sealed to, as `dataspace.client` makes it, in base64",
        examples=[_KEY],
        max_length=2000,
    ),
]


class GroupBody(In):
    """Cells that make one total, each with its weight."""

    cells: Annotated[
        list[int],
        msgspec.Meta(
            description="numbers of cells, as the layout has them", examples=[[0, 2]], max_length=CELLS_LIMIT
        ),
    ]
    weights: Annotated[
        list[int], msgspec.Meta(description="one for each cell", examples=[[1, 1]], max_length=CELLS_LIMIT)
    ]


class LayoutBody(In):
    """The question which labels the cells have."""

    key: PublicKey


class TotalBody(In):
    """The question for totals: a measure, groups of cells, and the privacy loss it may cost."""

    measure: Annotated[str, msgspec.Meta(description="a measure, or count", examples=[COUNT], max_length=200)]
    groups: Annotated[
        list[GroupBody],
        msgspec.Meta(
            description="no cell is in two of them",
            examples=[[{"cells": [0], "weights": [1]}]],
            min_length=1,
            max_length=GROUPS_LIMIT,
        ),
    ]
    epsilon: Epsilon
    key: PublicKey


class SealedUploads(Controller):
    """Containers that `dataspace seal` makes."""

    path = "/datasets/sealed"
    tags = ("datasets",)

    @post("/", request_max_body_size=None, operation_class=taking(OCTETS, "`dataspace seal` makes it"))
    async def register(  # noqa: PLR0913 - the parameters of the query
        self,
        request: AnyRequest,
        caller: NamedDependency[Caller],
        service: NamedDependency[Service],
        *,
        zone: ZoneOf,
        title: Title,
        price: Amount,
        description: Text = "",
        dataset: DatasetOf = "",
        purposes: Purposes = "",
        units: Count = 1000,
        epsilon: Count = 0,
    ) -> RegisteredBody:
        """Register a sealed dataset: the body is the container, of which nothing here can be opened."""
        offer = OfferTerms(
            price, purposes=tuple(filter(None, purposes.split(","))), units=units, epsilon=epsilon
        )
        registration = Registration(title, offer, description=description, dataset=dataset)
        limit, uploads = service.space.settings.upload_limit, service.uploads
        with service.limits.uploads.holding(caller.id):
            received = await receive(request, lambda _: uploads.stage(caller, zone), limit)
            found = await sync_to_thread(
                service.sealing.register, caller, zone, received.staging, registration
            )
        return RegisteredBody.of(found)


class SealedTotals(Controller):
    """Questions under an agreement on a sealed dataset."""

    path = "/agreements/{agreement:str}/sealed"
    tags = ("agreements",)

    @post("/layout", sync_to_thread=True, status_code=200)
    def layout(
        self,
        agreement: FromPath[str],
        data: JSONBody[LayoutBody],
        caller: NamedDependency[Caller],
        service: NamedDependency[Service],
    ) -> Response[bytes]:
        """Ask which labels the cells have: the key service answers, and only the consumer opens it."""
        with service.limits.queries.holding(caller.id):
            return answered(service.sealed.layout(caller, agreement, data.key))

    @post("/totals", sync_to_thread=True, status_code=200, request_max_body_size=_BODY_LIMIT)
    def totals(
        self,
        agreement: FromPath[str],
        data: JSONBody[TotalBody],
        caller: NamedDependency[Caller],
        service: NamedDependency[Service],
    ) -> Response[bytes]:
        """Ask for noised totals: computed on ciphertext, opened by the key service, sealed to the consumer.

        The same question again is the same answer, at no cost.
        """
        asked = msgspec.to_builtins(data)
        with service.limits.queries.holding(caller.id):
            return answered(service.sealed.total(caller, agreement, asked))
