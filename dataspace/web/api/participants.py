"""Participants, their tokens and their sessions."""

from typing import Annotated

import msgspec
from litestar import Controller, Response, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from dataspace.errors import Unprocessable
from dataspace.membership.member import Member
from dataspace.participants.access import Caller
from dataspace.participants.models import Role, Status
from dataspace.web import auth
from dataspace.web.auth import AnyRequest
from dataspace.web.schemas import Entry, In, Out, ParticipantId, Zone
from dataspace.web.service import Service

Name = Annotated[
    str, msgspec.Meta(description="the organisation", examples=["某市统计局"], min_length=1, max_length=200)
]
Login = Annotated[
    str,
    msgspec.Meta(
        description="the name for logging in to the portal",
        examples=["tjj"],
        pattern=r"^[a-z0-9][a-z0-9._@-]{1,63}$",
    ),
]
Password = Annotated[
    str,
    msgspec.Meta(
        description="the password for the portal", examples=["correct horse battery"], max_length=1024
    ),
]
Token = Annotated[
    str,
    msgspec.Meta(
        description="a bearer token: it is shown this once",
        examples=["dsp_REPLACE-ME-this-is-only-an-example-0000000000"],
    ),
]
Roles = Annotated[
    list[Role], msgspec.Meta(description="what it may be", examples=[["consumer"]], min_length=1)
]
Zones = Annotated[
    list[Zone],
    msgspec.Meta(
        description="the zones whose entries an auditor may read; none are named: every zone",
        examples=[["commerce"]],
    ),
]


Entity = Annotated[
    str,
    msgspec.Meta(
        description="a digest of the legal entity behind it, equal for its accounts; empty: none is named",
        examples=[""],
    ),
]


class LoginBody(In):
    """A login to the portal."""

    login: Login
    password: Password


class ParticipantBody(Out):
    """A participant."""

    id: ParticipantId
    name: Name
    login: Login
    roles: Roles
    status: Annotated[Status, msgspec.Meta(description="whether its credentials work", examples=["active"])]
    zones: Zones
    entity: Entity

    @classmethod
    def of(cls, member: Member) -> "ParticipantBody":
        """Return what is told of a member."""
        return cls(
            id=member.id,
            name=member.name,
            login=member.login,
            roles=list(member.roles),
            status=member.status,
            zones=list(member.zones),
            entity=member.entity,
        )


class AdmissionBody(In):
    """Whom to admit; without a password it uses tokens alone."""

    name: Name
    login: Login
    roles: Roles
    password: Password | None = None
    zones: Zones = msgspec.field(default_factory=list)


class AdmittedBody(Out):
    """A new participant and its first token."""

    participant: ParticipantBody
    token: Token
    entry: Entry


class ChangeBody(In):
    """What to change of a participant; what is left out stays."""

    roles: Roles | None = None
    status: Annotated[Status, msgspec.Meta(examples=["suspended"])] | None = None
    zones: Zones | None = None
    entity: (
        Annotated[
            str,
            msgspec.Meta(
                description="the identifier of the legal entity behind it: accounts of one share one privacy "
                "budget; kept as a digest",
                examples=["91110000100000000X"],
                max_length=100,
            ),
        ]
        | None
    ) = None


class TokenBody(Out):
    """A new token."""

    token: Token


class Session(Controller):
    """The portal's session; opening one is the only act of the API that needs no credential."""

    path = "/api/session"
    tags = ("session",)

    @post("/", sync_to_thread=True, status_code=200)
    def log_in(self, request: AnyRequest, data: JSONBody[LoginBody]) -> Response[ParticipantBody]:
        """Open a portal session: the answer sets its cookie.

        Programs need none: they send their token with every request.
        """
        service = auth.service_of(request)
        caller, cookie = auth.log_in(request, data.login, data.password)
        response = Response(ParticipantBody.of(service.membership.member(caller, caller.id)))
        response.set_cookie(cookie)
        return response

    @delete("/", sync_to_thread=True, guards=[auth.signed_in])
    def log_out(self, request: AnyRequest) -> Response[None]:
        """End the portal session whose cookie came with the request."""
        response: Response[None] = Response(None, status_code=204)
        response.set_cookie(auth.log_out(request))
        return response


@get("/me", sync_to_thread=True, tags=["participants"])
def me(caller: NamedDependency[Caller], service: NamedDependency[Service]) -> ParticipantBody:
    """Tell who the credential belongs to."""
    return ParticipantBody.of(service.membership.member(caller, caller.id))


class Participants(Controller):
    """Who takes part: operators see and change everybody, the others see themselves."""

    path = "/participants"
    tags = ("participants",)

    @get("/", sync_to_thread=True)
    def members(
        self, caller: NamedDependency[Caller], service: NamedDependency[Service]
    ) -> list[ParticipantBody]:
        """List the participants: all of them for an operator, otherwise the caller alone."""
        return [ParticipantBody.of(member) for member in service.membership.members(caller)]

    @post("/", sync_to_thread=True)
    def admit(
        self,
        data: JSONBody[AdmissionBody],
        caller: NamedDependency[Caller],
        service: NamedDependency[Service],
    ) -> AdmittedBody:
        """Admit a participant, as an operator; its token is in this answer and nowhere else."""
        admission = service.membership.admit(
            caller, data.name, data.login, data.roles, data.password, zones=data.zones
        )
        return AdmittedBody(
            participant=ParticipantBody.of(admission.member), token=admission.token, entry=admission.entry
        )

    @get("/{participant:str}", sync_to_thread=True)
    def member(
        self, participant: FromPath[str], caller: NamedDependency[Caller], service: NamedDependency[Service]
    ) -> ParticipantBody:
        """Show one participant."""
        return ParticipantBody.of(service.membership.member(caller, participant))

    @patch("/{participant:str}", sync_to_thread=True)
    def change(
        self,
        participant: FromPath[str],
        data: JSONBody[ChangeBody],
        caller: NamedDependency[Caller],
        service: NamedDependency[Service],
    ) -> ParticipantBody:
        """Give a participant other roles, zones or entity, suspend it or bring it back, as an operator.

        Its portal sessions end.
        """
        if all(value is None for value in (data.roles, data.status, data.zones, data.entity)):
            raise Unprocessable("nothing to change: want roles, status, zones or entity")
        found = service.membership.change(
            caller,
            participant,
            roles=data.roles,
            status=data.status,
            zones=data.zones,
            entity=data.entity,
        )
        return ParticipantBody.of(found)

    @post("/{participant:str}/tokens", sync_to_thread=True)
    def issue_token(
        self, participant: FromPath[str], caller: NamedDependency[Caller], service: NamedDependency[Service]
    ) -> TokenBody:
        """Issue a further token, for the caller itself or, as an operator, for another."""
        return TokenBody(token=service.membership.issue_token(caller, participant))


@delete("/tokens/current", sync_to_thread=True, tags=["participants"])
def revoke_token(
    request: AnyRequest, caller: NamedDependency[Caller], service: NamedDependency[Service]
) -> None:
    """Revoke the token that this request came with."""
    token = auth.bearer(request)
    if token is None:
        raise Unprocessable(
            "this request came with a cookie: send the token to revoke in the header Authorization"
        )
    service.membership.revoke_token(caller, token)
