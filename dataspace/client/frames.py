"""Statistics as their consumer holds them: for each group a value and its expected error; cost and proofs."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from dataspace.client.answer import Answer
from dataspace.client.layout import Key
from dataspace.errors import Unprocessable


@dataclass(frozen=True)
class Group:
    """The statistic of one group; `error` is the standard error that the cube's noise gives it.

    Where noise left a group no rows, the value is not a number and the error infinite.
    """

    key: Key
    value: float
    error: float


@dataclass(frozen=True)
class Statistic:
    """A statistic of each group, and its cost: `units`, and `epsilon` in millionths, 0 for a cube one had.

    `by` names what the groups' keys are: dimensions, or the terms of a
    regression. The service knows these, the measured columns and their bounds,
    and never which cells were chosen, nor the values. Errors are of the noise
    alone, to first order; what cells too small to be shown, rows beyond
    `max_rows` and values beyond their bounds do is not in them.
    """

    name: str
    by: tuple[str, ...]
    groups: tuple[Group, ...]
    units: int
    epsilon: int
    answers: tuple[Answer, ...] = field(repr=False)

    @property
    def value(self) -> float:
        """Return the value of the one group; Unprocessable when there are more."""
        return self._one().value

    @property
    def error(self) -> float:
        """Return the expected error of the one group; Unprocessable when there are more."""
        return self._one().error

    def __getitem__(self, key: Any) -> Group:
        """Return the group of a key, or of the one value of such a key; KeyError when there is none."""
        wanted = key if isinstance(key, tuple) else (key,)
        for group in self.groups:
            if group.key == wanted:
                return group
        raise KeyError(key)

    def __iter__(self) -> Iterator[Group]:
        return iter(self.groups)

    def receipts(self) -> list[bytes]:
        """Return the receipt of each answer it was computed from, its record checked (`Answer.receipt`)."""
        return [answer.receipt() for answer in self.answers]

    def to_pandas(self) -> Any:
        """Return a DataFrame: `value` and `error`, by group; `attrs` has name, units and epsilon."""
        pandas = import_module("pandas")  # only who asks for it needs it
        told = {"value": [one.value for one in self], "error": [one.error for one in self]}
        index = None
        if len(self.by) == 1:
            index = pandas.Index([one.key[0] for one in self], name=self.by[0])
        elif self.by:
            index = pandas.MultiIndex.from_tuples([one.key for one in self], names=list(self.by))
        frame = pandas.DataFrame(told, index=index)
        frame.attrs = {"name": self.name, "units": self.units, "epsilon": self.epsilon}
        return frame

    def _one(self) -> Group:
        if len(self.groups) != 1:
            raise Unprocessable(f"there are {len(self.groups)} groups: take them one by one")
        return self.groups[0]
