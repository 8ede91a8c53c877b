import contextlib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dataspace.errors import Malformed, TooLarge, Unsupported
from tests.catalog.uploads import lines, read, refused

SECRET = "Zhang-San-4711"


@pytest.mark.parametrize(
    ("content", "bad", "reason"),
    [
        ("a,b\n1,2\n3\n4,5,6\n", [3, 4], "want 2"),
        ("a,b\n1,2\n\n3,4\n", [3], "an empty line"),
        ('a,b\n1,"2\n3,4\n', [2], "never closed"),
        ('a,b\n1,"2\n3,"4"\n', [2], "does not end"),
        ('a,b\n1,x"2"\n', [2], "inside an unquoted"),
        ('a,b\n1,"2"x\n', [2], "does not end"),
        ('a,b\n"x\ny",1\n2\n', [4], "1 field"),
        ("a,b\n1,\0\n", [2], "NUL"),
        ("a,b\r1,2\r3,4\r", [1], "carriage return"),
        ("a,b\n1,2\r3,4\n5,6\n", [2], "carriage return"),
    ],
)
def test_up_13_bad_rows_are_named_by_line(content: str, bad: list[int], reason: str) -> None:
    error = refused(content)
    assert lines(error) == bad
    assert reason in error.facts["rows"][0]["reason"]


def test_up_13_at_most_ten_bad_rows_are_shown() -> None:
    assert lines(refused("a,b\n" + "1\n" * 50)) == list(range(2, 12))


def test_up_13_bad_rows_of_a_long_file_are_counted_through() -> None:
    content = "a,b\n" + "1,22222222\n" * 600_000 + "3\n" + "4,5\n" * 9 + "6,7,8\n"
    assert lines(refused(content)) == [600_002, 600_012]


def test_up_13_an_oversize_field_is_refused() -> None:
    error = refused("a,b\n1,2\n3," + "x" * (2 << 20) + "\n")
    assert lines(error) == [3]
    with pytest.raises(TooLarge, match="line 2"):
        read("a,b\n1," + "x" * (20 << 20) + "\n")


def test_up_13_an_unclosed_quote_does_not_eat_the_memory() -> None:
    with pytest.raises(TooLarge, match="line 2"):
        read('a,b\n1,"' + "xxxxxxx\n" * (3 << 20))


@pytest.mark.parametrize(
    "content",
    [
        f"a,b\n1,2\n{SECRET}\n",
        f'a,b\n1,"{SECRET}\n',
        f'a,b\n1,x"{SECRET}"\n',
        f"{SECRET},{SECRET}\n1,2\n",
        f"{SECRET},\n1,2\n",
        f"a,b\n{SECRET},\0\n",
        f"{SECRET}\n",
        f"a,b\n1,{SECRET}\xff".encode("latin-1").decode("latin-1"),
    ],
)
def test_up_13_no_error_quotes_the_content(content: str) -> None:
    data = content.encode("latin-1")
    with pytest.raises(Malformed) as caught:
        read(data)
    cause: BaseException | None = caught.value
    while cause is not None:
        assert SECRET not in repr(cause) + str(getattr(cause, "facts", ""))
        cause = cause.__cause__


def test_line_ends_of_windows_and_empty_lines_at_the_end_are_taken() -> None:
    found, table = read(b"a,b\r\n1,2\r\n3,4\r\n\r\n\r\n")
    assert table.to_pydict() == {"a": [1, 3], "b": [2, 4]}
    assert found["warnings"] == ["empty lines at the end of the file were left out"]


def test_a_last_line_without_its_end_is_a_row() -> None:
    assert read(b"a,b\n1,2\n3,4")[1].to_pydict() == {"a": [1, 3], "b": [2, 4]}


def test_one_column_may_have_empty_rows() -> None:
    assert read(b"a\nx\n\ny\n")[1].to_pydict() == {"a": ["x", None, "y"]}


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found(delimiter: str) -> None:
    found, table = read(f'a{delimiter}b\n"1,5;|"{delimiter}2\n"3,1;|"{delimiter}4\n')
    assert found["delimiter"] == delimiter
    assert table.column("a").to_pylist() == ["1,5;|", "3,1;|"]


def test_a_declared_delimiter_decides() -> None:
    assert read("a;b,c;d\n1;2,3;4\n", declared={"delimiter": ","})[1].column_names == ["a_b", "c_d"]
    with pytest.raises(Unsupported):
        read("a,b\n1,2\n", declared={"delimiter": "x"})


def test_an_empty_file_and_a_header_alone_are_refused() -> None:
    assert "empty" in str(refused(b""))
    assert "no rows" in str(refused(b"a,b\n"))


def test_more_rows_than_the_limit_are_too_large() -> None:
    with pytest.raises(TooLarge):
        read(b"a,b\n1,2\n3,4\n", limits={"rows": 1})


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@given(st.text(st.sampled_from('ab,;"\n\r\t|1.-e0 张'), max_size=60))
def test_arbitrary_structure_raises_one_kind_of_error(text: str) -> None:
    with contextlib.suppress(Malformed):
        read(text)
