"""How tables are compared with what entries imply: row by row, and each difference named.

A difference tells its table, the row's key, the column, what was found and
what the entries imply. Where records are missing, a difference that they may
explain is told and not judged; more of them than they can explain are wrong.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from sqlmodel import Session, SQLModel, col, select

from dataspace.audit.history import History
from dataspace.audit.report import Notebook, Stage
from dataspace.ledger.models import LedgerEntry, LedgerRecord

PAGE: Final = 500
MISSING: Final = "the entries imply it, and there is no such row"
UNEXPLAINED: Final = "no entry explains this row"
EXCUSED: Final = 4  # differences one record may explain: rows of a dataset, its version, its key, its offer
# What a later entry, whose record is missing, may have set.
_CHANGING: Final = ("roles", "zones", "status", "entity", "state", "agreement")

Model = TypeVar("Model", bound=SQLModel)


@dataclass
class Comparison:
    """One comparison on its way; `gaps` records do not say what they set, `size` is the signed one."""

    session: Session
    history: History
    notebook: Notebook
    gaps: int
    size: int
    rows: int = 0
    doubtful: list[tuple[str, str, str]] = field(default_factory=list)

    def told(self, *kinds: str) -> Iterator[tuple[int, dict[str, Any]]]:
        """Yield the entries of some kinds, in order, with their fields.

        The records were held against the log before; one that is not JSON was found then.
        """
        query = (
            select(LedgerEntry.index, LedgerRecord.record)
            .join(LedgerRecord, col(LedgerRecord.index) == LedgerEntry.index)
            .where(col(LedgerEntry.kind).in_(kinds), col(LedgerEntry.index) < self.size)
            .order_by(col(LedgerEntry.index))
        )
        for index, record in self.session.exec(query.execution_options(yield_per=PAGE)):
            yield index, json.loads(record)

    def explained(
        self, model: type[Model], implied: Mapping[Any, Any], key: Callable[[Model], Any]
    ) -> Iterator[Model]:
        """Yield the rows that entries explain; report those they do not, and those that are not there."""
        table, there = str(model.__tablename__), set()
        for row in self.stream(model):
            name = key(row)
            there.add(name)
            if name in implied:
                yield row
            else:
                self.wrong_unless_excused(table, named(name), UNEXPLAINED)
        for name in sorted(implied.keys() - there):
            self.wrong(table, named(name), MISSING)

    def stream(self, model: type[Model], *order: Any) -> Iterator[Model]:
        """Yield every row of a table, in bounded memory."""
        query = select(model).order_by(*order).execution_options(yield_per=PAGE)
        for row in self.session.exec(query):
            self.rows += 1
            yield row
            self.session.expunge(row)

    def columns(self, table: str, key: str, row: SQLModel, implied: Mapping[str, Any]) -> None:
        """Compare columns with their implied values."""
        for name, value in implied.items():
            self.value(table, key, name, getattr(row, name), value)

    def value(self, table: str, key: str, column: str, found: Any, implied: Any) -> None:
        """Compare one column; what a missing record may have changed is wrong unless excused."""
        if found == implied:
            return
        problem = f"{column} is {_shown(found)}, the entries imply {_shown(implied)}"
        if column in _CHANGING:
            self.wrong_unless_excused(table, key, problem)
        else:
            self.wrong(table, key, problem)

    def digest(self, table: str, key: str, content: bytes, digest: str) -> None:
        """Compare the SHA-256 of a content with the one under which it is kept."""
        if hashlib.sha256(content).hexdigest() != digest:
            self.wrong(table, key, "its content has another SHA-256 than its digest")

    def wrong_unless_excused(self, table: str, key: str, problem: str) -> None:
        """Report what a missing record may explain, but for the first `EXCUSED` of each: see `settle`."""
        if len(self.doubtful) < EXCUSED * self.gaps:
            self.doubtful.append((table, key, problem))
        else:
            self.wrong(table, key, problem)

    def settle(self) -> str:
        """Return the differences that missing records may explain, "" without any."""
        return "; ".join(f"{table} {key}: {problem}" for table, key, problem in self.doubtful)

    def wrong(self, table: str, key: str, problem: str) -> None:
        """Report a difference."""
        self.notebook.wrong(Stage.STATE, f"{table} {key}", problem)


def named(key: Any) -> str:
    """Return a row's key as it is told."""
    return " ".join(str(part) for part in key) if isinstance(key, tuple) else str(key)


def _shown(value: Any) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)
