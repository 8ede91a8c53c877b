"""What a cube is asked to be: dimensions, measures, bounds, and the privacy loss it may cost.

    {"dimensions": ["city", {"column": "age", "width": 10}, {"column": "income", "bands": "2000,5000"}],
     "measures": [{"kind": "count"},
                  {"kind": "sum", "column": "amount", "low": 0, "high": 5000, "precision": 2}],
     "max_rows": 3, "epsilon": 1000000, "presence": "noised", "complete": true}

A dimension is a column as it leaves, or a column of numbers in bins, as
`generalize` makes them (`parameters`); without any there is one cell. Of a
`complete` cube those rows count alone that have a value in every measured
column, so that its count is what its sums are divided by.

**Sensitivity.** Two neighbouring datasets differ by all rows of one subject, of
which a cube counts at most `max_rows` (the query engine drops the others). So a
measure changes by at most `max_rows` times what one row can change it
(`Measure.peak`) over all cells together (L1). Epsilon is divided equally over
the measures and, unless presence is exact, the decision which cells are present.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, Self, TypeVar

from dataspace.errors import Malformed
from dataspace.privacy.measure import PRECISION_LIMIT, Factor, Measure, column_name, integer
from dataspace.privacy.parameters import check_parameters, generalization
from dataspace.proof.canonical import canonical
from dataspace.table import Column, Method, Type
from dataspace.wire.envelope import MEASURES_LIMIT
from dataspace.wire.parameters import CUBE_SETS, DEFAULT_PARAMETERS

__all__ = ["PRECISION_LIMIT", "CubeSpec", "Factor", "Measure", "Presence", "aligned"]

DIMENSIONS_LIMIT: Final = 4
ROWS_LIMIT: Final = 1000  # of one subject
EPSILON_LIMIT: Final = 100_000_000
# Of a sensitivity and of a scale of noise: far from the end of the 64 bits in which values are kept.
_NOISE_LIMIT: Final = 1 << 53

Bins = Mapping[str, int | str]


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
class CubeSpec:
    """A cube's specification; dimensions and measures in the order of their names.

    `bins` are those of the dimensions that are in bins, by name.
    Specifications that ask for the same thing are equal, so that a second
    cube of them would be found to be the first. A cube is encoded for every
    set of `CUBE_SETS`; `parameters` names the one to ask under first.
    """

    dimensions: tuple[str, ...]
    measures: tuple[Measure, ...]
    max_rows: int
    epsilon: int
    presence: Presence = Presence.NOISED
    parameters: str = DEFAULT_PARAMETERS
    bins: Mapping[str, Bins] = field(default_factory=dict)
    complete: bool = False

    @property
    def share(self) -> int:
        """Return the epsilon of one measure, and of the decision which cells are present."""
        return self.epsilon // (len(self.measures) + (self.presence is Presence.NOISED))

    def sensitivity(self, measure: Measure) -> int:
        """Return by how much one subject can change a measure over all cells together."""
        return self.max_rows * measure.peak

    def noise(self, measure: Measure) -> int:
        """Return the scale of a measure's Laplace noise in units of 10^-precision, rounded up."""
        return -(-self.scale(measure) // 1_000_000)

    def scale(self, measure: Measure) -> int:
        """Return the scale of a measure's Laplace noise in millionths of 10^-precision, rounded up."""
        return -(-self.sensitivity(measure) * 1_000_000_000_000 // self.share)

    def to_json(self) -> dict[str, Any]:
        """Return what `from_json` reads."""
        # Not there when it is not asked for: cubes that were built before it was are found as they are.
        complete = {"complete": True} if self.complete else {}
        return {
            "dimensions": [
                {"column": name, **self.bins[name]} if name in self.bins else name for name in self.dimensions
            ],
            "measures": [measure.to_json() for measure in self.measures],
            "max_rows": self.max_rows,
            "epsilon": self.epsilon,
            "presence": self.presence.value,
            "parameters": self.parameters,
            **complete,
        }

    def canonical(self) -> bytes:
        """Return the bytes whose digest names the specification."""
        return canonical(self.to_json())

    @classmethod
    def from_json(cls, data: Any) -> Self:
        """Read a specification; `presence`, `parameters` and `complete` may be left out.

        Raises:
            Malformed: it is none, or asks for what the limits do not allow.

        """
        wanted, more = (
            {"dimensions", "measures", "max_rows", "epsilon"},
            {"presence", "parameters", "complete"},
        )
        if not isinstance(data, Mapping) or not wanted <= data.keys() <= wanted | more:
            raise Malformed(f"malformed cube: want {', '.join(sorted(wanted))}")
        presence, parameters = data.get("presence", "noised"), data.get("parameters", DEFAULT_PARAMETERS)
        complete = data.get("complete", False)
        if presence not in list(Presence) or parameters not in CUBE_SETS or type(complete) is not bool:
            raise Malformed(
                f"malformed cube: presence is noised or exact, complete true or false, "
                f"parameters {' or '.join(CUBE_SETS)}"
            )
        measures, bins = _measures(data["measures"]), _dimensions(data["dimensions"])
        return _bounded(
            cls(
                tuple(sorted(bins)),
                measures,
                integer(data, "max_rows", 1, ROWS_LIMIT),
                # At least a millionth for each share.
                integer(data, "epsilon", len(measures) + 1, EPSILON_LIMIT),
                Presence(presence),
                parameters,
                {name: parts for name, parts in bins.items() if parts},
                complete,
            )
        )


def aligned(bins: Bins, column: Column) -> bool:
    """Tell whether each bin is made of whole classes of a column that leaves in classes.

    Of bins that cut through its classes, two sets of them would tell parts of a class apart.
    """
    if column.method is not Method.GENERALIZE:
        return True
    cut = Column(column.name, Type.INTEGER, method=Method.GENERALIZE, parameters=bins)
    (_, ends), (own, classes) = generalization(cut), generalization(column)
    bounds = {int(end) for end in ends} if isinstance(ends, tuple) else {int(ends)}
    if isinstance(classes, tuple):
        return "bands" in bins and bounds <= set(classes)
    return own == "width" and all(bound % int(classes) == 0 for bound in bounds)


_Spec = TypeVar("_Spec", bound=CubeSpec)


def _bounded(spec: _Spec) -> _Spec:
    for measure in spec.measures:
        if max(spec.sensitivity(measure), spec.noise(measure)) >= _NOISE_LIMIT:
            raise Malformed(
                f"malformed cube: the noise of {measure.name} would pass what numbers can be: "
                "choose a larger epsilon, closer bounds or a lower precision"
            )
    return spec


def _dimensions(items: Any) -> dict[str, Bins]:
    """Return the bins of each dimension by its name, empty where it has none."""
    if not isinstance(items, list) or len(items) > DIMENSIONS_LIMIT:
        raise Malformed(f"malformed cube: want at most {DIMENSIONS_LIMIT} dimensions")
    found = dict(map(_dimension, items))
    if len(found) != len(items):
        raise Malformed("malformed cube: a dimension is named twice")
    return found


def _dimension(item: Any) -> tuple[str, Bins]:
    if not isinstance(item, Mapping):
        return column_name(item), {}
    if item.keys() - {"column"} not in ({"width"}, {"bands"}) or "column" not in item:
        raise Malformed("malformed cube: a dimension in bins has a column, and a width or bands")
    name, bins = column_name(item["column"]), {part: item[part] for part in item.keys() - {"column"}}
    check_parameters(Column(name, Type.INTEGER, method=Method.GENERALIZE, parameters=bins))
    return name, bins


def _measures(items: Any) -> tuple[Measure, ...]:
    if not isinstance(items, list) or not 0 < len(items) <= MEASURES_LIMIT:
        raise Malformed(f"malformed cube: want one to {MEASURES_LIMIT} measures")
    found = {(measure := Measure.from_json(item)).name: measure for item in items}
    if len(found) != len(items):
        raise Malformed("malformed cube: a measure is named twice")
    return tuple(found[name] for name in sorted(found))
