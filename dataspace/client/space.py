"""A data space as its participants use it from Python."""

import base64
import hmac
import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote

import httpx2

from dataspace.client.answer import Answer
from dataspace.client.estimating import Estimating, noised
from dataspace.client.http import Http
from dataspace.client.intersect import Intersecting
from dataspace.client.joining import Joining
from dataspace.client.layout import Key, Layout
from dataspace.client.lookup import Looking
from dataspace.client.providing import Providing, part
from dataspace.client.receipts import acknowledged
from dataspace.client.scoring import Scoring
from dataspace.client.sealed import Sealing
from dataspace.client.selecting import Selecting
from dataspace.client.specification import Dimension
from dataspace.client.statistics import Statistics
from dataspace.errors import Conflict, Malformed, VerificationError
from dataspace.proof.verify import Report, verify_receipt
from dataspace.wire import ARROW, ENTRY_HEADER, ENVELOPE, JSON, PRICE_HEADER, UNITS_HEADER

if TYPE_CHECKING:
    from dataspace.client.encrypted import Keys
    from dataspace.client.keyring import KeyRing

_QUERY_SECONDS = 600
_ACKNOWLEDGED = 1000  # answers of one act, at most


class DataSpace(
    Estimating,
    Providing,
    Scoring,
    Joining,
    Looking,
    Intersecting,
    Selecting,
    Statistics,
    Sealing,
):
    """One participant's view of a service; what it returns as dicts is described at `<url>/api/docs`.

    Every method raises what the service answers with, as an error of
    `dataspace.errors`, and Unavailable when it does not answer.
    """

    def __init__(self, url: str, token: str = "") -> None:
        self._http = Http(url, token)
        self._pinned: set[tuple[str, str]] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    # -- everybody

    def me(self) -> dict[str, Any]:
        """Return who the token belongs to."""
        return dict(self._http.get("/api/me"))

    def zones(self) -> list[dict[str, Any]]:
        """Return the zones with their purposes, levels and limits."""
        return list(self._http.get("/api/zones"))

    def catalog(self, zone: str = "", text: str = "") -> dict[str, Any]:
        """Return the catalogue: under "dataset", the datasets with their offers in "hasPolicy"."""
        return dict(self._http.get("/api/catalog", zone=zone, q=text))

    def dataset(self, dataset: str) -> dict[str, Any]:
        """Return one dataset of the catalogue."""
        return dict(self._http.get(f"/api/catalog/{part(dataset)}"))

    def receipt(self, entry: int, fields: Sequence[str] = ()) -> bytes:
        """Return the receipt of an entry, not yet verified; with `fields`, one that shows those alone."""
        asked = f"?fields={quote(','.join(fields))}" if fields else ""
        return self._http.bytes(f"/api/receipts/{entry}{asked}")

    def entries(self, start: int = 0, count: int = 100) -> list[dict[str, Any]]:
        """Return the entries that the participant may see, from index `start` on."""
        return list(self._http.get("/api/entries", start=start, count=count))

    @staticmethod
    def verify(receipt: bytes, vkey: str) -> Report:
        """Verify a receipt here; `vkey` is the log's key from a source that is not the service.

        Raises:
            VerificationError: `vkey` itself is malformed.

        """
        return verify_receipt(receipt, vkey)

    # -- operators

    def participants(self) -> list[dict[str, Any]]:
        """Return the participants: all of them for an operator, otherwise the caller alone."""
        return list(self._http.get("/api/participants"))

    def admit(
        self,
        name: str,
        login: str,
        roles: Sequence[str],
        password: str | None = None,
        *,
        zones: Sequence[str] = (),
    ) -> dict[str, Any]:
        """Admit a participant; its token is in the answer and nowhere else.

        `zones` bounds what an auditor may read; without any it reads every zone.
        """
        body = {"name": name, "login": login, "roles": list(roles), "password": password}
        return dict(self._http.post("/api/participants", {**body, "zones": list(zones)}))

    def change(self, participant: str, **changes: Any) -> dict[str, Any]:
        """Change a participant's `roles`, `status` or `zones`, or name its legal `entity`."""
        return dict(self._http.patch(f"/api/participants/{part(participant)}", changes))

    def erase(self, entry: int, basis: str) -> int:
        """Erase what an entry says, on a legal basis; return the index of the entry that says so."""
        return int(self._http.post(f"/api/entries/{entry}/erasure", {"basis": basis})["entry"])

    # -- negotiations, from either side

    def request(
        self, offer: str, purpose: str, forms: Sequence[str] = (), units: int | None = None
    ) -> dict[str, Any]:
        """Ask for an agreement on an offer; return the negotiation."""
        body = {"offer": offer, "purpose": purpose, "forms": list(forms), "units": units}
        return dict(self._http.post("/api/negotiations", body))

    def send(self, negotiation: str, message: str, **body: Any) -> dict[str, Any]:
        """Send offer, accept, agreement, verification, finalization or termination."""
        return dict(self._http.post(f"/api/negotiations/{part(negotiation)}/{part(message)}", body or None))

    def negotiations(self) -> list[dict[str, Any]]:
        """Return the negotiations on either side, newest first."""
        return list(self._http.get("/api/negotiations"))

    def negotiate(
        self, offer: str, purpose: str, forms: Sequence[str] = (), units: int | None = None
    ) -> dict[str, Any]:
        """Ask for an agreement on an automatic offer; check it, verify it, and return it.

        Raises:
            Conflict: the provider has to agree first; `facts["negotiation"]` names the negotiation.
            VerificationError: the agreement is on another purpose, other forms or more units.

        """
        found = self.request(offer, purpose, forms, units)
        if found["state"] == "REQUESTED":
            raise Conflict("the provider has to agree first", negotiation=found["id"])
        agreement = self.agreement(found["agreement"])
        _check(agreement, offer, purpose, forms, units)
        self.send(found["id"], "verification")
        return self.agreement(found["agreement"])

    def agreements(self) -> list[dict[str, Any]]:
        """Return the agreements on either side, newest first."""
        return list(self._http.get("/api/agreements"))

    def agreement(self, agreement: str) -> dict[str, Any]:
        """Return an agreement; under "usage", what was spent of it."""
        return dict(self._http.get(f"/api/agreements/{part(agreement)}"))

    def end(self, agreement: str) -> dict[str, Any]:
        """End an agreement in force."""
        return dict(self._http.post(f"/api/agreements/{part(agreement)}/termination"))

    # -- consumers

    def query(
        self, agreement: str, sql: str, form: str = "aggregate", *, epsilon: int = 0, **noise: Any
    ) -> Answer:
        """Return the answer to a query over the table `data`: rows as Arrow, aggregates as JSON.

        With `epsilon`, in millionths, every number of an aggregate has noise, and the answer
        tells how much to expect. `noise`: `max_rows` of one subject that count, `bounds` as
        `{"income": (0, 200000)}` for each column that is summed, `mechanism` laplace or gaussian.
        The same question again is the same answer, at no cost.

        Raises:
            VerificationError: the bytes are not those of the answer's digest.

        """
        accept = ARROW if form == "rows" else JSON
        path = f"/api/agreements/{part(agreement)}/queries"
        body = {"sql": sql, "form": form, **noised(epsilon, noise)}
        return self._answer(self._http.exchange(path, accept=accept, json=body))

    def cube(
        self,
        agreement: str,
        dimensions: Sequence[Dimension],
        measures: Sequence[Mapping[str, Any]],
        **spec: Any,
    ) -> Layout:
        """Build a cube, or find the one there is; return its layout, which `encrypted_totals` takes.

        A dimension is a column, or one of numbers in bins: `{"column": "age", "width": 10}`,
        or `"bands": "18,35,60"`. `spec`: `max_rows` of one subject, `epsilon` in millionths,
        `complete` for rows alone that have all measured values.
        """
        asked = {"dimensions": list(dimensions), "measures": [dict(measure) for measure in measures], **spec}
        found = self._http.post(f"/api/agreements/{part(agreement)}/cubes", asked)
        return Layout.from_json(found["layout"])

    def encrypted_totals(
        self,
        agreement: str,
        layout: Layout,
        weights: Mapping[Key, int] | Sequence[int],
        keys: "Keys | KeyRing",
    ) -> tuple[dict[str, int], Answer]:
        """Return the weighted total of each measure; the service sees neither weights nor totals.

        Raises:
            Malformed: the keys are neither `Keys` nor a ring.
            VerificationError: the answer is to another query or under another key.

        """
        from dataspace.client.keyring import KeyRing  # noqa: PLC0415 - TenSEAL is for these alone

        ring = KeyRing.holding(keys)
        keys = ring.of(layout.parameters.id) if ring is keys else next(iter(ring))
        pinned = (agreement, keys.id) in self._pinned
        expires = int(time.time()) + _QUERY_SECONDS
        query = keys.encrypt(layout, weights, agreement=agreement, expires=expires, pinned=pinned)
        path = f"/api/agreements/{part(agreement)}/encrypted"
        answer = self._answer(self._http.exchange(path, accept=ENVELOPE, content=query.body))
        self._pinned.add((agreement, keys.id))
        return keys.decrypt(answer.content, query), answer

    def acknowledge(self, answers: Sequence[Answer]) -> list[bytes]:
        """Say that these answers were received; return the receipts of the entries, in their order.

        Of each thousand all become entries or none. To say it again gives the same entries;
        an answer to a repeated question is one answer.

        Raises:
            Unprocessable: the ledger has another answer than one that was received.
            VerificationError: the service acknowledged something else.

        """
        receipts: dict[tuple[int, str], bytes] = {}
        each = list({(answer.entry, answer.sha256): answer for answer in answers}.values())
        for start in range(0, len(each), _ACKNOWLEDGED):
            some = each[start : start + _ACKNOWLEDGED]
            body = [{"entry": answer.entry, "answer_sha256": answer.sha256} for answer in some]
            made = acknowledged(some, self._http.post("/api/acknowledgements", body))
            receipts |= {(one.entry, one.sha256): receipt for one, receipt in zip(some, made, strict=True)}
        return [receipts[answer.entry, answer.sha256] for answer in answers]

    def _answer(self, response: httpx2.Response) -> Answer:
        try:
            entry, units, price = (
                int(response.headers[name]) for name in (ENTRY_HEADER, UNITS_HEADER, PRICE_HEADER)
            )
        except (KeyError, ValueError) as error:
            raise Malformed("the answer does not name its entry, units and price") from error
        media_type = response.headers.get("content-type", "").partition(";")[0]
        answer = Answer(response.content, media_type, entry, units, price, partial(_receipt, self._http))
        digest = base64.b64encode(bytes.fromhex(answer.sha256)).decode()
        if not hmac.compare_digest(response.headers.get("content-digest", ""), f"sha-256=:{digest}:"):
            raise VerificationError("the answer was changed on its way: its digest is another")
        return answer


def _receipt(http: Http, entry: int) -> bytes:
    return http.bytes(f"/api/receipts/{entry}")


def _check(
    agreement: Mapping[str, Any], offer: str, purpose: str, forms: Sequence[str], units: int | None
) -> None:
    """Compare an agreement with what was asked for, before verifying it (DSP 2025-1: the consumer must)."""
    right = agreement["offer"] == offer and agreement["purpose"] == purpose
    right = right and (not forms or set(agreement["forms"]) == set(forms))
    right = right and (units is None or agreement["units"] == units)
    if not right:
        raise VerificationError("the agreement is not on what was asked for: it is not verified")
