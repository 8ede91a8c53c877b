"""The worker that answers queries: the target of a pool, and the one place of `transfer` where DuckDB runs.

A request brings the payload it is about; a dataset version stays loaded, as a
warm table, until its memory is wanted for one asked for later, or until it is
withdrawn. Answers are bytes, made here: nothing of a dataset but what may leave
passes to the service, and no message of DuckDB does.
"""

import resource
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, Final

from dataspace.errors import TooCostly
from dataspace.transfer.aggregates import aggregate
from dataspace.transfer.cells import cells
from dataspace.transfer.rows import rows
from dataspace.transfer.warm import Table, load

_RESERVED: Final = 1280 << 20  # address space of DuckDB, pyarrow and Python themselves (`dataspace.sandbox`)
_LEAST: Final = 128 << 20
_UNLIMITED: Final = 4 << 30


class Worker:
    """Keeps warm tables, those asked for last, and answers from them."""

    def __init__(self) -> None:
        limit, _ = resource.getrlimit(resource.RLIMIT_AS)
        whole = _UNLIMITED if limit == resource.RLIM_INFINITY else limit
        self._memory = max(whole - _RESERVED, _LEAST)
        self._tables: OrderedDict[tuple[str, int], Table] = OrderedDict()

    def load(self, request: Mapping[str, Any]) -> dict[str, int]:
        """Load a payload if it is not warm; return its rows and bytes."""
        table = self._table(request["payload"])
        return {"rows": table.rows, "size": table.size}

    def rows(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Return desensitized rows and facts (`rows.rows`)."""
        return self._answer(rows, request)

    def aggregate(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Return protected aggregates and facts (`aggregates.aggregate`)."""
        return self._answer(aggregate, request)

    def cells(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Return the exact cells of a cube (`cells.cells`)."""
        return self._answer(cells, request)

    def evict(self, request: Mapping[str, Any]) -> None:
        """Forget every version of a dataset."""
        for name in [name for name in self._tables if name[0] == request["dataset"]]:
            self._tables.pop(name).close()

    def _answer(
        self, act: Callable[[Table, Mapping[str, Any]], dict[str, Any]], request: Mapping[str, Any]
    ) -> dict[str, Any]:
        try:
            return act(self._table(request["payload"]), request)
        except TooCostly:
            # Whatever the other tables hold may be what was missing.
            self._forget(0)
            raise

    def _table(self, payload: Mapping[str, Any]) -> Table:
        name = (str(payload["dataset"]), int(payload["version"]))
        if name not in self._tables:
            self._tables[name] = self._load(payload)
        self._tables.move_to_end(name)
        return self._tables[name]

    def _load(self, payload: Mapping[str, Any]) -> Table:
        # What stays leaves as much again for queries, and the better part for the new one.
        self._forget(self._memory // 4)
        try:
            return load(payload, self._memory - self._size())
        except (TooCostly, MemoryError):
            if not self._tables:
                raise
        self._forget(0)
        return load(payload, self._memory)

    def _forget(self, size: int) -> None:
        """Forget the tables asked for longest ago until those left have at most `size` bytes."""
        while self._size() > size:
            _, table = self._tables.popitem(last=False)
            table.close()

    def _size(self) -> int:
        return sum(table.size for table in self._tables.values())
