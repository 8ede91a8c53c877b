"""What a provider says of a file that it seals."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self

from dataspace.errors import Malformed

_BOUND: Final = 1 << 40  # in units of 10^-precision
_PRECISION: Final = 6
_ROWS: Final = 1000  # of one subject, that may count
_CONSUMERS: Final = (
    32  # whose usual agreements a dataset's epsilon lasts for, unless its provider says otherwise
)


@dataclass(frozen=True)
class Measure:
    """A column that is summed: its values are clamped to low..high and kept to `precision` decimals."""

    column: str
    low: int
    high: int
    precision: int = 0

    def __post_init__(self) -> None:
        limit = _BOUND // 10 ** min(max(self.precision, 0), _PRECISION)
        if not 0 <= self.precision <= _PRECISION or not -limit <= self.low < self.high <= limit:
            raise Malformed(
                f"measure {self.column}: want low below high, both within {limit}, "
                f"and 0 to {_PRECISION} decimals"
            )

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `column:low:high` or `column:low:high:decimals`.

        Raises:
            Malformed: it is neither.

        """
        column, *numbers = text.rsplit(":", 3) if text.count(":") > 2 else text.rsplit(":", 2)
        try:
            low, high, *rest = map(int, numbers)
            return cls(column, low, high, *rest)
        except (ValueError, TypeError) as error:
            raise Malformed(f"measure {text!r}: want column:low:high or column:low:high:decimals") from error


@dataclass(frozen=True)
class Terms:
    """What of a file is sealed, and how.

    `subjects` are the columns that together say whom a row is about; without
    any, each row is one. `max_rows` rows of one count. `epsilon`, in millionths,
    is what all answers may spend together, 0 for the zone's usual. `min_group`
    is the least number of subjects of a cell, at least the zone's.
    `corrections` are as at a registration.
    """

    zone: str
    measures: tuple[Measure, ...]
    dimensions: tuple[str, ...] = ()
    subjects: tuple[str, ...] = ()
    max_rows: int = 1
    epsilon: int = 0
    min_group: int = 0
    corrections: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        names = (*(measure.column for measure in self.measures), *self.dimensions)
        if twice := [name for name in names if names.count(name) > 1]:
            raise Malformed(
                f"column {twice[0]!r} is there twice: want each once, as a measure or a dimension"
            )
        if not 1 <= self.max_rows <= _ROWS:
            raise Malformed(f"max_rows is {self.max_rows}: want 1 to {_ROWS} rows of a subject")
        if min(self.epsilon, self.min_group) < 0:
            raise Malformed("epsilon and min_group are not negative")

    def budget(self, usual: int) -> int:
        """Return the epsilon of the whole dataset, where one cube of the zone usually costs `usual`."""
        return self.epsilon or 8 * _CONSUMERS * usual
