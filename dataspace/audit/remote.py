"""A running service as a source: its public tiles, and its records if a token of an auditor's is given."""

from collections.abc import Iterator
from typing import Any, Final, Self
from urllib.parse import urlsplit

import httpx2

from dataspace.audit.source import NOTE_LIMIT, Records, ensure_size, record_from_json, tile_limit
from dataspace.errors import Malformed, NotFound, Unauthenticated, Unavailable, VerificationError
from dataspace.proof.canonical import parse
from dataspace.proof.record import Record
from dataspace.proof.tiles import WIDTH, Tile, join_entries, split_entries

_SECONDS: Final = 30.0
_PAGE_LIMIT: Final = 1 << 26  # bytes of one page of records
_OK: Final = 200
_DENIED: Final = (401, 403)
_NOT_FOUND: Final = 404


class Remote:
    """The service at `url`; `token` is an auditor's.

    Redirects are not followed: what another host says is not what this log
    serves, and the token is for this host alone.
    """

    def __init__(self, url: str, token: str | None = None) -> None:
        if urlsplit(url).scheme not in ("http", "https"):
            raise Malformed("the address of a service: want http:// or https://")
        self._url, self._token = url.rstrip("/"), token
        self._client = httpx2.Client(timeout=_SECONDS, follow_redirects=False)
        self._sees_all = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def checkpoint(self) -> str:
        """Return the note the service publishes."""
        data = self._get("/ledger/checkpoint", NOTE_LIMIT)
        if data is None:
            raise Unavailable(f"{self._url} serves no ledger")
        try:
            return data.decode()
        except UnicodeDecodeError as error:
            raise VerificationError("malformed checkpoint: not UTF-8") from error

    def tile(self, tile: Tile) -> bytes:
        """Return a tile; where a partial one is gone, the beginning of the full one."""
        data = self._get(f"/ledger/{tile.path()}", tile_limit(tile))
        if data is not None:
            return data
        full = Tile(tile.level, tile.number)
        data = self._get(f"/ledger/{full.path()}", tile_limit(full)) if tile.width < WIDTH else None
        if data is None:
            raise VerificationError("it is missing")
        return _beginning(data, tile)

    def records(self, start: int, end: int) -> Records:
        """Return the records that an auditor may read.

        Raises:
            NotFound: no token was given, or one that is not an auditor's.
            Unauthenticated: the service does not accept the token.

        """
        if self._token is None:
            raise NotFound("no auditor's token was given: a service shows records to nobody else")
        if not self._sees_all:
            self._ensure_auditor()
        held: dict[int, Record | VerificationError] = {}
        at = start
        while at < end:
            page = self._page(at, end - at)
            held |= {index: record for index, record in page if at <= index < end}
            at = max(held, default=end) + 1 if page else end
        return held

    def _ensure_auditor(self) -> None:
        """Ask for no records with another's token: what it cannot see would look like what is missing."""
        data = self._get("/api/me", _PAGE_LIMIT, token=self._token)
        me: Any = None if data is None else parse(data, limit=_PAGE_LIMIT)
        roles = me.get("roles") if isinstance(me, dict) else None
        if not isinstance(roles, list) or not {"auditor", "operator"} & {str(role) for role in roles}:
            raise NotFound("the token is not an auditor's: a service shows every record to nobody else")
        self._sees_all = True

    def _page(self, start: int, count: int) -> list[tuple[int, Record | VerificationError]]:
        data = self._get(f"/api/entries?start={start}&count={count}", _PAGE_LIMIT, token=self._token)
        if data is None:
            raise Unavailable(f"{self._url} serves no records")
        found: Any = parse(data, limit=_PAGE_LIMIT)
        if not isinstance(found, list):
            raise VerificationError("malformed page of records: want a list")
        return [record_from_json(item) for item in found]

    def _get(self, path: str, limit: int, *, token: str | None = None) -> bytes | None:
        """Return what the service answers, None when it has no such thing."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        try:
            with self._client.stream("GET", self._url + path, headers=headers) as response:
                if response.status_code == _NOT_FOUND:
                    return None
                if token and response.status_code in _DENIED:
                    raise Unauthenticated(
                        "the service does not accept the token: it is wrong, old or revoked"
                    )
                if response.status_code != _OK:
                    raise Unavailable(
                        f"{path.partition('?')[0]}: the service answered {response.status_code}"
                    )
                return _bounded(response.iter_bytes(), path, limit)
        except httpx2.HTTPError as error:
            raise Unavailable(f"{self._url} did not answer: {type(error).__name__}") from error


def _bounded(chunks: Iterator[bytes], what: str, limit: int) -> bytes:
    data = bytearray()
    for chunk in chunks:
        data += chunk
        ensure_size(what, len(data), limit)
    return bytes(data)


def _beginning(data: bytes, tile: Tile) -> bytes:
    if tile.level is not None:
        return data[: tile_limit(tile)]
    return join_entries(split_entries(data, WIDTH)[: tile.width])
