"""A dataset version as one agreement may see its rows: a table in a worker, made once and asked often.

    rows      of the sample, and not withheld by the release (`privacy.release`)
    columns   those of the dataset, the costly ones as they leave or not at all: never as they are
    tier      how coarse a row leaves
    order     one that only a key tells: in the dataset's the neighbours of a row would tell what it was
              recoded from; with costly columns the agreement's own, or the place of a row would link its
              pseudonyms of two agreements

Everything that is slow is done once: a query of a view costs what the same
query of unmasked rows does. A view that does not fit into memory is joined anew
for each query.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa

from dataspace.errors import TooCostly
from dataspace.privacy.desensitize import quoted
from dataspace.privacy.release import RECODED, WITHHELD, Release, sampled, tiers
from dataspace.table import Column
from dataspace.transfer.duck.data import Table, View, translated
from dataspace.transfer.duck.overlay import costly, places, prepared
from dataspace.transfer.sql.leaving import Protection

_LEFT_OUT: Final = 3  # of the sample


@dataclass(frozen=True)
class Asked:
    """What a request says of a view; `beside` begins the names that no column of the dataset has."""

    name: str
    columns: tuple[Column, ...]
    release: Release
    sample: int
    secret: bytes
    costly: bool
    order: bytes
    beside: str

    @classmethod
    def of(cls, request: Mapping[str, Any]) -> "Asked":
        """Read it from a request's `view`."""
        return cls(
            request["name"],
            tuple(Column.from_json(column) for column in request["columns"]),
            Release.from_json(request["release"]),
            request["sample"],
            request["secret"],
            request["costly"],
            request["order"],
            request["beside"],
        )

    @property
    def hidden(self) -> list[Column]:
        """The costly columns, if the view has them."""
        return costly(self.columns) if self.costly else []

    def its(self, name: str) -> str:
        """Return the quoted name of a column of the view's own."""
        return quoted(f"{self.beside}{name}")


def look(table: Table, request: Mapping[str, Any], *, spare: bool = True) -> View:
    """Return the view of a request on its table, made now if it is not there.

    `spare`: rather raise than make one that is slow for want of memory.

    Raises:
        TooCostly: there is not enough memory.
        Unavailable: the prepared columns do not open.

    """
    asked = Asked.of(request)
    if asked.name not in table.views:
        overlay, tier = _overlay(table, asked, request)
        table.views[asked.name] = _made(table, asked, overlay, tier, spare=spare)
    return table.views[asked.name]


def tiers_of(table: Table, request: Mapping[str, Any]) -> Any:
    """Return the tier of every row as the view of a request has it: an array of small numbers."""
    asked = Asked.of(request)
    return _tiers(table, asked, _numbered(table, asked))


def _overlay(table: Table, asked: Asked, request: Mapping[str, Any]) -> tuple[pa.Table, Any]:
    """Return what a view has beside the dataset's columns, row by row, and the tiers of the rows."""
    ready = prepared(table, request, asked.hidden)
    beside = _numbered(table, asked)
    tier = _tiers(table, asked, beside)
    beside = beside.append_column(asked.beside + "tier", pa.array(tier))
    beside = beside.append_column(asked.beside + "place", pa.array(places(table.rows, asked.order)))
    for place, column in enumerate(asked.hidden):
        beside = beside.append_column(f"{asked.beside}{place}", ready.column(column.name))
    return beside, tier


def _numbered(table: Table, asked: Asked) -> pa.Table:
    return pa.table({asked.beside + "row": np.arange(table.rows)})


def _tiers(table: Table, asked: Asked, rows: pa.Table) -> Any:
    """Return the tier of every row: an array of small numbers."""
    found = np.full(table.rows, _LEFT_OUT, np.uint8)
    if not asked.release.enforced(asked.columns) and asked.sample == 100:
        found[:] = 0
        return found
    row, subjects = asked.its("row"), table.shape.subjects
    kept = sampled(subjects, row, percent=asked.sample, secret=asked.secret)
    source = f"(SELECT data.*, {row} FROM data POSITIONAL JOIN beside WHERE {kept})"
    sql = tiers(asked.release, asked.columns, subjects, source, row)
    with translated():
        table.connection.register("beside", rows)
        try:
            numbered = table.connection.sql(sql).to_arrow_table()
        finally:
            table.connection.unregister("beside")
    found[numbered.column("row").to_numpy()] = numbered.column("tier").to_numpy()
    return found


def _made(table: Table, asked: Asked, overlay: pa.Table, tier: Any, *, spare: bool) -> View:
    counts = np.bincount(tier, minlength=_LEFT_OUT + 1)
    number = table.numbered()
    order = asked.its("place")
    joined = _joined(asked, f"beside{number}")
    with translated():
        table.connection.register(f"beside{number}", overlay)
    try:
        table.all(f"CREATE TABLE view{number} AS {joined} ORDER BY {order}")
    except TooCostly:
        if spare:
            table.connection.unregister(f"beside{number}")
            raise
        table.size += overlay.nbytes
        return View(f"({joined})", order, int(counts[WITHHELD]), int(counts[RECODED]))
    table.connection.unregister(f"beside{number}")
    table.measure()
    return View(f"view{number}", "", int(counts[WITHHELD]), int(counts[RECODED]))


def _joined(asked: Asked, overlay: str) -> str:
    """Return SQL of the view's rows: the dataset's and, row by row, what is beside them."""
    ready = {column.name: asked.its(str(place)) for place, column in enumerate(asked.hidden)}
    replaced = [f"{sql} AS {quoted(name)}" for name, sql in ready.items()]
    gone = [] if asked.costly else costly(asked.columns)
    dropped = [quoted(column.name) for column in gone]
    shown = [column for column in asked.columns if column not in gone]
    protection = Protection(asked.release, asked.sample, asked.beside, view=True)
    data = "data.*" + (f" EXCLUDE ({', '.join(dropped)})" if dropped else "")
    data += f" REPLACE ({', '.join(replaced)})" if replaced else ""
    kept = [data, *protection.made(shown, ready), asked.its("tier"), asked.its("place")]
    return (
        f"SELECT {', '.join(kept)} FROM data POSITIONAL JOIN {overlay} WHERE {asked.its('tier')} < {WITHHELD}"
    )
