"""How the values of a column are spread: the distinct ones, and what is cheap to know of them all."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dataspace.zones.schema import Field
from dataspace.zones.validators import conforms

_FEW: Final = 400
_PROBED: Final = 100


@dataclass(frozen=True)
class Values:
    """The distinct non-null values of a sample, how often each stands, and how many there are."""

    distinct: pa.StringArray
    counts: Any
    seen: int
    rows: int

    @property
    def distinct_percent(self) -> int:
        """The share of values that are distinct."""
        return 100 * len(self.distinct) // self.seen if self.seen else 0

    @cached_property
    def probe(self) -> pa.StringArray:
        """Some of the distinct values, evenly spread; all of them when there are few."""
        if len(self.distinct) <= _FEW:
            return self.distinct
        return self.distinct.take(pa.array(np.linspace(0, len(self.distinct) - 1, _PROBED).astype(np.int64)))

    def hopeless(self, field: Field) -> bool:
        """Tell whether none of some values is what the field says, so that most of all cannot be."""
        found = conforms(field, self.probe)
        return found is not None and not found.any()

    def passing(self, field: Field) -> int:
        """Return how many values are what the field says."""
        found = conforms(field, self.distinct) if self.seen else None
        return 0 if found is None else int(self.counts[found].sum())


def spread(array: pa.StringArray) -> Values:
    """Return the distribution of a column's texts and nulls."""
    counted = pc.value_counts(array.drop_null())
    counts = counted.field("counts").to_numpy(zero_copy_only=False)
    return Values(counted.field("values"), counts, int(counts.sum()), len(array))


def counts_up(values: pa.StringArray) -> bool:
    """Tell whether values are whole numbers, each more than the one before it."""
    numbers = _whole(values)
    return numbers is not None and bool((np.diff(numbers) > 0).all())


def runs(values: pa.StringArray) -> bool:
    """Tell whether the digits of most distinct values follow one another, as serial numbers do."""
    numbers = _whole(pc.replace_substring_regex(values, r"\D", ""))
    if numbers is None or len(numbers) < 2:
        return False
    steps = np.diff(np.sort(numbers))
    return bool((steps <= 2).mean() >= 0.5)


def _whole(values: pa.StringArray) -> Any:
    try:
        return pc.cast(values.drop_null(), pa.int64()).to_numpy(zero_copy_only=False)
    except pa.ArrowInvalid:  # its text holds the cell
        return None
