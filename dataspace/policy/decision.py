"""What a decision is, and the strict reading of what a policy engine answers.

    {"allow": false, "reasons": [{"code": "purpose-not-agreed", "asked": "..", "agreed": ".."}],
     "obligations": [], "revision": "<sha256 of the policy's sources>"}

Whatever is not exactly this denies: undefined, malformed, allowed with reasons
or denied without, of another revision, or with an obligation unknown here.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self

OBLIGATIONS: Final[Mapping[str, type]] = {"min_group": int, "row_limit": int, "mask": list}

# The codes an engine itself gives; all others are the policy's.
UNDEFINED: Final = "policy-undefined"
MALFORMED: Final = "policy-malformed"
MISMATCH: Final = "policy-mismatch"
FAILED: Final = "policy-failed"
TOO_COSTLY: Final = "policy-too-costly"
UNAVAILABLE: Final = "policy-unavailable"
UNKNOWN_OBLIGATION: Final = "unknown-obligation"

_MEMBERS: Final = {"allow", "reasons", "obligations", "revision"}
_CODE: Final = re.compile(r"[a-z][a-z-]{0,63}")


@dataclass(frozen=True)
class Reason:
    """Why not: a code of a closed set, and the facts of the case."""

    code: str
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Obligation:
    """What whoever lets the act pass must still do; `kind` is one of `OBLIGATIONS`."""

    kind: str
    value: int | str | list[str]


@dataclass(frozen=True)
class Decision:
    """A policy's word on one input; `policy` and `input` are SHA-256 in hex, of bundle and input."""

    allow: bool
    reasons: tuple[Reason, ...]
    obligations: tuple[Obligation, ...]
    policy: str
    input: str

    def obligation(self, kind: str) -> Any:
        """Return the value of the obligation `kind`, or None when the decision carries none."""
        return next((one.value for one in self.obligations if one.kind == kind), None)


@dataclass(frozen=True)
class Question:
    """What was asked of which policy: what an engine needs to word its answer."""

    policy: str
    revision: str
    input: str

    def deny(self, code: str, **facts: Any) -> Decision:
        """Return the denial an engine gives in the policy's place."""
        return Decision(
            allow=False, reasons=(Reason(code, facts),), obligations=(), policy=self.policy, input=self.input
        )

    def read(self, document: Any) -> Decision:
        """Return the decision that a policy's `document` is; anything doubtful is a denial."""
        if document is None:
            return self.deny(UNDEFINED)
        try:
            answer = _Answer.read(document)
        except (KeyError, TypeError, ValueError, AttributeError):
            return self.deny(MALFORMED)
        if answer.revision != self.revision:
            return self.deny(MISMATCH)
        unknown = [one.kind for one in answer.obligations if one.kind not in OBLIGATIONS]
        if unknown:
            return self.deny(UNKNOWN_OBLIGATION, kind=unknown[0])
        if not _consistent(answer):
            return self.deny(MALFORMED)
        # What a denial would oblige to is void.
        return Decision(
            allow=answer.allow,
            reasons=answer.reasons,
            obligations=answer.obligations if answer.allow else (),
            policy=self.policy,
            input=self.input,
        )


@dataclass(frozen=True)
class _Answer:
    allow: bool
    reasons: tuple[Reason, ...]
    obligations: tuple[Obligation, ...]
    revision: str

    @classmethod
    def read(cls, document: Any) -> Self:
        if not isinstance(document, dict) or document.keys() != _MEMBERS:
            raise ValueError("not the four members")
        if not isinstance(document["allow"], bool) or not isinstance(document["revision"], str):
            raise TypeError("allow or revision")
        return cls(
            document["allow"],
            tuple(_reason(one) for one in _list(document["reasons"])),
            tuple(_obligation(one) for one in _list(document["obligations"])),
            document["revision"],
        )


def _list(value: Any) -> list[dict[str, Any]]:
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise TypeError("not a list of objects")
    return value


def _reason(value: dict[str, Any]) -> Reason:
    code = value["code"]
    facts = {name: fact for name, fact in value.items() if name != "code"}
    if not _CODE.fullmatch(code) or not all(_plain(fact) for fact in facts.values()):
        raise ValueError("reason")
    return Reason(code, facts)


def _plain(value: Any) -> bool:
    if isinstance(value, list):
        return all(isinstance(item, str | int) for item in value)
    return isinstance(value, str | int)


def _obligation(value: dict[str, Any]) -> Obligation:
    if value.keys() != {"kind", "value"} or not isinstance(value["kind"], str):
        raise ValueError("obligation")
    return Obligation(value["kind"], value["value"])


def _consistent(answer: _Answer) -> bool:
    kinds = [one.kind for one in answer.obligations]
    once = len(kinds) == len(set(kinds))
    return once and all(_fits(one) for one in answer.obligations) and answer.allow is not bool(answer.reasons)


def _fits(one: Obligation) -> bool:
    if type(one.value) is not OBLIGATIONS[one.kind]:  # type(), because a bool is an int
        return False
    return not isinstance(one.value, list) or all(isinstance(item, str) for item in one.value)
