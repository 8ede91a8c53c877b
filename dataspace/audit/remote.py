"""A running service as a source: what it publishes, and its records if a token of an auditor's is given."""

import time
from collections.abc import Iterator, Mapping
from typing import Any, Final, Self
from urllib.parse import quote, urlsplit

import httpx2

from dataspace.audit.source import (
    BUNDLE_LIMIT,
    LISTED,
    NOTE_LIMIT,
    ROTATIONS,
    Published,
    Records,
    ensure_size,
    in_order,
    published_size,
    record_from_json,
    tile_limit,
)
from dataspace.errors import Malformed, NotFound, TooLarge, Unauthenticated, Unavailable, VerificationError
from dataspace.proof.canonical import parse
from dataspace.proof.disclosure import Disclosure
from dataspace.proof.receipt import AnchorEvidence
from dataspace.proof.record import Record
from dataspace.proof.tiles import WIDTH, Tile, join_entries, split_entries

_SECONDS: Final = 30.0  # until the next bytes
_WHOLE: Final = 60.0  # seconds for one answer: a byte now and then is none
_PAGE: Final = 64  # published checkpoints
_PAGE_LIMIT: Final = 1 << 26  # bytes of one page of whatever
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
        self._client: httpx2.Client | None = None
        self._is_auditor = False

    def again(self) -> tuple[type["Remote"], tuple[str, ...]]:
        """Return what asks the service again, as the same auditor."""
        return type(self), (self._url,) if self._token is None else (self._url, self._token)

    def __repr__(self) -> str:
        return f"Remote({self._url!r})"

    def __enter__(self) -> Self:
        self._client = httpx2.Client(timeout=_SECONDS, follow_redirects=False)
        return self

    def __exit__(self, *_: object) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None

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
        self._ensure_auditor("records")
        held: dict[int, Record | Disclosure | VerificationError] = {}
        at = start
        while at < end:
            page = self._page(at, end - at)
            new = {index: record for index, record in page if at <= index < end}
            if page and not new:
                raise VerificationError("malformed page of records: it does not lead on")
            held |= new
            at = max(new, default=end) + 1
        return held

    def published(self) -> Iterator[Published]:
        """Return the checkpoints of the public listing."""
        return in_order(published for published, _ in self._listing())

    def anchors(self) -> Iterator[AnchorEvidence]:
        """Return the anchor evidence in the public listing."""
        return (AnchorEvidence.from_json(anchor) for _, anchor in self._listing() if anchor is not None)

    def rotations(self) -> list[str]:
        """Return the rotations that the service tells of."""
        found = self._json("/ledger/keys", _PAGE_LIMIT)
        if found is None:
            raise NotFound("the service does not tell the keys it had: it is of an older program")
        rotations = found.get("rotations") if isinstance(found, dict) else None
        if not isinstance(rotations, list) or not all(isinstance(one, str) for one in rotations):
            raise VerificationError("malformed keys: want a list of rotations")
        if len(rotations) > ROTATIONS:
            raise TooLarge(f"an audit takes at most {ROTATIONS} rotations")
        return rotations

    def policy(self, digest: str) -> bytes | None:
        """Return the bundle of a digest, as an auditor may read it."""
        self._ensure_auditor("policies")
        return self._get(f"/api/policies/{quote(digest, safe='')}", BUNDLE_LIMIT, token=self._token)

    def decision_inputs(self, start: int, end: int) -> Mapping[int, str]:
        """Return the inputs that an auditor may read."""
        self._ensure_auditor("inputs of decisions")
        held: dict[int, str] = {}
        at = start
        while at < end:
            found = self._json(f"/api/decisions?start={at}&count={end - at}", _PAGE_LIMIT, token=self._token)
            if found is None:
                raise NotFound("the service shows no inputs of decisions: it is of an older program")
            items, after = _decisions(found)
            held |= {entry: content for entry, content in items if at <= entry < end}
            if after <= at:
                raise VerificationError("malformed page of decisions: it does not lead on")
            at = after
        return held

    def _listing(self) -> Iterator[tuple[Published, Any]]:
        """Yield the published checkpoints and their anchors, page by page; no page leads back."""
        after = listed = 0
        while True:
            page = self._json(f"/ledger/published?after={after}&count={_PAGE}", _PAGE_LIMIT)
            if page is None:
                raise NotFound("the service lists no published checkpoints: it is of an older program")
            if not isinstance(page, list):
                raise VerificationError("malformed page of published checkpoints: want a list")
            for item in page:
                published = Published.from_json(item)
                yield published, item.get("anchor")
            if not page:
                return
            listed += len(page)
            if listed > LISTED:
                raise TooLarge(f"an audit reads at most {LISTED} published checkpoints")
            last = published_size(published)
            if last <= after:
                raise VerificationError("malformed page of published checkpoints: it does not lead on")
            after = last

    def _ensure_auditor(self, what: str) -> None:
        """Ask for nothing with another's token: what it cannot see would look like what is missing."""
        if self._token is None:
            raise NotFound(f"no auditor's token was given: a service shows {what} to nobody else")
        if self._is_auditor:
            return
        me = self._json("/api/me", _PAGE_LIMIT, token=self._token)
        roles = me.get("roles") if isinstance(me, dict) else None
        if not isinstance(roles, list) or not {"auditor", "operator"} & {str(role) for role in roles}:
            raise NotFound(f"the token is not an auditor's: a service shows all {what} to nobody else")
        # One bound to zones is shown every record too, those of other zones in part.
        self._is_auditor = True

    def _page(self, start: int, count: int) -> list[tuple[int, Record | Disclosure | VerificationError]]:
        # As who checks them: of what the token's owner is party to, it is not shown what was decided on.
        path = f"/api/entries?start={start}&count={count}&party=false"
        found = self._json(path, _PAGE_LIMIT, token=self._token)
        if found is None:
            raise Unavailable(f"{self._url} serves no records")
        if not isinstance(found, list):
            raise VerificationError("malformed page of records: want a list")
        return [record_from_json(item) for item in found]

    def _json(self, path: str, limit: int, *, token: str | None = None) -> Any:
        """Return the JSON value that the service answers, None when it has no such thing."""
        data = self._get(path, limit, token=token)
        return None if data is None else parse(data, limit=limit)

    def _get(self, path: str, limit: int, *, token: str | None = None) -> bytes | None:
        """Return what the service answers, None when it has no such thing."""
        if self._client is None:
            raise Unavailable("the source is not open")
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        deadline = time.monotonic() + _WHOLE
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
                return _bounded(response.iter_bytes(), path, limit, deadline)
        except httpx2.HTTPError as error:
            raise Unavailable(f"{self._url} did not answer: {type(error).__name__}") from error


def _bounded(chunks: Iterator[bytes], what: str, limit: int, deadline: float) -> bytes:
    data = bytearray()
    for chunk in chunks:
        if time.monotonic() > deadline:
            raise Unavailable(f"{what.partition('?')[0]}: the answer took longer than {_WHOLE:.0f} seconds")
        data += chunk
        ensure_size(what, len(data), limit)
    return bytes(data)


def _beginning(data: bytes, tile: Tile) -> bytes:
    if tile.level is not None:
        return data[: tile_limit(tile)]
    return join_entries(split_entries(data, WIDTH)[: tile.width])


def _decisions(found: Any) -> tuple[list[tuple[int, str]], int]:
    """Return entry and input of each decision of a page, and the entry from which to go on."""
    items, after = (found.get("decisions"), found.get("next")) if isinstance(found, dict) else (None, None)
    if not isinstance(items, list) or not isinstance(after, int):
        raise VerificationError("malformed page of decisions: want decisions and next")
    for item in items:
        fits = isinstance(item, dict) and isinstance(item.get("entry"), int)
        if not fits or not isinstance(item.get("input"), str):
            raise VerificationError("malformed page of decisions: want entry and input of each")
    return [(item["entry"], item["input"]) for item in items], after
