"""The headers every answer carries, errors too."""

from collections.abc import Awaitable, Callable
from typing import Final

from litestar.datastructures import MutableScopeHeaders
from litestar.types import Message, Scope

_CSP: Final = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)

_ALWAYS: Final = {
    "Content-Security-Policy": _CSP,
    "X-Content-Type-Options": "nosniff",
    # With `no-referrer` a browser sends `Origin: null` with our own forms, and where it sends no
    # Sec-Fetch-Site (plain HTTP outside of localhost) nothing would tell them from another site's.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
_YEAR: Final = 365 * 24 * 3600

Hook = Callable[[Message, Scope], Awaitable[None]]


def securing(url: str) -> Hook:
    """Return what adds the headers to every response of a service at `url`."""
    always = dict(_ALWAYS)
    if url.startswith("https://"):
        always["Strict-Transport-Security"] = f"max-age={_YEAR}"

    async def secure(message: Message, _: Scope) -> None:
        if message["type"] != "http.response.start":
            return
        headers = MutableScopeHeaders.from_message(message)
        for name, value in always.items():
            headers[name] = value
        # What may be kept says so itself: tiles, style sheets.
        headers.setdefault("Cache-Control", "no-store")

    return secure
