"""The decisions of the played space: on facts as the service has them, which the real policy allows.

Nothing is decided here: WebAssembly's signal handlers must come after pytest's. The audit decides.
"""

import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from dataspace.policy import Facts
from dataspace.space import nanoseconds

START = datetime(2026, 3, 1, 8, 0, tzinfo=UTC)
BUNDLE = (Path(__file__).parents[2] / "policies" / "bundle.tar.gz").read_bytes()
POLICY = hashlib.sha256(BUNDLE).hexdigest()
PROVIDER, CONSUMER, DATASET, OFFER, NEGOTIATION, AGREEMENT = "pt-1", "pt-2", "ds-1", "of-1", "ng-1", "ag-1"
UNITS, EPSILON, PRICE = 1000, 4_000_000, 100
CUBE_EPSILON = 500_000

_LATER = nanoseconds(START + timedelta(days=300))
_ZONE = {
    "name": "finance",
    "purposes": ["statistics"],
    "min_group": 10,
    "max_rows_level": 2,
    "max_aggregate_level": 4,
}
_FORMS = ["rows", "aggregate", "encrypted"]
_OFFER = {
    "id": OFFER,
    "purposes": ["statistics"],
    "forms": _FORMS,
    "units": UNITS,
    "min_group": 10,
    "row_limit": 100,
    "price": PRICE,
    "expires": _LATER,
    "exact": True,
    "semi_honest": [],
}
_DATASET = {
    "id": DATASET,
    "version": 1,
    "level": 3,
    "withdrawn": False,
    "provider": PROVIDER,
    "epsilon": {"granted": 32 * EPSILON, "spent": 0, "reserved": 0},
}
_PROVIDER = {"id": PROVIDER, "roles": ["operator", "provider"], "status": "active"}
_CONSUMER = {"id": CONSUMER, "roles": ["consumer"], "status": "active"}
_AGREEMENT = {
    "id": AGREEMENT,
    "state": "FINALIZED",
    "consumer": CONSUMER,
    "purpose": "statistics",
    "forms": _FORMS,
    "versions": [1],
    "expires": _LATER,
    "units": {"granted": UNITS, "spent": 0, "reserved": 1},
    "epsilon": {"granted": EPSILON, "spent": 0, "reserved": 0},
}


class Decided(NamedTuple):
    """A decision that allows: the fields by which an entry names it, and its input as it is kept."""

    fields: dict[str, str]
    text: str


def _decided(action: str, **facts: Any) -> Decided:
    asked = Facts({"action": action, "now": nanoseconds(START), "nonce": "0" * 32, "zone": _ZONE, **facts})
    digest = hashlib.sha256(asked.content).hexdigest()
    return Decided({"policy": POLICY, "input": digest}, asked.content.decode())


def query(form: str = "aggregate", units: int = 1, epsilon: int = 0, version: int = 1) -> Decided:
    """Return the decision after a query."""
    return _decided(
        "query",
        stage="after",
        participant=_CONSUMER,
        dataset={**_DATASET, "version": version},
        offer=_OFFER,
        agreement=_AGREEMENT,
        query={
            "form": form,
            "purpose": "statistics",
            "columns": [],
            "units": units,
            "epsilon": epsilon,
            "releasable": True,
            "noised": False,
        },
        result={
            "rows": 10,
            "smallest_group": 12,
            "complement": 0,
            "isolates": False,
            "unchecked": False,
        },
    )


REGISTERED = _decided(
    "register",
    participant=_PROVIDER,
    dataset={**_DATASET, "graded_level": 3, "contradicted": []},
    offer=_OFFER,
    release={"passes": True, "failing": []},
    approval={"id": "", "codes": [], "by": ""},
)
WITHDRAWN = _decided("withdraw", participant=_PROVIDER, dataset=_DATASET)
CONCLUDED = _decided(
    "negotiate",
    participant=_CONSUMER,
    dataset=_DATASET,
    offer=_OFFER,
    agreement={"purpose": "statistics", "forms": _FORMS, "epsilon": EPSILON},
)
ANSWERED = query()
GRANTED = query("encrypted", epsilon=CUBE_EPSILON)
ALL = (REGISTERED, WITHDRAWN, CONCLUDED, ANSWERED, GRANTED)
