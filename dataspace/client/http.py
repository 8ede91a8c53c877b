"""Requests to a service: bytes and JSON out and back, and its problem documents as errors of ours."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import httpx2

from dataspace import errors
from dataspace.errors import DataSpaceError, Malformed, Unavailable
from dataspace.wire import PROBLEM

_PROBLEM_MEMBERS: Final = frozenset({"type", "title", "status", "detail", "code"})
_ERRORS: Final = {
    kind.code: kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, DataSpaceError) and kind is not DataSpaceError
}
_SECONDS: Final = 60.0
_UPLOAD_SECONDS: Final = 900.0


class Http:
    """One service, spoken to with one token; redirects are not followed: the token is this host's alone."""

    def __init__(self, url: str, token: str = "") -> None:
        if not url.startswith(("http://", "https://")):
            raise Malformed("the address of a service: want http:// or https://")
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._client = httpx2.Client(
            base_url=url.rstrip("/"), headers=headers, timeout=_SECONDS, follow_redirects=False
        )

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def get(self, path: str, **parameters: str | int) -> Any:
        """Return the JSON at `path`."""
        return _json(self._send("GET", path, params=parameters))

    def post(self, path: str, body: Any = None, *, seconds: float = _SECONDS) -> Any:
        """Send JSON; return the JSON of the answer, which may take so many seconds."""
        return _json(self._send("POST", path, json=body, timeout=seconds))

    def patch(self, path: str, body: Any) -> Any:
        """Send JSON; return the JSON of the answer."""
        return _json(self._send("PATCH", path, json=body))

    def delete(self, path: str) -> Any:
        """Delete what is at `path`; return the JSON of the answer, None when it has none."""
        response = self._send("DELETE", path)
        return _json(response) if response.content else None

    def exchange(self, path: str, *, accept: str, **body: Any) -> httpx2.Response:
        """Send `json`, or bytes of the kind `accept` as `content`; return the answer as it came."""
        headers = {"Accept": accept, **({"Content-Type": accept} if "content" in body else {})}
        return self._send("POST", path, headers=headers, **body)

    def upload(
        self, path: str, chunks: Iterable[bytes], headers: Mapping[str, str], **parameters: str
    ) -> Any:
        """Send a file's chunks; return the JSON of the answer."""
        sent = {"params": parameters, "headers": dict(headers), "timeout": _UPLOAD_SECONDS}
        return _json(self._send("POST", path, content=chunks, **sent))

    def bytes(self, path: str) -> bytes:
        """Return the bytes at `path`."""
        return self._send("GET", path).content

    def _send(self, method: str, path: str, **sent: Any) -> httpx2.Response:
        try:
            response = self._client.request(method, path, **sent)
        except httpx2.HTTPError as error:
            where, why = self._client.base_url.netloc.decode(), type(error).__name__  # without a password
            raise Unavailable(f"the service at {where} did not answer: {why}") from error
        if not response.is_success:
            raise _problem(response)
        return response


def _json(response: httpx2.Response) -> Any:
    try:
        return response.json()
    except (ValueError, RecursionError) as error:
        raise Malformed("the service's answer is not JSON") from error


def _problem(response: httpx2.Response) -> DataSpaceError:
    """Return the error that a problem document tells of."""
    told: Any = None
    if response.headers.get("content-type", "").startswith(PROBLEM):
        try:
            told = response.json()
        except (ValueError, RecursionError):
            told = None
    if not isinstance(told, dict):
        return Unavailable(f"the service answered {response.status_code} without saying why")
    facts = {str(name): value for name, value in told.items() if name not in _PROBLEM_MEMBERS}
    # A code that this version does not know is the service's to explain: its detail goes through.
    kind = _ERRORS.get(str(told.get("code")), Unavailable)
    return kind(str(told.get("detail", "")), **facts)
