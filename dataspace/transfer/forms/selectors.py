"""Encrypted selectors of rows: a total over the subjects that a consumer selects, unseen by the service.

    layout     the subjects, each a slot, with columns as they leave as rows: charged as rows
    answer     for weights of 0 and 1, encrypted: the noised total, if enough are selected, and left out

A consumer that makes the noise of its ciphertexts large reads the operand of each
subject from the answer (attack HE-09), so the form is for consumers that the offer
names semi-honest. `privacy.threshold` tells what holds against those.
"""

import hashlib
import hmac
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from dataspace.catalog.models import Form
from dataspace.errors import Malformed, Refused, Unprocessable
from dataspace.participants.access import Caller
from dataspace.policy import Decision
from dataspace.privacy.spec import CubeSpec, Factor, Measure
from dataspace.proof.canonical import canonical
from dataspace.sandbox import Pool
from dataspace.space import Space
from dataspace.transfer.ask import Answer, Ask, Computed
from dataspace.transfer.budget import Charge, charge_for
from dataspace.transfer.case import Case, read_case
from dataspace.transfer.conduct import Conductor
from dataspace.transfer.engine import Engine, needs_prepared
from dataspace.transfer.pinning import check_fresh, check_time, pinned_key, spend
from dataspace.transfer.prepared import Preparations
from dataspace.transfer.repeat import Repeats
from dataspace.transfer.sql import render
from dataspace.transfer.sql.expression import Field
from dataspace.transfer.sql.plan import Plan
from dataspace.transfer.sql.query import Query, resolve
from dataspace.wire import ENVELOPE, JSON
from dataspace.wire.selector import PARAMETERS, Operand, SelectorQuery
from dataspace.wire.threshold import BATCHES_LIMIT, Threshold

COLUMNS_LIMIT = 32  # of a layout


class Selectors:
    """The selector form of answer; `evaluator` is a pool of `privacy.evaluation:SelectorEvaluator`."""

    def __init__(self, space: Space, engine: Engine, evaluator: Pool) -> None:
        self._space = space
        self._engine = engine
        self._evaluator = evaluator
        self._conductor = Conductor(space)
        self._preparations = Preparations(space, engine)
        self._repeats = Repeats(space)

    def layout(self, caller: Caller, agreement: str, columns: Sequence[str]) -> Answer:
        """Return the subjects that can be selected, as JSON: which slot is who, by columns as they leave.

        Raises:
            Malformed: no column is named, or one twice.
            NotFound: the agreement is not the caller's, or a column is not the dataset's.
            PolicyDenied: the policy denies rows.
            Unprocessable: there are fewer subjects than the minimum.

        """
        if not 0 < len(columns) <= COLUMNS_LIMIT:
            raise Malformed(f"a layout has 1 to {COLUMNS_LIMIT} columns")
        query = Query(tuple((name, Field(name)) for name in columns))
        asked: Any = {"selector layout": query.canonical()}
        digest = hashlib.sha256(canonical(asked)).hexdigest()
        with self._space.database.reading() as session:
            case = read_case(session, self._space, caller, agreement)
        try:
            plan = resolve(query, case.columns, Form.ROWS, case.protection())
        except Refused as error:
            raise self._conductor.refuse(case, Ask(Form.ROWS, digest, (), Charge(1)), error) from error
        most = charge_for(Form.ROWS, min(_limit(case), case.version.rows))
        ask = Ask(Form.ROWS, digest, plan.uses(), most)
        return self._conductor.conduct(case, ask, lambda decision: self._laid_out(case, plan, decision))

    def answer(self, caller: Caller, agreement: str, envelope: bytes) -> Answer:
        """Return the encrypted total of the selected subjects; the same envelope gets the same answer.

        Raises:
            Malformed: a byte of the envelope is not what it must be.
            Unprocessable: it holds a secret key, or is for another agreement or layout, under another
                key, or expired.
            NotFound: the agreement is not the caller's, or the column is not the dataset's.
            Conflict: its nonce was used by another.
            PolicyDenied: the policy denies it; the consumer is not named semi-honest, or has no epsilon left.

        """
        query = SelectorQuery.decode(bytearray(envelope))
        if query.agreement != agreement:
            raise Unprocessable("the query was made for another agreement")
        with self._space.database.reading() as session:
            case = read_case(session, self._space, caller, agreement)
            if given := self._repeats.find(session, case, query.binding):
                return given
            check_time(query, self._space.clock())
            check_fresh(session, query)
            pinned = pinned_key(session, query)
        spec = _spec(query)
        try:
            plan = self._engine.plan_cells(spec, case.columns)
        except Refused as error:
            refused = Ask(Form.SELECTOR, query.binding, (), Charge(1), releasable=False)
            raise self._conductor.refuse(case, refused, error) from error
        ask = Ask(
            Form.SELECTOR,
            query.binding,
            plan.uses(),
            Charge(1, query.epsilon),
            releasable=False,
            kept=True,
            until=datetime.fromtimestamp(query.expires, UTC),
        )
        context = pinned.context if pinned else query.context
        return self._conductor.conduct(
            case,
            ask,
            lambda decision: self._compute(case, query, context, decision, ask),
            self._conductor.append(
                case, ask, lambda session: spend(session, query, context, self._space.clock())
            ),
        )

    def _laid_out(self, case: Case, plan: Plan, decision: Decision) -> Computed:
        payload = case.payload(self._space)
        found = self._engine.slots(
            payload,
            plan,
            key=case.pseudonym_key(self._space),
            limit=min(decision.obligation("row_limit") or _limit(case), _limit(case)),
            prepared=self._preparations.of(case, payload) if needs_prepared(plan) else None,
        )
        threshold = Threshold(_minimum(case, decision), found["slots"], PARAMETERS)
        told = {
            "layout": self._name(case, threshold),
            "minimum": threshold.minimum,
            "parameters": PARAMETERS.id,
            "slots": threshold.subjects,
            "complete": found["complete"],
        }
        # The rows are JSON already, as the worker wrote them.
        content = canonical(told)[:-1] + b"," + found["rows"] + b"}"
        facts = {"rows": threshold.subjects, "smallest_group": 0, "complement": 0}
        return Computed(content, JSON, facts, charge_for(Form.ROWS, threshold.subjects))

    def _compute(
        self, case: Case, query: SelectorQuery, context: bytes, decision: Decision, ask: Ask
    ) -> Computed:
        values = self._values(case, query.operand)
        threshold = Threshold(_minimum(case, decision), len(values), PARAMETERS)
        if not hmac.compare_digest(self._name(case, threshold), query.layout):
            raise Unprocessable("the query is for another layout than the agreement has now: ask for it anew")
        asked = {
            "query": query.encode(),
            "context": context,
            "minimum": threshold.minimum,
            "values": values,
        }
        answer = self._evaluator.call("answer", asked)
        # What the circuit guarantees of every answer that is not zero; how many there are nobody here knows.
        facts = {"rows": 0, "smallest_group": threshold.minimum, "complement": threshold.minimum}
        return Computed(answer["answer"], ENVELOPE, facts, ask.charge)

    def _values(self, case: Case, operand: Operand) -> list[int]:
        """Return the operand of each slot, in the order of the layout."""
        spec = CubeSpec((), (_measure(operand),), operand.max_rows, 1)
        (clamped,) = render.cells_request(spec, case.columns)["sums"]
        found = self._engine.slots(
            case.payload(self._space),
            Plan(Form.ROWS, case.columns, (), protection=case.protection()),
            key=case.pseudonym_key(self._space),
            limit=_limit(case),
            operand={**clamped, "max_rows": operand.max_rows},
        )
        values: list[int] = found["values"]
        return values

    def _name(self, case: Case, threshold: Threshold) -> str:
        """Return the name of a layout: of another version, minimum or number of slots it is another."""
        told: Any = {
            "version": case.version.version,
            "minimum": threshold.minimum,
            "slots": threshold.subjects,
        }
        key = case.pseudonym_key(self._space)
        digest = hmac.digest(key, b"selector layout\0" + canonical(told), "sha256")
        return f"sl-{digest[:8].hex()}"


def _measure(operand: Operand) -> Measure:
    return Measure((Factor(operand.column, operand.low, operand.high, operand.precision),))


def _spec(query: SelectorQuery) -> CubeSpec:
    return CubeSpec((), (_measure(query.operand),), query.operand.max_rows, query.epsilon)


def _minimum(case: Case, decision: Decision) -> int:
    return max(decision.obligation("min_group") or 0, case.pack.min_group, case.offer.min_group)


def _limit(case: Case) -> int:
    """Return how many slots an agreement's layout has at most."""
    least = max(case.pack.min_group, case.offer.min_group)
    return int(min(case.offer.row_limit, BATCHES_LIMIT * (PARAMETERS.slots - 2 * least)))
