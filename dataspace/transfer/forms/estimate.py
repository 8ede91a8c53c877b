"""What a query would cost, how exact it would be, and how many more like it an agreement has left.

No data is read: the figures follow from the query, the agreement's terms and
budget, which are the consumer's own, and what the catalogue shows of the dataset.
So an estimate costs nothing and tells nothing; no worker is called.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from dataspace.catalog.models import Form
from dataspace.errors import Unprocessable
from dataspace.participants.access import Caller
from dataspace.privacy.estimate import Number, needed
from dataspace.privacy.noised import LEAST_EPSILON, Noise, Part
from dataspace.privacy.spec import CubeSpec
from dataspace.space import Space
from dataspace.transfer.budget import Charge
from dataspace.transfer.case import read_case
from dataspace.transfer.forms import expectation
from dataspace.transfer.forms.bounded import bounded_plan
from dataspace.transfer.forms.cubes import check_offered, known_cube
from dataspace.transfer.forms.expectation import Estimated, Hint
from dataspace.transfer.forms.noised import question
from dataspace.transfer.repeat import Repeats
from dataspace.transfer.sql.query import parse, resolve
from dataspace.transfer.sql.render import cube_columns

__all__ = ["Estimated", "Estimates", "Hint"]

_NO_HINT: Final = Hint()
_USUAL: Final = 500  # +-5 %
_COUNT: Final = Number("count", "count", (Part("", 1),))


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
        hint: Hint = _NO_HINT,
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
            shared = asked and self._repeats.is_shared(session, case, asked)
        plan = resolve(query, case.columns, Form.AGGREGATE, case.protection())
        if wanted is None:
            if hint != _NO_HINT:
                raise Unprocessable("an exact answer has no error: want noise with rows or points")
            return expectation.exact(case)
        bounded = bounded_plan(plan, wanted, case.version.rows)
        estimated = replace(expectation.noised(case, plan, bounded, wanted, hint), again=bool(found))
        return replace(estimated, epsilon=0) if shared and not found else estimated

    def cube(
        self, caller: Caller, agreement: str, spec: Mapping[str, Any], hint: Hint = _NO_HINT
    ) -> Estimated:
        """Return the estimate of an encrypted question, whose cube is built where it is not there yet.

        The errors are those of one cell; over n cells a total's is the root of n times larger.
        Groups that do not fit into one encrypted query make it more units.

        Raises:
            Malformed: the specification is none.
            Unprocessable: it is of a kind that is not offered, or a hint is out of range.
            NotFound: the agreement is not the caller's, or a column is not the dataset's.
            Refused: a column may not be used so.

        """
        wanted = CubeSpec.from_json(spec)
        check_offered(wanted)
        with self._space.database.reading() as session:
            case = read_case(session, self._space, caller, agreement)
            _, grant = known_cube(session, case, wanted)
        cube_columns(wanted, case.columns)
        return expectation.encrypted(case, wanted, hint, granted=grant is not None)

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
        rows = max(1, case.version.rows // expectation.GROUPS)
        enough = needed([_COUNT], Noise(LEAST_EPSILON), parts=1, rows=rows, points=_USUAL)
        if enough is None:
            return {}
        more = expectation.more_of(expectation.left_of(case), Charge(1, enough))
        return expectation.sentence([_COUNT], [_USUAL], more, rows)
