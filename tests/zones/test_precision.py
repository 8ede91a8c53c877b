from datetime import date

import pyarrow as pa
import pytest

from dataspace.table import Type
from dataspace.zones.precision import precision

D = Type.DECIMAL


@pytest.mark.parametrize(
    ("values", "kind", "expected"),
    [
        ([39.9042, 116.4074], D, 4),
        ([39.5, 40.0, 1.0], D, 1),
        ([1.0, 2.0], D, 0),
        ([1.25] + [1.0] * 99, D, 0),
        ([1200, 3400], Type.INTEGER, -2),
        ([1200, 3401], Type.INTEGER, 0),
        ([-500], Type.INTEGER, -2),
        ([date(2024, 1, 1), date(2020, 1, 1)], Type.DATE, 1),
        ([date(2024, 3, 1), date(2020, 1, 1)], Type.DATE, 2),
        ([date(2024, 3, 2), None], Type.DATE, 3),
        (["2024-03-02 10:00:00"], Type.TEXT, 4),
        (["20240302", "20240303"], Type.TEXT, 3),
        (["2024年3月2日"], Type.TEXT, 3),
        (["2024-03"], Type.TEXT, 2),
        (["116.4074,39.9042"], Type.TEXT, 4),
        (["张伟", "3.1415"], Type.TEXT, 0),
        ([None], Type.TEXT, 0),
        ([], Type.INTEGER, 0),
    ],
)
def test_precision_is_counted(values: list[object], kind: Type, expected: int) -> None:
    types = {D: pa.float64(), Type.INTEGER: pa.int64(), Type.DATE: pa.date32(), Type.TEXT: pa.string()}
    assert precision(pa.array(values, types[kind]), kind) == expected
    assert precision(pa.chunked_array([values, values], types[kind]), kind) == expected
