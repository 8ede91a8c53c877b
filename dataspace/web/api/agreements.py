"""Agreements, and the answers that are given under them."""

import base64
from typing import Annotated, Any, Literal

import msgspec
from litestar import Controller, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, RawBody

from dataspace.catalog.models import Form
from dataspace.errors import Unprocessable, Unsupported
from dataspace.negotiation.models import Agreement
from dataspace.negotiation.states import State
from dataspace.participants.access import Caller
from dataspace.transfer.conduct import Answer
from dataspace.web.api.grammar import QUERY
from dataspace.web.api.noise import NoiseBody
from dataspace.web.auth import AnyRequest
from dataspace.web.bodies import CLIENT, taking
from dataspace.web.schemas import (
    AgreementId,
    DatasetId,
    Entry,
    Epsilon,
    Forms,
    In,
    Moment,
    NegotiationId,
    OfferId,
    Out,
    ParticipantId,
    Price,
    Purpose,
    Units,
    Version,
)
from dataspace.web.service import Service
from dataspace.wire import ARROW, ENTRY_HEADER, ENVELOPE, JSON, PRICE_HEADER, UNITS_HEADER
from dataspace.wire.parameters import DEFAULT_PARAMETERS

# Twice the largest query of a parameter set, which brings its public key along.
_ENVELOPE_LIMIT = 2 << 20


class AgreementBody(Out):
    """An agreement, as both of its sides see it."""

    id: AgreementId
    state: Annotated[State, msgspec.Meta(description="FINALIZED is in force", examples=["FINALIZED"])]
    negotiation: NegotiationId
    offer: OfferId
    dataset: DatasetId
    versions: list[Version]
    provider: ParticipantId
    consumer: ParticipantId
    purpose: Purpose
    forms: Forms
    units: Units
    epsilon: Epsilon
    price: Price
    expires: Moment
    entry: Entry
    created: Moment

    @classmethod
    def of(cls, found: Agreement) -> "AgreementBody":
        """Return what is told of an agreement: all but its key."""
        return cls(**_told(found))


class SpentBody(Out):
    """How much of a budget is left; a reservation counts as spent until its query is settled."""

    granted: int
    spent: int
    reserved: int


class UsageBody(Out):
    """The budgets of an agreement; epsilon in millionths."""

    units: SpentBody
    epsilon: SpentBody


class UsedAgreementBody(AgreementBody):
    """An agreement and, for its consumer, what was used of it."""

    usage: UsageBody


class QueryBody(In):
    """A query in the SQL subset, over the table `data`, and the form of its answer."""

    sql: Annotated[
        str,
        msgspec.Meta(
            description="one SELECT over the table data, as the operation describes it",
            examples=["SELECT district, COUNT(*), AVG(amount) FROM data GROUP BY district"],
            max_length=20_000,
        ),
    ]
    form: Annotated[Form, msgspec.Meta(description="the form of the answer", examples=["aggregate"])]
    noise: NoiseBody | None = None


class CubeBody(Out):
    """A cube that encrypted queries under this agreement may use."""

    id: Annotated[str, msgspec.Meta(description="the cube", examples=["cb-1029384756abcdef"])]
    layout: Annotated[
        dict[str, Any],
        msgspec.Meta(
            description="which slot is which cell, for `dataspace.client`",
            examples=[
                {
                    "cube": "cb-1029384756abcdef",
                    "dimensions": ["district"],
                    "measures": [{"name": "count", "bound": 511, "precision": 0, "noise": 2}],
                    "max_rows": 1,
                    "cells": [["东城区"], ["西城区"]],
                }
            ],
        ),
    ]
    entry: Entry
    epsilon: Epsilon


class CubeSpecBody(In):
    """What a cube is made of; `dataspace.privacy.spec` says what each part means."""

    dimensions: Annotated[
        list[str | dict[str, str | int]],
        msgspec.Meta(
            description="the columns whose values make the cells; of numbers, also in bins",
            examples=[
                ["district", {"column": "age", "width": 10}, {"column": "income", "bands": "2000,9000"}]
            ],
        ),
    ]
    measures: Annotated[
        list[dict[str, Any]],
        msgspec.Meta(
            description="a count, sums of columns that are clamped to low..high, sums of products of two",
            examples=[
                [
                    {"kind": "count"},
                    {"kind": "sum", "column": "amount", "low": 0, "high": 5000, "precision": 2},
                ]
            ],
        ),
    ]
    max_rows: Annotated[
        int, msgspec.Meta(description="the most rows of one subject that count", examples=[3])
    ]
    epsilon: Epsilon
    presence: Literal["noised", "exact"] = "noised"
    complete: Annotated[
        bool,
        msgspec.Meta(
            description="whether rows count alone that have a value in every measured column", examples=[True]
        ),
    ] = False
    parameters: (
        Annotated[
            str,
            msgspec.Meta(description="a parameter set of `dataspace.wire`", examples=[DEFAULT_PARAMETERS]),
        ]
        | None
    ) = None

    def spec(self) -> dict[str, Any]:
        """Return it as the journey takes it."""
        told = {name: getattr(self, name) for name in CubeSpecBody.__struct_fields__}
        return {name: value for name, value in told.items() if value is not None}


class Agreements(Controller):
    """The agreements a caller is a side of; those of others do not exist for it."""

    path = "/agreements"
    tags = ("agreements",)

    @get("/", sync_to_thread=True)
    def agreements(
        self, caller: NamedDependency[Caller], service: NamedDependency[Service]
    ) -> list[AgreementBody]:
        """List the caller's agreements, on either side, newest first."""
        return [AgreementBody.of(found) for found in service.negotiator.agreements(caller)]

    @get("/{agreement:str}", sync_to_thread=True)
    def agreement(
        self, agreement: FromPath[str], caller: NamedDependency[Caller], service: NamedDependency[Service]
    ) -> UsedAgreementBody:
        """Show one agreement with what was used of it."""
        found = service.negotiator.agreement(caller, agreement)
        used = service.answers.usage(caller, agreement)
        return UsedAgreementBody(**_told(found), usage=msgspec.convert(used, UsageBody))

    @post("/{agreement:str}/termination", sync_to_thread=True, status_code=200)
    def end(
        self, agreement: FromPath[str], caller: NamedDependency[Caller], service: NamedDependency[Service]
    ) -> AgreementBody:
        """End an agreement in force, from either side: no query is answered under it any more."""
        return AgreementBody.of(service.negotiator.end(caller, agreement))

    @post("/{agreement:str}/queries", sync_to_thread=True, status_code=200, description=QUERY)
    def query(
        self,
        request: AnyRequest,
        agreement: FromPath[str],
        data: JSONBody[QueryBody],
        caller: NamedDependency[Caller],
        service: NamedDependency[Service],
    ) -> Response[bytes]:
        """Answer a query; `grammar` tells what is taken and what it costs."""
        media_type = request.accept.best_match([JSON, ARROW])
        if media_type is None:
            raise Unsupported(f"an answer is {JSON} or {ARROW}: the header Accept takes neither")
        if data.noise and data.form is not Form.AGGREGATE:
            raise Unprocessable(f"noise is for the form {Form.AGGREGATE}")
        with service.limits.queries.holding(caller.id):
            if data.noise:
                return answered(service.noised.query(caller, agreement, data.sql, data.noise.asked()))
            return answered(service.answers.query(caller, agreement, data.sql, data.form, media_type))

    @post("/{agreement:str}/cubes", sync_to_thread=True, status_code=200)
    def cube(
        self,
        agreement: FromPath[str],
        data: JSONBody[CubeSpecBody],
        caller: NamedDependency[Caller],
        service: NamedDependency[Service],
    ) -> CubeBody:
        """Build a cube, or return the one that is there: suppressed and noised once, charged once."""
        with service.limits.queries.holding(caller.id):
            view = service.encrypted.cube(caller, agreement, data.spec())
        return CubeBody(id=view.id, layout=dict(view.layout), entry=view.entry, epsilon=view.epsilon)

    @post(
        "/{agreement:str}/encrypted",
        sync_to_thread=True,
        status_code=200,
        request_max_body_size=_ENVELOPE_LIMIT,
        operation_class=taking(ENVELOPE, CLIENT, _ENVELOPE_LIMIT),
    )
    def encrypted(
        self,
        agreement: FromPath[str],
        body: RawBody,
        caller: NamedDependency[Caller],
        service: NamedDependency[Service],
    ) -> Response[bytes]:
        """Answer a homomorphically encrypted query: its body is an envelope that `dataspace.client` makes."""
        with service.limits.queries.holding(caller.id):
            return answered(service.encrypted.answer(caller, agreement, body))


def _told(found: Agreement) -> dict[str, Any]:
    return {
        **{
            name: getattr(found, name)
            for name in AgreementBody.__struct_fields__
            if name not in ("state", "forms")
        },
        "state": State(found.state),
        "forms": [Form(form) for form in found.forms],
    }


def answered(answer: Answer) -> Response[bytes]:
    """Return an answer with its entry, cost and digest in the headers."""
    digest = base64.b64encode(bytes.fromhex(answer.sha256)).decode()
    headers = {
        ENTRY_HEADER: str(answer.entry),
        UNITS_HEADER: str(answer.units),
        PRICE_HEADER: str(answer.price),
        "Content-Digest": f"sha-256=:{digest}:",
        "Link": f'</api/receipts/{answer.entry}>; rel="describedby"',
    }
    return Response(answer.content, media_type=answer.media_type, headers=headers)
