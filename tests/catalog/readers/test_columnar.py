import contextlib
import io
from collections.abc import Iterator
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dataspace.errors import DataSpaceError, Malformed, TooLarge, Unprocessable, Unsupported
from dataspace.sandbox import Pool
from tests.catalog.uploads import read, refused, request, types

SECRET = "Zhang-San-4711"


def parquet(table: pa.Table, **options: Any) -> bytes:
    target = io.BytesIO()
    pq.write_table(table, target, **options)
    return target.getvalue()


def _rows(error: Malformed) -> list[int]:
    return [row["row"] for row in error.facts["rows"]]


@pytest.mark.parametrize(
    ("values", "kind", "stored"),
    [
        (pa.array([1, None, -7], pa.int16()), "integer", [1, None, -7]),
        (pa.array([1, 2, 3], pa.uint32()), "integer", [1, 2, 3]),
        (pa.array([110_101_199_003_077_571, 1, 2]), "text", ["110101199003077571", "1", "2"]),
        (pa.array([(1 << 64) - 1, 1, 2], pa.uint64()), "text", ["18446744073709551615", "1", "2"]),
        (pa.array([1.5, -0.0, None]), "decimal", [1.5, 0.0, None]),
        (pa.array([1e300, 1, 2]), "decimal", [1e300, 1.0, 2.0]),
        (pa.array([0.5, 1, 2], pa.float32()), "decimal", [0.5, 1.0, 2.0]),
        (pa.array([Decimal("1.50"), None, Decimal(2)], pa.decimal128(10, 2)), "decimal", [1.5, None, 2.0]),
        (pa.array([Decimal(1), Decimal(2), None], pa.decimal128(10, 0)), "integer", [1, 2, None]),
        (
            pa.array([Decimal("1234567890123456.78"), None, Decimal(1)], pa.decimal128(20, 2)),
            "text",
            ["1234567890123456.78", None, "1.00"],
        ),
        (
            pa.array([Decimal("1.50"), Decimal(2), Decimal(3)], pa.decimal128(30, 2)),
            "decimal",
            [1.5, 2.0, 3.0],
        ),
        (pa.array(["00123", "7", ""]), "text", ["00123", "7", ""]),
        (pa.array(["1", "2", "3"], pa.large_string()), "text", ["1", "2", "3"]),
        (pa.array(["2024-02-29", "2024-03-01", None]), "text", ["2024-02-29", "2024-03-01", None]),
        (pa.array(["a", "b", "a"]).dictionary_encode(), "text", ["a", "b", "a"]),
        (pa.array([b"a", "张".encode(), None]), "text", ["a", "张", None]),
        (pa.array([True, False, None]), "text", ["true", "false", None]),
        (pa.array([date(2024, 2, 29)] * 3), "date", [date(2024, 2, 29)] * 3),
        (pa.array([datetime(2024, 2, 29)] * 3), "date", [date(2024, 2, 29)] * 3),  # noqa: DTZ001
        (pa.array([datetime(2024, 2, 29, 8)] * 3), "text", ["2024-02-29 08:00:00"] * 3),  # noqa: DTZ001
        (pa.array([datetime(2024, 2, 29, tzinfo=UTC)] * 3), "text", ["2024-02-29 00:00:00Z"] * 3),
        (pa.array([time(8, 30)] * 3, pa.time32("s")), "text", ["08:30:00"] * 3),
        (pa.nulls(3), "text", [None, None, None]),
    ],
)
def test_up_15_types_are_kept_where_they_lose_nothing(values: pa.Array, kind: str, stored: list[Any]) -> None:
    found, table = read(parquet(pa.table({"v": values, "w": ["x", "y", "z"]})))
    assert types(found) == {"v": kind, "w": "text"}
    assert table.column("v").to_pylist() == stored


def test_row_groups_are_read_one_after_the_other() -> None:
    values = [n * 7_919 % 10_007 for n in range(200_000)]
    content = parquet(pa.table({"v": values}), row_group_size=1_000)
    assert read(content)[1].column("v").to_pylist() == values


@pytest.mark.parametrize("compression", ["none", "snappy", "gzip", "zstd", "brotli", "lz4"])
def test_every_compression_is_read(compression: str) -> None:
    assert read(parquet(pa.table({"v": [1, 2]}), compression=compression))[0]["rows"] == 2


@pytest.mark.parametrize("nested", [[[1]], [{"a": 1}], pa.array([[(1, 2)]], pa.map_(pa.int8(), pa.int8()))])
def test_up_11_nested_columns_are_named_and_refused(nested: Any) -> None:
    error = refused(parquet(pa.table({"a": [1], "b": nested})))
    assert error.facts["columns"] == [2]


def test_up_11_deep_nesting_is_refused() -> None:
    kind = pa.int8()
    for _ in range(60):
        kind = pa.list_(kind)
    with pytest.raises(Unprocessable):
        read(parquet(pa.table({"a": pa.nulls(1, kind)})))


@pytest.mark.parametrize("token", [float("nan"), float("inf"), float("-inf")])
def test_up_16_what_is_no_finite_number_follows_the_declared_rule(token: float) -> None:
    content = parquet(pa.table({"v": [1.5, token, 2.0]}))
    assert read(content, declared={"not_finite": "null"})[1].column("v").to_pylist() == [1.5, None, 2.0]
    found, table = read(content)
    assert types(found) == {"v": "text"}
    assert table.column("v").to_pylist()[::2] == ["1.5", "2"]
    assert _rows(refused(content, declared={"not_finite": "error"})) == [2]


def test_up_13_rows_that_cannot_be_taken_are_named_by_number() -> None:
    values = ["x"] * 70_000 + ["a\0b", "x", "y" * 2_000]
    error = refused(parquet(pa.table({"v": values})), limits={"field": 1_000})
    assert _rows(error) == [70_001, 70_003]
    assert "NUL" in error.facts["rows"][0]["reason"]


@pytest.mark.parametrize(
    "values",
    [
        pa.array([0, 2_932_897], pa.int32()).view(pa.date32()),
        pa.array([0, -719_163], pa.int32()).view(pa.date32()),
        pa.array([0, -(2**31)], pa.int32()).view(pa.date32()),
        pa.array([0, 1 - 2**63], pa.int64()).view(pa.timestamp("us")),
        pa.array([0, 2**53], pa.int64()).view(pa.timestamp("ms")),
        pa.array([0, 2_932_897 * 86_400], pa.int64()).view(pa.timestamp("s")),
    ],
)
def test_up_16_days_that_no_calendar_has_are_refused_by_row(values: pa.Array) -> None:
    """They were stored, and whoever read them failed; or pyarrow's error left with the value in it."""
    error = refused(parquet(pa.table({"v": values})))
    assert _rows(error) == [2]
    assert "years 1 to 9999" in str(error)


@pytest.mark.parametrize("kind", [pa.time64("us"), pa.timestamp("ms", "UTC")])
def test_up_16_what_no_clock_tells_never_becomes_a_text(kind: pa.DataType) -> None:
    with pytest.raises(Unprocessable):
        read(parquet(pa.table({"v": pa.array([0, 2**62], pa.int64()).view(kind)})))


def test_the_last_day_and_the_first_are_taken() -> None:
    days = [date(1, 1, 1), None, date(9999, 12, 31)]
    assert read(parquet(pa.table({"v": days})))[1].column("v").to_pylist() == days


def test_up_12_bytes_that_are_no_text_are_refused() -> None:
    assert "cannot be read" in str(refused(parquet(pa.table({"v": ["北京".encode("gb18030")]}))))


def test_up_07_an_encrypted_file_is_told_as_one() -> None:
    with pytest.raises(Unsupported, match="encrypted"):
        read(b"PAR1" + bytes(40) + b"PARE")


def test_more_rows_than_the_limit_are_too_large() -> None:
    with pytest.raises(TooLarge):
        read(parquet(pa.table({"v": range(11)})), limits={"rows": 10})
    with pytest.raises(TooLarge, match="bytes"):
        read(parquet(pa.table({"v": range(1_000)})), limits={"plain": 1_000})


def _claiming(content: bytes, rows: int, claimed: int) -> Iterator[bytes]:
    """Yield the file with other numbers of rows in its footer: each alone, then all (thrift: zigzag)."""
    start = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    old, new = bytes([0x16, rows * 2]), bytes([0x16, claimed * 2])
    places = [place for place in range(start, len(content) - 8) if content[place : place + 2] == old]
    for place in places:
        yield content[:place] + new + content[place + 2 :]
    yield content[:start] + content[start:].replace(old, new)


def test_up_11_row_counts_that_lie_are_refused() -> None:
    content = parquet(pa.table({"v": [n * 7 % 41 for n in range(41)]}), use_dictionary=False)
    lying = [*_claiming(content, 41, 42), *_claiming(content, 41, 63)]
    assert len(lying) >= 8
    for spoiled in lying:
        with pytest.raises(Unprocessable):
            read(spoiled)


def test_up_11_a_footer_that_is_longer_than_the_file_is_refused() -> None:
    for size in (0, 50, 1 << 20, (1 << 32) - 1):
        assert "damaged" in str(refused(b"PAR1" + bytes(20) + size.to_bytes(4, "little") + b"PAR1"))


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    pool = Pool("dataspace.catalog.intake:Intake", workers=1, memory=2 << 30, deadline=60)
    yield pool
    pool.close()


def test_up_11_a_dictionary_that_becomes_gigabytes_ends_in_the_child(pool: Pool, tmp_path: Path) -> None:
    # Two rows of a kilobyte on the disk, sixty gigabytes when each row has its own copy.
    indices = pa.array([0], pa.int32()).take(pa.array([0] * 65_536))
    huge = pa.DictionaryArray.from_arrays(indices, pa.array(["x" * (1 << 20)]))
    content = parquet(pa.table({"v": huge}), compression="zstd")
    assert len(content) < 100_000
    with pytest.raises(DataSpaceError) as caught:
        pool.call("read", request(tmp_path, content))
    assert isinstance(caught.value, Malformed)
    assert not (tmp_path / "target").exists()


def test_up_11_spoiled_footers_and_pages_end_in_errors_of_one_kind(pool: Pool, tmp_path: Path) -> None:
    content = parquet(
        pa.table({"v": [f"word{n % 7}" for n in range(500)], "n": range(500)}), compression="zstd"
    )
    for number, place in enumerate(range(4, len(content) - 8, 37)):
        folder = tmp_path / str(number)
        folder.mkdir()
        spoiled = content[:place] + bytes([content[place] ^ 0xFF, 0xFF, 0xFF, 0xFF]) + content[place + 4 :]
        with contextlib.suppress(Malformed):
            pool.call("read", request(folder, spoiled))


def test_up_13_no_error_quotes_the_content() -> None:
    content = parquet(pa.table({SECRET: [SECRET], "b": [[SECRET]]}))
    with pytest.raises(Malformed) as caught:
        read(content)
    assert SECRET not in repr(caught.value) + repr(caught.value.__cause__)


@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_up_15_what_goes_in_comes_out(data: st.DataObject) -> None:
    cells = st.none() | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
    texts = data.draw(st.lists(cells, min_size=1, max_size=6))
    # Below those that are telephone numbers: these become texts.
    integers = st.none() | st.integers(-(10**14), 10**10)
    numbers = data.draw(st.lists(integers, min_size=len(texts), max_size=len(texts)))
    table = pa.table({"t": pa.array(texts, pa.string()), "n": pa.array(numbers, pa.int64())})
    _, read_back = read(parquet(table))
    assert read_back.column("t").to_pylist() == texts
    assert read_back.column("n").to_pylist() == numbers or not any(numbers)
