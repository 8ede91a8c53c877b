"""The tables of the database against what the entries imply: the same rows, the same values, and no others.

Each difference names its table, row and column, what was found and what the
entries imply. What no entry speaks of (titles, logins, passwords, files on
disk) is not compared; a test lists every such column, and why.
"""

import hashlib
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from types import MappingProxyType
from typing import Any, Final

from sqlalchemy import JSON, cast, type_coerce
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import Session, col, select

from dataspace.audit import computed_state, ledger_state, registered_state
from dataspace.audit.comparison import MISSING, PAGE, UNEXPLAINED, Comparison, named
from dataspace.audit.history import History
from dataspace.audit.report import Notebook, Stage
from dataspace.audit.told import Agreed
from dataspace.catalog.models import Dataset, DatasetKey, DatasetVersion, Offer
from dataspace.catalog.terms import offer_json
from dataspace.errors import DataSpaceError
from dataspace.ledger.models import LedgerRecord
from dataspace.negotiation.models import Agreement, Negotiation
from dataspace.negotiation.states import State
from dataspace.participants.models import Participant
from dataspace.policy.models import PolicyBundle, PolicyInput
from dataspace.proof.canonical import canonical
from dataspace.proof.checkpoint import Checkpoint
from dataspace.transfer.models import Budget, ConsumerKey, Cube, CubeGrant

_TOLD: Final = frozenset({State.TERMINATED, State.FINALIZED, State.SUSPENDED})  # by entries on agreements
# What a value of another type than its column's, or nested without end, makes of its reader.
_UNREADABLE: Final = (
    SQLAlchemyError,
    DataSpaceError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    RecursionError,
)


def compare_state(
    session: Session, history: History, head: Checkpoint, notebook: Notebook, *, gaps: int
) -> None:
    """Compare every table that entries speak of; so many records, `gaps`, do not say what they set."""
    comparison = Comparison(session, history, notebook, gaps, head.size)
    tables: dict[str, Callable[[Comparison], None]] = {
        "ledger_head": partial(ledger_state.heads, head=head),
        **TABLES,
    }
    for name, compare in tables.items():
        try:
            compare(comparison)
        except _UNREADABLE:
            # A value of the wrong type, or no such table: its text may hold anything, so it is not told.
            notebook.wrong(Stage.STATE, name, "its rows cannot be read as what they should be")
            session.rollback()
    if comparison.doubtful:
        # Not right: whoever changes rows might erase a record for cover.
        notebook.skip(Stage.STATE, f"not judged, as missing records may explain it: {comparison.settle()}")
    else:
        notebook.right(Stage.STATE, f"{comparison.rows} rows of {len(tables)} tables")


def participants(comparison: Comparison) -> None:
    """Compare roles, status, the zones an auditor is bounded to, and the digest of the legal entity."""
    implied = comparison.history.participants
    for row in comparison.explained(Participant, implied, lambda row: row.id):
        member = implied[row.id]
        comparison.columns("participant", row.id, row, {"status": member.status, "entity": member.entity})
        for name, listed in (("roles", row.roles), ("zones", row.zones)):
            found = sorted(part for part in listed.split(",") if part)
            comparison.value("participant", row.id, name, found, getattr(member, name))


def datasets(comparison: Comparison) -> None:
    """Compare provider and zone, and whether a dataset is withdrawn."""
    implied = comparison.history.datasets
    for row in comparison.explained(Dataset, implied, lambda row: row.id):
        found = implied[row.id]
        comparison.columns("dataset", row.id, row, {"provider": found.provider, "zone": found.zone})
        if (row.withdrawn is not None) != (found.withdrawn is not None):
            was = (
                f"entry {found.withdrawn} withdrew it"
                if found.withdrawn is not None
                else "no entry withdraws it"
            )
            comparison.wrong_unless_excused("dataset", row.id, f"withdrawn is {row.withdrawn}, {was}")


def versions(comparison: Comparison) -> None:
    """Compare what was registered: digests, rows, level and the confirmed columns."""
    implied = _versions(comparison)
    for row in comparison.explained(DatasetVersion, implied, lambda row: (row.dataset, row.version)):
        fields = implied[row.dataset, row.version]
        key = f"{row.dataset} version {row.version}"
        names = ("rows", "level", "source_sha256", "payload_sha256", "entry")
        comparison.columns("dataset_version", key, row, {name: fields[name] for name in names})
        digest = hashlib.sha256(canonical(row.columns)).hexdigest()
        comparison.value("dataset_version", key, "columns (their SHA-256)", digest, fields["schema_sha256"])
        registered_state.report(comparison, key, row, fields.get("report_sha256", ""))


def keys(comparison: Comparison) -> None:
    """Compare data keys: one for each version in use, none for what was withdrawn."""
    implied = _versions(comparison)
    there = set()
    for row in comparison.stream(DatasetKey):
        there.add((row.dataset, row.version))
        found = comparison.history.datasets.get(row.dataset)
        key = f"{row.dataset} version {row.version}"
        if (row.dataset, row.version) not in implied:
            comparison.wrong_unless_excused("dataset_key", key, UNEXPLAINED)
        elif found is not None and found.withdrawn is not None:
            comparison.wrong(
                "dataset_key", key, f"entry {found.withdrawn} withdrew the dataset, and its key is there"
            )
    for dataset, version in implied.keys() - there:
        if comparison.history.datasets[dataset].withdrawn is None:
            comparison.wrong("dataset_key", f"{dataset} version {version}", MISSING)


def offers(comparison: Comparison) -> None:
    """Compare every term of an offer, by the digest of them all."""
    implied = {fields["offer"][0]: fields["offer"][1] for fields in _versions(comparison).values()}
    for row in comparison.explained(Offer, implied, lambda row: row.id):
        digest = hashlib.sha256(canonical(offer_json(row))).hexdigest()
        comparison.value("offer", row.id, "its terms (their SHA-256)", digest, implied[row.id])


def negotiations(comparison: Comparison) -> None:
    """Compare parties, state and agreement, and the terms that were agreed to, by their digest."""
    implied = comparison.history.negotiations
    agreed = {index: fields["agreement_sha256"] for index, fields in comparison.told("agreement.concluded")}
    datasets = {fields["offer"][0]: name for (name, _), fields in _versions(comparison).items()}
    for row in comparison.explained(Negotiation, implied, lambda row: row.id):
        found = implied[row.id]
        names = ("offer", "consumer", "provider", "state", "agreement")
        comparison.columns("negotiation", row.id, row, {name: getattr(found, name) for name in names})
        if found.offer in datasets:
            comparison.value("negotiation", row.id, "dataset", row.dataset, datasets[found.offer])
        agreement = comparison.history.agreements.get(found.agreement or "")
        if agreement is not None and agreement.entry in agreed:
            terms = {"id": found.agreement, "offer": row.offer, "terms": row.terms}
            digest = hashlib.sha256(canonical(terms)).hexdigest()
            comparison.value("negotiation", row.id, "terms (their SHA-256)", digest, agreed[agreement.entry])


def agreements(comparison: Comparison) -> None:
    """Compare every term, and the state."""
    implied = comparison.history.agreements
    for row in comparison.explained(Agreement, implied, lambda row: row.id):
        found = implied[row.id]
        expected = {name: value for name, value in found.terms.items() if name != "expires"}
        comparison.columns("agreement", row.id, row, {**expected, "entry": found.entry})
        expires = datetime.fromisoformat(found.terms["expires"])
        comparison.value("agreement", row.id, "expires", row.expires, expires)
        _agreement_state(comparison, row, found)


def budgets(comparison: Comparison) -> None:
    """Compare what was granted and spent; more may be reserved, for a query that runs or was killed."""
    implied = comparison.history.agreements
    there = set()
    for row in comparison.stream(Budget):
        there.add(row.agreement)
        found = implied.get(row.agreement)
        if found is None:
            comparison.wrong_unless_excused("budget", row.agreement, UNEXPLAINED)
            continue
        granted = {"units": found.terms["units"], "epsilon": found.terms["epsilon"]}
        comparison.columns("budget", row.agreement, row, granted)
        _spent(comparison, row, "units", found.units)
        _spent(comparison, row, "epsilon", found.epsilon)
    for name in implied.keys() - there:
        # A budget is made with the first query.
        if implied[name].units or implied[name].epsilon:
            comparison.wrong("budget", name, MISSING)


def cubes(comparison: Comparison) -> None:
    """Compare what was granted: version, specification, cells and cost."""
    implied = comparison.history.cubes
    cost = {fields["cube"]: fields["epsilon"] for _, fields in comparison.told("cube.granted")}
    for row in comparison.explained(Cube, implied, lambda row: row.id):
        comparison.columns("cube", row.id, row, implied[row.id])
        digest = hashlib.sha256(canonical(row.spec)).hexdigest()
        comparison.value("cube", row.id, "spec (its SHA-256)", digest, implied[row.id]["spec_sha256"])
        if row.id in cost:
            comparison.value("cube", row.id, "epsilon", row.epsilon, cost[row.id])


def grants(comparison: Comparison) -> None:
    """Compare who was granted which cube, by which entry."""
    implied = comparison.history.grants
    for row in comparison.explained(CubeGrant, implied, lambda row: (row.cube, row.agreement)):
        key = (row.cube, row.agreement)
        comparison.columns("cube_grant", named(key), row, {"entry": implied[key]})


def policies(comparison: Comparison) -> None:
    """Compare the bundles by their digests, and the digests with those that entries adopt."""
    adopted = dict.fromkeys(comparison.history.policies)
    for row in comparison.explained(PolicyBundle, adopted, lambda row: row.digest):
        comparison.digest("policy_bundle", row.digest, row.content, row.digest)


def inputs(comparison: Comparison) -> None:
    """Compare inputs with their digests, and look for those that entries name and that are gone."""
    for row in comparison.stream(PolicyInput):
        comparison.digest("policy_input", row.digest, row.content.encode(), row.digest)
    for index, digest in comparison.session.exec(_unkept(comparison)):
        comparison.wrong("policy_input", digest, f"entry {index} names it, and there is no such row")


def _unkept(comparison: Comparison) -> Any:
    """Return the query for entries whose decision's input is not kept: nobody can decide those again."""
    # As text SQLite reads JSON itself; PostgreSQL wants to be told.
    text = col(LedgerRecord.record)
    sqlite = comparison.session.get_bind().dialect.name == "sqlite"
    record = type_coerce(text, JSON) if sqlite else cast(text, JSON)
    digest = record["input"].as_string()
    kept = select(PolicyInput.digest).where(col(PolicyInput.digest) == digest).exists()
    return select(col(LedgerRecord.index), digest).where(digest.is_not(None), ~kept).limit(PAGE)


def consumer_keys(comparison: Comparison) -> None:
    """Compare public keys with the digests that pin them; that one is pinned no entry says."""
    for row in comparison.stream(ConsumerKey):
        comparison.digest("consumer_key", row.agreement, row.context, row.key_id)


def _agreement_state(comparison: Comparison, row: Agreement, found: Agreed) -> None:
    implied = State.TERMINATED if found.ended is not None else State.AGREED
    if found.ended is None and comparison.history.in_force(row.id):
        implied = State.FINALIZED if found.suspended is None else State.SUSPENDED
    if row.state != implied and {row.state, implied} & _TOLD:
        comparison.wrong_unless_excused(
            "agreement", row.id, f"state is {row.state}, the entries imply {implied}"
        )


def _spent(comparison: Comparison, row: Budget, name: str, implied: int) -> None:
    column, spent = f"{name}_spent", getattr(row, f"{name}_spent")
    problem = f"{column} is {spent}, the entries imply {implied}"
    if spent < implied:
        comparison.wrong("budget", row.agreement, problem)
    elif spent > implied:
        comparison.wrong_unless_excused("budget", row.agreement, problem)
    if getattr(row, f"{name}_reserved") < 0:
        comparison.wrong("budget", row.agreement, f"{name}_reserved is negative")


def _versions(comparison: Comparison) -> dict[tuple[str, int], dict[str, Any]]:
    return {
        (name, number): fields
        for name, dataset in comparison.history.datasets.items()
        for number, fields in dataset.versions.items()
    }


TABLES: Final[Mapping[str, Callable[[Comparison], None]]] = MappingProxyType(
    {
        "ledger_checkpoint": ledger_state.checkpoints,
        "ledger_cosignature": ledger_state.cosignatures,
        "ledger_timestamp": ledger_state.timestamps,
        "ledger_key": ledger_state.keys,
        "witnessed_log": ledger_state.witnessed,
        "participant": participants,
        "credential": ledger_state.credentials,
        "approval": registered_state.approvals,
        "dataset": datasets,
        "dataset_version": versions,
        "dataset_key": keys,
        "offer": offers,
        "negotiation": negotiations,
        "agreement": agreements,
        "budget": budgets,
        "cube": cubes,
        "cube_grant": grants,
        "consumer_key": consumer_keys,
        "released": computed_state.releases,
        "repeatable": computed_state.repeatables,
        "score_model": computed_state.models,
        "joint_part": computed_state.joint_parts,
        "sealed_job": computed_state.sealed_jobs,
        "acknowledgement": ledger_state.acknowledgements,
        "policy_bundle": policies,
        "policy_input": inputs,
    }
)
