"""Why, in the sentence itself: what a problem's facts say is worded into its detail.

    the request does not fit its description: roles[0]: invalid enum value 'seller'
    the policy denies it: purpose-not-offered (asked statistics; offered risk-model, anti-fraud)

The facts stay beside it as they are. The portal, the SDK and the CLI all show the detail.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

_NANOSECONDS = 10**9
# Facts that the policy gives as nanoseconds since 1970.
_TIMES = ("expired",)


def worded(detail: str, facts: Mapping[str, Any]) -> str:
    """Return the sentence with the first of its errors and the facts of its policy reasons."""
    reasons = [one for one in _listed(facts, "reasons") if "code" in one]
    codes = ", ".join(str(one["code"]) for one in reasons)
    if codes and detail.endswith(codes):
        detail = detail.removesuffix(codes) + ", ".join(map(_reason, reasons))
    for first in _listed(facts, "errors")[:1]:
        detail = f"{detail}: {_misfit(first)}"
    return detail


def _listed(facts: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    found = facts.get(name)
    return [one for one in found if isinstance(one, Mapping)] if isinstance(found, list) else []


def _reason(reason: Mapping[str, Any]) -> str:
    facts = sorted((name != "asked", name) for name in reason if name != "code")
    told = [f"{name} {_shown(name, reason[name])}" for _, name in facts]
    return f"{reason['code']} ({'; '.join(told)})" if told else str(reason["code"])


def _shown(name: str, value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or "nothing"
    if name in _TIMES and isinstance(value, int):
        return datetime.fromtimestamp(value // _NANOSECONDS, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return str(value)


def _misfit(error: Mapping[str, Any]) -> str:
    # "data" is the framework's name for the whole body, which nobody sent under that name.
    place = str(error.get("key", ""))
    message = str(error.get("message", ""))
    what = message[:1].lower() + message[1:]
    return f"{place}: {what}" if place not in ("", "data") else what
