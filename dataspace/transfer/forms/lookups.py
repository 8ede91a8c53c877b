"""Private lookups: a subject's record for whoever knows its identifier, which the service does not learn.

    evaluate   the consumer's blinded points times the table's exponent: one unit each, before the work
    records    a bucket of the table, or all of it: free after an evaluation, whose entry is the ticket

**Who learns what.** The service sees blinded points, which tell nothing, and which
bucket is fetched: that the identifier is of one of its thousand subjects or more, or of
nobody; where the whole table is fetched, nothing at all. The consumer opens one record
for each evaluation, however it makes its points up, and where none opens it learns that
the subject is not in the dataset, or is withheld. That a consumer tries identifiers
which can be guessed is bounded by its units.

The rows in a record leave by the offer's methods and release. Columns that are
drawn or keyed for an agreement (`COSTLY`) are not among them: a record found by
its identifier would tell whose pseudonym stands in the agreement's rows, and
noise that is drawn twice is half as much.
"""

import hashlib
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

from sqlmodel import Session

from dataspace.catalog.models import Form
from dataspace.errors import NotFound, Refused
from dataspace.negotiation.states import State
from dataspace.participants.access import Caller
from dataspace.participants.models import Role
from dataspace.policy import Decision
from dataspace.privacy.desensitize import COSTLY
from dataspace.privacy.lookup import BATCH_LIMIT, Head
from dataspace.sandbox import Pool
from dataspace.space import Space
from dataspace.table import Column, Method
from dataspace.transfer.ask import Answer, Ask, Computed
from dataspace.transfer.budget import Charge
from dataspace.transfer.case import Case, read_case
from dataspace.transfer.conduct import Conductor
from dataspace.transfer.engine import Engine
from dataspace.transfer.forms.lookup_tables import ROWS_LIMIT, LookupTables, TableKey
from dataspace.transfer.forms.matching import Rate, identifier_of
from dataspace.transfer.models import LookupTable
from dataspace.transfer.sql.plan import uses
from dataspace.wire import OCTETS
from dataspace.wire.oprf import unpack

_EACH_MINUTE: Final = 20_000  # evaluations under one agreement
_REPEATED: Final = timedelta(hours=1)
_GIVEN: Final = frozenset({State.FINALIZED, State.SUSPENDED})


@dataclass(frozen=True)
class TableView:
    """A table as its consumer sees it; `progress` is of the building, in percent: 100 when it is there."""

    progress: int
    id: str = ""
    head: Head | None = None


class Lookups:
    """The lookup form of answer; `pool` runs `privacy.lookup:Lookup`."""

    def __init__(self, space: Space, engine: Engine, pool: Pool, *, rows_limit: int = ROWS_LIMIT) -> None:
        self._space, self._pool = space, pool
        self._tables = LookupTables(space, engine, pool, rows_limit)
        self._conductor = Conductor(space)
        self._rate = Rate("evaluations", _EACH_MINUTE, space.clock)

    def evaluate(self, caller: Caller, agreement: str, identifier: str, points: bytes) -> Answer:
        """Return each of the packed points times the exponent of the table, packed.

        Raises:
            Malformed: a point is none, or is there twice; nothing is spent.
            TooLarge: there are too many points, or the dataset is too large for a table.
            NotFound: the agreement is not the caller's, or the dataset has no such column.
            PolicyDenied: the policy denies it, a unit for each point included.
            TooMany: there were too many in the last minute.

        """
        with self._space.database.reading() as session:
            case = read_case(session, self._space, caller, agreement)
        count = len(unpack(points, BATCH_LIMIT))
        digest = hashlib.sha256(f"lookup\0{identifier}\0".encode() + points).hexdigest()
        try:
            column, fields = identifier_of(case, identifier), fields_of(case, identifier)
        except Refused as error:
            raise self._conductor.refuse(case, Ask(Form.LOOKUP, digest, (), Charge(1)), error) from error
        self._rate.take(case, count)
        # The same points again cost nothing: an answer may have been lost on its way (attack CR-05).
        until = self._space.clock() + _REPEATED
        ask = Ask(Form.LOOKUP, digest, uses(select=fields), Charge(count), kept=True, until=until)

        def compute(decision: Decision) -> Computed:
            table = self._tables.built(case, column, _obeying(fields, decision.obligation("mask") or []))
            request = {"points": points, "scalar": self._tables.scalar(table, case)}
            facts = {"rows": count, "smallest_group": 0, "complement": 0}
            return Computed(self._pool.call("evaluate", request), OCTETS, facts, ask.charge)

        return self._conductor.conduct(case, ask, compute)

    def table(self, caller: Caller, agreement: str, identifier: str) -> TableView:
        """Return the table that evaluations are of, or how far its building is.

        Raises:
            NotFound: the agreement is not the caller's, or the dataset has no such column.
            Refused: the column is no identifier.

        """
        with self._space.database.reading() as session:
            case = read_case(session, self._space, caller, agreement)
            key = TableKey.of(case, identifier_of(case, identifier), fields_of(case, identifier))
            found = self._tables.stored(session, key)
        if found is None:
            return TableView(self._tables.progress(key))
        return TableView(100, found.id, self._tables.head(found, case))

    def records(
        self, caller: Caller, agreement: str, table: str, *, entry: int, bucket: int | None = None
    ) -> bytes:
        """Return the records of a bucket, or of the whole table; `entry` is of an evaluation.

        Raises:
            NotFound: the agreement is not the caller's, has no such table or bucket, or no such evaluation.

        """
        with self._space.database.reading() as session:
            case = read_case(session, self._space, caller, agreement)
            found = session.get(LookupTable, table)
            given = self._stands(case) and self._evaluated(session, case, entry)
            if found is None or not _is_of(found, case) or not given:
                raise NotFound("there is no such table, or nothing was evaluated of it")
        return self._tables.records(found, case, bucket)

    def forget(self, dataset: str) -> None:
        """Let no file keep a table of a withdrawn dataset."""
        self._tables.forget(dataset)

    def sweep(self) -> int:
        """Remove what a crash left of tables; return how many files."""
        return self._tables.sweep()

    def _stands(self, case: Case) -> bool:
        """Tell whether what was paid for may still be fetched: also by whom nothing more is answered."""
        agreement = case.agreement
        in_force = agreement.state in _GIVEN and agreement.expires > self._space.clock()
        return in_force and Role.CONSUMER in case.caller.roles

    def _evaluated(self, session: Session, case: Case, entry: int) -> bool:
        if not 0 <= entry < self._space.log.size(session):
            return False
        record = self._space.log.record(session, entry)
        told = {} if record is None else record.fields
        wanted = ("query.answered", Form.LOOKUP, case.agreement.id, case.version.version)
        return tuple(told.get(name) for name in ("kind", "form", "agreement", "version")) == wanted


def fields_of(case: Case, identifier: str) -> list[Column]:
    """Return the columns of a record: those that leave as rows, at a level of which rows may.

    Raises:
        Refused: there is none.

    """
    most = case.pack.facts()["max_rows_level"]
    found = [
        column
        for column in case.columns
        if column.name != identifier and column.method not in {Method.SUPPRESS, *COSTLY}
        if column.level <= most
    ]
    if not found:
        told = {"column": identifier, "method": "suppress", "use": "select"}
        raise Refused("no column of the dataset leaves as a record", **told)
    return found


def _obeying(fields: Collection[Column], owed: Collection[str]) -> list[Column]:
    """Return the columns as the decision wants them: suppressed what would leave and that it wants masked."""
    return [
        replace(column, method=Method.SUPPRESS, parameters={})
        if column.method is Method.KEEP and column.name in owed
        else column
        for column in fields
    ]


def _is_of(table: LookupTable, case: Case) -> bool:
    return (table.offer, table.dataset, table.version) == (
        case.offer.id,
        case.dataset.id,
        case.version.version,
    )
