"""The tables of the database against what the entries imply: the same rows, the same values, and no others.

Each difference names its table, row and column, what was found and what the
entries imply. What no entry speaks of (titles, logins, passwords, files on
disk) is not compared.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeVar

from sqlalchemy import JSON, cast, type_coerce
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import Session, SQLModel, col, func, or_, select

from dataspace.audit.history import Agreed, History
from dataspace.audit.report import Notebook, Stage
from dataspace.catalog.models import Dataset, DatasetKey, DatasetVersion, Offer
from dataspace.errors import DataSpaceError
from dataspace.ledger.models import LedgerEntry, LedgerHead, LedgerNode, LedgerRecord
from dataspace.negotiation.models import Agreement, Negotiation
from dataspace.negotiation.states import State
from dataspace.participants.models import Participant
from dataspace.policy.models import PolicyBundle, PolicyInput
from dataspace.proof.canonical import canonical
from dataspace.proof.checkpoint import Checkpoint
from dataspace.transfer.models import Budget, Cube, CubeGrant

_PAGE: Final = 500
_MISSING: Final = "the entries imply it, and there is no such row"
_UNEXPLAINED: Final = "no entry explains this row"
_CHANGING: Final = ("roles", "status", "state")  # what a later entry may have set that is missing

Model = TypeVar("Model", bound=SQLModel)


def compare_state(
    session: Session, history: History, head: Checkpoint, notebook: Notebook, *, complete: bool
) -> None:
    """Compare every table that entries speak of; `complete` says that no record was missing."""
    comparison = _Comparison(session, history, notebook, complete=complete)
    tables: dict[str, Callable[[], None]] = {
        "ledger_head": lambda: comparison.ledger(head),
        "participant": comparison.participants,
        "dataset": comparison.datasets,
        "dataset_version": comparison.versions,
        "dataset_key": comparison.keys,
        "offer": comparison.offers,
        "negotiation": comparison.negotiations,
        "agreement": comparison.agreements,
        "budget": comparison.budgets,
        "cube": comparison.cubes,
        "cube_grant": comparison.grants,
        "policy_bundle": comparison.policies,
        "policy_input": comparison.inputs,
    }
    for name, compare in tables.items():
        try:
            compare()
        except (SQLAlchemyError, DataSpaceError, ValueError, TypeError, LookupError, AttributeError):
            # A value of the wrong type, or no such table: its text may hold anything, so it is not told.
            notebook.wrong(Stage.STATE, name, "its rows cannot be read as what they should be")
            session.rollback()
    rest = "" if complete else "; rows that missing records may explain were not judged"
    notebook.right(Stage.STATE, f"{comparison.rows} rows of {len(tables)} tables{rest}")


@dataclass
class _Comparison:
    session: Session
    history: History
    notebook: Notebook
    complete: bool
    rows: int = 0

    def ledger(self, head: Checkpoint) -> None:
        found = self.session.get_one(LedgerHead, 1)
        self._columns("ledger_head", "1", found, {"size": head.size, "root": head.root})
        outside = or_(col(LedgerEntry.index) < 0, col(LedgerEntry.index) >= head.size)
        for index in self.session.exec(select(LedgerEntry.index).where(outside).limit(_PAGE)):
            self._wrong("ledger_entry", str(index), f"it lies outside of the signed size {head.size}")
        outside = or_(col(LedgerRecord.index) < 0, col(LedgerRecord.index) >= head.size)
        for index in self.session.exec(select(LedgerRecord.index).where(outside).limit(_PAGE)):
            self._wrong("ledger_record", str(index), f"it lies outside of the signed size {head.size}")
        self._nodes(head.size)

    def participants(self) -> None:
        implied = self.history.participants
        for row in self._unexplained(Participant, implied, lambda row: row.id):
            member = implied[row.id]
            self._columns("participant", row.id, row, {"status": member.status})
            self._value("participant", row.id, "roles", sorted(row.roles.split(",")), member.roles)

    def datasets(self) -> None:
        implied = self.history.datasets
        for row in self._unexplained(Dataset, implied, lambda row: row.id):
            found = implied[row.id]
            self._columns("dataset", row.id, row, {"provider": found.provider, "zone": found.zone})
            if (row.withdrawn is not None) != (found.withdrawn is not None):
                was = (
                    f"entry {found.withdrawn} withdrew it"
                    if found.withdrawn is not None
                    else "no entry withdraws it"
                )
                self._unjudged_or_wrong("dataset", row.id, f"withdrawn is {row.withdrawn}, {was}")

    def versions(self) -> None:
        implied = self._versions()
        for row in self._unexplained(DatasetVersion, implied, lambda row: (row.dataset, row.version)):
            fields = implied[row.dataset, row.version]
            key = f"{row.dataset} version {row.version}"
            names = ("rows", "level", "source_sha256", "payload_sha256", "entry")
            self._columns("dataset_version", key, row, {name: fields[name] for name in names})
            digest = hashlib.sha256(canonical(row.columns)).hexdigest()
            self._value("dataset_version", key, "columns (their SHA-256)", digest, fields["schema_sha256"])

    def keys(self) -> None:
        """Compare data keys: one for each version in use, none for what was withdrawn."""
        implied = self._versions()
        there = set()
        for row in self._stream(DatasetKey):
            there.add((row.dataset, row.version))
            found = self.history.datasets.get(row.dataset)
            key = f"{row.dataset} version {row.version}"
            if (row.dataset, row.version) not in implied:
                self._unjudged_or_wrong("dataset_key", key, _UNEXPLAINED)
            elif found is not None and found.withdrawn is not None:
                self._wrong(
                    "dataset_key", key, f"entry {found.withdrawn} withdrew the dataset, and its key is there"
                )
        for dataset, version in implied.keys() - there:
            if self.history.datasets[dataset].withdrawn is None:
                self._wrong("dataset_key", f"{dataset} version {version}", _MISSING)

    def offers(self) -> None:
        implied = {fields["offer"][0]: fields["offer"][1] for fields in self._versions().values()}
        for row in self._unexplained(Offer, implied, lambda row: row.id):
            digest = hashlib.sha256(canonical(row.model_dump(mode="json"))).hexdigest()
            self._value("offer", row.id, "its terms (their SHA-256)", digest, implied[row.id])

    def negotiations(self) -> None:
        implied = self.history.negotiations
        for row in self._unexplained(Negotiation, implied, lambda row: row.id):
            found = implied[row.id]
            names = {"offer": found.offer, "consumer": found.consumer, "state": found.state}
            self._columns("negotiation", row.id, row, names)

    def agreements(self) -> None:
        implied = self.history.agreements
        for row in self._unexplained(Agreement, implied, lambda row: row.id):
            found = implied[row.id]
            expected = {name: value for name, value in found.terms.items() if name != "expires"}
            self._columns("agreement", row.id, row, {**expected, "entry": found.entry})
            expires = datetime.fromisoformat(found.terms["expires"])
            self._value("agreement", row.id, "expires", row.expires, expires)
            self._agreement_state(row, found)

    def budgets(self) -> None:
        """Compare what was granted and spent; more may be reserved, for a query that runs or was killed."""
        implied = self.history.agreements
        there = set()
        for row in self._stream(Budget):
            there.add(row.agreement)
            found = implied.get(row.agreement)
            if found is None:
                self._unjudged_or_wrong("budget", row.agreement, _UNEXPLAINED)
                continue
            granted = {"units": found.terms["units"], "epsilon": found.terms["epsilon"]}
            self._columns("budget", row.agreement, row, granted)
            self._spent(row, "units", found.units)
            self._spent(row, "epsilon", found.epsilon)
        for name in implied.keys() - there:
            # A budget is made with the first query.
            if implied[name].units or implied[name].epsilon:
                self._wrong("budget", name, _MISSING)

    def cubes(self) -> None:
        implied = self.history.cubes
        for row in self._unexplained(Cube, implied, lambda row: row.id):
            self._columns("cube", row.id, row, implied[row.id])

    def grants(self) -> None:
        implied = self.history.grants
        for row in self._unexplained(CubeGrant, implied, lambda row: (row.cube, row.agreement)):
            key = (row.cube, row.agreement)
            self._columns("cube_grant", _named(key), row, {"entry": implied[key]})

    def policies(self) -> None:
        """Compare the bundles by their digests, and the digests with those that entries adopt."""
        adopted = dict.fromkeys(self.history.policies)
        for row in self._unexplained(PolicyBundle, adopted, lambda row: row.digest):
            self._digest("policy_bundle", row.digest, row.content)

    def inputs(self) -> None:
        for row in self._stream(PolicyInput):
            self._digest("policy_input", row.digest, row.content.encode())
        for index, digest in self.session.exec(self._unkept()):
            self._wrong("policy_input", digest, f"entry {index} names it, and there is no such row")

    def _unkept(self) -> Any:
        """Return the query for entries whose decision's input is not kept: nobody can decide those again."""
        # As text SQLite reads JSON itself; PostgreSQL wants to be told.
        text = col(LedgerRecord.record)
        sqlite = self.session.get_bind().dialect.name == "sqlite"
        record = type_coerce(text, JSON) if sqlite else cast(text, JSON)
        named = record["input"].as_string()
        kept = select(PolicyInput.digest).where(col(PolicyInput.digest) == named).exists()
        return select(col(LedgerRecord.index), named).where(named.is_not(None), ~kept).limit(_PAGE)

    def _nodes(self, size: int) -> None:
        per_level = select(LedgerNode.level, func.max(col(LedgerNode.index))).group_by(col(LedgerNode.level))
        for level, last in self.session.exec(per_level):
            if level < 1 or last >= size >> 8 * level:
                self._wrong(
                    "ledger_node", f"level {level} index {last}", f"it lies outside of the signed size {size}"
                )

    def _agreement_state(self, row: Agreement, found: Agreed) -> None:
        implied = State.TERMINATED if found.ended is not None else State.AGREED
        if found.ended is None and self.history.in_force(row.id):
            implied = State.FINALIZED
        if row.state != implied and {row.state, implied} & {State.TERMINATED, State.FINALIZED}:
            self._unjudged_or_wrong("agreement", row.id, f"state is {row.state}, the entries imply {implied}")

    def _spent(self, row: Budget, name: str, implied: int) -> None:
        column, spent = f"{name}_spent", getattr(row, f"{name}_spent")
        if spent < implied or (spent != implied and self.complete):
            self._wrong("budget", row.agreement, f"{column} is {spent}, the entries imply {implied}")
        if getattr(row, f"{name}_reserved") < 0:
            self._wrong("budget", row.agreement, f"{name}_reserved is negative")

    def _versions(self) -> dict[tuple[str, int], dict[str, Any]]:
        return {
            (name, number): fields
            for name, dataset in self.history.datasets.items()
            for number, fields in dataset.versions.items()
        }

    def _unexplained(
        self, model: type[Model], implied: Mapping[Any, Any], key: Callable[[Model], Any]
    ) -> Iterator[Model]:
        """Yield the rows that entries explain; report those they do not, and those that are not there."""
        table, there = str(model.__tablename__), set()
        for row in self._stream(model):
            name = key(row)
            there.add(name)
            if name in implied:
                yield row
            else:
                self._unjudged_or_wrong(table, _named(name), _UNEXPLAINED)
        for name in sorted(implied.keys() - there):
            self._wrong(table, _named(name), _MISSING)

    def _stream(self, model: type[Model]) -> Iterator[Model]:
        for row in self.session.exec(select(model).execution_options(yield_per=_PAGE)):
            self.rows += 1
            yield row
            self.session.expunge(row)

    def _columns(self, table: str, key: str, row: SQLModel, implied: Mapping[str, Any]) -> None:
        for name, value in implied.items():
            self._value(table, key, name, getattr(row, name), value)

    def _value(self, table: str, key: str, column: str, found: Any, implied: Any) -> None:
        if found != implied and (self.complete or column not in _CHANGING):
            self._wrong(table, key, f"{column} is {_shown(found)}, the entries imply {_shown(implied)}")

    def _digest(self, table: str, digest: str, content: bytes) -> None:
        if hashlib.sha256(content).hexdigest() != digest:
            self._wrong(table, digest, "its content has another SHA-256 than its digest")

    def _unjudged_or_wrong(self, table: str, key: str, problem: str) -> None:
        if self.complete:
            self._wrong(table, key, problem)

    def _wrong(self, table: str, key: str, problem: str) -> None:
        self.notebook.wrong(Stage.STATE, f"{table} {key}", problem)


def _named(key: Any) -> str:
    return " ".join(str(part) for part in key) if isinstance(key, tuple) else str(key)


def _shown(value: Any) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)
