"""This space as a witness of other logs (C2SP tlog-witness).

Nobody needs an account: a submission is worth what the log's signature under
it is. What is refused is told in plain text, in the statuses of the protocol.
"""

from typing import Final

from litestar import Controller, MediaType, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, RawBody

from dataspace.errors import Conflict, DataSpaceError, NotFound
from dataspace.ledger.cosign import SIZE_TYPE
from dataspace.ledger.witness import BODY_LIMIT, Witness
from dataspace.web.bodies import taking
from dataspace.web.problems import describe
from dataspace.web.service import Service

_TEXT: Final = "text/plain"  # to which Litestar adds the charset


class WitnessController(Controller):
    """What other logs ask of this space."""

    path = "/witness"
    tags = ("ledger",)

    @post(
        "/add-checkpoint",
        sync_to_thread=True,
        status_code=200,
        media_type=MediaType.TEXT,
        request_max_body_size=BODY_LIMIT,
        operation_class=taking(_TEXT, "the log makes it, as C2SP tlog-witness says", BODY_LIMIT),
    )
    def add_checkpoint(self, body: RawBody, service: NamedDependency[Service]) -> Response[bytes]:
        """Cosign a checkpoint of a log that this space knows, if it extends the one that it cosigned last."""
        try:
            # Whose submission it is does not matter: anybody may pass on a signed checkpoint.
            with service.limits.cosignatures.holding(""):
                lines = _witness(service).add_checkpoint(body)
        except DataSpaceError as error:
            return _refusal(error)
        return Response(lines.encode(), media_type=_TEXT)

    @get("/{digest:str}/checkpoint", sync_to_thread=True, media_type=MediaType.TEXT)
    def checkpoint(self, digest: FromPath[str], service: NamedDependency[Service]) -> Response[str]:
        """Give out the head of a log that was cosigned last, by the SHA-256 of its origin in hexadecimal."""
        with service.space.database.reading() as session:
            note = _witness(service).latest(session, digest)
        return Response(note, media_type=_TEXT, headers={"Cache-Control": "no-cache"})


def _witness(service: Service) -> Witness:
    if service.witness is None:
        raise NotFound("unknown log: this space is a witness of none")
    return service.witness


def _refusal(error: DataSpaceError) -> Response[bytes]:
    """Answer as the protocol wants it: a status, and a line for who reads logs."""
    problem = describe(error)
    if isinstance(error, Conflict) and "size" in error.facts:
        # As a header: Litestar adds a charset to every text, and clients compare the whole of this one.
        headers = {"Content-Type": SIZE_TYPE}
        return Response(f"{error.facts['size']}\n".encode(), status_code=409, headers=headers)
    return Response(
        f"{problem.detail}\n".encode(),
        status_code=problem.status,
        media_type=_TEXT,
        headers=dict(problem.headers),
    )
