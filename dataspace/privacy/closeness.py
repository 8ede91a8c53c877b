"""How far what is learned of a class is from what is known of all: l-diversity and t-closeness.

t is the greatest earth mover's distance between a class's values and all
values (Li, Li and Venkatasubramanian, 2007): for values without an order half
the sum of differences, for m ordered values the cumulated differences over
m - 1. Both are computed from the values a class has, never from all it might
have: a million distinct amounts in a hundred thousand classes take a second.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

Codes = npt.NDArray[np.integer]
Floats = npt.NDArray[np.float64]

NONE: Final = -1  # the code of NULL


@dataclass(frozen=True)
class Sensitive:
    """A sensitive column: a code of each row's value as it leaves, in the values' order if they have one."""

    name: str
    codes: Codes
    ordered: bool = False


@dataclass(frozen=True)
class Diversity:
    """Of the worst class: its distinct values, the exponential of its entropy, its distance from all."""

    distinct: int
    entropy: float
    distance: float


@dataclass(frozen=True)
class _Pairs:
    """Each class's values: `counts` subjects of a class have the value; sorted by class, then value."""

    classes: Codes
    values: Codes
    counts: Codes
    number: int

    @property
    def totals(self) -> Codes:
        """The counts of every class."""
        return _summed(self.classes, self.counts, self.number).astype(np.int64)


def diversity(classes: Codes, subjects: Codes, sensitive: Sensitive) -> Diversity:
    """Return how diverse a column is in the worst class; `classes`: dense numbers of the rows' classes.

    A subject counts once for each of its values in a class. NULL is no value
    that makes a class diverse, but one that can be far from all.
    """
    pairs = _pairs(classes, subjects, sensitive.codes)
    present = pairs.values != NONE
    known = _Pairs(pairs.classes[present], pairs.values[present], pairs.counts[present], pairs.number)
    distinct = np.maximum(np.bincount(known.classes, minlength=pairs.number), 1)
    distance = _ordered(pairs) if sensitive.ordered else _unordered(pairs)
    return Diversity(int(distinct.min()), float(np.exp(_entropies(known).min())), float(distance.max()))


def pair(first: Codes, second: Codes) -> tuple[npt.NDArray[np.int64], int]:
    """Return one number for each pair of codes, and the factor that takes them apart; codes from -1."""
    factor = int(second.max(initial=0)) + 2
    return first.astype(np.int64) * factor + (second + 1), factor


def distinct(numbers: Codes) -> Codes:
    """Return the distinct numbers, in order: a sort, which takes a tenth of numpy's hashing (measured)."""
    ranked = np.sort(numbers)
    return ranked[np.append(True, ranked[1:] != ranked[:-1])] if len(ranked) else ranked


def _pairs(classes: Codes, subjects: Codes, values: Codes) -> _Pairs:
    both, factor = pair(classes, values)
    dense, numbers = np.unique(both, return_inverse=True)
    triples = distinct(pair(numbers, subjects)[0])
    counts = np.bincount(triples // (int(subjects.max(initial=0)) + 2), minlength=len(dense))
    return _Pairs(dense // factor, dense % factor - 1, counts, int(classes.max()) + 1)


def _entropies(pairs: _Pairs) -> Floats:
    shares = pairs.counts / np.maximum(pairs.totals, 1)[pairs.classes]
    return -_summed(pairs.classes, shares * np.log(shares), pairs.number)


def _unordered(pairs: _Pairs) -> Floats:
    """Return each class's distance: half of what its own values differ by, and of all others whole."""
    values, places = np.unique(pairs.values, return_inverse=True)
    everywhere = _summed(places, pairs.counts, len(values)) / pairs.counts.sum()
    shares = pairs.counts / pairs.totals[pairs.classes]
    expected = everywhere[places]
    return (1 + _summed(pairs.classes, np.abs(shares - expected) - expected, pairs.number)) / 2


def _ordered(pairs: _Pairs) -> Floats:
    """Return each class's distance: between two of its values its cumulated share is one number."""
    values, ranks = np.unique(pairs.values, return_inverse=True)
    if len(values) == 1:
        return np.zeros(pairs.number)
    below = np.cumsum(_summed(ranks, pairs.counts, len(values))) / pairs.counts.sum()
    sums = np.concatenate([[0.0], np.cumsum(below)])
    totals = pairs.totals
    running = np.cumsum(pairs.counts)
    starts = np.concatenate([[True], pairs.classes[1:] != pairs.classes[:-1]])
    before = np.repeat(
        (running - pairs.counts)[starts], np.diff(np.append(np.flatnonzero(starts), len(ranks)))
    )
    level = (running - before) / totals[pairs.classes]
    ends = np.append(ranks[1:], len(values))
    ends[np.append(starts[1:], True)] = len(values)
    crossing = np.clip(np.searchsorted(below, level), ranks, ends)
    over = level * (crossing - ranks) - (sums[crossing] - sums[ranks])
    under = (sums[ends] - sums[crossing]) - level * (ends - crossing)
    first = _summed(pairs.classes[starts], sums[ranks[starts]], pairs.number)
    whole: Floats = (first + _summed(pairs.classes, over + under, pairs.number)) / (len(values) - 1)
    return whole


def _summed(places: Codes, values: npt.NDArray[np.generic], number: int) -> Floats:
    counted = np.bincount(places, weights=values.astype(np.float64), minlength=number)
    return np.asarray(counted, dtype=np.float64)
