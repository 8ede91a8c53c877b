"""Whether a decision was on the act that an entry tells: the same action, parties, things, terms and costs.

Each kind's rule names the action, the stage of a query, and which field of the
entry must be which fact of the input. Costs of an entry may be lower than what
was decided on: a query reserves the most it may cost.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any, Final

LATE: Final = timedelta(seconds=20)  # that an entry may be older than its decision, by clocks that were set
SOON: Final = timedelta(days=1)  # within which a query's entry follows its decision


@dataclass(frozen=True)
class Meant:
    """The rule of one kind: `same` and `most` map fields of the entry to paths in the input."""

    action: str
    same: Mapping[str, tuple[str, ...]]
    stage: str | None = None
    most: Mapping[str, str] = field(default_factory=dict)
    soon: bool = False


_CASE: Final = {"agreement": ("agreement.id",), "dataset": ("dataset.id",)}
_DATASET: Final = {**_CASE, "version": ("dataset.version",), "epsilon": ("query.epsilon",)}
_APPROVAL: Final = Meant(
    "approve",
    {
        "kind": ("approval.answer",),
        "by": ("participant.id",),
        "zone": ("zone.name",),
        **{name: (f"approval.{name}",) for name in ("provider", "codes")},
        "approval": ("approval.id",),
    },
)
_COST: Final = {"units": "query.units", "epsilon": "query.epsilon"}

MEANT: Final[Mapping[str, Meant]] = MappingProxyType(
    {
        "dataset.registered": Meant(
            "register",
            {
                "provider": ("participant.id", "dataset.provider"),
                "zone": ("zone.name",),
                "level": ("dataset.level",),
                "price": ("offer.price",),
                "approval": ("approval.id",),
                "lifted": ("approval.codes",),
            },
        ),
        "approval.granted": _APPROVAL,
        "approval.rejected": _APPROVAL,
        "dataset.withdrawn": Meant("withdraw", {"by": ("participant.id",), "dataset": ("dataset.id",)}),
        "negotiation.refused": Meant("negotiate", {"consumer": ("participant.id",), "offer": ("offer.id",)}),
        "agreement.concluded": Meant(
            "negotiate",
            {
                "consumer": ("participant.id",),
                "offer": ("offer.id",),
                "dataset": ("dataset.id",),
                "provider": ("dataset.provider",),
                "purpose": ("agreement.purpose",),
                "forms": ("agreement.forms",),
            },
        ),
        "cube.granted": Meant("query", {**_DATASET, "units": ("query.units",)}, "after", soon=True),
        "query.answered": Meant("query", {**_DATASET, "form": ("query.form",)}, "after", _COST, soon=True),
        "model.registered": Meant(
            "register",
            {
                "dataset": ("dataset.id",),
                "version": ("dataset.version",),
                "provider": ("participant.id", "dataset.provider"),
                "model_sha256": ("model.sha256",),
                "releasable": ("model.releasable",),
            },
        ),
        "sealed.computed": Meant("query", {**_CASE, "version": ("dataset.version",)}, "before", soon=True),
        "query.refused": Meant("query", {**_CASE, "form": ("query.form",)}, None, _COST, soon=True),
    }
)


def disagreement(fields: Mapping[str, Any], facts: Mapping[str, Any]) -> str | None:
    """Return the first fact that is not of the act that an entry's `fields` tell, or None.

    `fields` have the names and types of a kind in `MEANT`.
    """
    meant = MEANT[fields["kind"]]
    given = {"action": _fact(facts, "action"), "stage": _fact(facts, "stage")}
    wanted = {"action": meant.action, "stage": meant.stage or given["stage"]}
    if fields["kind"] == "cube.granted":
        given["query.form"], wanted["query.form"] = _fact(facts, "query.form"), "encrypted"
    for name, paths in meant.same.items():
        given |= {path: _fact(facts, path) for path in paths}
        # A name that came later is in no older entry, and its facts in no older input.
        wanted |= dict.fromkeys(paths, fields.get(name))
    for path, value in given.items():
        if not _same(value, wanted[path]):
            return f"{path} was {_shown(value)}, the entry says {_shown(wanted[path])}"
    return _over(meant, fields, facts) or _untimely(meant, fields, facts)


def _over(meant: Meant, fields: Mapping[str, Any], facts: Mapping[str, Any]) -> str | None:
    for name, path in meant.most.items():
        value = _fact(facts, path)
        if type(value) is not int or fields[name] > value:
            return f"{path} was {_shown(value)}, the entry charges {fields[name]}"
    return None


def _untimely(meant: Meant, fields: Mapping[str, Any], facts: Mapping[str, Any]) -> str | None:
    now = _fact(facts, "now")
    if type(now) is not int:
        return "it does not say when it was made"
    try:
        decided = datetime.fromtimestamp(now // 10**9, UTC)
    except (OverflowError, ValueError, OSError):
        return "the time it says is none"
    told = datetime.fromisoformat(fields["time"])
    if decided - LATE > told:
        return f"it was made at {decided:%Y-%m-%dT%H:%M:%SZ}, after the entry"
    if meant.soon and told - decided > SOON:
        return f"it was made at {decided:%Y-%m-%dT%H:%M:%SZ}, long before the entry"
    return None


def _fact(facts: Any, path: str) -> Any:
    for name in path.split("."):
        if not isinstance(facts, Mapping):
            return None
        facts = facts.get(name)
    return facts


def _same(one: Any, other: Any) -> bool:
    # By type too: in JSON true is not 1.
    return type(one) is type(other) and bool(one == other)


def _shown(value: Any) -> str:
    return repr(value)[:80]
