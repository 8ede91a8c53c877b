"""Negotiations and agreements: what waits for the reader, and the messages it may send."""

from collections.abc import Callable
from typing import Any

from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, RawBody

from dataspace.catalog.models import Form as AnswerForm
from dataspace.errors import NotFound, Unprocessable
from dataspace.negotiation.models import Agreement, Negotiation
from dataspace.negotiation.states import TRANSITIONS, Message, Side, State
from dataspace.participants.access import Caller
from dataspace.transfer.burndown import burndowns
from dataspace.web.auth import AnyRequest
from dataspace.web.pages import page
from dataspace.web.portal.forms import Form, go_to
from dataspace.web.portal.known import known
from dataspace.web.service import Service

_PAGE = "/portal/agreements"
# The last part of a route, and the message it sends.
_MESSAGES = {
    "accept": Message.ACCEPT,
    "agreement": Message.AGREE,
    "verification": Message.VERIFY,
    "finalization": Message.FINALIZE,
    "termination": Message.TERMINATE,
}


@get(_PAGE, sync_to_thread=True)
def overview(
    request: AnyRequest, caller: NamedDependency[Caller], service: NamedDependency[Service]
) -> Response[str]:
    """Show the reader's negotiations with the messages it may send, and its agreements with what was used."""
    negotiations = [
        (found, _side(found, caller), _sendable(found, caller))
        for found in service.negotiator.negotiations(caller)
    ]
    agreements = [
        (found, service.answers.usage(caller, found.id), _outlook(service, caller, found))
        for found in service.negotiator.agreements(caller)
    ]
    burning = burndowns(service.space, caller)
    named = {found.dataset for found, *_ in negotiations} | {found.dataset for found, *_ in agreements}
    return page(
        request,
        "agreements.html",
        negotiations=negotiations,
        agreements=agreements,
        burning=[one for one in burning if one.granted],
        known=known(service, caller, named),
        packs=service.space.packs,
    )


@post("/portal/negotiations", sync_to_thread=True)
def request(
    body: RawBody, caller: NamedDependency[Caller], service: NamedDependency[Service]
) -> Response[Any]:
    """Ask for an agreement; the consumer's verification follows at once when it is there to be verified."""
    form = Form.read(body)
    forms = [AnswerForm(form) for form in form.all("form") if form in set(AnswerForm)]
    found = service.negotiator.request(caller, form.needed("offer"), form.needed("purpose"), forms)
    if found.state == State.AGREED:
        service.negotiator.verify(caller, found.id)
    return go_to(_PAGE)


@post("/portal/negotiations/{negotiation:str}/{message:str}", sync_to_thread=True)
def answer(
    negotiation: FromPath[str],
    message: FromPath[str],
    body: RawBody,
    caller: NamedDependency[Caller],
    service: NamedDependency[Service],
) -> Response[Any]:
    """Send one message of a negotiation."""
    negotiator = service.negotiator
    if message == "offer":
        form = Form.read(body)
        negotiator.offer(caller, negotiation, form.number("units"), form.number("price"))
        return go_to(_PAGE)
    acts: dict[str, Callable[[Caller, str], Negotiation]] = {
        "accept": negotiator.accept,
        "agreement": negotiator.agree,
        "verification": negotiator.verify,
        "finalization": negotiator.finalize,
        "termination": negotiator.terminate,
    }
    if message not in acts:
        raise NotFound("there is no such message")
    acts[message](caller, negotiation)
    return go_to(_PAGE)


@post("/portal/agreements/{agreement:str}/termination", sync_to_thread=True)
def end(
    agreement: FromPath[str],
    body: RawBody,
    caller: NamedDependency[Caller],
    service: NamedDependency[Service],
) -> Response[Any]:
    """End an agreement in force; the box beside the button must be ticked."""
    if not Form.read(body).text("sure"):
        raise Unprocessable("tick the box: an agreement that is ended does not come back")
    service.negotiator.end(caller, agreement)
    return go_to(_PAGE)


def _outlook(service: Service, caller: Caller, found: Agreement) -> dict[str, str]:
    """Return what is left of an agreement in words, for its consumer; {} when nothing is to be said."""
    if found.consumer != caller.id or found.state != State.FINALIZED:
        return {}
    try:
        return service.estimates.outlook(caller, found.id)
    except NotFound:
        return {}


def _side(found: Negotiation, caller: Caller) -> Side:
    return Side.CONSUMER if found.consumer == caller.id else Side.PROVIDER


def _sendable(found: Negotiation, caller: Caller) -> list[str]:
    """Return the messages that the state table lets the reader send now, as parts of routes."""
    side = _side(found, caller)
    return [name for name, message in _MESSAGES.items() if (State(found.state), message, side) in TRANSITIONS]
