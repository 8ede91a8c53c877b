"""The worker that answers queries: the target of a pool, and the one place of `transfer` where DuckDB runs.

A request brings the payload it is about. The first one is answered from the
decrypted file (`cold`); then, while nobody waits, a warm table is made of it
(`warm`), which stays until its memory is wanted for one asked for later, or
until the dataset is withdrawn. Both give the same answers. Answers are bytes,
made here: nothing of a dataset but what may leave passes to the service, and no
message of DuckDB does.
"""

import resource
from collections import OrderedDict
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

import duckdb

from dataspace.errors import TooCostly, Unavailable
from dataspace.transfer.duck.aggregates import aggregate
from dataspace.transfer.duck.cells import cells
from dataspace.transfer.duck.cold import connected, opened
from dataspace.transfer.duck.data import Table
from dataspace.transfer.duck.overlay import write_prepared
from dataspace.transfer.duck.releases import Releases
from dataspace.transfer.duck.rows import rows
from dataspace.transfer.duck.slots import slots
from dataspace.transfer.duck.views import look
from dataspace.transfer.duck.warm import loaded

# Address space of DuckDB, pyarrow and Python themselves (`dataspace.sandbox`), and of two databases
# more: a spare one, and the cold one beside the warm one that it becomes (69 MB each, measured).
_RESERVED: Final = 1420 << 20
_LEAST: Final = 128 << 20
_UNLIMITED: Final = 4 << 30

_Name = tuple[str, int]


class Worker:
    """Keeps tables, those asked for last, and answers from them."""

    def __init__(self) -> None:
        limit, _ = resource.getrlimit(resource.RLIMIT_AS)
        whole = _UNLIMITED if limit == resource.RLIM_INFINITY else limit
        self._memory = max(whole - _RESERVED, _LEAST)
        self._tables: OrderedDict[_Name, Table] = OrderedDict()
        self._histories: dict[_Name, Releases] = {}
        self._large: set[_Name] = set()  # those that are answered from their file, for they fit only so
        self._spare: duckdb.DuckDBPyConnection | None = connected()

    def load(self, request: Mapping[str, Any]) -> dict[str, int]:
        """Make a payload a warm table; return its rows and bytes."""
        table = self._warm(self._open(request["payload"]))
        return {"rows": table.rows, "size": table.size}

    def rows(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Return desensitized rows and facts (`rows.rows`), of a view if the request has one (`views`)."""
        if "view" in request:
            self._look(request)
        return self._answer(rows, request)

    def prepare(self, request: Mapping[str, Any]) -> dict[str, int]:
        """Compute and seal the costly columns of an agreement (`overlay.write_prepared`)."""
        return self._answer(write_prepared, request)

    def aggregate(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Return protected aggregates and facts (`aggregates.aggregate`), judged where there is a history.

        A worker that has not all of the history answers only how far it is: `behind`, a sequence and a mark.
        """
        if "history" not in request:
            return self._answer(aggregate, request)
        releases = self._releases(request)
        return self._answer(partial(_judged, releases), request)

    def replay(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Append to a history what was stored of it (`releases`); return how far it is."""
        releases = self._releases(request)
        return self._answer(lambda table, asked: releases.replay(table, asked["history"]), request)

    def cells(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Return the exact cells of a cube (`cells.cells`), of a warm table: only that has row numbers."""
        self.load(request)
        return self._answer(cells, request)

    def slots(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Return the slots of a row selector, of a view (`slots.slots`)."""
        self._look(request)
        return self._answer(slots, request)

    def evict(self, request: Mapping[str, Any]) -> None:
        """Forget every version of a dataset."""
        for name in [name for name in self._tables if name[0] == request["dataset"]]:
            self._drop(name)

    def _idle(self) -> bool:
        """Do one thing that was put off, while nobody waits; return whether there may be another."""
        try:
            return self._do_one()
        except (TooCostly, Unavailable, MemoryError):
            return False  # What fails now fails again when it is asked for, and is told then.

    def _do_one(self) -> bool:
        if self._spare is None:
            self._spare = connected()
            return True
        for name, table in self._tables.items():
            if table.descriptor >= 0 and name not in self._large:
                self._try_warm(name)
                return True
            if not table.most_is_known:
                _ = table.most
                return True
        return False

    def _answer(
        self, act: Callable[[Table, Mapping[str, Any]], dict[str, Any]], request: Mapping[str, Any]
    ) -> dict[str, Any]:
        try:
            return act(self._tables[self._open(request["payload"])], request)
        except TooCostly:
            # Whatever the other tables hold may be what was missing.
            self._forget(0)
            raise

    def _look(self, request: Mapping[str, Any]) -> None:
        """Make the view of a request, if it is not there: of a warm table, for a cold one is gone soon."""
        name, view = self._open(request["payload"]), request["view"]
        if view["name"] in self._tables[name].views:
            return
        if self._tables[name].descriptor >= 0 and name not in self._large:
            self._try_warm(name)
        try:
            look(self._tables[name], view)
        except TooCostly:
            self._forget(0, but=name)
            self._tables[name].forget_views()
            look(self._tables[name], view, spare=False)

    def _open(self, payload: Mapping[str, Any]) -> _Name:
        """Return the name of the payload's table, cold or warm, which is the one asked for last now."""
        name = (str(payload["dataset"]), int(payload["version"]))
        if name not in self._tables:
            # What stays leaves as much again for queries, and the better part for the new one.
            self._forget(self._memory // 4)
            self._tables[name] = opened(payload, self._memory - self._size(), self._connection())
        self._tables.move_to_end(name)
        return name

    def _warm(self, name: _Name) -> Table:
        """Return a table made warm, for which others may have to go."""
        if self._tables[name].descriptor >= 0:
            try:
                self._replace(name)
            except (TooCostly, MemoryError):
                self._forget(0, but=name)
                self._replace(name)
        return self._tables[name]

    def _try_warm(self, name: _Name) -> None:
        try:
            self._warm(name)
        except (TooCostly, Unavailable, MemoryError):
            self._large.add(name)

    def _replace(self, name: _Name) -> None:
        cold = self._tables[name]
        self._tables[name] = loaded(cold, self._memory - self._size(), self._connection())
        cold.close()

    def _connection(self) -> duckdb.DuckDBPyConnection:
        spare, self._spare = self._spare, None
        return spare or connected()

    def _forget(self, size: int, but: _Name | None = None) -> None:
        """Forget the tables asked for longest ago until those left have at most `size` bytes."""
        for name in [name for name in self._tables if name != but]:
            if self._size() <= size:
                return
            self._drop(name)

    def _drop(self, name: _Name) -> None:
        self._tables.pop(name).close()
        self._large.discard(name)
        self._histories.pop(name, None)

    def _releases(self, request: Mapping[str, Any]) -> Releases:
        """Return the history of a table for who knows of the rows that a request says."""
        name = self._open(request["payload"])
        views = tuple(view["name"] for view in request["history"]["views"])
        if name not in self._histories or self._histories[name].views != views:
            self._histories[name] = Releases(views)
        return self._histories[name]

    def _size(self) -> int:
        tables = sum(table.size for table in self._tables.values())
        return tables + sum(releases.size for releases in self._histories.values())


def _judged(releases: Releases, table: Table, request: Mapping[str, Any]) -> dict[str, Any]:
    history = request["history"]
    if not releases.reaches(table, history):
        return {"behind": vars(releases.head)}
    found = aggregate(table, request)
    return {**found, "judged": releases.judged(table, history, found)}
