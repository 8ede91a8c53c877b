"""What a query would cost, how exact it would be, and how many more like it an agreement has left.

No data is read: the figures follow from the query, the agreement's terms and
budget, which are the consumer's own, and what the catalogue shows of the dataset.
So an estimate costs nothing and tells nothing; no worker is called.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from dataspace.catalog.models import Form
from dataspace.errors import Unprocessable
from dataspace.participants.access import Caller
from dataspace.privacy.estimate import Number, expected, needed, relative
from dataspace.privacy.noised import LEAST_EPSILON, Noise, Part
from dataspace.space import Space
from dataspace.transfer.budget import Charge, charge_for
from dataspace.transfer.case import Case, read_case
from dataspace.transfer.forms.bounded import BoundedPlan, bounded_plan
from dataspace.transfer.forms.noised import numbers, question
from dataspace.transfer.repeat import Repeats
from dataspace.transfer.sql.plan import Plan
from dataspace.transfer.sql.query import parse, resolve

_GROUPS: Final = 10  # a group is taken to be a tenth of the rows, unless the asker says otherwise
_POINTS: Final = 10_000
_USUAL: Final = 500  # +-5 %
_COUNT: Final = Number("count", "count", (Part("", 1),))


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
    `again`: the question was answered already, and costs nothing. What another account
    of the legal entity was given costs no epsilon: then that is 0.
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


class Estimates:
    """Tells what is still to be asked, before it is."""

    def __init__(self, space: Space) -> None:
        self._space = space
        self._repeats = Repeats(space)

    def estimate(
        self,
        caller: Caller,
        agreement: str,
        sql: str,
        noise: Mapping[str, Any] | None = None,
        hint: Hint = Hint(),
    ) -> Estimated:
        """Return the estimate of an aggregate: with `noise` as it would be asked, else exact.

        Raises:
            Malformed: the text is no aggregate of the subset, or the noise is none.
            Unprocessable: a summed column has no bounds, a hint is out of range, or is given without noise.
            NotFound: the agreement is not the caller's, or a column is not the dataset's.
            Refused: a column may not be used so.

        """
        query, wanted = parse(sql), Noise.from_json(noise) if noise is not None else None
        with self._space.database.reading() as session:
            case = read_case(session, self._space, caller, agreement)
            asked = wanted and question(query, wanted, case.columns)
            found = asked and self._repeats.find(session, case, asked)
            shared = asked and self._repeats.shared(session, case, asked)
        plan = resolve(query, case.columns, Form.AGGREGATE, case.protection())
        if wanted is None:
            if hint != Hint():
                raise Unprocessable("an exact answer has no error: want noise with rows or points")
            return _exact(case)
        bounded = bounded_plan(plan, wanted, case.version.rows)
        estimated = replace(_noised(case, plan, bounded, wanted, hint), again=bool(found))
        return replace(estimated, epsilon=0) if shared and not found else estimated

    def outlook(self, caller: Caller, agreement: str) -> dict[str, str]:
        """Return in words how many more counts an agreement is good for; {}: it has none.

        The counts are as exact as +-5 % in a tenth of the dataset's rows.

        Raises:
            NotFound: the agreement is not one of which the caller is the consumer.

        """
        with self._space.database.reading() as session:
            case = read_case(session, self._space, caller, agreement)
        if Form.AGGREGATE not in case.agreement.forms or not case.agreement.epsilon:
            return {}
        rows = max(1, case.version.rows // _GROUPS)
        enough = needed([_COUNT], Noise(LEAST_EPSILON), parts=1, rows=rows, points=_USUAL)
        if enough is None:
            return {}
        return sentence([_COUNT], [_USUAL], more_of(left_of(case), Charge(1, enough)), rows)


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


def _exact(case: Case) -> Estimated:
    charge, left = charge_for(Form.AGGREGATE), left_of(case)
    more = more_of(left, charge)
    words = {
        "en": f"about {_more(more, 'aggregate')}, exact",
        "zh": f"还可查询约 {more} 次，结果精确",
    }
    price = charge.units * case.agreement.price
    return Estimated(charge.units, price, 0, left, more, case.version.rows, [], None, False, words)


def _noised(case: Case, plan: Plan, bounded: BoundedPlan, noise: Noise, hint: Hint) -> Estimated:
    charge, left = Charge(1, noise.epsilon), left_of(case)
    rows = _rows(case, plan, hint)
    found, parts = numbers(bounded), len(bounded.parts)
    measures = [
        {**expected(one, noise, parts).to_json(), "points": relative(one, noise, parts, rows)}
        for one in found
    ]
    enough = None
    if hint.points is not None:
        if not 0 < hint.points <= _POINTS:
            raise Unprocessable(f"points is {hint.points}, want hundredths of a percent from 1 to {_POINTS}")
        enough = needed(found, noise, parts=parts, rows=rows, points=hint.points)
    more = more_of(left, charge)
    return Estimated(
        charge.units,
        charge.units * case.agreement.price,
        noise.epsilon,
        left,
        more,
        rows,
        measures,
        enough,
        False,
        sentence(found, [int(one["points"]) for one in measures], more, rows),
    )


def _rows(case: Case, plan: Plan, hint: Hint) -> int:
    """Return the rows of the group that errors are compared with, from what the catalogue shows."""
    whole = case.version.rows
    if hint.rows is not None:
        if not 0 < hint.rows <= max(whole, 1):
            raise Unprocessable(f"rows is {hint.rows}, want 1 to the {whole} of the dataset")
        return hint.rows
    return max(1, whole // _GROUPS if plan.group or plan.where else whole)


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
