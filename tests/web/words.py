"""Short words that the tests of the web share."""

import re
from html.parser import HTMLParser
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


class Elements(HTMLParser):
    """What a browser would make of a page: its elements with their attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.found if name == tag]


def form_of(text: str, action: str) -> dict[str, str]:
    """Return what a browser would send for a form that nobody touched."""
    inside = text[text.index(f'action="{action}"') :]
    inside = inside[: inside.index("</form>")]
    fields: dict[str, str] = {}
    for attributes in Elements(inside).named("input"):
        if attributes.get("type") != "checkbox" or "checked" in attributes:
            fields[str(attributes["name"])] = attributes.get("value") or ""
    for name, options in re.findall(r'<select name="([^"]+)"(.*?)</select>', inside, re.DOTALL):
        chosen = re.search(r'<option value="([^"]*)" selected', options)
        fields[name] = chosen[1] if chosen else ""
    return fields
