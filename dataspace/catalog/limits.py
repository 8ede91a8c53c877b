"""What is taken of an upload, and how rows are refused that are not."""

from collections.abc import Sequence
from dataclasses import dataclass

from dataspace.errors import Unprocessable

SHOWN = 10  # bad rows that an error names


@dataclass(frozen=True)
class Limits:
    """What is taken: `record` and `field` in bytes of UTF-8.

    `plain` are bytes when nothing is compressed any more, `spool` those that a
    format whose reader jumps about is held in, `ratio` how often a compressed
    file may be its own size, `cells` those of a worksheet.
    """

    columns: int = 1000
    field: int = 1 << 20
    record: int = 8 << 20
    rows: int = 50_000_000
    plain: int = 4 << 30
    spool: int = 1 << 30
    ratio: int = 200
    cells: int = 25_000_000


@dataclass(frozen=True)
class Bad:
    """A row that cannot be read, by its line or number (the first is 1), and why; never what it holds."""

    line: int
    reason: str


def refusal(bad: Sequence[Bad], unit: str = "line") -> Unprocessable:
    """Return the error for rows that cannot be read; `unit` says what is counted: lines or rows."""
    shown = "; ".join(f"{unit} {row.line}: {row.reason}" for row in bad[:SHOWN])
    rows = [{unit: row.line, "reason": row.reason} for row in bad[:SHOWN]]
    return Unprocessable(f"the file has rows that cannot be read: {shown}", rows=rows)
