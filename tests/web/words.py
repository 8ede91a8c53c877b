"""Short words that the tests of the web share."""

from typing import Any

from dataspace.participants.access import Caller
from tests.simulator import PASSWORD, Simulator

PAGE = {"Accept": "text/html"}


def bearer(space: Simulator, caller: Caller) -> dict[str, str]:
    """The headers that a program of this participant sends."""
    token = space.operator_token if caller.id == space.operator.id else space.tokens[caller.id]
    return {"Authorization": f"Bearer {token}"}


def own(space: Simulator, **headers: str) -> dict[str, str]:
    """The headers that a browser sends with a form of one of our pages."""
    return {"Sec-Fetch-Site": "same-origin", "Origin": space.settings.url, "Accept": "text/html", **headers}


def login_of(space: Simulator, caller: Caller) -> str:
    return space.service.membership.member(caller, caller.id).login


def log_in(space: Simulator, client: Any, caller: Caller) -> str:
    """Log a browser in; return its cookie."""
    form = {"login": login_of(space, caller), "password": PASSWORD}
    answer = client.post("/login", data=form, headers=own(space))
    assert answer.status_code == 303, answer.text
    return str(client.cookies["dataspace"])
