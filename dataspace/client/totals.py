"""What comes of a joint statistic: totals by cell with the error to expect, and what each zone says of it."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from dataspace.errors import Malformed, VerificationError
from dataspace.proof.receipt import Receipt
from dataspace.wire.joint import Cell, Job, Measure


@dataclass(frozen=True)
class ZonePart:
    """What a zone says of its part: `entry` in its own ledger has `sha256`; `epsilon` is in millionths.

    Units, epsilon and price (in fen) are what this asking cost: 0 when an earlier one was charged.
    """

    peer: str
    entry: int
    sha256: str
    units: int
    epsilon: int
    price: int


@dataclass(frozen=True)
class JointTable:
    """Joint totals by cell; each has the noise of every zone in it, whose size is known.

    A zone in which a cell has too few subjects adds nothing to it but noise:
    totals of small cells are rather too small than too large.
    """

    job: Job
    totals: Mapping[str, tuple[int, ...]] = field(repr=False)  # by measure, in units of 10^-precision
    zones: Mapping[str, ZonePart]
    _receipts: Mapping[str, Callable[[int], bytes]] = field(repr=False)

    @property
    def cells(self) -> tuple[Cell, ...]:
        """Return the cells, in the order of the dimensions' names."""
        return self.job.cells

    @property
    def epsilon(self) -> int:
        """Return what each zone charged for the job, in millionths."""
        return self.job.epsilon

    def values(self, measure: str) -> list[float]:
        """Return the total of each cell in whole units: `count`, `sum(column)` or `mean(column)`.

        A mean is NaN where the noised count is not positive.
        """
        if measure.startswith("mean("):
            sums = zip(self.values(f"sum{measure[4:]}"), self.values("count"), strict=True)
            return [total / count if count > 0 else math.nan for total, count in sums]
        unit = 10 ** self._measure(measure).precision
        return [total / unit for total in self.totals[measure]]

    def error(self, measure: str) -> float:
        """Return the standard deviation of the noise in each total, in whole units.

        It is that of as many Laplace draws as there are zones, and follows from the question alone.
        """
        wanted = self._measure(measure)
        scale: float = self.job.noise(wanted) / 10**wanted.precision
        return scale * math.sqrt(2 * len(self.job.peers))

    def errors(self, measure: str) -> list[float]:
        """Return the expected error of each cell; of a mean, to the first order in those of sum and count."""
        if not measure.startswith("mean("):
            return [self.error(measure)] * len(self.cells)
        of_sum, of_count = self.error(f"sum{measure[4:]}"), self.error("count")
        pairs = zip(self.values(measure), self.values("count"), strict=True)
        return [
            math.hypot(of_sum, mean * of_count) / count if count > 0 else math.nan for mean, count in pairs
        ]

    def to_pandas(self) -> Any:
        """Return a row for each cell: the dimensions, each measure, and the expected error of each.

        Where there are a sum and a count there is a mean too. Needs pandas.
        """
        import pyarrow as pa  # noqa: PLC0415 - pandas, which it imports, is an extra

        columns: dict[str, Any] = {
            name: [cell[place] for cell in self.cells] for place, name in enumerate(self.job.dimensions)
        }
        for name in self._named():
            columns[name] = self.values(name)
            columns[f"error of {name}"] = self.errors(name)
        return pa.table(columns).to_pandas()

    def receipts(self) -> dict[str, bytes]:
        """Fetch the receipt of each zone, and return them when their records are of this job and these parts.

        They are not verified here: `DataSpace.verify` does that, with each zone's key from elsewhere.

        Raises:
            VerificationError: a zone's ledger has another question or another part.

        """
        return {peer: self._receipt(peer, zone) for peer, zone in self.zones.items()}

    def _receipt(self, peer: str, zone: ZonePart) -> bytes:
        data = self._receipts[peer](zone.entry)
        receipt = Receipt.parse(data)
        told = receipt.record.fields
        wanted = {"kind": "query.answered", "form": "joint", "agreement": self.job.agreements[peer]}
        wanted |= {"query_sha256": self.job.sha256, "answer_sha256": zone.sha256}
        if receipt.proof.index != zone.entry or any(told.get(name) != want for name, want in wanted.items()):
            raise VerificationError(f"the ledger of {peer} has another entry than that of this job's part")
        return data

    def _measure(self, name: str) -> Measure:
        found = {measure.name: measure for measure in self.job.measures}
        if name not in found:
            raise Malformed(f"there is no measure {name!r}: want one of {', '.join(self._named())}")
        return found[name]

    def _named(self) -> list[str]:
        names = [measure.name for measure in self.job.measures]
        means = [f"mean{name[3:]}" for name in names if name.startswith("sum(") and "count" in names]
        return [*names, *means]
