"""A consumer of lookups and intersections that speaks to the journeys themselves, honest or not."""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from dataspace.catalog.register import Registered
from dataspace.negotiation.models import Agreement
from dataspace.participants.access import Caller
from dataspace.transfer.ask import Answer
from dataspace.wire.intersection import Blinded, Opening
from dataspace.wire.oprf import INTERSECTION, LOOKUP, Scalar, hashed, pack, unpack
from tests.simulator import Simulator, people

EPSILON = 1_000_000


@dataclass
class Consumer:
    """One agreement of one consumer."""

    space: Simulator
    caller: Caller
    agreement: Agreement
    dataset: str

    @property
    def usage(self) -> dict[str, Any]:
        return self.space.service.answers.usage(self.caller, self.agreement.id)

    def evaluate(self, points: Sequence[bytes], identifier: str = "number") -> list[bytes]:
        answer = self.answer(points, identifier)
        return unpack(answer.content, 1000)

    def answer(self, points: Sequence[bytes], identifier: str = "number") -> Answer:
        return self.space.service.lookups.evaluate(self.caller, self.agreement.id, identifier, pack(points))

    def value_of(self, item: str) -> bytes:
        """The pseudorandom value of an item, by one evaluation."""
        blind = Scalar.fresh()
        (point,) = self.evaluate([blind.of(hashed(item, LOOKUP))])
        return blind.inverse.of_all([point])[0]

    def begin(self, points: Sequence[bytes], public: bytes, **terms: Any) -> Blinded:
        told = {"identifier": "number", "epsilon": EPSILON, "reveal": False, **terms}
        body = Opening(public, sorted(points), told).encode()
        answer = self.space.service.intersections.begin(self.caller, self.agreement.id, body)
        return Blinded.decode(answer.content)

    def finish(self, job: str, points: Sequence[bytes]) -> dict[str, Any]:
        answer = self.space.service.intersections.finish(self.caller, self.agreement.id, job, pack(points))
        return dict(json.loads(answer.content))

    def intersect(
        self,
        items: Iterable[str],
        tampered: Callable[[Scalar, list[bytes]], list[bytes]] | None = None,
        **terms: Any,
    ) -> dict[str, Any]:
        """Ask for an intersection; `tampered` returns other points than the honest ones."""
        exponent = Scalar.fresh()
        blinded = self.begin(blinds(exponent, items), exponent.public, **terms)
        returned = (tampered or Scalar.of_all)(exponent, blinded.points)
        return self.finish(blinded.job, returned if terms.get("reveal") else sorted(returned))


def blinds(exponent: Scalar, items: Iterable[str]) -> list[bytes]:
    """Return the points of items, raised to an exponent."""
    return [exponent.of(hashed(item, INTERSECTION)) for item in items]


def consumer_of(space: Simulator, rows: int, form: str, **offer: Any) -> Consumer:
    """Agree in one form on a dataset of so many people, which is registered the first time."""
    key = (id(space), rows, form, str(offer))
    if key not in _registered:
        terms = {
            "forms": (form,),
            "epsilon": 9_000_000,
            "dataset_epsilon": 900_000_000,
            "units": 1000,
            **offer,
        }
        _registered[key] = space.registered(space.provider(), people(rows), subjects=["number"], **terms)
    caller = space.consumer()
    return Consumer(space, caller, space.agreed(caller, _registered[key].offer), _registered[key].dataset)


_registered: dict[tuple[Any, ...], Registered] = {}


def numbers(*ranges: range) -> list[str]:
    """Return the identifiers of people."""
    return [f"P{number:06d}" for some in ranges for number in some]
