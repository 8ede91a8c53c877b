"""Totals over subjects that a consumer selects one by one, without the service learning which.

    layout = space.selector_layout(agreement, ["district", "year"])
    found = space.selected_sum(agreement, layout, lambda subject: subject["district"] == "Haidian",
                               Operand("income", 0, 20000), keys=keys, epsilon=500_000)
    found.value, found.count, found.error            # 8120455.0, 812, 40000.0

`keys` are of the parameter set `SELECTOR_PARAMETERS`. Fewer subjects than the
layout's minimum get no total, nor do all but fewer: the service's circuit sees to
it, and what is not well made would be answered with randomness. So it is refused
here, where it costs nothing.
"""

import hmac
import json
import secrets
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, Self

from dataspace.client.estimating import millionths
from dataspace.client.http import Http
from dataspace.client.providing import part
from dataspace.errors import Malformed, Refused, Unprocessable, VerificationError
from dataspace.wire import ENVELOPE, JSON
from dataspace.wire.parameters import PARAMETER_SETS, SELECTOR_PARAMETERS
from dataspace.wire.selector import LEAST_EPSILON, Operand, SelectorAnswer, SelectorQuery
from dataspace.wire.threshold import Threshold

if TYPE_CHECKING:
    from dataspace.client.answer import Answer
    from dataspace.client.encrypted import Keys
    from dataspace.client.keyring import KeyRing

_QUERY_SECONDS: Final = 600
_TAIL: Final = 32  # scales of noise: passed by one answer in 10^13
_PARAMETERS: Final = PARAMETER_SETS[SELECTOR_PARAMETERS]

Subject = Mapping[str, Any]


@dataclass(frozen=True)
class SelectorLayout:
    """The subjects that can be selected, by what may leave of them; `complete`: these are all there are.

    A column is None where a subject's rows differ in it.
    """

    id: str
    threshold: Threshold
    complete: bool
    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...] = field(repr=False)

    @classmethod
    def from_json(cls, told: Any) -> Self:
        """Read a layout as the service gives it.

        Raises:
            Malformed: it is none.

        """
        try:
            columns = tuple(str(column["name"]) for column in told["columns"])
            rows = tuple(tuple(row) for row in told["rows"])
            threshold = Threshold(int(told["minimum"]), int(told["slots"]), _PARAMETERS)
            found = cls(str(told["layout"]), threshold, told["complete"] is True, columns, rows)
            right = told["parameters"] == _PARAMETERS.id and len(rows) == threshold.subjects
        except (KeyError, TypeError, ValueError, Unprocessable) as error:
            raise Malformed("malformed layout: want layout, minimum, slots, columns and rows") from error
        if not right or any(len(row) != len(columns) for row in rows):
            raise Malformed("malformed layout: its rows are not one for each slot")
        return found

    def subjects(self) -> list[dict[str, Any]]:
        """Return the subjects, one dict each, in the order of their slots."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]

    def frame(self) -> Any:
        """Return the subjects as a pandas DataFrame whose index is the slot."""
        pandas = import_module("pandas")  # only who asks for it needs it
        return pandas.DataFrame(self.rows, columns=list(self.columns))

    def weights(self, chosen: Callable[[Subject], bool] | Collection[int]) -> list[int]:
        """Return 1 for each chosen subject and 0 for the others: by a predicate, or by their slots.

        Raises:
            Malformed: there is no such slot.

        """
        if callable(chosen):
            return [int(bool(chosen(subject))) for subject in self.subjects()]
        slots = {int(slot) for slot in chosen}
        if not slots <= set(range(self.threshold.subjects)):
            raise Malformed(f"the layout has slots 0 to {self.threshold.subjects - 1}")
        return [int(slot in slots) for slot in range(self.threshold.subjects)]


@dataclass(frozen=True)
class SelectedSum:
    """A noised total over selected subjects, in units of 10^-`precision`; `count` of them are exact.

    `error` is how far the noise moves a total on average, in the column's own unit.
    """

    total: int
    precision: int
    count: int
    error: float
    answer: "Answer" = field(repr=False)

    @property
    def value(self) -> float:
        """Return the total in the column's own unit."""
        return float(self.total / 10**self.precision)

    @property
    def mean(self) -> float:
        """Return the total for each selected subject."""
        return self.value / self.count


@dataclass(frozen=True)
class PreparedSelector:
    """A query that is ready to be sent, and what its answer has to fit."""

    body: bytes = field(repr=False)
    binding: str
    layout: str
    selected: int
    power: int = field(repr=False)
    limit: int


def prepare_selector(
    keys: "Keys", layout: SelectorLayout, weights: Sequence[int], operand: Operand, **errand: Any
) -> PreparedSelector:
    """Return a query for the total of an operand over the subjects of weight 1.

    `errand`: `agreement`, `expires` (seconds since 1970), `epsilon` (millionths), and `pinned`:
    whether the agreement has this key already.

    Raises:
        Malformed: a weight is not 0 or 1, or there is not one for each subject.
        Refused: too few subjects are selected, or left out.
        Unprocessable: the total might pass the plain modulus, or the key is of another parameter set.

    """
    threshold, selected = layout.threshold, sum(weights)
    if len(weights) != threshold.subjects or not set(weights) <= {0, 1}:
        raise Malformed(f"want a weight of 0 or 1 for each of the {threshold.subjects} subjects")
    if keys.parameters != _PARAMETERS:
        raise Unprocessable(f"this key is for {keys.parameters.id}: make one for {_PARAMETERS.id}")
    limit = selected * operand.bound + _TAIL * (1 + operand.bound * 1_000_000 // errand["epsilon"])
    if 2 * limit >= _PARAMETERS.plain_modulus:
        raise Unprocessable("the total might pass the plain modulus: select fewer, or lower the precision")
    if not threshold.allows(selected):
        raise Refused(_FEW.format(threshold.minimum), limit=threshold.minimum)
    return seal_selector(keys, layout, weights, operand, limit=limit, **errand)


def seal_selector(
    keys: "Keys",
    layout: SelectorLayout,
    weights: Sequence[int],
    operand: Operand,
    *,
    limit: int,
    **errand: Any,
) -> PreparedSelector:
    """Encrypt a selector as it is: what is wrong with it the service's circuit finds."""
    pinned = errand.pop("pinned", False)
    query = SelectorQuery(
        layout=layout.id,
        key=keys.id,
        nonce=secrets.token_hex(16),
        operand=operand,
        vectors=tuple(keys.seal(slots) for slots in layout.threshold.vectors(weights)),
        context=b"" if pinned else keys.public,
        **errand,
    )
    selected = sum(weights)
    power = layout.threshold.steps(selected)[-1]
    return PreparedSelector(query.encode(), query.binding, layout.id, selected, power, limit)


def open_selector(keys: "Keys", query: PreparedSelector, content: bytes) -> int:
    """Return the noised total of an answer, in units of 10^-precision.

    Raises:
        Malformed: it is no envelope.
        Refused: too few subjects were selected: the answer is 0, whatever their values.
        VerificationError: it answers another query, was not computed under this key or of this
            selector, or holds a total beyond what the selector allows.

    """
    found = SelectorAnswer.decode(content)
    if not hmac.compare_digest(found.binding, query.binding) or found.layout != query.layout:
        raise VerificationError("the answer is to another query")
    if not hmac.compare_digest(found.key, keys.id):
        raise VerificationError("the answer is for another key")
    # Each slot is masked, and the masks add up to zero.
    modulus = keys.parameters.plain_modulus
    total, selected = (sum(keys.open(vector)) % modulus for vector in (found.total, found.selected))
    if not total and not selected:
        raise Refused("fewer subjects are selected, or left out, than the minimum: there is no total")
    if not query.power or selected != query.selected * query.power % modulus:
        raise VerificationError("the answer was not computed of this selector")
    value = total * pow(query.power, -1, modulus) % modulus
    value = value if 2 * value < modulus else value - modulus
    if abs(value) > query.limit:
        raise VerificationError("the total is beyond what the selector allows")
    return value


class Selecting:
    """Selectors of rows, a part of `DataSpace`."""

    _http: Http
    _answer: "Callable[[Any], Answer]"
    _pinned: set[tuple[str, str]]

    def selector_layout(self, agreement: str, columns: Sequence[str]) -> SelectorLayout:
        """Return the subjects that an agreement's selectors choose from, by these columns; charged as rows.

        Raises:
            VerificationError: the bytes are not those of the answer's digest.

        """
        path = f"/api/agreements/{part(agreement)}/selector-layouts"
        answer = self._answer(self._http.exchange(path, accept=JSON, json={"columns": list(columns)}))
        try:
            return SelectorLayout.from_json(json.loads(answer.content))
        except (ValueError, RecursionError) as error:
            raise Malformed("the layout is not JSON") from error

    def selected_sum(
        self,
        agreement: str,
        layout: SelectorLayout,
        chosen: Callable[[Subject], bool] | Collection[int],
        operand: Operand,
        *,
        keys: "Keys | KeyRing",
        epsilon: int,
    ) -> SelectedSum:
        """Return the noised total of an operand over the chosen subjects, which the service does not learn.

        `epsilon` is in millionths, and is charged. A ring of `keys` has one for `SELECTOR_PARAMETERS`.

        Raises:
            Malformed: the epsilon is no number of millionths, or the keys are none; nothing was sent.
            Refused: too few subjects are chosen, or left out; nothing was sent.
            VerificationError: the answer is to another query, or not what this one computes.

        """
        from dataspace.client.keyring import KeyRing  # noqa: PLC0415 - TenSEAL is for these alone

        epsilon, keys = millionths(epsilon, LEAST_EPSILON), KeyRing.holding(keys).of(SELECTOR_PARAMETERS)
        query = prepare_selector(
            keys,
            layout,
            layout.weights(chosen),
            operand,
            agreement=agreement,
            epsilon=epsilon,
            expires=int(time.time()) + _QUERY_SECONDS,
            pinned=(agreement, keys.id) in self._pinned,
        )
        path = f"/api/agreements/{part(agreement)}/selectors"
        answer = self._answer(self._http.exchange(path, accept=ENVELOPE, content=query.body))
        self._pinned.add((agreement, keys.id))
        total = open_selector(keys, query, answer.content)
        error = operand.bound * 1_000_000 / epsilon / 10**operand.precision
        return SelectedSum(total, operand.precision, query.selected, error, answer)


_FEW: Final = "a total is of at least {0} subjects, and leaves out none or at least {0}"
