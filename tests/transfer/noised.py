"""What tests of noised aggregates share: an agreement, a question, the answer read."""

import json
from typing import Any

from dataspace.negotiation.models import Agreement
from dataspace.participants.access import Caller
from dataspace.transfer.conduct import Answer
from tests.simulator import Simulator, people

COUNTS = "SELECT district, COUNT(*) FROM data GROUP BY district"


def agreed(space: Simulator, rows: int, **offer: Any) -> tuple[Caller, Agreement]:
    """Return a consumer with an agreement on a dataset of so many people."""
    terms = {"forms": ("aggregate",), "epsilon": 9_000_000, **offer}
    registered = space.registered(space.provider(), people(rows), subjects=["number"], **terms)
    consumer = space.consumer()
    return consumer, space.agreed(consumer, registered.offer)


def ask(space: Simulator, consumer: Caller, agreement: Agreement, sql: str = COUNTS, **noise: Any) -> Answer:
    return space.service.noised.query(consumer, agreement.id, sql, {"epsilon": 1_000_000, **noise})


def told(answer: Answer) -> dict[str, Any]:
    return dict(json.loads(answer.content))


def spent(space: Simulator, consumer: Caller, agreement: Agreement) -> tuple[int, int]:
    """Return the units and the epsilon that were spent."""
    usage = space.service.answers.usage(consumer, agreement.id)
    return usage["units"]["spent"], usage["epsilon"]["spent"]


def state(space: Simulator, consumer: Caller, agreement: Agreement) -> str:
    return space.service.negotiator.agreement(consumer, agreement.id).state
