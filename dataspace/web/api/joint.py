"""Joint statistics: what consumers ask of each zone, and what zones bring one another."""

from typing import Annotated

import msgspec
from litestar import Controller, Response, get, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, RawBody

from dataspace.errors import NotFound
from dataspace.participants.access import Caller
from dataspace.transfer.forms.joint import JointAnswers
from dataspace.web.bodies import CLIENT, taking
from dataspace.web.schemas import Entry, Epsilon, Out, Price, Sha256
from dataspace.web.service import Service
from dataspace.wire import ENVELOPE
from dataspace.wire.part import PART_LIMIT, REQUEST_LIMIT

PeerName = Annotated[
    str, msgspec.Meta(description="a service, as the peers' file names it", examples=["east-space"])
]


class JointPartBody(Out):
    """A zone's part of a joint statistic: what it cost, and where it is; the part itself leaves to nobody."""

    job: Annotated[
        str,
        msgspec.Meta(
            description="the job's id, 128 bits in hex", examples=["00112233445566778899aabbccddeeff"]
        ),
    ]
    peer: PeerName
    coordinator: PeerName
    entry: Entry
    sha256: Sha256
    delivered: Annotated[
        bool,
        msgspec.Meta(description="the coordinator has it; if not, send the job again", examples=[True]),
    ]
    units: Annotated[int, msgspec.Meta(description="what this call cost: 0 when repeated", examples=[1])]
    epsilon: Epsilon
    price: Price


class Jobs(Controller):
    """A job of several zones, as one of them gets it from the consumer."""

    path = "/agreements"
    tags = ("agreements",)

    @post(
        "/{agreement:str}/joint",
        sync_to_thread=True,
        status_code=200,
        request_max_body_size=REQUEST_LIMIT,
        operation_class=taking(ENVELOPE, CLIENT, REQUEST_LIMIT),
    )
    def part(
        self,
        agreement: FromPath[str],
        body: RawBody,
        caller: NamedDependency[Caller],
        service: NamedDependency[Service],
    ) -> JointPartBody:
        """Compute this zone's part of a job, once, and bring it to the coordinator; `dataspace.client` asks.

        The same job again costs nothing: it delivers the part again.
        """
        with service.limits.queries.holding(caller.id):
            view = _joint(service).part(caller, agreement, body)
        return JointPartBody(**{name: getattr(view, name) for name in JointPartBody.__struct_fields__})


class Sums(Controller):
    """The answers that this service adds up."""

    path = "/joint"
    tags = ("agreements",)

    @get("/{job:str}", sync_to_thread=True, media_type=ENVELOPE)
    def sum(
        self, job: FromPath[str], caller: NamedDependency[Caller], service: NamedDependency[Service]
    ) -> Response[bytes]:
        """Return the sum of all zones' parts, under the consumer's key; 409 names those that are missing."""
        with service.limits.queries.holding(caller.id):
            return Response(_joint(service).coordinator.sum(caller, job), media_type=ENVELOPE)


class Parts(Controller):
    """What other zones bring: no participant's act, so that the peer's signature is all that counts."""

    path = "/joint"
    tags = ("ledger",)

    @put(
        "/{job:str}/parts/{peer:str}",
        sync_to_thread=True,
        status_code=204,
        request_max_body_size=PART_LIMIT,
        operation_class=taking(ENVELOPE, "the peer signs it and masks it for everybody else", PART_LIMIT),
    )
    def take(
        self, job: FromPath[str], peer: FromPath[str], body: RawBody, service: NamedDependency[Service]
    ) -> None:
        """Take a peer's part of a joint statistic, signed by it and masked for everybody else."""
        coordinator = _joint(service).coordinator
        # Verified first: who is no peer holds nothing of what is counted here.
        part = coordinator.verified(job, peer, body)
        with service.limits.queries.holding(f"peer {part.peer}"):
            coordinator.take(part)


def _joint(service: Service) -> JointAnswers:
    if service.joint is None:
        raise NotFound("this service computes nothing with others: it has no peers")
    return service.joint
