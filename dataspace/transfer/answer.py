"""Answers in the clear: desensitized rows, and aggregates without small groups."""

import hashlib
from dataclasses import replace
from typing import Any

from dataspace.catalog.models import Form
from dataspace.errors import Refused
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
from dataspace.transfer.plan import Formula, Output
from dataspace.transfer.prepared import Preparations
from dataspace.transfer.query import Plan, parse, resolve
from dataspace.wire import JSON


class Answers:
    """The acts of a consumer under an agreement; `engine` runs what is planned."""

    def __init__(self, space: Space, engine: Engine) -> None:
        self._space = space
        self._engine = engine
        self._conductor = Conductor(space)
        self._preparations = Preparations(space, engine)

    def query(self, caller: Caller, agreement: str, sql: str, form: Form, media_type: str = JSON) -> Answer:
        """Return the answer to a query, as JSON or, for rows, as an Arrow stream.

        Raises:
            Malformed: the text is no query of the subset, or does not fit the form.
            NotFound: the agreement is not the caller's, or a column is not the dataset's.
            PolicyDenied: the policy denies it, before or on facts of the result; the refusal is an entry.
            TooCostly: it took more time or memory than a worker has.

        """
        query = parse(sql)
        digest = hashlib.sha256(canonical(query.canonical())).hexdigest()
        with self._space.database.reading() as session:
            case = read_case(session, self._space, caller, agreement)
        try:
            plan = resolve(query, case.columns, form, case.protection())
        except Refused as error:
            ask = Ask(form, digest, (), Charge(1))
            raise self._conductor.refuse(case, ask, error) from error
        limit = min(plan.limit or case.offer.row_limit, case.offer.row_limit)
        most = charge_for(form, min(limit, case.version.rows))
        ask = Ask(form, digest, plan.uses(), most)
        return self._conductor.conduct(
            case, ask, lambda decision: self._compute(case, _obeying(decision, plan), media_type, decision)
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

    def _compute(self, case: Case, plan: Plan, media_type: str, decision: Decision) -> Computed:
        payload = case.payload(self._space)
        if plan.form is Form.ROWS:
            made = self._engine.rows(
                payload,
                plan,
                key=case.pseudonym_key(self._space),
                limit=min(decision.obligation("row_limit") or case.offer.row_limit, case.offer.row_limit),
                media_type=media_type,
                prepared=self._preparations.of(case, payload) if needs_prepared(plan) else None,
            )
            charge = charge_for(Form.ROWS, made.facts["rows"])
        else:
            least = max(decision.obligation("min_group") or 0, case.pack.min_group, case.offer.min_group)
            made = self._engine.aggregate(payload, plan, min_group=least)
            charge = charge_for(Form.AGGREGATE)
        return Computed(made.content, made.media_type, made.facts, charge)


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
