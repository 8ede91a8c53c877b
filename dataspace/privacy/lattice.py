"""The search for the release with the least loss: a node of the lattice of what its columns may leave as.

An `Axis` is one quasi-identifier with its levels, from fine to coarse; a node
takes one level of each. Rows whose class is too small at a node are outliers.
Two facts prune (predictive tagging; El Emam et al., 2009): below a node, where
classes are parts of its classes, there are at least as many outliers; and a
node loses at least what its levels lose. So a node with too many outliers rules
out all below it, and every node found rules out all whose levels lose more.

The loss of a level is the share of its column's entropy that it gives up
(Gionis and Tassa, 2009), of a node the average over its columns, and an outlier
loses all: from 0, nothing lost, to 1. The search is exact unless it stops at
its effort, and gives the same node for the same rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Self

import numpy as np
import numpy.typing as npt

from dataspace.privacy.closeness import Codes, Floats, distinct

Bools = npt.NDArray[np.bool_]
Node = tuple[int, ...]

_NODES: Final = 1 << 16  # more nodes than this are thinned: the arrays over the lattice have so many places
_LARGEST: Final = 1 << 62
_EFFORT: Final = 200_000_000  # points and nodes gone through, over all looks: about 10 s
_LEAST_CHECKS: Final = 64


@dataclass(frozen=True)
class Axis:
    """A quasi-identifier: the code of each row's value, and for each level the class of each value."""

    codes: Codes = field(repr=False)
    levels: tuple[Codes, ...] = field(repr=False)
    losses: tuple[float, ...]

    @classmethod
    def of(cls, codes: Codes, levels: Sequence[Codes]) -> Self:
        """Return an axis; `levels` are dense numbers by value, from fine to coarse, each a part of the next.

        What a level loses is measured on these rows.
        """
        counts = np.bincount(codes, minlength=max(len(levels[0]), 1))
        whole = entropy(counts)
        kept = [entropy(np.bincount(level, weights=counts)) for level in levels]
        losses = tuple(1 - part / whole if whole else 0.0 for part in kept)
        return cls(codes, tuple(levels), losses)

    def at(self, level: int) -> Codes:
        """Return the class of each row at a level."""
        return self.levels[level][self.codes]

    def only(self, level: int) -> "Axis":
        """Return the axis with this level alone."""
        return Axis(self.codes, self.levels[level : level + 1], self.losses[level : level + 1])

    def taken(self, rows: Bools, start: int) -> "Axis":
        """Return the axis of some rows, from a level on; losses stay those of all rows."""
        return Axis(self.codes[rows], self.levels[start:], self.losses[start:])


@dataclass(frozen=True)
class Wanted:
    """What is asked of a node: subjects and values in every class; `outliers`: the share of rows, at most."""

    k: int
    diversity: int = 1
    outliers: float = 0.0


@dataclass(frozen=True)
class Found:
    """A node: its levels, the rows that are no outliers, its loss, and how many nodes were looked at."""

    levels: Node
    kept: Bools = field(repr=False)
    loss: float
    checked: int


def search(
    axes: Sequence[Axis],
    wanted: Wanted,
    *,
    subjects: Codes | None = None,
    sensitive: Sequence[Codes] = (),
    effort: int = _EFFORT,
) -> Found | None:
    """Return the node with the least loss that has what is wanted, or None.

    `subjects`: a number for each row; None if each row is one. `sensitive`: codes
    of the values of each sensitive column, -1 for NULL.
    """
    if not axes or not len(axes[0].codes):
        return None
    thin, chosen = _thinned(axes)
    points = _Points.of(thin, subjects, sensitive if wanted.diversity > 1 else ())
    descent = _Descent(thin, points, wanted)
    best, checked = descent.least(max(effort // (points.cost + descent.nodes), _LEAST_CHECKS))
    if best is None:
        return None
    node, loss = best
    levels = tuple(int(kept[level]) for kept, level in zip(chosen, node, strict=True))
    return Found(levels, points.kept(node, wanted)[points.rows], loss, checked)


def entropy(counts: Codes | Floats) -> float:
    """Return the entropy of a distribution, in nats; `counts` may hold zeros."""
    numbers = counts.astype(np.float64)
    shares = numbers[numbers > 0] / numbers.sum()
    return float(-(shares * np.log(shares)).sum())


def combined(columns: Sequence[Codes]) -> Codes:
    """Return dense numbers of the rows' combinations, in the columns' order; no columns are an error."""
    found: Codes = np.zeros(len(columns[0]), np.int64)
    span = 1
    for column in columns:
        low = int(column.min(initial=0))
        width = int(column.max(initial=0)) - low + 1
        if span * width >= _LARGEST:
            found, span = _dense(found)
        found = found * width + (column - low)
        span *= width
    return _dense(found)[0]


def _dense(numbers: Codes) -> tuple[Codes, int]:
    values, places = np.unique(numbers, return_inverse=True)
    return places, len(values)


@dataclass(frozen=True)
class _Points:
    """The rows that differ in a value, a subject or a sensitive value, once each.

    `rows`: the point of each row. `levels`: by axis and level the class of each
    point. `subjects`: None where each row of a point is a subject.
    """

    rows: Codes
    weights: Codes
    levels: Sequence[Sequence[Codes]]
    subjects: Codes | None
    sensitive: Sequence[Codes]

    @classmethod
    def of(cls, axes: Sequence[Axis], subjects: Codes | None, sensitive: Sequence[Codes]) -> Self:
        if subjects is not None and np.bincount(subjects).max() == 1:
            subjects = None
        persons = [] if subjects is None else [subjects]
        rows = combined([*(axis.at(0) for axis in axes), *persons, *sensitive])
        weights = np.bincount(rows)
        first = np.zeros(len(weights), np.int64)
        first[rows[::-1]] = np.arange(len(rows))[::-1]
        levels = [[level[axis.codes[first]] for level in axis.levels] for axis in axes]
        alone = None if subjects is None else subjects[first]
        return cls(rows, weights, levels, alone, [codes[first] for codes in sensitive])

    @property
    def cost(self) -> int:
        """How many points one look at a node goes through."""
        return len(self.weights) * (1 + (self.subjects is not None) + len(self.sensitive))

    def kept(self, node: Node, wanted: Wanted) -> Bools:
        """Return which points are no outliers at a node."""
        classes = self._classes(node)
        enough = self._sizes(classes) >= wanted.k
        for values in self.sensitive:
            enough &= np.maximum(_distinct(classes[values >= 0], values[values >= 0], len(enough)), 1) >= (
                wanted.diversity
            )
        return np.asarray(enough[classes])

    def _classes(self, node: Node) -> Codes:
        taken = [levels[level] for levels, level in zip(self.levels, node, strict=True)]
        spans = [int(classes.max(initial=0)) + 1 for classes in taken]
        found: Codes = np.zeros(len(self.weights), np.int64)
        span = 1
        for classes, width in sorted(zip(taken, spans, strict=True), key=lambda item: item[1]):
            if width == 1:
                continue
            if span * width >= _LARGEST:
                found, span = _dense(found)
            found = found * width + classes
            span *= width
        # Numbers with gaps do, while counting them takes no longer than sorting would.
        return found if span <= 4 * len(found) + 4096 else _dense(found)[0]

    def _sizes(self, classes: Codes) -> Codes:
        if self.subjects is None:
            return np.bincount(classes, weights=self.weights).astype(np.int64)
        return _distinct(classes, self.subjects, int(classes.max()) + 1)


def _distinct(classes: Codes, values: Codes, number: int) -> Codes:
    """Return how many distinct values each class has."""
    factor = int(values.max(initial=0)) + 1
    return np.bincount(distinct(classes * factor + values) // factor, minlength=number)


class _Descent:
    """One search: over the whole lattice what every node loses at least, given what was looked at."""

    def __init__(self, axes: Sequence[Axis], points: _Points, wanted: Wanted) -> None:
        self._points = points
        self._wanted = wanted
        losses = [np.array(axis.losses) for axis in axes]
        grids = np.meshgrid(*losses, indexing="ij", sparse=True)
        self._levels: Floats = np.asarray(sum(grids) / len(axes), dtype=np.float64)
        self._bound = self._levels.copy()

    @property
    def nodes(self) -> int:
        """How many nodes the lattice has."""
        return self._bound.size

    def least(self, checks: int) -> tuple[tuple[Node, float] | None, int]:
        """Return the best node with its loss, after at most so many looks, and how many there were."""
        coarsest = tuple(size - 1 for size in self._bound.shape)
        best = (coarsest, self._look(coarsest))
        if best[1] == np.inf:
            return None, 1
        for checked in range(1, checks):
            node = self._next(best[1])
            if node is None:
                return best, checked
            best = min(best, (node, self._look(node)), key=lambda found: found[1])
        return best, checks

    def _next(self, least: float) -> Node | None:
        """Return the node to look at: of those that may lose less, one in the middle, whatever it turns out.

        If it has too many outliers it rules out what is finer, if not what is coarser.
        """
        able = np.flatnonzero(self._bound.ravel() < least - 1e-12)
        if not len(able):
            return None
        bounds = self._bound.ravel()[able]
        place = able[np.argpartition(bounds, len(able) // 2)[len(able) // 2]]
        return tuple(int(level) for level in np.unravel_index(place, self._bound.shape))

    def _look(self, node: Node) -> float:
        """Return what a node loses; raise the bounds of those below it."""
        kept = self._points.kept(node, self._wanted)
        weights = self._points.weights
        outliers = float(weights[~kept].sum() / weights.sum())
        below = tuple(slice(level + 1) for level in node)
        if outliers > self._wanted.outliers:
            self._bound[below] = np.inf
            return np.inf
        loss = float(self._levels[node])
        self._bound[below] = np.maximum(self._bound[below], self._levels[below] * (1 - outliers) + outliers)
        self._bound[node] = np.inf
        return loss * (1 - outliers) + outliers


def _thinned(axes: Sequence[Axis]) -> tuple[list[Axis], list[list[int]]]:
    """Return axes of which the lattice can be searched, and which levels they kept: the first and the last.

    Levels are left out of the axis that has most; at last all but the coarsest.
    """
    kept = [list(range(len(axis.levels))) for axis in axes]
    while np.prod([float(len(levels)) for levels in kept]) > _NODES:
        longest = max(range(len(kept)), key=lambda place: (len(kept[place]), len(axes[place].levels[0])))
        levels = kept[longest]
        kept[longest] = [*levels[:-1:2], levels[-1]] if len(levels) > 2 else levels[-1:]
    thin = [
        Axis(axis.codes, tuple(axis.levels[i] for i in levels), tuple(axis.losses[i] for i in levels))
        for axis, levels in zip(axes, kept, strict=True)
    ]
    return thin, kept
