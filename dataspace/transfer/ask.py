"""A query on its way, as values: what is asked, what was computed, the answer that has its entry."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from dataspace.catalog.models import Form
from dataspace.transfer.budget import Charge

if TYPE_CHECKING:
    from dataspace.transfer.case import Case


@dataclass(frozen=True)
class Ask:
    """What is asked: form, digest of the query, its columns as the policy sees them, the most it costs.

    `releasable` says that the consumer may know all that its query is computed
    with; what is not is for those that the offer names semi-honest. `noised`:
    every number of the answer has noise, whoever paid for it. `kept`: the
    same question, which the digest names whole, gets the same answer again, at no
    cost (`repeat`), until the time `until` if there is one.
    """

    form: Form
    query_sha256: str
    columns: Sequence[Mapping[str, Any]]
    charge: Charge
    releasable: bool = True
    noised: bool = False
    kept: bool = False
    until: datetime | None = None

    def facts(self, case: "Case") -> dict[str, Any]:
        """Return what the policy is told of the query."""
        return {
            "form": self.form,
            "purpose": case.agreement.purpose,
            "columns": list(self.columns),
            "units": self.charge.units,
            "epsilon": self.charge.epsilon,
            "releasable": self.releasable,
            "noised": self.noised,
        }


@dataclass(frozen=True)
class Computed:
    """What a worker made: the bytes of the answer, the facts for step 5, what it costs in the end.

    `isolates` and `unchecked` are the verdict of the history: the answer, with
    all that was released before, tells of fewer subjects than the minimum, or
    that could not be told in bounded time.
    """

    content: bytes = field(repr=False)
    media_type: str
    facts: Mapping[str, int]
    charge: Charge
    isolates: bool = False
    unchecked: bool = False

    def result(self) -> dict[str, int | bool]:
        """Return what the policy is told of the result."""
        return {**self.facts, "isolates": self.isolates, "unchecked": self.unchecked}


@dataclass(frozen=True)
class Answer:
    """An answer that has its entry; `sha256` is the digest in it, `price` is in fen.

    One that was given before says what it cost then: now it costs nothing.
    """

    content: bytes = field(repr=False)
    media_type: str
    entry: int
    units: int
    price: int
    sha256: str


def digest_of(content: bytes) -> str:
    """Return the SHA-256 of an answer, in hex."""
    return hashlib.sha256(content).hexdigest()
