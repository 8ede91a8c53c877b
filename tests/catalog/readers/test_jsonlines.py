import contextlib
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dataspace.errors import Malformed, TooLarge, Unprocessable
from tests.catalog.uploads import lines, read, refused, types

SECRET = "Zhang-San-4711"


def _lines(*rows: dict[str, Any]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def test_members_become_columns_in_the_order_of_their_coming() -> None:
    found, table = read(_lines({"b": 1}, {"a": "x", "b": None}, {"c": 1.5}))
    assert types(found) == {"b": "integer", "a": "text", "c": "decimal"}
    assert table.to_pylist() == [
        {"b": 1, "a": None, "c": None},
        {"b": None, "a": "x", "c": None},
        {"b": None, "a": None, "c": 1.5},
    ]


def test_an_empty_text_is_not_null() -> None:
    assert read(_lines({"a": ""}, {"a": None}, {"a": "x"}))[1].column("a").to_pylist() == ["", None, "x"]


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["00123", "7"], "text"),
        (["1", "2"], "text"),
        (["1.5"], "text"),
        ([0, -7, 999_999_999_999_999], "integer"),
        ([110_101_199_003_077_571, 1], "text"),
        ([10**30], "text"),
        ([1, 2.5], "decimal"),
        ([0.1, 844.4218515250482], "decimal"),
        ([True, False], "text"),
        (["2024-02-29", None], "date"),
        (["2024-02-29", ""], "text"),
        (["07/08/2024"], "text"),
        (["2024-02-29", 1], "text"),
    ],
)
def test_up_15_values_stay_what_they_are(values: list[Any], kind: str) -> None:
    found, table = read(_lines(*({"v": value} for value in values)))
    assert types(found) == {"v": kind}
    for value, stored in zip(values, table.column("v").to_pylist(), strict=True):
        said = json.dumps(value) if isinstance(value, (bool, int, float)) else value
        assert stored == value or str(stored) == said


def test_up_15_numbers_beside_texts_stay_as_they_are_written() -> None:
    _, table = read('{"v":1.10}\n{"v":"x"}\n{"v":1e5}\n{"v":7}\n')
    assert table.column("v").to_pylist() == ["1.10", "x", "1e5", "7"]


def test_up_15_digits_beyond_a_double_make_a_text() -> None:
    found, table = read('{"v":0.1234567890123456789,"w":1.5}\n{"v":2.50,"w":2}\n')
    assert types(found) == {"v": "text", "w": "decimal"}
    assert table.column("v").to_pylist() == ["0.1234567890123456789", "2.50"]
    assert "more digits" in found["warnings"][0]


def test_up_15_a_long_whole_number_among_decimals_is_not_rounded() -> None:
    content = '{"v":1.5}\n' * 20_000 + '{"v":9007199254740993}\n'
    assert read(content)[1].column("v")[-1].as_py() == "9007199254740993"


@pytest.mark.parametrize(
    "number", ["1.5e-400", "1.2345678e-320", "9007199254740993.0", "0.30000000000000003"]
)
@pytest.mark.parametrize("before", [1, 20_000])
def test_up_16_a_number_that_no_double_tells_is_not_rounded_nor_zero(number: str, before: int) -> None:
    content = '{"v":1.5}\n' * before + f'{{"v":{number}}}\n'
    assert read(content)[1].column("v")[-1].as_py() == number


def test_numbers_that_programs_write_of_doubles_stay_numbers() -> None:
    content = '{"v":0.10000000000000001}\n{"v":844.4218515250482}\n{"v":0.0e-400}\n'
    assert read(content)[1].column("v").to_pylist() == [0.1, 844.4218515250482, 0.0]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_up_12_lines_in_utf_16_are_found_to_be_json(encoding: str) -> None:
    found, table = read('{"城市":"北京"}\n{"城市":"上海"}\n'.encode(encoding))
    assert (found["format"], table.column("城市").to_pylist()) == ("jsonl", ["北京", "上海"])


@pytest.mark.parametrize("token", ["NaN", "Infinity", "-Infinity", "1e400"])
def test_up_16_what_is_no_finite_number_follows_the_declared_rule(token: str) -> None:
    content = f'{{"v":1.5}}\n{{"v":{token}}}\n{{"v":2}}\n'
    assert read(content)[1].column("v").to_pylist() == ["1.5", token, "2"]
    assert read(content, declared={"not_finite": "null"})[1].column("v").to_pylist() == [1.5, None, 2.0]
    assert lines(refused(content, declared={"not_finite": "error"})) == [2]


def test_up_16_minus_zero_is_zero() -> None:
    values = read('{"v":-0.0}\n{"v":1.5}\n')[1].column("v").to_pylist()
    assert str(values[0]) == "0.0"


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ("", "an empty line"),
        ("{", "no JSON"),
        ("{'a':1}", "no JSON"),
        ('{"a":01}', "no JSON"),
        ('{"a":1,}', "no JSON"),
        ('{"a":1} {"a":2}', "no JSON"),
        ('{"a":"x\ty"}', "no JSON"),
        ("[1]", "no object"),
        ("7", "no object"),
        ('{"a":1,"a":2}', "twice"),
        ('{"a":[1]}', "inside a value"),
        ('{"a":{"b":1}}', "inside a value"),
        ('{"a":' + "[" * 100_000, "inside a value"),
        (r'{"a":"\ud800"}', "half a character"),
        (r'{"a":"\u0000"}', "NUL"),
        (r'{"\ud800":1}', "half a character"),
        ('{"a":"' + "x" * (2 << 20) + '"}', "want at most"),
    ],
)
def test_up_13_bad_lines_are_named(bad: str, reason: str) -> None:
    error = refused('{"a":"x"}\n' * 3 + bad + "\n" + '{"a":"y"}\n')
    assert lines(error) == [4]
    assert reason in error.facts["rows"][0]["reason"]


def test_up_13_bad_lines_of_a_long_file_are_counted_through() -> None:
    content = '{"a":12345678}\n' * 700_000 + '{"a":1,"a":2}\n' + '{"a":3}\n' * 9 + '{"a":1}{"a":2}\n'
    assert lines(refused(content)) == [700_001, 700_011]


def test_up_13_at_most_ten_bad_lines_are_shown() -> None:
    assert lines(refused('{"a":1}\n' + "x\n" * 50)) == list(range(2, 12))


def test_up_13_objects_that_share_lines_are_refused_wherever_they_stand() -> None:
    content = '{"a":1}\n' * 20_000
    assert lines(refused(content + '{"a":1}{"a":2}\n{"a":3\n}\n')) == [20_001, 20_002, 20_003]


def test_up_13_an_endless_line_does_not_eat_the_memory() -> None:
    with pytest.raises(TooLarge):
        read('{"a":"' + "x" * (20 << 20))


@pytest.mark.parametrize(
    "content", [f'{{"{SECRET}":1', f'{{"a":"{SECRET}", "a":1}}', f'{{"a":["{SECRET}"]}}', SECRET]
)
def test_up_13_no_error_quotes_the_content(content: str) -> None:
    with pytest.raises(Malformed) as caught:
        read('{"a":1}\n' + content + "\n", declared={"format": "jsonl"})
    assert SECRET not in repr(caught.value) + str(caught.value.facts) + repr(caught.value.__cause__)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
def test_up_12_lines_in_the_encodings_of_the_country_are_read(encoding: str) -> None:
    content = (_lines({"城市": "北京市"}) * 3).encode(encoding)
    declared = {} if encoding != "utf-16" else {"format": "jsonl"}
    _, table = read(content, declared=declared)
    assert table.column("城市").to_pylist() == ["北京市"] * 3


def test_line_ends_of_windows_and_empty_lines_at_the_end_are_taken() -> None:
    assert read('{"a":1}\r\n{"a":2}\r\n\r\n\n')[1].column("a").to_pylist() == [1, 2]


def test_a_type_that_changes_late_is_seen() -> None:
    content = '{"a":1,"b":"x"}\n' * 400_000 + '{"a":"00123","b":"x","c":true}\n'
    found, table = read(content)
    assert types(found) == {"a": "text", "b": "text", "c": "text"}
    assert table.slice(399_999).to_pylist() == [
        {"a": "1", "b": "x", "c": None},
        {"a": "00123", "b": "x", "c": "true"},
    ]


def test_objects_without_members_are_no_table() -> None:
    assert "no rows" in str(refused("{}\n{}\n", declared={"format": "jsonl"}))


def test_more_members_than_columns_are_taken_are_refused() -> None:
    with pytest.raises(Unprocessable, match="columns"):
        read("".join(f'{{"c{n}":1}}\n' for n in range(2_000)))


VALUE = (
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.fixed_dictionaries({"a": VALUE, "b": VALUE}), min_size=1, max_size=6))
def test_up_15_what_goes_in_comes_out(rows: list[dict[str, Any]]) -> None:
    _, table = read(_lines(*rows))
    for row, stored in zip(rows, table.to_pylist(), strict=True):
        for name, value in row.items():
            out = stored[name]
            if value is None or isinstance(out, (int, float)):
                assert out == value
            else:
                assert str(out) == (value if isinstance(value, str) else json.dumps(value))


@settings(max_examples=100, suppress_health_check=[HealthCheck.too_slow])
@given(st.text(st.sampled_from('{}[]":,a1.-e\\u0d8 \n\t张'), max_size=60), st.booleans())
def test_arbitrary_lines_raise_one_kind_of_error(text: str, headed: bool) -> None:
    with contextlib.suppress(Malformed):
        read(('{"a":1}\n' if headed else "") + text, declared={"format": "jsonl"})
