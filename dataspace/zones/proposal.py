"""What a column seems to be, with the evidence: the values that `classify` returns."""

from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from dataspace.table import Column, Type


@dataclass(frozen=True)
class Sampled:
    """A column as the sample shows it: `name` as uploaded, `values` its texts and nulls."""

    name: str
    type: Type
    values: pa.StringArray


@dataclass(frozen=True)
class Alternative:
    """Another category that something speaks for."""

    category: str
    confidence: int
    evidence: str
    evidence_zh: str

    def to_json(self) -> dict[str, Any]:
        """Return the alternative as plain data."""
        return {
            "category": self.category,
            "confidence": self.confidence,
            "evidence": self.evidence,
            "evidence_zh": self.evidence_zh,
        }


@dataclass(frozen=True)
class Proposal:
    """What a column seems to be; `confidence` in percent; `passed` of `seen` values passed the check.

    `strong`: most values have a right check digit, which hardly happens by
    chance. `ruled`: a correction that the provider made before decided.
    """

    column: Column
    confidence: int
    evidence: str
    evidence_zh: str
    named: bool
    check: str
    passed: int
    seen: int
    strong: bool = False
    ruled: bool = False
    alternatives: tuple[Alternative, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the proposal as plain data; the column lies beside it, under its name."""
        return {
            "column": self.column.name,
            "category": self.column.category,
            "confidence": self.confidence,
            "evidence": self.evidence,
            "evidence_zh": self.evidence_zh,
            "named": self.named,
            "check": self.check,
            "passed": self.passed,
            "seen": self.seen,
            "strong": self.strong,
            "ruled": self.ruled,
            "alternatives": [alternative.to_json() for alternative in self.alternatives],
        }
