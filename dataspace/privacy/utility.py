"""What is left to learn from a release, in parts per million of what the rows told before.

A column is worth its entropy: how well its values tell rows apart. A method that
joins values keeps the entropy of what it joins them to; one that draws values
keeps the share of the variance that is the column's own:

    noise            v / (v + 2 scale^2)
    shift            v / (v + (days + 1)(2 days + 1) / 6)
    microaggregate   the variance of the groups' means over v

A pseudonym keeps all: rows can be told apart as before. A withheld row is worth
nothing. What the classes are worth: how many rows look alike on average, and the
discernibility of Bayardo and Agrawal (2005): the rows each row is like, summed,
a withheld one being like all.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dataspace.privacy.closeness import Codes
from dataspace.privacy.lattice import entropy
from dataspace.table import Column, Method

Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Utility:
    """What a release is worth; `columns` in parts per million."""

    columns: Mapping[str, int]
    rows: int
    classes: int
    discernibility: int

    @property
    def whole(self) -> int:
        """The average over all columns, in parts per million."""
        return sum(self.columns.values()) // max(len(self.columns), 1)

    def to_json(self) -> dict[str, Any]:
        """Return the figures as whole numbers."""
        return {
            "whole_ppm": self.whole,
            "columns": [{"column": name, "utility_ppm": worth} for name, worth in self.columns.items()],
            "rows": self.rows,
            "average_class": self.rows // max(self.classes, 1),
            "discernibility": self.discernibility,
        }


def kept(counts: Codes, classes: Codes) -> float:
    """Return the share of the entropy that stays; `counts` of the values, `classes` they are joined to."""
    whole = entropy(counts)
    if not whole:
        return 1.0
    return min(entropy(np.bincount(classes, weights=counts)) / whole, 1.0)


def kept_variance(column: Column, values: Numbers, counts: Codes) -> float:
    """Return the share of the variance that stays under noise, shift or groups; of dates, of their days."""
    present = np.isfinite(values)
    values, counts = values[present], counts[present]
    total = float(counts.sum())
    if not total:
        return 1.0
    mean = float((values * counts).sum()) / total
    own = float((counts * (values - mean) ** 2).sum()) / total
    match column.method:
        case Method.NOISE:
            added = 2.0 * int(column.parameters["scale"]) ** 2
        case Method.SHIFT:
            days = int(column.parameters["days"])
            added = (days + 1) * (2 * days + 1) / 6
        case Method.MICROAGGREGATE:
            return _between(values, counts, int(column.parameters["size"])) / own if own else 1.0
        case _:
            return 1.0
    return own / (own + added)


def discernibility(sizes: Codes, withheld: int, rows: int) -> int:
    """Return the penalty of classes of so many rows each, and of the rows withheld of all."""
    return int((sizes.astype(object) ** 2).sum()) + withheld * rows


def _between(values: Numbers, counts: Codes, size: int) -> float:
    """Return the variance of the means of groups of `size` neighbours; the last group takes the rest."""
    order = np.argsort(values)
    ranked = np.repeat(values[order], counts[order])
    groups = np.minimum(np.arange(len(ranked)) // size, max(len(ranked) // size - 1, 0))
    sizes = np.bincount(groups)
    means = np.bincount(groups, weights=ranked) / sizes
    return float((sizes * (means - ranked.mean()) ** 2).sum() / len(ranked))
