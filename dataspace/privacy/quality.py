"""How good the values of a column are, in the words of GB/T 36344-2018: 完整性, 唯一性, 准确性, 时效性.

    completeness   values that are there, of all rows
    uniqueness     distinct values, of those that are there
    validity       values that are what the column's category says, of those looked at
    freshness      the newest date, no more exactly than the column's dates leave

Shares are whole parts per million; what cannot be said is null.
"""

from dataclasses import dataclass
from datetime import date
from typing import Any

from dataspace.privacy.desensitize import quoted
from dataspace.privacy.risk import MILLION
from dataspace.table import Column, Method, Type


@dataclass(frozen=True)
class Quality:
    """What was counted of a column; `checked` values were looked at, and `valid` of them passed.

    `checked` is 0 where the category does not say what its values are like.
    """

    column: str
    rows: int
    present: int
    distinct: int
    checked: int = 0
    valid: int = 0
    newest: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return shares in parts per million."""
        return {
            "column": self.column,
            "completeness_ppm": _share(self.present, self.rows),
            "uniqueness_ppm": _share(self.distinct, self.present),
            "validity_ppm": _share(self.valid, self.checked),
            "checked": self.checked,
            "newest": self.newest or None,
        }


def profile(column: Column, source: str) -> str:
    """Return SQL of `(values present, distinct ones, the newest date or NULL)`; one row."""
    name = quoted(column.name)
    newest = f"max({name})" if column.type is Type.DATE else "NULL"
    # Hashes of 64 bits: long texts are counted in the memory that short ones take.
    distinct = f"count(DISTINCT hash({name})) FILTER ({name} IS NOT NULL)"
    return f"SELECT count({name}), {distinct}, {newest} FROM {source}"


def freshness(column: Column, newest: date | None) -> str:
    """Return the newest date of a column of dates as it may be told to everybody: its month, or less.

    It is a cell: of a column that is drawn or suppressed nothing is told, and of
    one that leaves by quarter or year no more than that.
    """
    if newest is None or column.method not in {Method.KEEP, Method.GENERALIZE}:
        return ""
    unit = column.parameters.get("unit", "month")
    quarter = (newest.month + 2) // 3
    told = {"month": f"{newest:%m}", "quarter": f"Q{quarter}"}.get(str(unit), "")
    return "-".join(filter(None, [f"{newest.year:04}", told]))


def _share(part: int, whole: int) -> int | None:
    return part * MILLION // whole if whole else None
