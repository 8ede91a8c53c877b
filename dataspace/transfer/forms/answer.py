"""Answers in the clear: desensitized rows, and aggregates without small groups."""

import hashlib
from dataclasses import replace
from typing import Any, Final

from sqlmodel import Session

from dataspace.catalog.models import Form
from dataspace.errors import Conflict, Refused
from dataspace.negotiation.parties import agreement_of
from dataspace.participants.access import Caller
from dataspace.policy import Decision
from dataspace.proof.canonical import canonical
from dataspace.space import Space
from dataspace.table import Column, Method
from dataspace.transfer.budget import Charge, budget_of, charge_for, facts
from dataspace.transfer.case import Case, read_case
from dataspace.transfer.conduct import Answer, Ask, Computed, Conductor
from dataspace.transfer.engine import Engine, needs_prepared
from dataspace.transfer.forms.history import Histories, Turn
from dataspace.transfer.prepared import Preparations
from dataspace.transfer.sql.normal import as_asked
from dataspace.transfer.sql.plan import Formula, Output
from dataspace.transfer.sql.query import Plan, parse, resolve
from dataspace.wire import JSON

_ATTEMPTS: Final = 3


class Answers:
    """The acts of a consumer under an agreement; `engine` runs what is planned."""

    def __init__(self, space: Space, engine: Engine) -> None:
        self._space = space
        self._engine = engine
        self._conductor = Conductor(space)
        self._histories = Histories(space)
        self._preparations = Preparations(space, engine)

    def query(self, caller: Caller, agreement: str, sql: str, form: Form, media_type: str = JSON) -> Answer:
        """Return the answer to a query, as JSON or, for rows, as an Arrow stream.

        Raises:
            Malformed: the text is no query of the subset, or does not fit the form.
            NotFound: the agreement is not the caller's, or a column is not the dataset's.
            PolicyDenied: the policy denies it, before or on facts of the result; the refusal is an entry.
            TooCostly: it took more time or memory than a worker has.
            TooMany: too many ask about the dataset at once.
            Conflict: what was released of the dataset changed whenever this was asked.

        """
        query = parse(sql)
        with self._space.database.reading() as session:
            case = read_case(session, self._space, caller, agreement)
        digest = hashlib.sha256(canonical(as_asked(query, case.columns).canonical())).hexdigest()
        try:
            plan = resolve(query, case.columns, form, case.protection())
        except Refused as error:
            ask = Ask(form, digest, (), Charge(1))
            raise self._conductor.refuse(case, ask, error) from error
        if form is Form.AGGREGATE:
            ask = Ask(form, digest, plan.uses(), charge_for(form), kept=True)
            return self._aggregate(case, ask, plan)
        limit = min(plan.limit or case.offer.row_limit, case.offer.row_limit)
        ask = Ask(form, digest, plan.uses(), charge_for(form, min(limit, case.version.rows)))
        return self._conductor.conduct(
            case, ask, lambda decision: self._rows(case, _obeying(decision, plan), media_type, decision)
        )

    def usage(self, caller: Caller, agreement: str) -> dict[str, Any]:
        """Return units and epsilon (in millionths) of the caller's agreement: granted, spent, reserved."""
        with self._space.database.reading() as session:
            return facts(budget_of(session, agreement_of(session, caller, agreement)))

    def forget(self, dataset: str) -> None:
        """Let no worker keep anything of a dataset, and no file what was prepared of it."""
        self._engine.evict(dataset)
        self._preparations.drop(dataset)

    def sweep(self) -> int:
        """Remove what was prepared for agreements that ended, or left by a crash; return how many files."""
        return self._preparations.sweep()

    def _rows(self, case: Case, plan: Plan, media_type: str, decision: Decision) -> Computed:
        payload = case.payload(self._space)
        made = self._engine.rows(
            payload,
            plan,
            key=case.pseudonym_key(self._space),
            limit=min(decision.obligation("row_limit") or case.offer.row_limit, case.offer.row_limit),
            media_type=media_type,
            prepared=self._preparations.of(case, payload) if needs_prepared(plan) else None,
        )
        return Computed(made.content, made.media_type, made.facts, charge_for(Form.ROWS, made.facts["rows"]))

    def _aggregate(self, case: Case, ask: Ask, plan: Plan) -> Answer:
        """Return an exact aggregate that the history allows; it asks again when that moved meanwhile."""
        for attempt in range(_ATTEMPTS):
            try:
                return self._judged(case, ask, plan)
            except Conflict as error:
                if not error.facts.get("moved") or attempt == _ATTEMPTS - 1:
                    raise
        raise AssertionError("unreachable")

    def _judged(self, case: Case, ask: Ask, plan: Plan) -> Answer:
        append = self._conductor.append(case, ask)
        with self._histories.turn(case) as turn:

            def settled(session: Session, computed: Computed, decision: Decision) -> int:
                entry = append(session, computed, decision)
                turn.append(session, query_sha256=ask.query_sha256, entry=entry)
                return entry

            return self._conductor.conduct(
                case, ask, lambda decision: self._compute(case, plan, turn, decision), settled
            )

    def _compute(self, case: Case, plan: Plan, turn: Turn, decision: Decision) -> Computed:
        payload = case.payload(self._space)
        least = max(decision.obligation("min_group") or 0, case.pack.min_group, case.offer.min_group)
        made = self._engine.aggregate(payload, plan, min_group=least, past=turn.past(payload))
        verdict = turn.judged(made.judged)
        charge = charge_for(Form.AGGREGATE)
        return Computed(
            made.content, made.media_type, made.facts, charge, verdict.isolates, verdict.unchecked
        )


def _obeying(decision: Decision, plan: Plan) -> Plan:
    """Return the plan with every column suppressed that the decision wants masked and that would be shown."""
    owed = decision.obligation("mask") or []

    def hidden(column: Column) -> Column:
        if column.method is Method.KEEP and column.name in owed:
            return replace(column, method=Method.SUPPRESS, parameters={})
        return column

    def obeying(output: Output) -> Output:
        match output.what:
            case Column():
                return replace(output, what=hidden(output.what))
            case Formula(columns=columns):
                less = {name: hidden(column) for name, column in columns.items()}
                return replace(output, what=replace(output.what, columns=less))
            case _:
                return output

    return replace(plan, outputs=tuple(map(obeying, plan.outputs))) if plan.form is Form.ROWS else plan
