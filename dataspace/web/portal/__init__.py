"""The portal: the same journeys as the API, for people with a browser and without a program."""

from litestar import Router
from litestar.di import Provide
from litestar.types import ControllerRouterHandler

from dataspace.errors import Unauthenticated
from dataspace.web import auth
from dataspace.web.portal import (
    agreements,
    approvals,
    browse,
    datasets,
    entrance,
    members,
    reports,
    review,
    rules,
    sources,
    upload,
    verify,
)


def portal() -> list[ControllerRouterHandler]:
    """Return what is open to everybody, and a router with what needs a session."""
    inside = Router(
        "/",
        route_handlers=[
            browse.catalogue,
            browse.dataset,
            browse.entries,
            entrance.log_out,
            upload.choose,
            upload.receive_file,
            review.review,
            review.act,
            review.discard,
            sources.overview,
            sources.add,
            sources.remove,
            sources.take,
            approvals.overview,
            approvals.one,
            approvals.answer,
            rules.overview,
            rules.forget,
            rules.add,
            rules.remove,
            datasets.mine,
            datasets.one,
            datasets.withdraw,
            reports.report,
            agreements.overview,
            agreements.request,
            agreements.answer,
            agreements.end,
            members.overview,
            members.admit,
            members.change,
        ],
        guards=[auth.signed_in],
        dependencies={"caller": Provide(auth.caller_of, sync_to_thread=False)},
        exception_handlers={Unauthenticated: entrance.to_login},
        include_in_schema=False,
    )
    return [
        entrance.login_page,
        entrance.log_in,
        entrance.choose_language,
        verify.form,
        verify.report,
        inside,
    ]
