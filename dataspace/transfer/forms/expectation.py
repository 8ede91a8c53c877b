"""How an estimate is made: of a charge, what is left, and the errors that follow from public parameters.

The same for what is asked with noise in the clear and of a cube under encryption:
both are numbers (`privacy.estimate`) of groups of so many rows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from dataspace.catalog.models import Form
from dataspace.errors import Unprocessable
from dataspace.privacy.estimate import Number, expected, needed, relative
from dataspace.privacy.measure import Measure
from dataspace.privacy.noised import Noise, Part
from dataspace.privacy.spec import CubeSpec
from dataspace.transfer.budget import Charge, charge_for
from dataspace.transfer.case import Case
from dataspace.transfer.forms.bounded import BoundedPlan
from dataspace.transfer.forms.noised import numbers
from dataspace.transfer.sql.plan import Plan

GROUPS: Final = 10  # a group is taken to be a tenth of the rows, unless the asker says otherwise
_POINTS: Final = 10_000


@dataclass(frozen=True)
class Hint:
    """How to look at a query: the rows of a group, and the exactness wanted, in hundredths of a percent."""

    rows: int | None = None
    points: int | None = None


@dataclass(frozen=True)
class Estimated:
    """An estimate; `measures` as in a noised answer, each with `points` for a group of `rows`.

    `epsilon` is in millionths, `price` in fen. `left` is what the agreement has
    of each, `more` how many such queries that is enough for, `needed` the epsilon
    for the exactness that was asked for, None without one or where no epsilon is enough.
    `again`: the question was answered already, and costs nothing; or its cube is there,
    and costs no more. What another account of the legal entity was given costs no epsilon.
    """

    units: int
    price: int
    epsilon: int
    left: Mapping[str, int]
    more: int
    rows: int
    measures: Sequence[Mapping[str, Any]]
    needed: int | None
    again: bool
    words: Mapping[str, str]


def left_of(case: Case) -> dict[str, int]:
    """Return what an agreement has left; of epsilon no more than its entity and the dataset have."""
    units, epsilon = case.budget["units"], case.budget["epsilon"]
    own = epsilon["granted"] - epsilon["spent"] - epsilon["reserved"]
    whole = case.dataset.epsilon - case.used["spent"] - case.used["reserved"]
    return {
        "units": max(0, units["granted"] - units["spent"] - units["reserved"]),
        "epsilon": max(0, min(own, whole)),
    }


def more_of(left: Mapping[str, int], charge: Charge) -> int:
    """Return how many queries of this charge are left."""
    by_epsilon = left["epsilon"] // charge.epsilon if charge.epsilon else left["units"]
    return min(left["units"] // charge.units, by_epsilon)


def exact(case: Case) -> Estimated:
    """Return the estimate of an aggregate without noise."""
    charge, left = charge_for(Form.AGGREGATE), left_of(case)
    more = more_of(left, charge)
    words = {
        "en": f"about {_more(more, 'aggregate')}, exact",
        "zh": f"还可查询约 {more} 次，结果精确",
    }
    price = charge.units * case.agreement.price
    return Estimated(charge.units, price, 0, left, more, case.version.rows, [], None, False, words)


def noised(case: Case, plan: Plan, bounded: BoundedPlan, noise: Noise, hint: Hint) -> Estimated:
    """Return the estimate of an aggregate with noise; Unprocessable for a hint that is out of range."""
    rows = _rows(case, hint, parted=bool(plan.group or plan.where))
    return _estimated(
        case, Charge(1, noise.epsilon), _Asked(numbers(bounded), noise, len(bounded.parts), rows), hint
    )


def encrypted(case: Case, spec: CubeSpec, hint: Hint, *, granted: bool) -> Estimated:
    """Return the estimate of an encrypted question over a cube, which was granted or is still to be."""
    noise, rows = Noise(spec.epsilon, spec.max_rows), _rows(case, hint, parted=bool(spec.dimensions))
    # What is there costs the encrypted query alone; what is not, a unit and the epsilon of the cube too.
    charge = Charge(1) if granted else Charge(2, spec.epsilon)
    asked = _Asked(cube_numbers(spec), noise, len(spec.measures), rows)
    return replace(_estimated(case, charge, asked, hint), again=granted)


@dataclass(frozen=True)
class _Asked:
    """What is asked for: its numbers, their noise, in how many parts of it, and the rows of a group."""

    numbers: Sequence[Number]
    noise: Noise
    parts: int
    rows: int


def _estimated(case: Case, charge: Charge, asked: _Asked, hint: Hint) -> Estimated:
    left, found = left_of(case), asked.numbers
    measures = [
        {
            **expected(one, asked.noise, asked.parts).to_json(),
            "points": relative(one, asked.noise, asked.parts, asked.rows),
        }
        for one in found
    ]
    enough = None
    if hint.points is not None:
        if not 0 < hint.points <= _POINTS:
            raise Unprocessable(f"points is {hint.points}, want hundredths of a percent from 1 to {_POINTS}")
        enough = needed(found, asked.noise, parts=asked.parts, rows=asked.rows, points=hint.points)
    more = more_of(left, charge)
    return Estimated(
        charge.units,
        charge.units * case.agreement.price,
        charge.epsilon,
        left,
        more,
        asked.rows,
        measures,
        enough,
        False,
        sentence(found, [int(one["points"]) for one in measures], more, asked.rows),
    )


def cube_numbers(spec: CubeSpec) -> list[Number]:
    """Return the measures of a cube as `privacy.estimate` takes them, and the means that it holds."""
    found = [_cube_number(measure) for measure in spec.measures]
    counted = [number for number in found if number.kind == "count"]
    means = [
        Number(f"mean({measure.column})", "avg", (*number.parts, *rows.parts), number.unit)
        for measure, number in zip(spec.measures, found, strict=True)
        for rows in counted
        if spec.complete and len(measure.factors) == 1
    ]
    return found + means


def _cube_number(measure: Measure) -> Number:
    kind = "sum" if measure.factors else "count"
    return Number(measure.name, kind, (Part(measure.column, measure.peak),), 10**measure.precision)


def _rows(case: Case, hint: Hint, *, parted: bool) -> int:
    """Return the rows of the group that errors are compared with, from what the catalogue shows."""
    whole = case.version.rows
    if hint.rows is not None:
        if not 0 < hint.rows <= max(whole, 1):
            raise Unprocessable(f"rows is {hint.rows}, want 1 to the {whole} of the dataset")
        return hint.rows
    return max(1, whole // GROUPS if parted else whole)


def sentence(found: Sequence[Number], points: Sequence[int], more: int, rows: int) -> dict[str, str]:
    """Return how many more such queries there are and how exact, in English and Chinese."""
    counts = all(number.kind == "count" for number in found)
    error = _percent(max(points))
    english, chinese = ("count", "次计数") if counts else ("aggregate", "次汇总")
    return {
        "en": f"about {_more(more, english)} at +-{error} % in a group of {rows} rows",
        "zh": f"还可查询约 {more} {chinese}，{rows} 行的组误差约 ±{error}%",
    }


def _more(count: int, noun: str) -> str:
    return f"{count} more {noun}" if count == 1 else f"{count} more {noun}s"


def _percent(points: int) -> str:
    """Return hundredths of a percent as a percentage with no more digits than matter."""
    return f"{points / 100:.2g}" if points < 1000 else str(-(-points // 100))
