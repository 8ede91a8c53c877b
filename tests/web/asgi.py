"""Requests that no well-behaved client sends: the events of ASGI, straight into the application."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from litestar import Litestar

Event = dict[str, Any]


@dataclass
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes


def chunk(body: bytes, *, more: bool = True) -> Event:
    return {"type": "http.request", "body": body, "more_body": more}


DISCONNECT: Event = {"type": "http.disconnect"}


def send(
    app: Litestar, method: str, path: str, headers: dict[str, str], events: Iterable[Event] = ()
) -> Reply:
    """Send these events and nothing else; afterwards the client is silent for ever."""
    return asyncio.run(_send(app, method, path, headers, events))


async def _send(
    app: Litestar, method: str, path: str, headers: dict[str, str], events: Iterable[Event]
) -> Reply:
    waiting, sent = iter(events), []

    async def receive() -> Any:
        event = next(waiting, None)
        if event is None:
            await asyncio.Event().wait()
        return event

    async def take(event: Any) -> None:
        sent.append(event)

    route, _, query = path.partition("?")
    scope: Any = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": route,
        "raw_path": route.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
        "client": ("127.0.0.1", 50000),
        "server": ("127.0.0.1", 8000),
        "state": {},
    }
    await app(scope, receive, take)
    start = next(event for event in sent if event["type"] == "http.response.start")
    body = b"".join(event.get("body", b"") for event in sent if event["type"] == "http.response.body")
    return Reply(start["status"], {name.decode(): value.decode() for name, value in start["headers"]}, body)
