"""What a choice of columns comes to: the release that keeps it k-anonymous, and what is measured of that.

1. Rows whose class is too small as the columns leave are outliers.
2. For them alone the coarser columns with the least loss are searched: the second tier.
3. The release's own SQL (`privacy.release`) says which tier each row is in.
4. What leaves is measured: risk over distinct subjects, utility, what fails of the zone's thresholds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np

from dataspace.catalog.microdata import Microdata
from dataspace.privacy.closeness import Codes, Sensitive
from dataspace.privacy.desensitize import quoted
from dataspace.privacy.hierarchy import steps
from dataspace.privacy.lattice import Axis, Bools, Node, Wanted, combined, search
from dataspace.privacy.release import KEPT, RECODED, WITHHELD, Release, sampled, tiers
from dataspace.privacy.risk import MILLION, Risk, class_sizes, measure
from dataspace.table import Attribute, Column, Method

_LEFT_OUT: Final = 3  # of the sample
# The thresholds of a zone, and whether a measure must be at least (else at most) what they say.
_AT_LEAST: Final[Mapping[str, bool]] = {
    "k": True, "l": True, "t_ppm": False, "unique_ppm": False, "prosecutor_ppm": False, "marketer_ppm": False,
}  # fmt: skip


@dataclass(frozen=True)
class Axes:
    """The quasi-identifiers: for each the columns it may leave as, step by step, and their classes."""

    columns: tuple[tuple[Column, ...], ...]
    axes: tuple[Axis, ...] = field(repr=False)

    def at(self, node: Node) -> tuple[Column, ...]:
        """Return the columns of a node."""
        return tuple(choice[level] for choice, level in zip(self.columns, node, strict=True))

    def classes(self, node: Node, rows: int) -> Codes:
        """Return dense numbers of the rows' classes at a node."""
        if not self.axes:
            return np.zeros(rows, np.int64)
        return combined([axis.at(level) for axis, level in zip(self.axes, node, strict=True)])

    def losses(self, node: Node) -> dict[str, float]:
        """Return what each column loses at a node."""
        pairs = zip(self.columns, self.axes, node, strict=True)
        return {choice[0].name: axis.losses[level] for choice, axis, level in pairs}


@dataclass(frozen=True)
class Terms:
    """What is asked of a release: the zone's thresholds, and the percentage of the subjects it shows."""

    thresholds: Mapping[str, int]
    sample: int = 100
    secret: bytes = field(default=b"", repr=False)

    def wanted(self, outliers: float, *, diverse: bool, times: int = 1) -> Wanted:
        """Return what is asked of every class; `outliers`: the share of rows that may be in smaller ones."""
        return Wanted(times * self.thresholds["k"], self.thresholds["l"] if diverse else 1, outliers)


@dataclass(frozen=True)
class Outcome:
    """What was measured; `tier` of each row, `losses` by quasi-identifier in tier 0 and 1."""

    columns: tuple[Column, ...]
    release: Release
    risk: Risk
    tier: Codes = field(repr=False)
    sizes: Codes = field(repr=False)
    losses: tuple[Mapping[str, float], Mapping[str, float]]
    failing: Sequence[Mapping[str, Any]]

    def share(self, tier: int) -> int:
        """Return how many rows of those that might leave are in a tier, in parts per million, rounded up."""
        rows = int((self.tier != _LEFT_OUT).sum())
        return -(-int((self.tier == tier).sum()) * MILLION // rows) if rows else 0

    def to_json(self) -> dict[str, Any]:
        """Return what is said of a release in every report."""
        return {
            "after": self.risk.to_json(),
            "release": self.release.to_json(),
            "recoded_ppm": self.share(RECODED),
            "suppressed_ppm": self.share(WITHHELD),
            "passes": not self.failing,
            "failing": list(self.failing),
        }


class Measurer:
    """Measures choices of the columns of one payload."""

    def __init__(self, data: Microdata, columns: Sequence[Column], terms: Terms) -> None:
        self._data = data
        self._columns = tuple(columns)
        self._terms = terms
        named = [column for column in columns if column.subject]
        self._named = [column.name for column in named]
        self.subjects = data.subjects(named)
        told = [c for c in columns if c.attribute is Attribute.SENSITIVE and c.method is not Method.SUPPRESS]
        self._sensitive = [data.sensitive(column) for column in told]

    def axes(self, columns: Sequence[Column] = ()) -> Axes:
        """Return the quasi-identifiers of these columns, or of the payload's, with all they may leave as."""
        found = [self._axis(column) for column in columns or self._columns if _is_quasi(column)]
        return Axes(tuple(choice for choice, _ in found), tuple(axis for _, axis in found))

    def before(self) -> Risk:
        """Measure all rows as they were uploaded."""
        raw = [replace(column, method=Method.KEEP, parameters={}) for column in self._columns]
        codes = [self._data.coded(column).codes for column in raw if _is_quasi(column)]
        told = [self._data.sensitive(c) for c in raw if c.attribute is Attribute.SENSITIVE]
        classes = combined(codes) if codes else np.zeros(self._data.rows, np.int64)
        return measure(classes, self.subjects, told)

    @property
    def withheld(self) -> float:
        """The share of the rows that may be withheld."""
        return self._terms.thresholds["suppressed_ppm"] / MILLION

    def search(self, axes: Axes, outliers: float, *, times: int = 1) -> Node | None:
        """Return the node with the least loss with so few outliers, or None; `times`: of the k wanted."""
        wanted = self._terms.wanted(outliers, diverse=bool(self._sensitive), times=times)
        told = [column.codes for column in self._sensitive]
        found = search(axes.axes, wanted, subjects=self.subjects, sensitive=told)
        return None if found is None else found.levels

    def outcome(self, axes: Axes, node: Node = ()) -> Outcome:
        """Measure what leaves when quasi-identifiers leave as at a node: at first, as they were confirmed."""
        first = node or (0,) * len(axes.axes)
        second = self._second(axes, first)
        chosen = {column.name: column for column in axes.at(first)}
        columns = tuple(chosen.get(column.name, column) for column in self._columns)
        release = self._release(axes, second)
        tier = self._tiers(release, columns)
        own, size = self._homes(axes, (first, second), tier)
        out = tier < WITHHELD
        population, _ = class_sizes(own, self.subjects, size)
        risk = measure(own[out], self.subjects[out], self._told(out), population=population)
        found = Outcome(
            columns, release, risk, tier, np.bincount(own[out]), (axes.losses(first), axes.losses(second)), ()
        )
        return replace(found, failing=self._failing(found))

    def _axis(self, column: Column) -> tuple[tuple[Column, ...], Axis]:
        coded = self._data.coded(column)
        found = [(step, self._data.classes(step)) for step in steps(column, coded.values)]
        # A step that joins nothing that the one before did not is no step; the last one stays for rows alone.
        numbers = [int(classes.max(initial=0)) for _, classes in found]
        taken = [i for i in range(len(found)) if i in {0, len(found) - 1} or numbers[i] < numbers[i - 1]]
        axis = Axis.of(coded.codes, [found[i][1] for i in taken])
        return tuple(found[i][0] for i in taken), axis

    def _second(self, axes: Axes, first: Node) -> Node:
        """Return the node of the second tier: the least loss for the outliers, who may be lost too."""
        coarsest = tuple(len(choice) - 1 for choice in axes.columns)
        told = [column.codes for column in self._sensitive]
        wanted = self._terms.wanted(1.0, diverse=bool(told))
        alone = [axis.only(level) for axis, level in zip(axes.axes, first, strict=True)]
        found = search(alone, wanted, subjects=self.subjects, sensitive=told)
        rest = np.ones(self._data.rows, np.bool_) if found is None else ~found.kept
        if not rest.any():
            return coarsest
        taken = [axis.taken(rest, level) for axis, level in zip(axes.axes, first, strict=True)]
        people = np.unique(self.subjects[rest], return_inverse=True)[1]
        better = search(taken, wanted, subjects=people, sensitive=[codes[rest] for codes in told])
        if better is None:
            return coarsest
        return tuple(low + level for low, level in zip(first, better.levels, strict=True))

    def _release(self, axes: Axes, second: Node) -> Release:
        recoded = axes.at(second)
        return Release(
            k=self._terms.thresholds["k"],
            diversity=self._terms.thresholds["l"] if self._sensitive else 1,
            quasi=tuple(column.name for column in recoded),
            sensitive=tuple(column.name for column in self._sensitive),
            recoded=recoded,
        )

    def _tiers(self, release: Release, columns: Sequence[Column]) -> Codes:
        row = quoted("_" * (max(len(column.name) for column in columns) + 1))
        among = sampled(self._named, row, percent=self._terms.sample, secret=self._terms.secret)
        source = f"(SELECT * FROM {self._data.numbered(row)} WHERE {among})"
        numbered = self._data.arrow(tiers(release, columns, self._named, source, row))
        tier = np.full(self._data.rows, _LEFT_OUT, np.int8)
        tier[numbered.column("row").to_numpy()] = numbered.column("tier").to_numpy()
        return tier

    def _homes(self, axes: Axes, nodes: tuple[Node, Node], tier: Codes) -> tuple[Codes, int]:
        """Return the class of each row, whether it leaves or not, and how many numbers there are."""
        fine, coarse = (axes.classes(node, self._data.rows) for node in nodes)
        number = int(fine.max(initial=0)) + 1
        kept = np.zeros(number, np.bool_)
        kept[fine[tier == KEPT]] = True
        own = np.where(kept[fine], fine, number + coarse)
        return own, int(own.max(initial=0)) + 1

    def _told(self, rows: Bools) -> list[Sensitive]:
        return [replace(column, codes=column.codes[rows]) for column in self._sensitive]

    def _failing(self, found: Outcome) -> list[dict[str, Any]]:
        measured: dict[str, Any] = found.risk.to_json()
        thresholds = self._terms.thresholds
        failing = [
            {"measure": name, "value": measured[name], "want": thresholds[name]}
            for name, least in _AT_LEAST.items()
            if measured[name] is not None
            and (measured[name] < thresholds[name] if least else measured[name] > thresholds[name])
        ]
        withheld = found.share(WITHHELD)
        if withheld > thresholds["suppressed_ppm"]:
            want = thresholds["suppressed_ppm"]
            failing.append({"measure": "suppressed_ppm", "value": withheld, "want": want})
        return failing


def _is_quasi(column: Column) -> bool:
    return column.attribute is Attribute.QUASI
