"""What there is to say of each column of a payload: how precise, how good, and what it is worth as it leaves.

What takes a look at values is told of rows spread over the payload; what counts, of all.
"""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dataspace.catalog.microdata import Microdata, coded
from dataspace.catalog.outcome import Outcome
from dataspace.privacy.quality import Quality, freshness, profile
from dataspace.privacy.release import KEPT, RECODED, WITHHELD
from dataspace.privacy.risk import MILLION
from dataspace.privacy.utility import Utility, discernibility, kept, kept_variance
from dataspace.table import Column, Method
from dataspace.zones.precision import precision
from dataspace.zones.schema import Field
from dataspace.zones.validators import conforms

LOOKED_AT: Final = 100_000  # rows
_WHOLE: Final = frozenset({Method.KEEP, Method.PSEUDONYMIZE, Method.FPE})
_BY_VARIANCE: Final = frozenset({Method.NOISE, Method.SHIFT, Method.MICROAGGREGATE})


def precisions(data: Microdata, columns: Sequence[Column]) -> dict[str, int]:
    """Return how precise each column's values are (`zones.precision`)."""
    return {column.name: precision(data.spread(column, LOOKED_AT), column.type) for column in columns}


def qualities(data: Microdata, columns: Sequence[Column], fields: Sequence[Field]) -> list[dict[str, Any]]:
    """Return how good the values of each column are."""
    # The first field of a category is its rule, as in `Pack.extended`.
    by_category = {field.category: field for field in reversed(fields)}
    return [_quality(data, column, by_category.get(column.category)).to_json() for column in columns]


def utility(data: Microdata, outcome: Outcome) -> Utility:
    """Return what a release is worth: of quasi-identifiers in both tiers, of other columns in what leaves."""
    shares = {tier: outcome.share(tier) / MILLION for tier in (KEPT, RECODED, WITHHELD)}
    left = 1 - shares[WITHHELD]
    first, second = outcome.losses
    worth = {}
    for column in outcome.columns:
        fine = _worth(data, column)
        if column.name in first:
            coarse = 1 - second[column.name]
            worth[column.name] = shares[KEPT] * fine + shares[RECODED] * min(fine, coarse)
        else:
            worth[column.name] = left * fine
    rows = int(outcome.sizes.sum())
    withheld = int((outcome.tier == WITHHELD).sum())
    return Utility(
        {name: round(share * MILLION) for name, share in worth.items()},
        rows,
        int((outcome.sizes > 0).sum()),
        discernibility(outcome.sizes, withheld, rows + withheld),
    )


def _quality(data: Microdata, column: Column, field: Field | None) -> Quality:
    present, distinct, newest = data.one(profile(column, data.source))
    checked, valid = (0, 0) if field is None or not present else _checked(data, column, field)
    return Quality(column.name, data.rows, present, distinct, checked, valid, freshness(column, newest))


def _checked(data: Microdata, column: Column, field: Field) -> tuple[int, int]:
    """Return how many values were looked at, and how many are what the field says; 0 if it says nothing."""
    if not field.tests:
        return 0, 0
    texts = pc.cast(data.spread(column, LOOKED_AT).drop_null(), pa.string()).combine_chunks()
    passed = conforms(field, texts.chunk(0) if isinstance(texts, pa.ChunkedArray) else texts)
    return (0, 0) if passed is None else (len(passed), int(np.count_nonzero(passed)))


def _worth(data: Microdata, column: Column) -> float:
    """Return the share that stays of what a column tells, in tier 0."""
    if column.method in _WHOLE:
        return 1.0
    if column.method is Method.SUPPRESS:
        return 0.0
    found = coded(data.spread(column, LOOKED_AT))
    if column.method not in _BY_VARIANCE:
        return kept(found.counts, data.leaving(column, found.values)[0])
    days = pc.cast(found.values, pa.int32()) if pa.types.is_date(found.values.type) else found.values
    numbers = pc.fill_null(pc.cast(days, pa.float64(), safe=False), float("nan"))
    return kept_variance(column, numbers.to_numpy(zero_copy_only=False), found.counts)
