"""The manifest of a sealed dataset: what its provider tells the key service alone, sealed to it.

Labels and subjects by cell, bounds, the budget, and the secrets: the BFV key,
the seed of the tags' pads, each measure's alpha. The platform carries it and
cannot open it.
"""

from collections.abc import Sequence
from typing import Annotated, Any, Final, Self

import msgspec

from dataspace.errors import Malformed
from dataspace.wire.frame import join_parts, split_parts
from dataspace.wire.sealed import CELLS_LIMIT, COUNT, Report

SUPPRESSED: Final = "*"  # the label of what is too rare to have one

_MAGIC: Final = b"DSMF\x01"
_Natural = Annotated[int, msgspec.Meta(ge=1, le=1 << 40)]
_Bound = Annotated[int, msgspec.Meta(ge=-(1 << 40), le=1 << 40)]
_SEED: Final = 32
_PAIR: Final = 4  # bytes of a subject's number


class Bounds(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A measure: its values are clamped to low..high, in units of 10^-precision; `alpha` is of its tags."""

    name: str
    low: _Bound
    high: _Bound
    precision: Annotated[int, msgspec.Meta(ge=0, le=6)]
    alpha: Annotated[int, msgspec.Meta(ge=1, lt=1 << 40)] = 1

    @property
    def peak(self) -> int:
        """The most by which one row changes a total, in units of 10^-precision."""
        unit: int = 10**self.precision
        return max(abs(self.low), abs(self.high)) * unit


COUNTING: Final = Bounds(name=COUNT, low=0, high=1, precision=0)


class Facts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The part of a manifest that is numbers and labels; lists of cells are in the order of their numbers.

    `epsilon`, in millionths, is what all answers together may spend. `subjects`
    are the distinct subjects of each cell.
    """

    provider_key: str
    blocks_sha256: str
    dimensions: list[str]
    cells: Annotated[list[list[str | None]], msgspec.Meta(min_length=1, max_length=CELLS_LIMIT)]
    counts: list[_Natural]
    subjects: list[_Natural]
    measures: list[Bounds]
    max_rows: _Natural
    min_group: _Natural
    epsilon: _Natural


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """A manifest with its secrets.

    `pairs` are the subjects of each cell, cell by cell: numbers of 4 bytes, little endian.
    """

    facts: Facts
    secret_key: bytes
    seed: bytes
    pairs: bytes

    def __repr__(self) -> str:
        return "Manifest(...)"

    def encode(self) -> bytes:
        """Return the manifest as it is sealed."""
        return join_parts(_MAGIC, [msgspec.json.encode(self.facts), self.secret_key, self.seed, self.pairs])

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Read a manifest.

        Raises:
            Malformed: it is none, or contradicts itself.

        """
        facts, secret_key, seed, pairs = split_parts(data, _MAGIC, 4)
        try:
            read = msgspec.json.decode(facts, type=Facts)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise Malformed("malformed manifest of a sealed dataset") from error
        found = cls(facts=read, secret_key=bytes(secret_key), seed=bytes(seed), pairs=bytes(pairs))
        _check(found)
        return found

    def check_report(self, report: Report) -> None:
        """Let a report pass that says what the manifest says: the platform may have made another.

        Raises:
            Malformed: it does not.

        """
        facts = self.facts
        said: list[tuple[Any, Any]] = [
            (facts.provider_key, report.provider_key),
            (facts.blocks_sha256, report.blocks_sha256),
            (facts.dimensions, report.dimensions),
            (facts.counts, report.counts),
            ([measure.name for measure in facts.measures], report.measures),
            ((facts.max_rows, facts.min_group), (report.max_rows, report.min_group)),
        ]
        if any(mine != theirs for mine, theirs in said):
            raise Malformed("the report of the sealed dataset is not the one of its manifest")

    def measure(self, name: str) -> tuple[int, Bounds]:
        """Return the place and the bounds of a measure; that of the count is -1.

        Raises:
            Malformed: there is none of that name.

        """
        if name == COUNT:
            return -1, COUNTING
        for place, measure in enumerate(self.facts.measures):
            if measure.name == name:
                return place, measure
        raise Malformed("the sealed dataset has no such measure")

    def subjects_of(self, cell: int) -> memoryview:
        """Return the numbers of a cell's subjects, 4 bytes each."""
        begin = sum(self.facts.subjects[:cell])
        return memoryview(self.pairs)[_PAIR * begin : _PAIR * (begin + self.facts.subjects[cell])]


def _check(found: Manifest) -> None:
    facts = found.facts
    lengths: Sequence[int] = [len(facts.counts), len(facts.subjects)]
    right = all(length == len(facts.cells) for length in lengths) and len(found.seed) == _SEED
    right = right and all(len(labels) == len(facts.dimensions) for labels in facts.cells)
    right = right and len(found.pairs) == _PAIR * sum(facts.subjects)
    if not right or any(measure.low >= measure.high for measure in facts.measures):
        raise Malformed("malformed manifest: its parts contradict themselves")
