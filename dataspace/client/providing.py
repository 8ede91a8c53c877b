"""What providers do: upload, register, ask a second person, teach their zones, withdraw; and who answers."""

import base64
import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from dataspace.client.http import Http

_CHUNK = 1 << 20
_MEASURING_SECONDS = 900.0  # what is registered is measured anew, whole


class Providing:
    """The acts on datasets, a part of `DataSpace`."""

    _http: Http

    def upload(self, path: Path | str, zone: str) -> dict[str, Any]:
        """Upload a file for a zone; return the upload with its proposal, for `confirm`."""
        path = Path(path)
        body, headers = body_of(path)
        return dict(self._http.upload("/api/uploads", body, headers, zone=zone, filename=path.name))

    def confirm(self, upload: str, title: str, *, price: int, **rest: Any) -> dict[str, Any]:
        """Register an upload; `price` is in fen for one unit.

        `rest`: `description`, `subjects`, `corrections`, `dataset` (for a new
        version of it), `listing`, `level`, `acknowledged`, and `offer` with
        further terms. PolicyDenied with `release-above-threshold`,
        `level-lowered` or `category-contradicted`: see `ask_approval`.
        """
        return self._measured("/api/datasets", _registration(upload, title, price, rest))

    def check(self, upload: str, title: str, *, price: int, **rest: Any) -> dict[str, Any]:
        """Return what `confirm` would come to: `allowed`, `reasons` and the `report`; nothing is changed."""
        return self._measured("/api/datasets/check", _registration(upload, title, price, rest))

    def report(self, dataset: str, version: int = 0) -> dict[str, Any]:
        """Return the report on a dataset's columns and risks; its digest is in the registration's entry."""
        return dict(self._http.get(f"/api/datasets/{part(dataset)}/report", version=version))

    def ask_approval(self, basis: str, upload: str, title: str, *, price: int, **rest: Any) -> dict[str, Any]:
        """Ask a second person to allow exactly this; once it did, `confirm` the same."""
        registration = _registration(upload, title, price, rest)
        return self._measured("/api/approvals", {"registration": registration, "basis": basis})

    def approvals(self) -> list[dict[str, Any]]:
        """Return the approvals that were asked for, newest first: one's own, or all that one oversees."""
        return list(self._http.get("/api/approvals"))

    def answer_approval(self, approval: str, *, grant: bool) -> dict[str, Any]:
        """Allow what was asked for, or do not, as an operator that is not the provider."""
        return dict(self._http.post(f"/api/approvals/{part(approval)}/{'grant' if grant else 'reject'}"))

    def rules(self) -> list[dict[str, Any]]:
        """Return the corrections that hold for one's next files."""
        return list(self._http.get("/api/rules"))

    def recognisers(self) -> list[dict[str, Any]]:
        """Return one's own kinds of column."""
        return list(self._http.get("/api/recognisers"))

    def add_recogniser(self, zone: str, **field: Any) -> dict[str, Any]:
        """Teach a zone a kind of column: `category`, `names`, `pattern`, `check_digit`, and more."""
        return dict(self._http.post("/api/recognisers", {"zone": zone, "field": field}))

    def remove_recogniser(self, recogniser: str) -> None:
        """Remove a kind of column."""
        self._http.delete(f"/api/recognisers/{part(recogniser)}")

    def withdraw(self, dataset: str) -> dict[str, Any]:
        """Withdraw a dataset: its data keys are destroyed."""
        return dict(self._http.delete(f"/api/datasets/{part(dataset)}"))

    def _measured(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        return dict(self._http.post(path, body, seconds=_MEASURING_SECONDS))


def body_of(path: Path) -> tuple[Iterator[bytes], dict[str, str]]:
    """Return a file as the body of a request, and the headers that tell its size and digest."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").digest()
    return _chunks(path), {
        "Content-Type": "application/octet-stream",
        "Content-Length": str(path.stat().st_size),
        "Content-Digest": f"sha-256=:{base64.b64encode(digest).decode()}:",
    }


def part(value: str) -> str:
    """Return a value as one part of a path."""
    return quote(value, safe="")


def _registration(upload: str, title: str, price: int, rest: Mapping[str, Any]) -> dict[str, Any]:
    offer = {"price": price, **rest.get("offer", {})}
    return {**rest, "upload": upload, "title": title, "offer": offer}


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            yield chunk
