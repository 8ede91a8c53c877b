"""What privacy computing keeps, against the entries: releases, answers that repeat, models, jobs."""

import json
from collections.abc import Mapping
from typing import Any, Final

from sqlmodel import select

from dataspace.audit.comparison import UNEXPLAINED, Comparison, named
from dataspace.ledger.models import LedgerRecord
from dataspace.transfer.models import JointPart, Released, Repeatable, ScoreModel, SealedJob

_ANSWERED: Final = ("query.answered", "cube.granted")


def releases(comparison: Comparison) -> None:
    """Compare what counts as released with the answers and grants that released it, in order."""
    last = dict[tuple[str, int], int]()
    order = (Released.dataset, Released.version, Released.sequence)
    for row in comparison.stream(Released, *order):
        key, version = (row.dataset, row.version, row.sequence), (row.dataset, row.version)
        expected = last.get(version, 0) + 1
        if row.sequence != expected:
            comparison.wrong("released", named(key), f"sequence is {row.sequence}, want {expected}")
        last[version] = row.sequence
        _of_entry(comparison, "released", named(key), row, _answer(comparison, row.entry))


def repeatables(comparison: Comparison) -> None:
    """Compare kept answers with the entries that they repeat."""
    for row in comparison.stream(Repeatable):
        key, found = named((row.agreement, row.query_sha256)), _answer(comparison, row.entry)
        _of_entry(comparison, "repeatable", key, row, found)
        if found is not None:
            implied = {name: found[name] for name in ("units", "price")}
            comparison.columns("repeatable", key, row, {**implied, "sha256": found["answer_sha256"]})


def models(comparison: Comparison) -> None:
    """Compare models with the entries that registered and withdrew them."""
    implied = comparison.history.models
    for row in comparison.explained(ScoreModel, implied, lambda row: row.id):
        found = implied[row.id]
        expected = {name: found.fields[name] for name in ("dataset", "version", "provider", "releasable")}
        expected |= {"content_sha256": found.fields["model_sha256"], "entry": found.entry}
        comparison.columns("score_model", row.id, row, expected)
        if (row.withdrawn is not None) != (found.withdrawn is not None):
            problem = f"withdrawn is {row.withdrawn}, the entries imply {found.withdrawn}"
            comparison.wrong_unless_excused("score_model", row.id, problem)


def joint_parts(comparison: Comparison) -> None:
    """Compare parts of joint statistics with the answers that they are."""
    for row in comparison.stream(JointPart):
        key, found = named((row.job, row.agreement)), _answer(comparison, row.entry)
        if found is None:
            comparison.wrong_unless_excused("joint_part", key, UNEXPLAINED)
            continue
        implied = {"agreement": found["agreement"], "job_sha256": found["query_sha256"]}
        comparison.columns("joint_part", key, row, implied)
        comparison.digest("joint_part", key, row.content, found["answer_sha256"])


def sealed_jobs(comparison: Comparison) -> None:
    """Compare computations on sealed datasets with their entries."""
    implied = comparison.history.jobs
    for row in comparison.explained(SealedJob, implied, lambda row: row.id):
        found = implied[row.id]
        names = ("agreement", "plan_sha256", "result_sha256")
        expected = {**{name: found.fields[name] for name in names}, "entry": found.entry}
        comparison.columns("sealed_job", row.id, row, expected)


def _answer(comparison: Comparison, index: int) -> dict[str, Any] | None:
    """Return the fields of an entry that is an answer or a grant within the signed log, or None.

    One at a time: there may be as many as answers, and memory is bounded.
    """
    query = select(LedgerRecord.record).where(LedgerRecord.index == index, index < comparison.size)
    found = comparison.session.exec(query).first()
    fields = json.loads(found) if found is not None else {}
    return fields if fields.get("kind") in _ANSWERED else None


def _of_entry(
    comparison: Comparison, table: str, key: str, row: Any, found: Mapping[str, Any] | None
) -> None:
    if found is None:
        comparison.wrong_unless_excused(table, key, UNEXPLAINED)
        return
    digest = found["query_sha256"] if "query_sha256" in found else found["spec_sha256"]
    names = ("agreement", "dataset", "version")
    comparison.columns(table, key, row, {**{name: found[name] for name in names}, "query_sha256": digest})
