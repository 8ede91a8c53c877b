"""How far a person could be found in a release: the measures of GB/T 42460-2023 and of what it builds on.

A class is the rows that look alike by their quasi-identifiers. All is counted in
distinct subjects, never in rows: the hundred rows of one patient hide nobody.
A subject is as exposed as in the smallest class that has a row of it.

    prosecutor   knows that its target is in the release: 1 / the smallest class
    journalist   knows that it is in the population:      1 / the smallest class there
    marketer     wants as many as possible:               the average of 1 / class in the population
    presence     the least and the greatest share of a class of the population that is in the release
                 (delta-presence)

Shares are whole parts per million; risks are rounded up, never down.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from dataspace.privacy.closeness import Codes, Diversity, Sensitive, distinct, diversity, pair

MILLION: Final = 1_000_000
_BINS: Final = (1, 2, 3, 5, 10, 20, 50, 100, 1000)


@dataclass(frozen=True)
class Risk:
    """What was measured of some rows; `diversities` by sensitive column, `histogram` by size of class.

    `presence`: the least and the greatest share, in parts per million.
    """

    rows: int
    subjects: int
    classes: int
    k: int
    unique: int
    prosecutor: int
    journalist: int
    marketer: int
    presence: tuple[int, int]
    histogram: tuple[tuple[int, int, int], ...]
    diversities: tuple[tuple[str, Diversity], ...] = ()

    @property
    def unique_ppm(self) -> int:
        """The share of subjects that are alone in a class."""
        return _ceiled(self.unique, self.subjects)

    @property
    def least_diversity(self) -> int | None:
        """The least number of distinct values of any sensitive column in any class; None without one."""
        return min((found.distinct for _, found in self.diversities), default=None)

    @property
    def t_ppm(self) -> int | None:
        """The greatest distance of any sensitive column in any class; None without one."""
        return max((_micro(found.distance) for _, found in self.diversities), default=None)

    def to_json(self) -> dict[str, Any]:
        """Return the measures as whole numbers; what there is none of is null."""
        return {
            "rows": self.rows,
            "subjects": self.subjects,
            "classes": self.classes,
            "k": self.k,
            "l": self.least_diversity,
            "entropy_l_ppm": min((_micro(found.entropy) for _, found in self.diversities), default=None),
            "t_ppm": self.t_ppm,
            "unique_subjects": self.unique,
            "unique_ppm": self.unique_ppm,
            "prosecutor_ppm": self.prosecutor,
            "journalist_ppm": self.journalist,
            "marketer_ppm": self.marketer,
            "presence_ppm": list(self.presence),
            "sensitive": [
                {"column": name, "l": found.distinct, "entropy_l_ppm": _micro(found.entropy),
                 "t_ppm": _micro(found.distance)}
                for name, found in self.diversities
            ],
            "histogram": [
                {"from": low, "classes": classes, "subjects": subjects}
                for low, classes, subjects in self.histogram
            ],
        }  # fmt: skip


NOTHING: Final = Risk(0, 0, 0, 0, 0, 0, 0, 0, (0, 0), ())


def measure(
    classes: Codes, subjects: Codes, sensitive: Sequence[Sensitive] = (), *, population: Codes | None = None
) -> Risk:
    """Measure rows: `classes` and `subjects` are a number of each row's class and subject, from 0.

    `population`: the distinct subjects of every class among all who might be in
    the release; if none is given, those of the release itself.
    """
    if not len(classes):
        return NOTHING
    known = np.bincount(classes) if population is None else population
    sizes, pairs = class_sizes(classes, subjects, len(known))
    within = known if population is not None else sizes
    present = np.flatnonzero(sizes)
    smallest = _least(pairs, sizes, int(subjects.max()) + 1)
    there = smallest > 0
    exposed = _least(pairs, within, int(subjects.max()) + 1)[there]
    dense = np.cumsum(sizes > 0) - 1
    return Risk(
        rows=len(classes),
        subjects=int(there.sum()),
        classes=len(present),
        k=int(sizes[present].min()),
        unique=int((smallest == 1).sum()),
        prosecutor=_ceiled(1, int(sizes[present].min())),
        journalist=_ceiled(1, int(within[present].min())),
        marketer=math.ceil(round(float((1 / exposed).sum()) / int(there.sum()) * MILLION, 6)),
        presence=_presence(sizes, within),
        histogram=_histogram(sizes[present]),
        diversities=tuple((column.name, diversity(dense[classes], subjects, column)) for column in sensitive),
    )


def class_sizes(classes: Codes, subjects: Codes, number: int) -> tuple[Codes, tuple[Codes, Codes]]:
    """Return the distinct subjects of `number` classes, and each class and subject that meet, once."""
    both, factor = pair(classes, subjects)
    met = distinct(both)
    places = met // factor
    return np.bincount(places, minlength=number), (places, met % factor - 1)


def _least(pairs: tuple[Codes, Codes], sizes: Codes, number: int) -> Codes:
    """Return for each subject the size of the smallest class it is in; 0 if it is in none."""
    classes, subjects = pairs
    most = int(sizes.max()) + 1
    found = np.full(number, most, dtype=np.int64)
    np.minimum.at(found, subjects, sizes[classes].astype(np.int64))
    return np.where(found == most, 0, found)


def _presence(sizes: Codes, population: Codes) -> tuple[int, int]:
    inhabited = population > 0
    shares = sizes[inhabited] / population[inhabited]
    return int(shares.min() * MILLION), _micro(float(shares.max()))


def _histogram(sizes: Codes) -> tuple[tuple[int, int, int], ...]:
    """Return for each range of sizes where it begins, its classes, and their subjects."""
    places = np.searchsorted(_BINS, sizes, side="right") - 1
    classes = np.bincount(places, minlength=len(_BINS))
    subjects = np.bincount(places, weights=sizes, minlength=len(_BINS))
    return tuple(
        (low, int(count), int(people))
        for low, count, people in zip(_BINS, classes, subjects, strict=True)
        if count
    )


def _ceiled(part: int, whole: int) -> int:
    return -(-part * MILLION // whole) if whole else 0


def _micro(share: float) -> int:
    return round(share * MILLION)
