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

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Unpack

from dataspace.client.answer import Answer
from dataspace.client.frames import Group, Statistic
from dataspace.client.layout import Key, Layout
from dataspace.client.moments import Moment, covariance, mean, regression, variance
from dataspace.client.packing import Packing
from dataspace.client.providing import part
from dataspace.client.specification import Dimension, How, Values, named, specification, sum_of
from dataspace.client.weighing import Weighing, check_left
from dataspace.errors import Malformed, NotFound, Refused


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
        found = self._moments(agreement, "count", (), how)
        return found.statistic("count", lambda moments: moments["count"])

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
        found = self._moments(agreement, "count", (), {**how, "by": by})
        return found.statistic(f"histogram({column})", lambda moments: moments["count"])

    def encrypted_sum(self, agreement: str, column: str, **how: Unpack[Values]) -> Statistic:
        """Return the sum of a column."""
        found = self._moments(agreement, "sum", [column], how)
        return found.statistic(f"sum({column})", lambda moments: moments[sum_of(column)])

    def encrypted_mean(self, agreement: str, column: str, **how: Unpack[Values]) -> Statistic:
        """Return the mean of a column, over the rows that have a value."""
        found = self._moments(agreement, "mean", [column], how)
        return found.statistic(
            f"mean({column})", lambda moments: mean(moments["count"], moments[sum_of(column)])
        )

    def encrypted_variance(self, agreement: str, column: str, **how: Unpack[Values]) -> Statistic:
        """Return the variance of a column, over the rows that have a value."""
        found = self._moments(agreement, "variance", [column], how)
        names = "count", sum_of(column), sum_of(column, column)
        return found.statistic(
            f"variance({column})", lambda moments: variance(*(moments[name] for name in names))
        )

    def encrypted_covariance(
        self, agreement: str, column: str, other: str, **how: Unpack[Values]
    ) -> Statistic:
        """Return the covariance of two columns, over the rows that have values of both."""
        found = self._moments(agreement, "covariance", [column, other], how)
        names = "count", sum_of(column), sum_of(other), sum_of(column, other)
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
        found = self._moments(agreement, "regression", [column, *on], how)
        terms = ["", *on]
        [moments] = found.groups.values()

        def of(one: str, other: str) -> Moment:
            return moments[sum_of(*filter(None, (one, other)))]

        solved = regression([[of(a, b) for b in terms] for a in terms], [of(term, column) for term in terms])
        solutions = zip(["(intercept)", *on], solved, strict=True)
        groups = tuple(Group((term,), *moment) for term, moment in solutions)
        name = f"regression({column})"
        return Statistic(name, ("term",), groups, found.units, found.epsilon, found.answers)

    def estimate_encrypted(
        self,
        agreement: str,
        statistic: str,
        *columns: str,
        rows: int | None = None,
        points: int | None = None,
        **how: Any,
    ) -> dict[str, Any]:
        """Return what a statistic would cost, its expected error, and what is left; `words` say it.

        `statistic` is count, sum, mean, variance, covariance or regression, of
        `columns`; `how` as its method takes it, but for the keys. `units` are those
        of its cube, where that is still to be built, and of one encrypted query:
        how many it takes for all groups, only the cube's layout tells. `measures`
        are the sums that it is made of, each with its error in one cell of `rows`;
        with `points`, hundredths of a percent, `needed` is the epsilon that meets them.
        """
        body = {**specification(statistic, columns, how), "rows": rows, "points": points}
        return dict(self._http.post(f"/api/agreements/{part(agreement)}/estimates/cubes", body))

    def _moments(
        self, agreement: str, statistic: str, columns: Sequence[str], how: Mapping[str, Any]
    ) -> _Found:
        from dataspace.client.keyring import KeyRing  # noqa: PLC0415 - TenSEAL is for these alone

        by, where = named(how.get("by", ())), how.get("where") or {}
        spec = specification(statistic, columns, how)
        ring = KeyRing.holding(how["keys"])
        capacities = ring.capacities  # before anything is charged: these may be keys of another set
        self._check_cube(agreement, spec)
        cube = self._http.post(f"/api/agreements/{part(agreement)}/cubes", spec)
        layout = Layout.from_json(cube["layout"])
        groups = _groups(layout, by, where)
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
        return _Found(by, found, units, epsilon, answers)

    def _check_cube(self, agreement: str, spec: Mapping[str, Any]) -> None:
        """Raise PolicyDenied if the units that are left do not do for the cube and one query.

        Into how many queries the groups go, only the layout tells.
        """
        try:
            told = self._http.post(f"/api/agreements/{part(agreement)}/estimates/cubes", spec)
        except Refused:
            return  # what may not be asked at all the service refuses with an entry
        what = "a query" if told["again"] else "a new cube and a query"
        check_left(told["left"]["units"], told["units"], what)


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
