"""The engine that answers plans: the service's side of the workers that hold the data."""

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

from dataspace.catalog.models import Form
from dataspace.privacy.desensitize import COSTLY
from dataspace.privacy.spec import CubeSpec
from dataspace.proof.canonical import canonical
from dataspace.sandbox import Pool
from dataspace.table import Column
from dataspace.transfer.duck.past import Past, judged
from dataspace.transfer.payload import Payload, Result, Sealed
from dataspace.transfer.sql import render
from dataspace.transfer.sql.leaving import Protection
from dataspace.transfer.sql.plan import Plan, uses
from dataspace.wire import JSON

__all__ = ["WORKER", "CellsPlan", "Engine", "Payload", "Result", "Sealed"]

WORKER: Final = "dataspace.transfer.duck.worker:Worker"  # the target of the engine's pool
_PREPARE_SECONDS: Final = 300.0  # a million rows take some, and it is done once


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

    def rows(
        self,
        payload: Payload,
        plan: Plan,
        *,
        key: bytes,
        limit: int,
        media_type: str = JSON,
        prepared: Sealed | None = None,
    ) -> Result:
        """Return desensitized rows, at most `limit`: `{"columns": [{"name", "type"}], "rows": [[...]]}`.

        Where a release is enforced, the members `withheld` and `recoded` say
        whether any row of the dataset leaves not at all, or coarser than others.
        `key`: of the agreement's pseudonyms, 32 bytes. `prepared`: its costly
        columns; without them they are computed anew.

        Raises:
            Unsupported: the media type is neither JSON nor an Arrow stream.
            Malformed: the method of a column has a parameter out of range.

        """
        viewed = needs_view(plan)
        shown = replace(plan, protection=replace(plan.protection, view=viewed))
        request = render.rows_request(shown, limit, media_type)
        if viewed:
            request["view"] = _view(payload, plan, key, prepared)
        found = self._call("rows", payload, plan.table, request)
        facts = {"rows": found["rows"], "smallest_group": 0, "complement": 0}
        facts |= {"withheld": found["withheld"]} if "withheld" in found else {}
        return Result(found["body"], media_type, facts, counted=_counted(plan.table))

    def prepare(
        self, payload: Payload, columns: Sequence[Column], key: bytes, into: Sealed, *, steady: bytes = b""
    ) -> None:
        """Compute the costly columns of a dataset for an agreement, and seal them in a new file.

        `steady`: the consumer's key, for what is drawn; without it `key`.

        Raises:
            OutOfSpace: the disk is full; no file is left.

        """
        request = {"columns": [column.to_json() for column in columns], "key": key, "into": vars(into)}
        request["steady"] = steady or key
        self._call("prepare", payload, columns, request, deadline=_PREPARE_SECONDS)

    def aggregate(
        self,
        payload: Payload,
        plan: Plan,
        *,
        min_group: int,
        past: Past | None = None,
    ) -> Result:
        """Return protected aggregates as JSON: `{"columns", "rows", "suppressed": true or false}`.

        Groups of fewer than `min_group` subjects are not there, nor is one more
        where the total would give them away (`suppress`). `past`: the history
        that the answer is judged by.

        Raises:
            Malformed: as in `rows`.
            TooMany: no worker gets hold of the history, for others ask too much.

        """
        request = render.aggregate_request(plan, min_group)
        if past is None:
            found = self._call("aggregate", payload, plan.table, request)
        else:
            request["history"] = render.history_request(plan, request)
            found = judged(partial(self._method, payload, plan.table), request, past)
        facts = {name: found[name] for name in ("rows", "smallest_group", "complement")}
        hidden = {name: found[name] for name in ("suppressed", "withheld")}
        verdict = found.get("judged", {})
        return Result(found["body"], JSON, facts, **hidden, counted=_counted(plan.table), judged=verdict)

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

    def bounded(
        self, payload: Payload, columns: Sequence[Column], request: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Return the exact cells of a noised aggregate, for `privacy.noised` alone (`bounded`, `cells`)."""
        found: dict[str, Any] = self._call("cells", payload, columns, request)
        return found

    def slots(
        self,
        payload: Payload,
        plan: Plan,
        *,
        key: bytes,
        limit: int,
        prepared: Sealed | None = None,
        operand: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Return the slots of a row selector, for `selectors` alone: the columns of a plan, or an operand.

        `operand`: SQL and peak of a value, and how many rows of one subject count (`slots.slots`).

        Raises:
            Unprocessable: a sum could pass 64 bits.

        """
        # Always of a view: a slot's columns and its operand are of the same rows.
        shown = replace(plan, protection=replace(plan.protection, view=True))
        request = render.rows_request(shown, limit, JSON) | {"order": _secret(key, "slots")}
        request["view"] = _view(payload, plan, key, prepared)
        request |= {"operand": dict(operand)} if operand else {}
        found: dict[str, Any] = self._call("slots", payload, plan.table, request)
        return found

    def evict(self, dataset: str) -> None:
        """Make every worker forget a dataset."""
        self._pool.broadcast("evict", {"dataset": dataset})

    def _method(
        self, payload: Payload, columns: Sequence[Column], method: str, request: Mapping[str, Any]
    ) -> Any:
        return self._call(method, payload, columns, request)

    def _call(
        self,
        method: str,
        payload: Payload,
        columns: Sequence[Column],
        request: Mapping[str, Any],
        *,
        deadline: float | None = None,
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
        asked = {"payload": described, **request}
        return self._pool.call(method, asked, affinity=affinity, deadline=deadline)


def needs_view(plan: Plan) -> bool:
    """Tell whether the rows of a plan are not simply those of the dataset."""
    return plan.protection.enforced(plan.table) or needs_prepared(plan)


def needs_prepared(plan: Plan) -> bool:
    """Tell whether a plan shows, or computes with, a column that is costly to desensitize."""
    return any(column.method in COSTLY for output in plan.outputs for column in output.columns)


def _view(payload: Payload, plan: Plan, key: bytes, prepared: Sealed | None) -> dict[str, Any]:
    """Return what a worker needs to make a view, or to find the one it made."""
    columns = [column.to_json() for column in plan.table]
    # Without its costly columns a view is the same for every agreement.
    costly = needs_prepared(plan)
    protection = plan.protection
    release = protection.release.to_json() if protection.release.enforced(plan.table) else {}
    # Never the dataset's: in a sorted one a row's neighbours tell what it was recoded from. Of the
    # agreement's own with costly columns, or the place would link its pseudonyms of two agreements.
    order = _secret(key if costly else payload.key, "order")
    sealed = prepared.path if prepared and costly else ""
    told: Any = {"columns": columns, "release": release, "sample": protection.sample}
    told |= {"order": order.hex(), "sealed": sealed}
    return {
        "name": hashlib.sha256(canonical(told)).hexdigest(),
        "columns": columns,
        "release": release,
        "sample": protection.sample,
        # Of the version's own key: whoever agrees twice gets the same sample twice, and no more.
        "secret": _secret(payload.key, "sample"),
        "costly": costly,
        "order": order,
        "beside": protection.beside,
        "key": key if prepared is None and costly else b"",
        "prepared": vars(prepared) if prepared and costly else None,
    }


def leaving_view(payload: Payload, columns: Sequence[Column], protection: Protection) -> dict[str, Any]:
    """Return what a worker needs to tell how the rows of a dataset leave (`views.tiers_of`)."""
    plan = Plan(Form.ROWS, tuple(columns), (), protection=protection)
    return _view(payload, plan, b"", None)


def _secret(key: bytes, purpose: str) -> bytes:
    return hmac.digest(key, b"view\0" + purpose.encode(), "sha256")


def _counted(columns: Sequence[Column]) -> str:
    return "subjects" if any(column.subject for column in columns) else "rows"
