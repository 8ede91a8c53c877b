"""Aggregates whose every number has noise: COUNT, SUM and AVG, by group and under a condition, for epsilon.

    {"columns": [{"name", "type"}], "rows": [[...]], "noise": {"epsilon", "mechanism", "max_rows",
     "delta_exponent", "measures": [{"name", "scale", "half", "wide", "per_row", "words"}]}}

What is computed on the way is exact and never leaves: cells of bounded
contributions (`bounded`, `cells`), to which a worker adds noise, and of which it
leaves out groups that are too small by a noised count (`privacy.noised`). Nothing
of the answer's outcome but its noised values depends on data: an answer without
groups is an answer, and costs what any other does (attack QY-12). Nor does its time:
what is computed is done at a multiple of a bucket, or refused then (attack QY-21).
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec
from sqlmodel import Session

from dataspace.catalog.models import Form
from dataspace.errors import Conflict, Refused, TooLarge
from dataspace.participants.access import Caller
from dataspace.policy import Decision
from dataspace.privacy.estimate import Number, expected
from dataspace.privacy.noise import DELTA_EXPONENT, Mechanism
from dataspace.privacy.noised import Noise
from dataspace.proof.canonical import canonical
from dataspace.sandbox import Pool
from dataspace.space import Space
from dataspace.table import Column
from dataspace.transfer.budget import Charge
from dataspace.transfer.case import Case, read_case
from dataspace.transfer.conduct import Answer, Ask, Computed, Conductor
from dataspace.transfer.engine import Engine
from dataspace.transfer.forms.bounded import BoundedPlan, Counted, bounded_plan
from dataspace.transfer.pace import Pace
from dataspace.transfer.repeat import Repeats
from dataspace.transfer.sql.normal import as_asked
from dataspace.transfer.sql.plan import Measure, Plan
from dataspace.transfer.sql.query import Query, parse, resolve
from dataspace.transfer.sql.statement import Function
from dataspace.wire import JSON

BUCKET: Final = 100  # milliseconds, of which the computing of an answer takes a multiple


class _Meanwhile(Conflict):
    """The question was answered to another account of the legal entity while it was computed."""


class NoisedAnswers:
    """Answers aggregates with noise; `noiser` is the pool that holds OpenDP."""

    def __init__(self, space: Space, engine: Engine, noiser: Pool, *, pace: Pace | None = None) -> None:
        self._space = space
        self._pace = pace or Pace()
        self._engine = engine
        self._noiser = noiser
        self._conductor = Conductor(space)
        self._repeats = Repeats(space)

    def query(self, caller: Caller, agreement: str, sql: str, noise: Mapping[str, Any]) -> Answer:
        """Return the answer to an aggregate with noise on every number, as JSON.

        Asked again, under this agreement or another one of the same legal entity, it is
        the same answer.

        Raises:
            Malformed: the text is no aggregate of the subset, or the noise is none.
            Unprocessable: a summed column has no bounds, or a sum could be too large.
            NotFound: the agreement is not the caller's, or a column is not the dataset's.
            PolicyDenied: the policy denies it, or its epsilon is not left; the refusal is an entry.
            TooCostly: it took more time or memory than a worker has: that costs what it would have.

        """
        query, wanted = parse(sql), Noise.from_json(noise)
        try:
            return self._ask(caller, agreement, query, wanted)
        except _Meanwhile:
            # What was drawn here left nowhere; what the other account was given is there now.
            return self._ask(caller, agreement, query, wanted)

    def _ask(self, caller: Caller, agreement: str, query: Query, noise: Noise) -> Answer:
        with self._space.database.reading() as session:
            case = read_case(session, self._space, caller, agreement)
            digest = question(query, noise, case.columns)
            shared = self._repeats.shared(session, case, digest)
        try:
            plan = resolve(query, case.columns, Form.AGGREGATE, case.protection())
            bounded = bounded_plan(plan, noise, case.version.rows)
        except Refused as error:
            ask = Ask(Form.AGGREGATE, digest, (), Charge(1), noised=True)
            raise self._conductor.refuse(case, ask, error) from error
        charge = Charge(1) if shared else Charge(1, noise.epsilon)
        ask = Ask(Form.AGGREGATE, digest, plan.uses(), charge, noised=True, kept=True)
        return self._conductor.conduct(
            case,
            ask,
            lambda decision: (
                Computed(*shared, _facts(_least(case, decision)), charge)
                if shared
                else self._compute(case, plan, bounded, noise, decision)
            ),
            None if shared else self._conductor.append(case, ask, self._alone(case, digest)),
        )

    def _alone(self, case: Case, digest: str) -> Callable[[Session], None]:
        """Return what lets no second noise of one legal entity leave, of two accounts that ask at once."""

        def alone(session: Session) -> None:
            if self._repeats.is_shared(session, case, digest):
                raise _Meanwhile("another account of your legal entity was given the same answer just now")

        return alone

    def _compute(
        self, case: Case, plan: Plan, bounded: BoundedPlan, noise: Noise, decision: Decision
    ) -> Computed:
        least = _least(case, decision)
        with self._pace.kept(BUCKET, self._pace.now()):
            found = self._noised(case, plan, bounded, noise, least=least)
        content = _document(plan, bounded, noise, found)
        return Computed(content, JSON, _facts(least), Charge(1, noise.epsilon))

    def _noised(
        self, case: Case, plan: Plan, bounded: BoundedPlan, noise: Noise, *, least: int
    ) -> Mapping[str, Any]:
        try:
            cells = self._engine.bounded(case.payload(self._space), plan.table, bounded.request)
        except TooLarge as error:
            # How many groups there are is a fact of the data: to hear that they are too many costs too.
            error.facts["epsilon"] = noise.epsilon
            raise
        request = {
            "cells": cells,
            "parts": [[part.name, part.peak] for part in bounded.parts],
            "noise": noise.to_json(),
            "min_group": least,
        }
        noised: Mapping[str, Any] = self._noiser.call("noise", request)
        return noised


def question(query: Query, noise: Noise, columns: Sequence[Column]) -> str:
    """Return the digest of a query with its noise: the whole question, however it is worded."""
    told = {"query": as_asked(query, columns).canonical(), "noise": noise.to_json()}
    return hashlib.sha256(canonical(told)).hexdigest()


def numbers(bounded: BoundedPlan) -> list[Number]:
    """Return the measures of an answer as `privacy.estimate` takes them."""
    return [_number(counted, bounded) for counted in bounded.measures]


def _number(counted: Counted, bounded: BoundedPlan) -> Number:
    places = (counted.part, counted.rows) if counted.averaged else (counted.part,)
    parts = tuple(bounded.parts[place] for place in places)
    return Number(counted.name, counted.function.value, parts, counted.unit)


def _least(case: Case, decision: Decision) -> int:
    return max(decision.obligation("min_group") or 0, case.pack.min_group, case.offer.min_group)


def _facts(least: int) -> dict[str, int]:
    # Constant, so that no decision tells of the data. The groups shown have the minimum, by the noised
    # presence; whom a condition leaves out is protected by the noise, however few they are.
    return {"rows": 0, "smallest_group": least, "complement": least}


def _document(plan: Plan, bounded: BoundedPlan, noise: Noise, found: Mapping[str, Any]) -> bytes:
    rows = [
        _row(plan, bounded, noise, key, values)
        for key, values in _ordered(plan, bounded, zip(found["keys"], found["values"], strict=True))
    ]
    gaussian = noise.mechanism is Mechanism.GAUSSIAN
    return msgspec.json.encode(
        {
            "columns": [{"name": output.name, "type": output.type.value} for output in plan.outputs],
            "rows": rows,
            "noise": {
                **noise.to_json(),
                "delta_exponent": DELTA_EXPONENT if gaussian else None,
                "measures": [
                    expected(number, noise, len(bounded.parts)).to_json() for number in numbers(bounded)
                ],
            },
        }
    )


def _ordered(plan: Plan, bounded: BoundedPlan, rows: Any) -> list[tuple[Sequence[Any], Sequence[int]]]:
    """Return the rows in the order that was asked for, which is of keys alone."""
    found = list(rows)
    places = {column.name: place for place, column in enumerate(bounded.keys)}
    wanted = {order.column: order.descending for order in reversed(plan.order)}
    for name in [*(column.name for column in reversed(plan.group) if column.name not in wanted), *wanted]:
        place = places[name]
        found.sort(key=lambda row: (row[0][place] is None, row[0][place]), reverse=wanted.get(name, False))
    return found


def _row(
    plan: Plan, bounded: BoundedPlan, noise: Noise, key: Sequence[Any], values: Sequence[int]
) -> list[Any]:
    places = {column.name: place for place, column in enumerate(bounded.keys)}
    counted = iter(bounded.measures)
    return [
        _value(next(counted), noise, values)
        if isinstance(output.what, Measure)
        else key[places[_column(output.columns)]]
        for output in plan.outputs
    ]


def _column(columns: Sequence[Column]) -> str:
    (column,) = columns
    return column.name


def _value(counted: Counted, noise: Noise, values: Sequence[int]) -> int | float | None:
    value = values[counted.part]
    if counted.function is Function.COUNT or (counted.function is Function.SUM and counted.unit == 1):
        return value
    if counted.function is Function.SUM:
        return value / counted.unit
    rows = values[counted.rows]
    if rows < 1 or counted.column is None:
        return None
    low, high = noise.bounds[counted.column.name]
    # Nobody's average is outside of what every value was clamped to.
    return min(max(value / counted.unit / rows, float(low)), float(high))
