"""Whether something of a space is about fewer subjects than the minimum: a search that ends.

A combination of released numbers isolates when those it tells about are fewer
than k distinct subjects. To find one is to find a light word of a linear code,
which is hard in general; here the words are light indeed: whatever has k
subjects is eliminated, atoms that always come together are merged and counted
together, parts that have nothing to do with one another are searched alone. What
is left is searched by cases, atom by atom: it is in the support, or it is not.
A search of more than `CASES_LIMIT` cases has no answer, which is a refusal too.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np

from dataspace.privacy.span import Flags, Indices, Matrix, clear

STEPS_LIMIT: Final = 4000  # about half a second
_COLUMNS_STEP: Final = 16  # columns that are looked at in one step

Subjects: TypeAlias = frozenset[int]
Known: TypeAlias = Callable[[Matrix], Flags]
NOBODY: Final[Subjects] = frozenset()


class UncheckedError(Exception):
    """The search passed its limit."""


def isolates(space: Matrix, subjects: Mapping[int, Subjects], minimum: int, prime: int, known: Known) -> bool:
    """Tell whether a vector of `space`, not zero and not known, has a support of fewer than `minimum`.

    `space`: a reduced basis, a row each, zero but for atoms that have fewer
    than `minimum` themselves. `subjects`: of each such atom. `known`: tells of
    vectors which of them were told before.

    Raises:
        UncheckedError: it could not be told in bounded time.

    """
    if not len(space):
        return False
    columns = np.flatnonzero(space.any(axis=0))
    fresh = ~known(space)

    def told(vectors: Matrix) -> Flags:
        whole = np.zeros((len(vectors), space.shape[1]), np.int64)
        whole[:, columns] = vectors
        return known(whole)

    search = _Search(minimum, prime, [subjects[column] for column in columns.tolist()], told)
    return any(search.finds(_Case(part)) for part in _parts(space[:, columns], fresh))


@dataclass(frozen=True)
class _Case:
    """A subspace: where the columns of `inside` are not zero; `told` are their subjects."""

    space: Matrix
    inside: frozenset[int] = frozenset()
    told: Subjects = NOBODY


class _Search:
    def __init__(self, minimum: int, prime: int, subjects: Sequence[Subjects], known: Known) -> None:
        self._minimum, self._prime, self._subjects, self._known = minimum, prime, subjects, known
        self._left = STEPS_LIMIT

    def finds(self, case: _Case) -> bool:
        waiting = [case]
        while waiting:
            if self._step(waiting.pop(), waiting):
                return True
        return False

    def _step(self, case: _Case, waiting: list[_Case]) -> bool:
        """Settle one case, or put those it falls into on `waiting`."""
        columns = np.flatnonzero(case.space.any(axis=0))
        self._left -= 1 + len(columns) // _COLUMNS_STEP
        if self._left < 0:
            raise UncheckedError
        live = columns.tolist()
        if not case.inside.issubset(live):
            return False
        if len(self._with(case.told, live)) < self._minimum:
            # Whatever is left in this subspace is about these few.
            return not bool(self._known(case.space).all())
        if len(case.space) > 1:
            self._fall(case, columns, waiting)
        return False

    def _fall(self, case: _Case, columns: Indices, waiting: list[_Case]) -> None:
        """Go on with the columns that tell of most subjects: not zero, and zero."""
        inside, told, classes = case.inside, case.told, []
        for each in _parallel(case.space, columns, self._prime):
            if inside.isdisjoint(each):
                classes.append(each)
            else:
                # What is not zero together with a column that is not.
                inside, told = inside.union(each), self._with(told, each)
        if len(told) >= self._minimum:
            return
        heaviest = max(classes, key=lambda each: len(self._with(told, each)))
        if len(more := self._with(told, heaviest)) < self._minimum:
            waiting.append(_Case(case.space, inside.union(heaviest), more))
        without = case.space.copy()
        row = int(np.flatnonzero(without[:, heaviest[0]])[0])
        clear(without, row, heaviest[0], self._prime)
        waiting.append(_Case(np.delete(without, row, axis=0), inside, told))

    def _with(self, told: Subjects, columns: Sequence[int]) -> Subjects:
        return told.union(*(self._subjects[column] for column in columns))


def _parallel(space: Matrix, columns: Indices, prime: int) -> list[list[int]]:
    """Return the columns in classes: in one are those that are multiples of one another."""
    found: dict[bytes, list[int]] = {}
    for column in columns.tolist():
        values = space[:, column]
        first = int(values[np.flatnonzero(values)[0]])
        found.setdefault((values * pow(first, -1, prime) % prime).tobytes(), []).append(column)
    return list(found.values())


def _parts(space: Matrix, fresh: Flags) -> list[Matrix]:
    """Return the parts of a reduced basis that have no column in common, those with a fresh row alone."""
    found: list[tuple[set[int], list[int]]] = []
    for row in range(len(space)):
        columns, rows, apart = set(np.flatnonzero(space[row]).tolist()), [row], []
        for part in found:
            if columns.isdisjoint(part[0]):
                apart.append(part)
            else:
                columns |= part[0]
                rows += part[1]
        found = [*apart, (columns, rows)]
    return [space[sorted(rows)] for _, rows in found if fresh[rows].any()]
