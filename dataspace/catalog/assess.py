"""What an upload would give away, and what it is worth: measured in a worker, for it reads every row.

Everything in the result is a whole number, a name of a column or a parameter;
the only cells are those of `sample`, as they would leave, and the newest month
of a column of dates. The same request gives the same result, but for the
pseudonyms in the sample, which are under a key that is drawn and forgotten.
"""

import hmac
from collections.abc import Mapping
from typing import Annotated, Any, Final

import msgspec
import numpy as np

from dataspace.catalog.describe import precisions, qualities, utility
from dataspace.catalog.microdata import Microdata
from dataspace.catalog.outcome import Axes, Measurer, Outcome, Terms
from dataspace.catalog.preview import desensitized, original
from dataspace.errors import Malformed
from dataspace.privacy.desensitize import leaving_type
from dataspace.privacy.release import KEPT, RECODED
from dataspace.privacy.risk import MILLION
from dataspace.privacy.utility import Utility
from dataspace.table import Column
from dataspace.zones.pack import read_fields
from dataspace.zones.schema import Positive

SAMPLE_ROWS: Final = 20
_ALLOWANCE: Final = 0.1  # the share of rows that a suggestion may leave to the second tier
_STRICTER: Final = (1, 2, 4, 8)  # times k, when a threshold asks for more than large classes

_Key = Annotated[bytes, msgspec.Meta(min_length=32, max_length=32)]


class _Payload(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    path: str
    key: _Key
    context: bytes


class _Thresholds(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The thresholds of a zone (`zones.schema.Risk`)."""

    k: Positive
    l: Positive  # noqa: E741 - the literature's name
    t_ppm: int
    unique_ppm: int
    prosecutor_ppm: int
    marketer_ppm: int
    suppressed_ppm: int


class _Request(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    payload: _Payload
    columns: Annotated[list[dict[str, Any]], msgspec.Meta(min_length=1)]
    fields: list[dict[str, Any]]
    risk: _Thresholds
    search: bool = False
    offered: list[str] = []
    methods: dict[str, dict[str, Any]] = {}
    sample: Annotated[int, msgspec.Meta(ge=1, le=100)] = 100
    max_rows_level: int = 0


def assess(request: Mapping[str, Any]) -> dict[str, Any]:
    """Measure a payload as its columns would let it leave.

    Request: `payload` (`path`, `key`, `context`), `columns` (JSON of `Column`),
    `fields` (`Pack.rules()`), `risk` (the zone's thresholds), and if wanted
    `search`, and of an offer `offered` (its forms; none are all), `methods` (by
    column), `sample` (percent of the subjects). `max_rows_level`: columns of a
    higher level are not in the sample.

    Result: `rows`, `subjects`, `precision` and `quality` by column; `before` and
    `after` (`privacy.risk`), `release`, `recoded_ppm`, `suppressed_ppm`,
    `passes`, `failing` (`measure`, `value`, `want`), `utility`; `suggestion`: the
    same of `columns` that pass, if these do not or are worth less, or None;
    `sample`: at most 20 rows as they would leave, and as they are, for their provider; or None.

    Raises:
        Malformed: the request, or a parameter of a column's method, is.
        Unavailable: the payload does not open.
        TooCostly: the memory does not suffice.

    """
    asked = _asked(request)
    columns = [_offered(Column.from_json(column), asked) for column in asked.columns]
    terms = Terms(msgspec.to_builtins(asked.risk), asked.sample, _secret(asked.payload.key))
    with Microdata.opened(msgspec.structs.asdict(asked.payload)) as data:
        measurer = Measurer(data, columns, terms)
        axes = measurer.axes()
        outcome = measurer.outcome(axes)
        worth = utility(data, outcome)
        # Rows that leave coarser than their columns say are no failure; columns that fit them may say more.
        improvable = bool(outcome.failing) or outcome.share(RECODED) > _ALLOWANCE * MILLION
        wanted = asked.search and improvable
        return {
            "rows": data.rows,
            "subjects": int(np.count_nonzero(np.bincount(measurer.subjects))),
            "precision": precisions(data, columns),
            "quality": qualities(data, columns, read_fields(asked.fields)),
            "before": measurer.before().to_json(),
            **outcome.to_json(),
            "utility": worth.to_json(),
            "suggestion": _suggested(data, measurer, axes, outcome, worth) if wanted else None,
            "sample": _sample(data, outcome, asked),
        }


def _suggested(
    data: Microdata, measurer: Measurer, axes: Axes, confirmed: Outcome, worth: Utility
) -> dict[str, Any] | None:
    """Return quasi-identifiers that pass where the confirmed ones fail, or are worth more; or None."""
    found = _passing(measurer, axes)
    if found is None:
        return None
    better = utility(data, found)
    if not confirmed.failing and better.whole <= worth.whole:
        return None
    changed = [column.to_json() for column in found.columns if column.name in found.release.quasi]
    return {"columns": changed, **found.to_json(), "utility": better.to_json()}


def _passing(measurer: Measurer, axes: Axes) -> Outcome | None:
    """Return the outcome with the least loss that passes; what is asked of classes grows until one does."""
    for times in _STRICTER:
        for outliers in (max(_ALLOWANCE, measurer.withheld), measurer.withheld):
            node = measurer.search(axes, outliers, times=times)
            if node is None:
                continue
            found = measurer.outcome(axes, node)
            if not found.failing:
                return found
    return None


def _sample(data: Microdata, outcome: Outcome, asked: _Request) -> dict[str, Any] | None:
    """Return rows as they would leave, spread over those that leave uncoarsened."""
    shown = [column for column in outcome.columns if column.level <= asked.max_rows_level]
    able = np.flatnonzero(outcome.tier == KEPT)
    if not shown or not len(able) or (asked.offered and "rows" not in asked.offered):
        return None
    taken = able[np.unique(np.linspace(0, len(able) - 1, min(len(able), SAMPLE_ROWS)).astype(np.int64))]
    rows = data.taken(shown, taken.tolist())
    return {
        "columns": [{"name": column.name, "type": leaving_type(column)} for column in shown],
        "rows": desensitized(rows, shown),
        "original": original(rows),
    }


def _asked(request: Mapping[str, Any]) -> _Request:
    try:
        return msgspec.convert(dict(request), _Request)
    except msgspec.ValidationError as error:
        raise Malformed(f"malformed request to assess a payload: {error}") from error


def _offered(column: Column, asked: _Request) -> Column:
    """Return a column as an offer lets it leave."""
    changed = asked.methods.get(column.name)
    return Column.from_json({**column.to_json(), **changed}) if changed else column


def _secret(key: bytes) -> bytes:
    """Return what chooses the subjects of a sample: as in `transfer`, of the version's own key."""
    return hmac.digest(key, b"view\0sample", "sha256")
