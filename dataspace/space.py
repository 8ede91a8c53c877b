"""What every journey stands on: the parts of one running space, made once by `app.py`."""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import text
from sqlmodel import Session

from dataspace.database import Database
from dataspace.errors import NotFound, PolicyDenied, Unavailable
from dataspace.keys import KeyStore
from dataspace.ledger.log import Log
from dataspace.policy import Decision, Facts, PolicyEngine, canonical_input
from dataspace.policy.decision import UNAVAILABLE
from dataspace.policy.models import PolicyInput
from dataspace.settings import Settings
from dataspace.zones.pack import Pack

_REMEMBER = text(
    "INSERT INTO policy_input (digest, content) VALUES (:digest, :content) ON CONFLICT DO NOTHING"
)


def mint(kind: str) -> str:
    """Return a fresh identifier such as `ds-5f0c...`: 64 random bits behind the kind."""
    return f"{kind}-{secrets.token_hex(8)}"


def utc_now() -> datetime:
    """Return the time now, aware; the one clock that is not injected."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class Space:
    """The shared parts of a service; `clock` is injected so that tests can set it."""

    settings: Settings
    database: Database
    log: Log
    policy: PolicyEngine
    keys: KeyStore
    packs: Mapping[str, Pack]
    clock: Callable[[], datetime] = utc_now

    def pack(self, zone: str) -> Pack:
        """Return the pack of a zone that this service hosts.

        Raises:
            NotFound: it hosts no such zone.

        """
        if zone not in self.packs:
            raise NotFound(f"there is no zone {zone!r} here: the zones are {', '.join(sorted(self.packs))}")
        return self.packs[zone]

    def decide(self, action: str, **facts: Any) -> tuple[Decision, PolicyInput]:
        """Ask the policy; return its decision and the input to store beside the entry that names it."""
        # The nonce keeps the digest, which the caller may see, from telling facts that are few enough to try:
        # how many subjects were too few.
        nonce = secrets.token_hex(16)
        asked = Facts({"action": action, "nonce": nonce, "now": nanoseconds(self.clock()), **facts})
        decision = self.policy.decide(asked)
        return decision, PolicyInput(digest=decision.input, content=canonical_input(asked).decode())


def nanoseconds(moment: datetime) -> int:
    """Return a time as the policy takes it: integer nanoseconds since 1970, exact to the microsecond."""
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    delta = aware - datetime(1970, 1, 1, tzinfo=UTC)
    return (delta.days * 86_400 + delta.seconds) * 10**9 + delta.microseconds * 1000


def remember(session: Session, asked: PolicyInput) -> None:
    """Store a decision's input once, in the transaction of the entry that carries its digest."""
    # As one statement: the ORM would take two, and longer than the decision took (measured).
    session.connection().execute(_REMEMBER, {"digest": asked.digest, "content": asked.content})


def proof_of(decision: Decision) -> dict[str, str]:
    """Return the two fields by which an entry names its decision."""
    return {"policy": decision.policy, "input": decision.input}


def ensure(decision: Decision, **facts: Any) -> None:
    """Let an allowed act pass; `facts` go with the refusal of one that is not.

    Raises:
        PolicyDenied: the decision is a denial; `facts["reasons"]` says why.
        Unavailable: the policy engine did not answer, which denies too (attack PO-01).

    """
    if decision.allow:
        return
    if any(reason.code == UNAVAILABLE for reason in decision.reasons):
        raise Unavailable("the policy engine does not answer, so nothing is allowed")
    reasons = [{"code": reason.code, **reason.facts} for reason in decision.reasons]
    codes = ", ".join(reason.code for reason in decision.reasons)
    raise PolicyDenied(f"the policy denies it: {codes}", reasons=reasons, **facts)
