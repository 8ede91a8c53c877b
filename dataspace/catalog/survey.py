"""What the first pass over an upload found, whatever the file's format."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import pyarrow as pa

from dataspace.catalog.inference import NotFinite
from dataspace.catalog.limits import Bad, refusal
from dataspace.table import Type

SAMPLE_ROWS = 10_000
SAMPLE_CELLS = 2_000_000
PREVIEW_ROWS = 20
BLOCK = 4 << 20  # bytes that are looked at in one piece


@dataclass(frozen=True)
class Declared:
    """What the provider says of the file; what is left out is found."""

    format: str = ""
    encoding: str = ""
    delimiter: str = ""
    sheet: str = ""
    not_finite: NotFinite = NotFinite.TEXT
    exponents: bool = False


class Learned(Protocol):
    """What is known of one column; `token_lines` are where values stand that are no finite number."""

    seen: int
    token_lines: list[int]

    def type(self, rule: NotFinite) -> Type:
        """Return the column's type under the rule for values that are no number."""
        ...

    def remark(self, rule: NotFinite, kind: Type) -> str:
        """Return what the provider should know of the column as it was typed; nothing if all is well."""
        ...


@dataclass
class Survey:
    """What the first pass found. `header` and `names` are the columns' names as uploaded and from now on.

    `sample` and `first` are tables of texts. `text_bytes` is what the table
    takes as text: an upload may be a hundredth of it.
    """

    format: str = "csv"
    delimiter: str = ""
    encoding: str = ""
    sheets: list[str] = field(default_factory=list)
    sheet: str = ""
    header: list[str] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    columns: Sequence[Learned] = ()
    rows: int = 0
    text_bytes: int = 0
    warnings: list[str] = field(default_factory=list)
    sample: pa.Table = None
    first: pa.Table = None

    def mapping(self) -> list[dict[str, str]]:
        """Return the names that were changed."""
        pairs = zip(self.header, self.names, strict=True)
        return [{"from": old, "to": new} for old, new in pairs if old != new]


def sample_quota(columns: int, blocks: int) -> tuple[int, int]:
    """Return how many rows are sampled at most, and of each block.

    Wide tables are sampled less, for what is learned from a sample costs by the cell.
    """
    most = min(SAMPLE_ROWS, SAMPLE_CELLS // max(columns, 1))
    return most, most // max(blocks, 1) + 1


def refuse_tokens(columns: Iterable[Learned], rule: NotFinite, unit: str) -> None:
    """Refuse values that are no number in columns of numbers, when that is the declared rule.

    Raises:
        Unprocessable: there are some.

    """
    if rule is not NotFinite.ERROR:
        return
    bad = [
        Bad(line, f"no finite number in column {position}")
        for position, column in enumerate(columns, 1)
        if column.type(NotFinite.NULL) is not Type.TEXT
        for line in column.token_lines
    ]
    if bad:
        raise refusal(sorted(bad, key=lambda row: row.line), unit)
