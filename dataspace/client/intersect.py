"""Private set intersection: how many of one's items are subjects of a dataset, and statistics over them."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import pyarrow as pa

from dataspace.client.answer import Answer
from dataspace.client.estimating import millionths
from dataspace.client.http import Http
from dataspace.client.providing import part
from dataspace.errors import Malformed, VerificationError
from dataspace.wire import OCTETS
from dataspace.wire.intersection import ITEMS_LIMIT, Blinded, Opening
from dataspace.wire.oprf import INTERSECTION, Scalar, encoded, hashed, pack

_SECONDS: Final = 600.0
_COUNT: Final = {"kind": "count"}


@dataclass(frozen=True)
class Intersected:
    """The answer to an intersection.

    `size` is noised, None where it is fewer than `fewer_than`; in 19 of 20
    answers it is at most `expected_error` away from the true one. With measures
    there is no size: `cells` has a row for each group, by the dimensions' names,
    with "count", "sum(...)" and "mean(...)", and `scales` the scale of the noise of each
    count and sum, of which three times as much is seldom passed. `answer` is the one
    with its entry, `opening` that of the first step.
    """

    size: int | None
    fewer_than: int
    expected_error: int
    cells: Sequence[Mapping[str, Any]]
    scales: Mapping[str, float]
    opening: Answer = field(repr=False)
    answer: Answer = field(repr=False)

    @property
    def table(self) -> pa.Table:
        """The cells as an Arrow table."""
        return pa.Table.from_pylist([dict(cell) for cell in self.cells])


class Intersecting:
    """Intersections, a part of `DataSpace`."""

    _http: Http
    _answer: Callable[[Any], Answer]

    def intersect(  # noqa: PLR0913 - the parts of one question, all but two by keyword and with a default
        self,
        agreement: str,
        items: Iterable[str],
        *,
        identifier: str,
        epsilon: int = 1_000_000,
        measures: Sequence[Mapping[str, Any]] = (),
        by: Sequence[str] = (),
        max_rows: int = 1,
        reveal_to_zone: bool = False,
    ) -> Intersected:
        """Return how many of these items are subjects of the dataset, with noise of `epsilon` millionths.

        `identifier`: the column of the dataset that items are compared with.
        `measures`, as of a cube, and `by`: statistics over the rows of the items in
        both sets instead, of each item at most `max_rows` rows. For them the zone must
        learn which of its own subjects are in the set, so `reveal_to_zone` must
        say so; of the other items it learns nothing either way.

        Raises:
            Malformed: there is no item, one is empty, too long or no text, epsilon is no whole number of
                millionths, or statistics are wanted and nothing is revealed.
            VerificationError: an answer was changed on its way, or is none.

        """
        if isinstance(items, str):
            raise Malformed(f"want many items, and not the one text {items!r}")
        wanted = sorted({encoded(item).decode() for item in items})
        if not wanted:
            raise Malformed("no items: want at least one")
        if len(wanted) > ITEMS_LIMIT:
            raise Malformed(f"{len(wanted)} items, want at most {ITEMS_LIMIT}")
        if (measures or by) and not reveal_to_zone:
            raise Malformed("statistics over rows need reveal_to_zone: the zone must know which rows")
        exponent = Scalar.fresh()
        # Sorted by what nobody can tell them by: the order says nothing of the items.
        points = sorted(exponent.of(hashed(item, INTERSECTION)) for item in wanted)
        terms = {"identifier": identifier, "epsilon": millionths(epsilon), "reveal": reveal_to_zone}
        cube = _cube(measures, by, max_rows)
        opening = Opening(exponent.public, points, terms | ({"cube": cube} if cube else {}))
        path = f"/api/agreements/{part(agreement)}/intersections"
        first = self._exchanged(path, opening.encode())
        blinded = _blinded(first)
        returned = exponent.of_all(blinded.points)
        # In any other order than a sorted one the zone would see which of its own are in both sets.
        body = pack(returned if reveal_to_zone else sorted(returned))
        return _read(first, self._exchanged(f"{path}/{part(blinded.job)}", body))

    def _exchanged(self, path: str, body: bytes) -> Answer:
        return self._answer(self._http.exchange(path, accept=OCTETS, content=body, timeout=_SECONDS))


def _cube(measures: Sequence[Mapping[str, Any]], by: Sequence[str], max_rows: int) -> dict[str, Any]:
    if not measures and not by:
        return {}
    counted = list({str(measure): dict(measure) for measure in (_COUNT, *measures)}.values())
    return {"dimensions": list(by), "measures": counted, "max_rows": max_rows}


def _blinded(answer: Answer) -> Blinded:
    try:
        return Blinded.decode(answer.content)
    except Malformed as error:
        raise VerificationError("the service's set is none") from error


def _read(opening: Answer, answer: Answer) -> Intersected:
    try:
        told = json.loads(answer.content)
        if "cells" not in told:
            size = None if told["size"] is None else int(told["size"])
            numbers = int(told["fewer_than"]), int(told["expected_error"])
            return Intersected(size, *numbers, (), {}, opening, answer)
        units = {str(one["name"]): 10 ** int(one["precision"]) for one in told["measures"]}
        scales = {str(one["name"]): one["noise"] / units[one["name"]] for one in told["measures"]}
        values = {name: [value / unit for value in told["values"][name]] for name, unit in units.items()}
        cells = [
            _cell(dict(zip(told["dimensions"], key, strict=True)), {n: values[n][i] for n in values})
            for i, key in enumerate(told["cells"])
        ]
    except (KeyError, TypeError, ValueError, IndexError, RecursionError) as error:
        raise VerificationError("the answer is no intersection's") from error
    return Intersected(None, 0, 0, cells, scales, opening, answer)


def _cell(key: dict[str, Any], values: dict[str, float]) -> dict[str, Any]:
    """Return a cell with its means; of a count that noise made zero or less there is none."""
    count = values.get("count", 0)
    means = {
        f"mean{name.removeprefix('sum')}": value / count if count > 0 else None
        for name, value in values.items()
        if name != "count"
    }
    return {**key, **values, **means}
