"""Encrypted statistics: a cube is built or found, and its cells are weighed under the consumer's key.

    ring = KeyRing.create()
    found = space.encrypted_mean(agreement, "income", bounds=(0, 200_000), by=["district"], keys=ring)
    found["district 1"].value, found["district 1"].error, found.units, found.to_pandas()

What every method takes:

`keys`       a `KeyRing`, or `Keys` of the default parameter set
`by`         dimensions whose values make groups: columns, or {"column": "age", "width": 10}, or bands
`where`      {"district": ["district 1", "district 2"]}: which cells; encrypted, so that the service learns
             that there are districts in the cube, and never which were chosen
`bounds`     (low, high) that values are clamped to, or a pair for each column
`precision`  decimals that values are rounded to, or a number for each column
`max_rows`   of one subject that count; `epsilon` in millionths, spent once for the same cube

A cube costs a unit and its epsilon at the first time. Groups share queries as
far as their totals fit one (`packing`): a query is a unit for each plain modulus.
Means, variances and the like are of the rows that have all values concerned.
"""

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations_with_replacement
from typing import TYPE_CHECKING, Any, Final, Required, TypeAlias, TypedDict, Unpack

from dataspace.client.answer import Answer
from dataspace.client.estimating import low_high, millionths
from dataspace.client.frames import Group, Statistic
from dataspace.client.layout import Key, Layout
from dataspace.client.moments import Moment, covariance, mean, regression, variance
from dataspace.client.packing import Packing
from dataspace.client.providing import part
from dataspace.client.weighing import Weighing
from dataspace.errors import Malformed, NotFound, Unprocessable
from dataspace.wire.envelope import MEASURES_LIMIT

if TYPE_CHECKING:
    from dataspace.client.encrypted import Keys
    from dataspace.client.keyring import KeyRing

Dimension: TypeAlias = str | Mapping[str, str | int]
Bounds: TypeAlias = tuple[int, int] | Mapping[str, tuple[int, int]]

_MILLION: Final = 1_000_000
_COUNT: Final = "count"


class How(TypedDict, total=False):
    """What every statistic takes; see the module."""

    keys: Required["Keys | KeyRing"]
    by: Sequence[Dimension]
    where: Mapping[str, Any]
    max_rows: int
    epsilon: int


class Values(How, total=False):
    """What those of a column's values take too."""

    bounds: Required[Bounds]
    precision: int | Mapping[str, int]


@dataclass(frozen=True)
class _Found:
    """The moments of each group by measure, and what they cost."""

    by: tuple[str, ...]
    groups: Mapping[Key, Mapping[str, Moment]]
    units: int
    epsilon: int
    answers: tuple[Answer, ...]

    def statistic(self, name: str, of: Callable[[Mapping[str, Moment]], Moment]) -> Statistic:
        groups = tuple(Group(key, *of(moments)) for key, moments in self.groups.items())
        return Statistic(name, self.by, groups, self.units, self.epsilon, self.answers)


class Statistics(Weighing):
    """Encrypted statistics, a part of `DataSpace`.

    Every method raises Unprocessable when a total may pass what the keys hold,
    before anything is sent, PolicyDenied when the agreement has fewer units left
    than the question takes, NotFound when `where` leaves no cell that is shown,
    and what `DataSpace.cube` and `weighted_totals` raise.
    """

    def encrypted_count(self, agreement: str, **how: Unpack[How]) -> Statistic:
        """Return how many rows there are."""
        found = self._moments(agreement, [{"kind": "count"}], how)
        return found.statistic("count", lambda moments: moments[_COUNT])

    def encrypted_histogram(
        self, agreement: str, column: str, *, width: int = 0, bands: str = "", **how: Unpack[How]
    ) -> Statistic:
        """Return how many rows there are in each bin of a column of numbers.

        Bins are `width` wide, or lie between `bands`, as "18,35,60"; without
        either, they are the column's values as they leave. Bins that are not
        there were too small to be shown.

        Raises:
            Malformed: there are both a width and bands.

        """
        if width and bands:
            raise Malformed(f"the bins of {column} have a width and bands: want one of the two")
        bins: dict[str, str | int] = {"bands": bands} if bands else {"width": width}
        binned: Dimension = {"column": column, **bins} if width or bands else column
        by = [binned, *how.get("by", ())]
        found = self._moments(agreement, [{"kind": "count"}], {**how, "by": by})
        return found.statistic(f"histogram({column})", lambda moments: moments[_COUNT])

    def encrypted_sum(self, agreement: str, column: str, **how: Unpack[Values]) -> Statistic:
        """Return the sum of a column."""
        found = self._moments(agreement, [_product(how, column)], how)
        return found.statistic(f"sum({column})", lambda moments: moments[_name(column)])

    def encrypted_mean(self, agreement: str, column: str, **how: Unpack[Values]) -> Statistic:
        """Return the mean of a column, over the rows that have a value."""
        found = self._moments(agreement, [{"kind": "count"}, _product(how, column)], how, complete=True)
        return found.statistic(
            f"mean({column})", lambda moments: mean(moments[_COUNT], moments[_name(column)])
        )

    def encrypted_variance(self, agreement: str, column: str, **how: Unpack[Values]) -> Statistic:
        """Return the variance of a column, over the rows that have a value."""
        measures = [{"kind": "count"}, _product(how, column), _product(how, column, column)]
        found = self._moments(agreement, measures, how, complete=True)
        names = _COUNT, _name(column), _name(column, column)
        return found.statistic(
            f"variance({column})", lambda moments: variance(*(moments[name] for name in names))
        )

    def encrypted_covariance(
        self, agreement: str, column: str, other: str, **how: Unpack[Values]
    ) -> Statistic:
        """Return the covariance of two columns, over the rows that have values of both."""
        measures = [{"kind": "count"}, *(_product(how, one) for one in (column, other))]
        measures.append(_product(how, column, other))
        found = self._moments(agreement, measures, how, complete=True)
        names = _COUNT, _name(column), _name(other), _name(column, other)
        return found.statistic(
            f"covariance({column}, {other})",
            lambda moments: covariance(*(moments[name] for name in names)),
        )

    def encrypted_regression(
        self, agreement: str, column: str, on: Sequence[str], **how: Unpack[Values]
    ) -> Statistic:
        """Return the coefficients of a column's linear regression on others, by least squares.

        Of all rows that have a value in every one of them, with an intercept;
        the groups are the terms. `by` is not taken, for one regression is of
        one group. The normal equations are of 1 + 2 n + n (n + 1) / 2 + 1 sums
        for n columns, which share the epsilon, and are solved here.

        Raises:
            Unprocessable: too many columns, or the equations have no one solution.

        """
        if how.get("by") or not on or column in on or len(set(on)) != len(on):
            raise Malformed("a regression is of a column on one or more others, once each, and without by")
        terms = ["", *on]
        pairs = [*combinations_with_replacement(terms, 2), *((term, column) for term in terms)]
        if len(pairs) > MEASURES_LIMIT:
            raise Unprocessable(f"{len(pairs)} sums for {len(on)} columns, want at most {MEASURES_LIMIT}")
        measures = [_product(how, *filter(None, pair)) for pair in pairs]
        found = self._moments(agreement, measures, how, complete=True)
        [moments] = found.groups.values()

        def of(one: str, other: str) -> Moment:
            return moments[_name(*filter(None, (one, other)))]

        solved = regression([[of(a, b) for b in terms] for a in terms], [of(term, column) for term in terms])
        named = zip(["(intercept)", *on], solved, strict=True)
        groups = tuple(Group((term,), *moment) for term, moment in named)
        name = f"regression({column})"
        return Statistic(name, ("term",), groups, found.units, found.epsilon, found.answers)

    def _moments(
        self,
        agreement: str,
        measures: list[dict[str, Any]],
        how: Mapping[str, Any],
        *,
        complete: bool = False,
    ) -> _Found:
        from dataspace.client.keyring import KeyRing  # noqa: PLC0415 - TenSEAL is for these alone

        by, where = how.get("by", ()), how.get("where") or {}
        named = tuple(one if isinstance(one, str) else str(one["column"]) for one in by)
        spec = {
            "dimensions": [*by, *(name for name in where if name not in named)],
            "measures": measures,
            "max_rows": how.get("max_rows", 1),
            "epsilon": millionths(how.get("epsilon", _MILLION)),
            "complete": complete,
        }
        ring = KeyRing.holding(how["keys"])
        capacities = ring.capacities  # before anything is charged: these may be keys of another set
        known = (agreement, json.dumps(spec, sort_keys=True, default=str))
        # Into how many queries the groups go, the layout tells: what the cube costs is checked before it.
        least = (1, "a query") if known in self._cubes else (2, "a new cube and a query")
        self._check_units(agreement, *least)
        cube = self._http.post(f"/api/agreements/{part(agreement)}/cubes", spec)
        self._cubes.add(known)
        layout = Layout.from_json(cube["layout"])
        groups = _groups(layout, named, where)
        packing = Packing.plan(layout, list(groups.values()), capacities)
        units = sum(ring.units(layout, query.weights) for query in packing.queries)
        self._check_units(agreement, units, "encrypted queries")
        asked = [self.weighted_totals(agreement, layout, query.weights, ring) for query in packing.queries]
        found: dict[Key, Mapping[str, Moment]] = {}
        keys = list(groups)
        for query, totals in zip(packing.queries, asked, strict=True):
            for place, sums in packing.unpack(query, totals.totals).items():
                found[keys[place]] = _scaled(layout, sums, len(groups[keys[place]]))
        epsilon = int(cube["epsilon"])
        # A cube that cost epsilon cost a unit, and one that was there cost nothing.
        units = bool(epsilon) + sum(totals.units for totals in asked)
        answers = tuple(answer for totals in asked for answer in totals.answers)
        return _Found(named, found, units, epsilon, answers)

    @cached_property
    def _cubes(self) -> set[tuple[str, str]]:
        """Agreements and specifications whose cubes are there: they cost nothing any more."""
        return set()


def _groups(layout: Layout, by: Sequence[str], where: Mapping[str, Any]) -> dict[Key, list[int]]:
    """Return the slots of the cells of each group, in the order of the layout."""
    if missing := [name for name in (*by, *where) if name not in layout.dimensions]:
        raise Malformed(f"the cube has no dimension {missing[0]!r}")
    chosen = {name: _values(value) for name, value in where.items()}
    places = {name: layout.dimensions.index(name) for name in (*by, *where)}
    groups: dict[Key, list[int]] = {}
    for slot, cell in enumerate(layout.cells):
        if all(cell[places[name]] in values for name, values in chosen.items()):
            groups.setdefault(tuple(cell[places[name]] for name in by), []).append(slot)
    if not groups:
        wanted = " and ".join(f"{name} is {value!r}" for name, value in where.items())
        raise NotFound(
            f"the cube shows no cell where {wanted}: there is none, or it is too small to be shown"
        )
    return groups


def _values(value: Any) -> Collection[Any]:
    return value if isinstance(value, Collection) and not isinstance(value, str) else [value]


def _scaled(layout: Layout, sums: Mapping[str, int], cells: int) -> dict[str, Moment]:
    """Return totals of so many cells in the columns' own units, with their noise."""
    units = {name: 10 ** layout.precisions[name] for name in sums}
    return {
        name: Moment(total / units[name], layout.error(name, [1] * cells) / units[name])
        for name, total in sums.items()
    }


def _name(*columns: str) -> str:
    """Return what a cube calls a count, a sum or a sum of products."""
    return f"sum({'*'.join(sorted(columns))})" if columns else _COUNT


def _product(how: Mapping[str, Any], *columns: str) -> dict[str, Any]:
    """Return the measure of the product of no, one or two columns."""
    factors = [_factor(how, column) for column in columns]
    match factors:
        case []:
            return {"kind": "count"}
        case [one]:
            return {"kind": "sum", **one}
    return {"kind": "product", "factors": factors}


def _factor(how: Mapping[str, Any], column: str) -> dict[str, Any]:
    bounds, precision = how.get("bounds"), how.get("precision", 0)
    low, high = low_high(bounds.get(column) if isinstance(bounds, Mapping) else bounds, column)
    digits = precision.get(column, 0) if isinstance(precision, Mapping) else precision
    return {"column": column, "low": low, "high": high, "precision": digits}
