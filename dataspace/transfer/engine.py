"""The engine that answers plans: the service's side of the workers that hold the data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from dataspace.privacy.spec import CubeSpec
from dataspace.sandbox import Pool
from dataspace.table import Column
from dataspace.transfer import render
from dataspace.transfer.plan import Plan, uses
from dataspace.wire import JSON

WORKER: Final = "dataspace.transfer.duck:Worker"  # the target of the engine's pool


@dataclass(frozen=True)
class Payload:
    """Where a dataset version lies, and what opens it; `context` is what the payload was sealed with."""

    dataset: str
    version: int
    path: str
    key: bytes = field(repr=False)
    context: bytes = field(repr=False)


@dataclass(frozen=True)
class Result:
    """The bytes of an answer, of a media type of `dataspace.wire`, and what they stand for.

    `facts` are what the policy reads: `rows` of the answer; `smallest_group`,
    the subjects of the smallest group shown (0: none is; rows are no group);
    `complement`, the subjects of the rows that the condition leaves (0: none).
    Of these two it is told no more than that they are enough: they stop at the
    minimum that was asked for.
    `withheld`: the content is empty, for the condition takes or leaves some
    subjects but too few. `counted`: "subjects", or "rows" where the dataset
    declares no subject, so that each row counts as one.
    """

    content: bytes = field(repr=False)
    media_type: str
    facts: Mapping[str, int]
    suppressed: bool = False
    withheld: bool = False
    counted: str = "subjects"


@dataclass(frozen=True)
class CellsPlan:
    """A cube that a dataset can answer."""

    dimensions: tuple[Column, ...]
    summed: tuple[Column, ...]

    def uses(self) -> list[dict[str, Any]]:
        """Return which column is used for what, as the policy reads it: group or measure."""
        return uses(group=self.dimensions, measure=self.summed)


class Engine:
    """Answers plans in the workers of a pool whose target is `WORKER`.

    Every method raises TooCostly at a limit of time or memory, TooMany when no
    worker comes free, Unavailable when the payload does not open or a worker
    fails; none of their messages holds a value of a dataset.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def load(self, payload: Payload, columns: Sequence[Column]) -> dict[str, int]:
        """Make a dataset version warm in one worker; return its rows and its size in bytes there."""
        found: dict[str, int] = self._call("load", payload, columns, {})
        return found

    def rows(self, payload: Payload, plan: Plan, *, key: bytes, limit: int, media_type: str = JSON) -> Result:
        """Return desensitized rows, at most `limit`: `{"columns": [{"name", "type"}], "rows": [[...]]}`.

        `key`: of the agreement's pseudonyms, 32 bytes.

        Raises:
            Unsupported: the media type is neither JSON nor an Arrow stream.
            Malformed: the method of a column has a parameter out of range.

        """
        request = render.rows_request(plan, key, limit, media_type)
        found = self._call("rows", payload, plan.table, request)
        facts = {"rows": found["rows"], "smallest_group": 0, "complement": 0}
        return Result(found["body"], media_type, facts, counted=_counted(plan.table))

    def aggregate(self, payload: Payload, plan: Plan, *, min_group: int) -> Result:
        """Return protected aggregates as JSON: `{"columns", "rows", "suppressed": true or false}`.

        Groups of fewer than `min_group` subjects are not there, nor is one more
        where the total would give them away (`suppress`).

        Raises:
            Malformed: as in `rows`.

        """
        found = self._call("aggregate", payload, plan.table, render.aggregate_request(plan, min_group))
        facts = {name: found[name] for name in ("rows", "smallest_group", "complement")}
        hidden = {name: found[name] for name in ("suppressed", "withheld")}
        return Result(found["body"], JSON, facts, **hidden, counted=_counted(plan.table))

    def plan_cells(self, spec: CubeSpec, columns: Sequence[Column]) -> CellsPlan:
        """Return what a cube reads.

        Raises:
            NotFound: a column is not the dataset's.
            Refused: a column may not be grouped by, or not summed.
            Malformed: a column is of a type that cannot be.

        """
        dimensions, summed = render.cube_columns(spec, columns)
        return CellsPlan(tuple(dimensions), tuple(summed))

    def cells(self, payload: Payload, spec: CubeSpec, columns: Sequence[Column]) -> dict[str, Any]:
        """Return the exact cells of a cube, for `privacy.cube` alone (`cells`).

        Raises:
            TooLarge: there are more than 65,536.
            Unprocessable: a sum could pass 64 bits.
            NotFound, Refused, Malformed: as `plan_cells`.

        """
        found: dict[str, Any] = self._call("cells", payload, columns, render.cells_request(spec, columns))
        return found

    def evict(self, dataset: str) -> None:
        """Make every worker forget a dataset."""
        self._pool.broadcast("evict", {"dataset": dataset})

    def _call(
        self, method: str, payload: Payload, columns: Sequence[Column], request: Mapping[str, Any]
    ) -> Any:
        described = {
            "dataset": payload.dataset,
            "version": payload.version,
            "path": payload.path,
            "key": payload.key,
            "context": payload.context,
            "columns": [{"name": column.name, "type": column.type.value} for column in columns],
            "subjects": [column.name for column in columns if column.subject],
        }
        affinity = f"{payload.dataset}/{payload.version}"
        return self._pool.call(method, {"payload": described, **request}, affinity=affinity)


def _counted(columns: Sequence[Column]) -> str:
    return "subjects" if any(column.subject for column in columns) else "rows"
