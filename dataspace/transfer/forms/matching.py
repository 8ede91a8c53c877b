"""What lookups and intersections share: the identifier of a dataset's subjects, read whole for a worker."""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from dataspace.catalog.models import Form
from dataspace.errors import Malformed, Refused, TooMany
from dataspace.table import Column, Method, Type
from dataspace.transfer.case import Case
from dataspace.transfer.engine import Engine, Payload
from dataspace.transfer.sql.conditions import known
from dataspace.transfer.sql.leaving import WHOLE, Protection
from dataspace.transfer.sql.plan import Output, Plan

_IDENTIFIERS: Final = frozenset({Type.TEXT, Type.INTEGER, Type.DATE})
_MINUTE: Final = timedelta(minutes=1)


def identifier_of(case: Case, name: str) -> Column:
    """Return the column that items are compared with: one of those that say whom a row is about.

    It need not leave as rows: that an offer has the form says that its
    subjects may be found by who knows their identifiers.

    Raises:
        NotFound: the dataset has no such column.
        Refused: it does not say whom a row is about, or its rows are classed by it.
        Malformed: its values are no items.

    """
    column = known(name, {column.name: column for column in case.columns})
    if not column.subject or name in case.protection().release.quasi:
        told = {"column": name, "method": column.method.value, "use": "identifier"}
        raise Refused(f"column {name} is no identifier of the dataset's subjects", **told)
    if column.type not in _IDENTIFIERS:
        raise Malformed(f"column {name} is of type {column.type}: an identifier is a text, integer or date")
    return column


def read_rows(
    engine: Engine, case: Case, payload: Payload, columns: Sequence[Column], *, released: bool
) -> bytes:
    """Return the engine's JSON of all rows: the first of `columns` as it is, the others by their methods.

    For worker processes alone: it is no answer. `released`: only the rows that
    leave, and as coarse as they leave.
    """
    identifier, *others = columns
    # A view has no costly column but as it leaves; here it does not leave.
    raw = replace(identifier, method=Method.KEEP, parameters={})
    table = tuple(
        replace(column, method=Method.SUPPRESS, parameters={}) if column.name == identifier.name else column
        for column in case.columns
    )
    protection = case.protection() if released else WHOLE
    outputs = tuple(_output(column, protection) for column in (raw, *others))
    plan = Plan(Form.ROWS, table, outputs, protection=protection)
    return engine.rows(payload, plan, key=b"", limit=case.version.rows).content


class Rate:
    """At most so many of something in a minute, for each legal entity on a dataset."""

    def __init__(self, what: str, most: int, clock: Callable[[], datetime]) -> None:
        self._what, self._most, self._clock = what, most, clock
        self._lock = threading.Lock()
        self._taken: dict[tuple[str, str], deque[tuple[datetime, int]]] = {}

    def take(self, case: Case, count: int = 1) -> None:
        """Count some more.

        Raises:
            TooMany: the last minute has as many as there may be.

        """
        now, asker = self._clock(), (case.dataset.id, case.entity)
        with self._lock:
            self._forget(now)
            taken = self._taken.setdefault(asker, deque())
            if sum(few for _, few in taken) + count > self._most:
                message = f"{self._what}: want at most {self._most} in a minute of a dataset"
                raise TooMany(message, retry_after=60)
            taken.append((now, count))

    def _forget(self, now: datetime) -> None:
        for asker, taken in list(self._taken.items()):
            while taken and taken[0][0] <= now - _MINUTE:
                taken.popleft()
            if not taken:
                del self._taken[asker]


def _output(column: Column, protection: Protection) -> Output:
    return Output(column.name, column, protection.type(column))
