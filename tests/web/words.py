"""Short words that the tests of the web share."""

import html
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


def uploaded(
    space: Simulator, client: Any, content: bytes, filename: str = "people.csv", **fields: str
) -> str:
    """Send the upload form, as a browser without scripts does; return the address it leads to."""
    form = {"zone": "government", "title": "People", **fields}
    answer = client.post("/portal/upload", data=form, files={"file": (filename, content)}, headers=own(space))
    assert answer.status_code == 303, answer.text
    return str(answer.headers["location"])


def words_of(text: str) -> str:
    """Return what a reader reads of a page, with single blanks."""
    return " ".join(re.sub(r"<[^>]+>", " ", text).split())


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


def form_of(text: str, action: str) -> dict[str, Any]:
    """Return what a browser would send for a form that nobody touched."""
    inside = text[text.index(f'action="{action}"') :]
    inside = inside[: inside.index("</form>")]
    fields: dict[str, Any] = {}
    for attributes in Elements(inside).named("input"):
        if attributes.get("type") != "checkbox" or "checked" in attributes:
            name, value = str(attributes["name"]), attributes.get("value") or ""
            ticked = attributes.get("type") == "checkbox"
            fields[name] = [*fields.get(name, []), value] if ticked else value
    for name, words in re.findall(r'<textarea name="([^"]+)"[^>]*>(.*?)</textarea>', inside, re.DOTALL):
        fields[name] = html.unescape(words)
    for name, options in re.findall(r'<select name="([^"]+)"(.*?)</select>', inside, re.DOTALL):
        chosen = re.search(r'<option value="([^"]*)" selected', options)
        fields[name] = chosen[1] if chosen else ""
    return fields
