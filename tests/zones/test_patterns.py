import contextlib
import time

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataspace.errors import Malformed
from dataspace.zones.patterns import check_pattern, matches

# What blows up engines that backtrack, or needs a program larger than any text.
HOSTILE = [
    "(a+)+$",
    "(a*)*b",
    "((a+)b*)+c",
    "(a|b*)+c",
    r"(\d+){10}x",
    "(.*)*=(.*)*",
    "(a{1,64}){1,64}",
    "((a{60}){60}){60}",
    "a{1000}",
    "a{0,999}" * 20,
    r"\p{Han}{64}" * 3 + r".{64}" * 3,
    "(?=a)b",
    "(?!a)b",
    "(?<=a)b",
    r"(a)\1",
    "(?i)a",
    "(?P<x>a)",
    "a)|(b",
    "a|*",
    "[",
    "(",
    ")",
    "{3}",
    "a{3,2}",
    "a**",
    "\\",
    r"\C",
    r"\Qa\E",
    "a\x00b",
    "a\nb",
    "a" * 201,
]
GOOD = {
    r"M\d{9}": ("M123456789", "M12345678"),
    r"[A-Z]{2}-\d{4}(-\d{2})?": ("AB-1234-56", "AB-1234-5"),
    r"(?:HR|IT)\d+": ("IT7", "it7"),
    r"\p{Han}{2,4}": ("会员卡", "member"),
    r"\d{3}\.\d{3}\.\d{3}-\d{2}": ("123.456.789-09", "12345678909"),
    r"^[0-9A-Fa-f]{8}$": ("deadBEEF", "deadBEEF "),
    "a|b": ("b", "ab"),
}


@pytest.mark.parametrize("pattern", HOSTILE)
def test_up_24_a_hostile_pattern_is_refused(pattern: str) -> None:
    with pytest.raises(Malformed):
        check_pattern(pattern)


# Not refused, and the worst that this dialect lets through for an engine that backtracks.
@pytest.mark.parametrize(
    "pattern", ["(a|aa)+b", "(a|a)*b", "a*a*a*a*a*a*a*a*b", "(a?){64}a{64}", ".*.*.*=.*", r"(\d|\d\d)+x"]
)
def test_up_24_what_is_let_through_takes_linear_time(pattern: str) -> None:
    check_pattern(pattern)
    texts = pa.array(["a" * 500 + "c", "1" * 512] * 1000)
    start = time.perf_counter()
    assert not matches(pattern, texts).any()
    assert time.perf_counter() - start < 5  # a million signs; backtracking would outlast the sun


def test_up_24_a_long_value_is_not_looked_at() -> None:
    assert matches("a*", pa.array(["a" * 512, "a" * 513])).tolist() == [True, False]


@pytest.mark.parametrize("pattern", GOOD)
def test_a_pattern_matches_whole_values(pattern: str) -> None:
    check_pattern(pattern)
    good, bad = GOOD[pattern]
    assert matches(pattern, pa.array([good, bad, good + "\n"])).tolist() == [True, False, False]


@given(st.text(alphabet="ab01()[]{}|*+?.^$\\,-dwpHan:=!<>P", max_size=40))
def test_any_text_is_a_pattern_or_refused_with_one_error(pattern: str) -> None:
    with contextlib.suppress(Malformed):
        check_pattern(pattern)
        matches(pattern, pa.array(["", "a", "ab" * 50]))


@given(st.text(max_size=300))
def test_noise_is_refused_with_one_error(pattern: str) -> None:
    with contextlib.suppress(Malformed):
        check_pattern(pattern)
