"""Facts that the policy allows, to change one thing at a time in."""

from copy import deepcopy
from typing import Any

NOW = 1795395973000000000

ZONE = {
    "name": "a",
    "purposes": ["statistics"],
    "min_group": 10,
    "max_rows_level": 2,
    "max_aggregate_level": 4,
}
OFFER = {
    "id": "of-1",
    "purposes": ["statistics"],
    "forms": ["rows", "aggregate", "encrypted"],
    "units": 100,
    "min_group": 10,
    "row_limit": 20000,
    "expires": NOW + 1,
    "exact": True,
    "semi_honest": [],
}
DATASET = {
    "id": "ds-1",
    "version": 1,
    "level": 3,
    "withdrawn": False,
    "provider": "pt-p",
    "epsilon": {"granted": 8000000, "spent": 0, "reserved": 0},
}
COLUMNS = [
    {"name": "金额", "level": 2, "category": "amount", "method": "keep", "use": "select"},
    {"name": "name", "level": 2, "category": "name", "method": "mask", "use": "select"},
]


def query(stage: str = "before", **changed: Any) -> dict[str, Any]:
    """Return a query's facts; `part__name=value` replaces one of them."""
    facts: dict[str, Any] = {
        "action": "query",
        "stage": stage,
        "now": NOW,
        "participant": {"id": "pt-c", "roles": ["consumer"], "status": "active"},
        "zone": ZONE,
        "dataset": DATASET,
        "offer": OFFER,
        "agreement": {
            "id": "ag-1",
            "state": "FINALIZED",
            "consumer": "pt-c",
            "purpose": "statistics",
            "forms": ["rows", "aggregate"],
            "expires": NOW + 1,
            "versions": [1],
            "units": {"granted": 100, "spent": 3, "reserved": 1},
            "epsilon": {"granted": 4000000, "spent": 0, "reserved": 0},
        },
        "query": {
            "form": "rows",
            "purpose": "statistics",
            "columns": COLUMNS,
            "units": 1,
            "epsilon": 0,
            "releasable": True,
            "noised": False,
        },
    }
    if stage == "after":
        facts["result"] = {
            "rows": 10,
            "smallest_group": 12,
            "complement": 0,
            "isolates": False,
            "unchecked": False,
        }
    return replaced(facts, **changed)


def admit() -> dict[str, Any]:
    """Return the facts of an admission."""
    participant = {"id": "pt-o", "roles": ["operator"], "status": "active"}
    return {"action": "admit", "now": NOW, "participant": participant}


def withdraw() -> dict[str, Any]:
    """Return the facts of a withdrawal."""
    return deepcopy(
        {"action": "withdraw", "now": NOW, "participant": _provider(), "zone": ZONE, "dataset": DATASET}
    )


def register() -> dict[str, Any]:
    """Return the facts of a registration."""
    facts = {**withdraw(), "action": "register", "offer": deepcopy(OFFER)}
    facts["dataset"] |= {"graded_level": 3, "contradicted": []}
    return {**facts, "release": {"passes": True, "failing": []}, "approval": {"codes": []}}


def approve() -> dict[str, Any]:
    """Return the facts of an approval."""
    asked = {"provider": "pt-p", "codes": ["release-above-threshold"]}
    return {**admit(), "action": "approve", "approval": asked}


def negotiate() -> dict[str, Any]:
    """Return the facts of a negotiation."""
    asked = {"purpose": "statistics", "forms": ["rows"], "epsilon": 4000000}
    participant = {"id": "pt-c", "roles": ["consumer"], "status": "active"}
    about = {"dataset": deepcopy(DATASET), "offer": deepcopy(OFFER)}
    return {
        **admit(),
        "action": "negotiate",
        "participant": participant,
        "zone": ZONE,
        **about,
        "agreement": asked,
    }


def every_act() -> list[dict[str, Any]]:
    """Return an allowed case of every act."""
    return [admit(), approve(), withdraw(), register(), negotiate(), query("before"), query("after")]


def replaced(facts: dict[str, Any], **changed: Any) -> dict[str, Any]:
    """Return a copy with `part__name=value` or `name=value` replaced."""
    copy = deepcopy(facts)
    for path, value in changed.items():
        part, _, name = path.partition("__")
        if name:
            copy[part][name] = value
        else:
            copy[part] = value
    return copy


def _provider() -> dict[str, Any]:
    return {"id": "pt-p", "roles": ["provider"], "status": "active"}
