"""What a cube is asked to be: dimensions, measures, bounds, and the privacy loss it may cost.

    {"dimensions": ["city", "year"],
     "measures": [{"kind": "count"},
                  {"kind": "sum", "column": "amount", "low": 0, "high": 5000, "precision": 2}],
     "max_rows": 3, "epsilon": 1000000, "presence": "noised"}

**Sensitivity.** Two neighbouring datasets differ by all rows of one subject, of
which a cube counts at most `max_rows` (the query engine drops the others). So a
count changes by at most `max_rows` over all cells together (L1), and a sum of
values clamped to low..high by at most `max_rows` * max(|low|, |high|), times
10^precision, the unit of its integers. Epsilon is divided equally over the
measures and, unless presence is exact, the decision which cells are present.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, Self

from dataspace.errors import Malformed
from dataspace.proof.canonical import canonical
from dataspace.wire.envelope import MEASURES_LIMIT
from dataspace.wire.parameters import DEFAULT_PARAMETERS, parameter_set

DIMENSIONS_LIMIT: Final = 4
ROWS_LIMIT: Final = 1000  # of one subject
PRECISION_LIMIT: Final = 6
EPSILON_LIMIT: Final = 100_000_000
_NAME_LIMIT: Final = 200


class Presence(StrEnum):
    """How it is decided which cells a cube has, which the cube then shows.

    `NOISED`: a cell is there if its subjects, with noise and less the margin
    that noise passes once in a million, are still `min_group`. With it the
    whole cube, keys included, is (epsilon, delta)-differentially private
    with delta = `max_rows` * (1 + e^epsilon) / 1,000,000: what could betray
    one subject is only that noise passes the margin in one of its cells.

    `EXACT`: a cell is there if it has `min_group` subjects. More cells
    survive, and who knows all subjects of a cell at the threshold but one
    learns from its presence whether that one is in it. The values are
    differentially private, the keys are not: a choice for the provider.
    """

    NOISED = "noised"
    EXACT = "exact"


@dataclass(frozen=True)
class Measure:
    """One number for each cell: its rows if `column` is empty, else the sum of that column."""

    column: str = ""
    low: int = 0
    high: int = 1
    precision: int = 0

    @property
    def name(self) -> str:
        """Return what queries, layouts and answers call it."""
        return f"sum({self.column})" if self.column else "count"

    @property
    def peak(self) -> int:
        """Return the most by which one row can change it, in units of 10^-precision."""
        unit: int = 10**self.precision
        return max(abs(self.low), abs(self.high)) * unit

    def to_json(self) -> dict[str, Any]:
        """Return what `from_json` reads."""
        if not self.column:
            return {"kind": "count"}
        bounds = {"low": self.low, "high": self.high, "precision": self.precision}
        return {"kind": "sum", "column": self.column, **bounds}

    @classmethod
    def from_json(cls, data: Any) -> Self:
        """Read one measure of a specification.

        Raises:
            Malformed: it is none.

        """
        if data == {"kind": "count"}:
            return cls()
        if not isinstance(data, dict) or data.keys() != {"kind", "column", "low", "high", "precision"}:
            raise Malformed("malformed measure: want a count, or a sum with column, low, high and precision")
        if data["kind"] != "sum":
            raise Malformed("malformed measure: its kind is count or sum")
        precision = _integer(data, "precision", 0, PRECISION_LIMIT)
        limit = (1 << 40) // 10**precision
        low, high = (_integer(data, bound, -limit, limit) for bound in ("low", "high"))
        if low >= high:
            raise Malformed(f"malformed measure: low is {low}, want less than high, {high}")
        return cls(_name(data["column"]), low, high, precision)


@dataclass(frozen=True)
class CubeSpec:
    """A cube's specification; dimensions and measures in the order of their names.

    Specifications that ask for the same thing are equal, so that a second
    cube of them would be found to be the first.
    """

    dimensions: tuple[str, ...]
    measures: tuple[Measure, ...]
    max_rows: int
    epsilon: int
    presence: Presence = Presence.NOISED
    parameters: str = DEFAULT_PARAMETERS

    @property
    def share(self) -> int:
        """Return the epsilon of one measure, and of the decision which cells are present."""
        return self.epsilon // (len(self.measures) + (self.presence is Presence.NOISED))

    def sensitivity(self, measure: Measure) -> int:
        """Return by how much one subject can change a measure over all cells together."""
        return self.max_rows * measure.peak

    def noise(self, measure: Measure) -> int:
        """Return the scale of a measure's Laplace noise in units of 10^-precision, rounded up."""
        return -(-self.sensitivity(measure) * 1_000_000 // self.share)

    def to_json(self) -> dict[str, Any]:
        """Return what `from_json` reads."""
        return {
            "dimensions": list(self.dimensions),
            "measures": [measure.to_json() for measure in self.measures],
            "max_rows": self.max_rows,
            "epsilon": self.epsilon,
            "presence": self.presence.value,
            "parameters": self.parameters,
        }

    def canonical(self) -> bytes:
        """Return the bytes whose digest names the specification."""
        return canonical(self.to_json())

    @classmethod
    def from_json(cls, data: Any) -> Self:
        """Read a specification; `presence` and `parameters` may be left out.

        Raises:
            Malformed: it is none, or asks for what the limits do not allow.

        """
        wanted = {"dimensions", "measures", "max_rows", "epsilon"}
        if not isinstance(data, Mapping) or not wanted <= data.keys() <= wanted | {"presence", "parameters"}:
            raise Malformed(f"malformed cube: want {', '.join(sorted(wanted))}")
        presence, parameters = data.get("presence", "noised"), data.get("parameters", DEFAULT_PARAMETERS)
        if presence not in list(Presence) or not isinstance(parameters, str):
            raise Malformed("malformed cube: presence is noised or exact, parameters is an id")
        return cls(
            _dimensions(data["dimensions"]),
            _measures(data["measures"]),
            _integer(data, "max_rows", 1, ROWS_LIMIT),
            # At least a millionth for each share.
            _integer(data, "epsilon", MEASURES_LIMIT + 1, EPSILON_LIMIT),
            Presence(presence),
            parameter_set(parameters).id,
        )


def _dimensions(names: Any) -> tuple[str, ...]:
    if not isinstance(names, list) or not 0 < len(names) <= DIMENSIONS_LIMIT:
        raise Malformed(f"malformed cube: want one to {DIMENSIONS_LIMIT} dimensions")
    found = tuple(sorted({_name(name) for name in names}))
    if len(found) != len(names):
        raise Malformed("malformed cube: a dimension is named twice")
    return found


def _measures(items: Any) -> tuple[Measure, ...]:
    if not isinstance(items, list) or not 0 < len(items) <= MEASURES_LIMIT:
        raise Malformed(f"malformed cube: want one to {MEASURES_LIMIT} measures")
    found = {(measure := Measure.from_json(item)).name: measure for item in items}
    if len(found) != len(items):
        raise Malformed("malformed cube: a measure is named twice")
    return tuple(found[name] for name in sorted(found))


def _name(value: Any) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= _NAME_LIMIT or not value.isprintable():
        raise Malformed(f"malformed cube: a column's name has 1 to {_NAME_LIMIT} printable characters")
    return value


def _integer(data: Mapping[str, Any], name: str, low: int, high: int) -> int:
    value = data[name]
    if type(value) is not int or not low <= value <= high:
        raise Malformed(f"malformed cube: {name} is not an integer from {low} to {high}")
    return value
