"""Encrypted selectors of rows under an agreement."""

from typing import Annotated, Final

import msgspec
from litestar import Controller, Response, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, RawBody

from dataspace.participants.access import Caller
from dataspace.transfer.forms.selectors import COLUMNS_LIMIT
from dataspace.web.api.agreements import answered
from dataspace.web.bodies import CLIENT, taking
from dataspace.web.limits import Limiter
from dataspace.web.schemas import In
from dataspace.web.service import Service
from dataspace.wire import ENVELOPE
from dataspace.wire.selector import QUERY_LIMIT

# An envelope is up to 20 MB: one of a consumer at a time, and few of all (attack HE-13).
_SELECTORS: Final = Limiter("selector queries", each=1, total=4)


class SelectorLayoutBody(In):
    """The columns by which a consumer wants to select."""

    columns: Annotated[
        list[str],
        msgspec.Meta(
            description="columns that leave as rows; each subject is shown by them",
            examples=[["district", "year"]],
            min_length=1,
            max_length=COLUMNS_LIMIT,
        ),
    ]


class Selectors(Controller):
    """Layouts and answers of the form selector."""

    path = "/agreements/{agreement:str}"
    tags = ("agreements",)

    @post("/selector-layouts", sync_to_thread=True, status_code=200)
    def layout(
        self,
        agreement: FromPath[str],
        data: JSONBody[SelectorLayoutBody],
        caller: NamedDependency[Caller],
        service: NamedDependency[Service],
    ) -> Response[bytes]:
        """List the subjects that can be selected, each by these columns as they leave; charged as rows."""
        with service.limits.queries.holding(caller.id):
            return answered(service.selectors.layout(caller, agreement, data.columns))

    @post(
        "/selectors",
        sync_to_thread=True,
        status_code=200,
        request_max_body_size=QUERY_LIMIT,
        operation_class=taking(ENVELOPE, CLIENT, QUERY_LIMIT),
    )
    def select(
        self,
        agreement: FromPath[str],
        body: RawBody,
        caller: NamedDependency[Caller],
        service: NamedDependency[Service],
    ) -> Response[bytes]:
        """Sum over subjects that an encrypted selector chooses: its body is made by `dataspace.client`."""
        with _SELECTORS.holding(caller.id), service.limits.queries.holding(caller.id):
            return answered(service.selectors.answer(caller, agreement, body))
