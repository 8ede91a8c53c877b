"""How precisely a column's values are written: a factor of its level (精度, GB/T 43697-2024).

numbers   decimals that more than 1 in 20 values have, 0 to 9; -k when all are multiples of 10^k
dates     1: years (all are the first of January), 2: months (the first of one), 3: days, 4: a time of day
texts     of dates and of pairs of numbers as above; any other 0
"""

from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from dataspace.table import Type

_MOST: Final = 100_000  # values that are looked at
_DECIMALS: Final = 9
_ROUND: Final = 6
_NUMBERS: Final = r"^[(\[]?[-+]?\d{1,18}(\.\d*)?([,; ] ?[-+]?\d{1,18}(\.\d*)?)?[)\]]?$"
_DAY: Final = r"^\d{4}([-/.年]\d{1,2}[-/.月]\d{1,2}日?|\d{4}$)"
_TIME: Final = r"^\d{4}[-/.]\d{1,2}[-/.]\d{1,2}[ T]\d{1,2}:\d\d"
_MONTH: Final = r"^\d{4}([-/.年]\d{1,2}月?|\d{2})$"


def precision(values: pa.Array | pa.ChunkedArray, kind: Type) -> int:
    """Return the precision of a column's values, as they are stored; 0 when there are none."""
    found = values.drop_null().slice(0, _MOST)
    if not len(found):
        return 0
    if kind is Type.DATE:
        return _days(found)
    if kind is Type.INTEGER:
        return _roundness(pc.cast(found, pa.int64()))
    texts = pc.cast(found, pa.string())
    if kind is Type.DECIMAL:
        return _decimals(texts)
    return _written(texts)


def _days(values: pa.Array | pa.ChunkedArray) -> int:
    if not _all(pc.equal(pc.day(values), 1)):
        return 3
    return 1 if _all(pc.equal(pc.month(values), 1)) else 2


def _roundness(numbers: pa.Array | pa.ChunkedArray) -> int:
    for power in range(1, _ROUND + 1):
        step = pa.scalar(10**power, pa.int64())
        if not _all(pc.equal(pc.multiply(pc.divide(numbers, step), step), numbers)):
            return 1 - power
    return -_ROUND


def _decimals(texts: pa.Array | pa.ChunkedArray) -> int:
    """Return the decimals that more than 1 in 20 texts have; trailing zeros are none."""
    for decimals in range(_DECIMALS, 0, -1):
        if _share(texts, rf"\.\d{{{decimals - 1}}}\d*[1-9]") > 0.05:
            return decimals
    return 0


def _written(texts: pa.Array | pa.ChunkedArray) -> int:
    if _share(texts, _TIME) > 0.5:
        return 4
    if _share(texts, _DAY) > 0.5:
        return 3
    if _share(texts, _MONTH) > 0.5:
        return 2
    return _decimals(texts) if _share(texts, _NUMBERS) > 0.5 else 0


def _share(texts: pa.Array | pa.ChunkedArray, pattern: str) -> float:
    return float(pc.mean(pc.match_substring_regex(texts, pattern)).as_py() or 0)


def _all(found: pa.Array | pa.ChunkedArray) -> bool:
    return bool(pc.all(found, min_count=0).as_py())
