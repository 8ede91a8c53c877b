"""One POST to a server that is not trusted: bounded in bytes and in time, and never sent on elsewhere."""

import asyncio
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

import httpx2

from dataspace.errors import Malformed, Unavailable

ANSWER_LIMIT: Final = 1 << 16  # bytes; a witness's two lines take 4 kB, a time token with its chain 8 kB


@dataclass(frozen=True)
class Answer:
    """What came back: the status, the media type without parameters, and the whole body."""

    status: int
    media_type: str
    body: bytes


def checked_url(url: str, what: str) -> str:
    """Return the address of a server without a slash at its end.

    Raises:
        Malformed: it is not http:// or https:// with a host.

    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise Malformed(f"the address of {what}: want http:// or https:// and a host")
    return url.rstrip("/")


async def post(url: str, content: bytes, media_type: str, *, seconds: float) -> Answer:
    """Send `content`; return the answer, of whatever status.

    Redirects are answers like others, and compression is neither asked for nor undone.

    Raises:
        Unavailable: no whole answer came in `seconds`, or it is too large.

    """
    headers = {"Content-Type": media_type, "Accept-Encoding": "identity"}
    try:
        # The client's own timeouts begin anew with every byte; this one does not.
        async with (
            asyncio.timeout(seconds),
            httpx2.AsyncClient(timeout=seconds, follow_redirects=False) as client,
            client.stream("POST", url, content=content, headers=headers) as response,
        ):
            return await _read(response)
    except TimeoutError as error:
        raise Unavailable(f"it did not answer in {seconds:g} seconds") from error
    except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
        raise Unavailable(f"it did not answer: {type(error).__name__}") from error


async def _read(response: httpx2.Response) -> Answer:
    body = bytearray()
    # Raw: what is compressed nevertheless is counted as it comes, and understood by nobody.
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) > ANSWER_LIMIT:
            raise Unavailable(f"it answered with more than {ANSWER_LIMIT} bytes")
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    return Answer(response.status_code, kind, bytes(body))
