"""The seven steps every query takes, whatever computes its answer.

 1. Read the case (no lock).
 2. Decide before: purpose, time, budget, columns, form.
 3. Reserve the budget, in a short transaction of its own.
 4. Compute, with no transaction open.
 5. Decide after, on facts of the result.
 6. One transaction: read the case again, settle the budget, append the entry.
 7. Only then return, or raise.

A query that a worker had to be stopped for costs what it reserved: the work was
done, and a probe that costs nothing would be repeated for ever. What the
service could not do costs nothing.

What an agreement has left is looked at wherever it is spent: at nothing it is
suspended, in the same transaction (`suspend`).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlmodel import Session

from dataspace.database import crash_at
from dataspace.errors import DataSpaceError, PolicyDenied, Refused, TooCostly, Unavailable
from dataspace.policy import Decision
from dataspace.policy.decision import UNAVAILABLE
from dataspace.policy.models import PolicyInput
from dataspace.space import Space, proof_of, remember
from dataspace.transfer.ask import Answer, Ask, Computed, digest_of
from dataspace.transfer.budget import Charge, reserve, settle
from dataspace.transfer.case import Case, still_stands
from dataspace.transfer.mark import Mark
from dataspace.transfer.repeat import Repeats
from dataspace.transfer.suspend import suspend

__all__ = ["Answer", "Ask", "Computed", "Conductor", "Settled", "digest_of"]

Settled = Callable[[Session, Computed, Decision], int]

_NOTHING = Charge(0)
_PROBED = Charge(1)


class Conductor:
    """Takes a query through its seven steps."""

    def __init__(self, space: Space) -> None:
        self._space = space
        self._repeats, self._mark = Repeats(space), Mark(space.settings.home)

    def conduct(
        self, case: Case, ask: Ask, compute: Callable[[Decision], Computed], settled: Settled | None = None
    ) -> Answer:
        """Return the answer of `compute`, when the policy allows it before and after.

        `settled` appends the entry, inside the last transaction, and returns
        its index; without it a `query.answered` is appended. What is `kept`
        was perhaps answered before: then that answer is returned.

        Raises:
            PolicyDenied: the policy denies it; the refusal is an entry. Before the work it costs
                nothing, after it one unit.
            Conflict: another query took the budget first.
            TooCostly: the worker was stopped; that costs what was reserved.

        """
        if ask.kept and (given := self._repeats.find(None, case, ask.query_sha256)):
            return given
        before = self._decide(case, ask, "before", {})
        if not before[0].allow:
            raise self._refused(case, ask, before)
        self._reserve(case, ask)
        crash_at("query.reserved")
        try:
            computed = compute(before[0])
        except DataSpaceError as error:
            self._failed(case, ask, before, error)
            raise
        after = self._decide(case, ask, "after", {"result": computed.result()})
        if not after[0].allow:
            # It was computed, and that it is refused tells something too: a probe costs one unit.
            raise self._refused(case, ask, after, reserved=ask.charge, spent=_PROBED)
        return self._answered(case, ask, computed, after, settled or self.append(case, ask))

    def refuse(self, case: Case, ask: Ask, error: Refused) -> PolicyDenied:
        """Return the refusal of a query that breaks a rule no policy can lift; it is an entry."""
        decided = self._decide(case, ask, "before", {})
        denied = self._refused(case, ask, decided, codes=["column-forbids-use"])
        reasons = [{"code": "column-forbids-use", **error.facts}]
        return PolicyDenied(str(error), reasons=reasons, entry=denied.facts["entry"])

    def _decide(
        self, case: Case, ask: Ask, stage: str, result: Mapping[str, Any]
    ) -> tuple[Decision, PolicyInput]:
        return self._space.decide("query", stage=stage, **case.facts(), query=ask.facts(case), **result)

    def _reserve(self, case: Case, ask: Ask) -> None:
        def act(session: Session) -> None:
            reserve(session, case.agreement, ask.charge)

        self._space.database.commit(act)

    def _refused(
        self,
        case: Case,
        ask: Ask,
        decided: tuple[Decision, PolicyInput],
        *,
        reserved: Charge = _NOTHING,
        spent: Charge = _NOTHING,
        codes: Sequence[str] = (),
    ) -> PolicyDenied | Unavailable:
        reasons = list(codes) or [reason.code for reason in decided[0].reasons]
        silent = UNAVAILABLE in reasons
        entry = self._record_refusal(case, ask, decided, reasons, reserved, _NOTHING if silent else spent)
        if silent:
            return Unavailable("the policy engine does not answer, so nothing is allowed", entry=entry)
        # Built only now: the refusal is a fact of the ledger and must commit before anyone hears of it.
        listed = [{"code": reason.code, **reason.facts} for reason in decided[0].reasons]
        return PolicyDenied(f"the policy denies it: {', '.join(reasons)}", reasons=listed, entry=entry)

    def _failed(
        self, case: Case, ask: Ask, decided: tuple[Decision, PolicyInput], error: DataSpaceError
    ) -> None:
        # A cube that failed after its noise was drawn says so: trying again until it is lucky must cost.
        drawn = Charge(0, int(error.facts.get("epsilon", 0)))
        spent = ask.charge if isinstance(error, TooCostly) else drawn
        error.facts["entry"] = self._record_refusal(case, ask, decided, [error.code], ask.charge, spent)

    def _record_refusal(
        self,
        case: Case,
        ask: Ask,
        decided: tuple[Decision, PolicyInput],
        reasons: list[str],
        reserved: Charge,
        spent: Charge,
    ) -> int:
        def act(session: Session) -> int:
            remember(session, decided[1])
            left = settle(session, case.agreement.id, reserved, spent)
            entry = self._space.log.append(
                session,
                "query.refused",
                agreement=case.agreement.id,
                dataset=case.dataset.id,
                form=ask.form,
                query_sha256=ask.query_sha256,
                reasons=reasons,
                units=spent.units,
                epsilon=spent.epsilon,
                **proof_of(decided[0]),
            )
            suspend(session, self._space, case, left)
            return entry

        entry = self._space.database.commit(act)
        if spent.epsilon:
            self._mark.reach(entry + 1)
        return entry

    def _answered(
        self, case: Case, ask: Ask, computed: Computed, after: tuple[Decision, PolicyInput], append: Settled
    ) -> Answer:
        def act(session: Session) -> Answer | PolicyDenied:
            # Since it was decided an agreement may have ended, a dataset gone, a consumer been suspended.
            if not still_stands(session, case):
                return PolicyDenied("the agreement or the dataset changed while the query ran")
            if ask.kept and (given := self._repeats.find(session, case, ask.query_sha256)):
                # The same question was answered while this one ran: what was computed here leaves nowhere.
                settle(session, case.agreement.id, ask.charge, _NOTHING)
                return given
            remember(session, after[1])
            left = settle(session, case.agreement.id, ask.charge, computed.charge)
            entry = append(session, computed, after[0])
            if ask.kept:
                self._repeats.keep(session, case, ask.query_sha256, computed, entry, expires=ask.until)
            suspend(session, self._space, case, left)
            return Answer(
                computed.content,
                computed.media_type,
                entry,
                computed.charge.units,
                computed.charge.units * case.agreement.price,
                digest_of(computed.content),
            )

        try:
            outcome = self._space.database.commit(act)
        except DataSpaceError as error:
            self._failed(case, ask, after, error)
            raise
        if isinstance(outcome, PolicyDenied):
            raise self._refused(
                case,
                ask,
                self._decide(case, ask, "after", {"result": computed.result()}),
                reserved=ask.charge,
                codes=["case-changed"],
            ) from None
        if computed.charge.epsilon:
            self._mark.reach(outcome.entry + 1)
        crash_at("query.answered")
        return outcome

    def append(self, case: Case, ask: Ask, before: Callable[[Session], object] | None = None) -> Settled:
        """Return what appends a `query.answered`, after it did `before` in the same transaction."""

        def append(session: Session, computed: Computed, decision: Decision) -> int:
            if before:
                before(session)
            return self._space.log.append(
                session,
                "query.answered",
                agreement=case.agreement.id,
                dataset=case.dataset.id,
                version=case.version.version,
                form=ask.form,
                query_sha256=ask.query_sha256,
                answer_sha256=digest_of(computed.content),
                units=computed.charge.units,
                epsilon=computed.charge.epsilon,
                price=computed.charge.units * case.agreement.price,
                **proof_of(decision),
            )

        return append
