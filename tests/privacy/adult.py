"""The census extract as codes, and its published hierarchies as levels: what tests and benchmarks measure."""

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from dataspace.privacy.lattice import Axis
from tests.programs import shared

QUASI = ("sex", "age", "race", "marital-status", "education", "native-country", "workclass", "occupation")
SENSITIVE = "salary-class"

Codes = npt.NDArray[np.int64]


def folder() -> Path:
    return shared() / "data" / "adult_census"


def rows() -> list[dict[str, str]]:
    with (folder() / "adult.csv").open() as file:
        return list(csv.DictReader(file, delimiter=";"))


def codes(values: Sequence[str]) -> Codes:
    """Return the rank of each value among the distinct ones."""
    return np.unique(np.array(values), return_inverse=True)[1]


def axis(name: str, values: Sequence[str]) -> Axis:
    """Return a column with the levels of its published hierarchy."""
    with (folder() / f"adult_hierarchy_{name}.csv").open() as file:
        hierarchy = {line[0]: line for line in csv.reader(file, delimiter=";")}
    distinct = sorted(set(values))
    levels = zip(*(hierarchy[value] for value in distinct), strict=True)
    return Axis.of(codes(values), [codes(level) for level in levels])


def axes() -> list[Axis]:
    table = rows()
    return [axis(name, [row[name] for row in table]) for name in QUASI]
