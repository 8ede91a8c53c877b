"""Encrypted totals as acts of a data space: queries made, sent, and their answers opened."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from dataspace.client.answer import Answer
from dataspace.client.http import Http
from dataspace.client.layout import Key, Layout
from dataspace.client.providing import part
from dataspace.errors import PolicyDenied
from dataspace.wire import ENVELOPE

if TYPE_CHECKING:
    from dataspace.client.encrypted import Keys, Prepared
    from dataspace.client.keyring import KeyRing

QUERY_SECONDS: Final = 600


@dataclass(frozen=True)
class Totals:
    """The weighted total of each measure, in units of 10^-precision, and the answers it was opened from."""

    totals: Mapping[str, int]
    answers: tuple[Answer, ...] = field(repr=False)

    @property
    def units(self) -> int:
        """Return what the answers cost together."""
        return sum(answer.units for answer in self.answers)


class Weighing:
    """Encrypted queries over cubes, a part of `DataSpace`."""

    _http: Http
    _answer: Callable[[Any], Answer]
    _pinned: set[tuple[str, str]]

    def weighted_totals(
        self,
        agreement: str,
        layout: Layout,
        weights: Mapping[Key, int] | Sequence[int],
        keys: "Keys | KeyRing",
    ) -> Totals:
        """Return the weighted total of each measure; the service sees neither weights nor totals.

        Totals that may pass the plain modulus are asked for under each key of
        the ring, at a unit each, and put together here.

        Raises:
            PolicyDenied: the agreement has fewer units left than that takes; nothing was sent.
            Unprocessable: they may pass all plain moduli of the ring together; nothing was sent.
            VerificationError: an answer is to another query or under another key.

        """
        from dataspace.client.encrypted import Errand  # noqa: PLC0415 - TenSEAL is for these alone
        from dataspace.client.keyring import KeyRing  # noqa: PLC0415

        ring = KeyRing.holding(keys)
        expires = int(time.time()) + QUERY_SECONDS
        errands = {one.id: Errand(agreement, expires, (agreement, one.id) in self._pinned) for one in ring}
        weighed = ring.weigh(layout, weights, errands)
        if len(weighed.queries) > 1:
            self._check_units(agreement, len(weighed.queries), "encrypted queries")
        answers = tuple(self._sent(agreement, one, query) for one, query in weighed.queries)
        return Totals(weighed.decrypt([answer.content for answer in answers]), answers)

    def _check_units(self, agreement: str, wanted: int, what: str) -> None:
        """Raise PolicyDenied, as the service would halfway, if fewer units are left than a question takes."""
        units = self._http.get(f"/api/agreements/{part(agreement)}")["usage"]["units"]
        check_left(units["granted"] - units["spent"] - units["reserved"], wanted, what)

    def _sent(self, agreement: str, keys: "Keys", query: "Prepared") -> Answer:
        path = f"/api/agreements/{part(agreement)}/encrypted"
        answer = self._answer(self._http.exchange(path, accept=ENVELOPE, content=query.body))
        self._pinned.add((agreement, keys.id))
        return answer


def check_left(left: int, wanted: int, what: str) -> None:
    """Let pass a question that takes no more units than an agreement has left; PolicyDenied otherwise."""
    if left < wanted:
        raise PolicyDenied(
            f"this takes {wanted} units for {what}, and the agreement has {left} left",
            reasons=["units-exhausted"],
            wanted=wanted,
            left=left,
        )
