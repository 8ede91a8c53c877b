"""The dialect of regular expressions that providers may bring, and matching whole columns with one.

What a stranger wrote runs over every value of a column, so it must not be able
to cost more than its length. RE2 (pyarrow's engine) never backtracks: its time
is the text's length times the program's. The program is kept small: a pattern
has at most 200 characters, its counted repetitions at most 64 each and 512 in
all when they lie in one another, and no repetition without end lies in another,
so that it would be harmless even to an engine that does backtrack. There are
no groups but `(...)` and `(?:...)`, no back references, no look-around.
"""

import re
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dataspace.errors import Malformed

_LONGEST: Final = 200
_REPEATED: Final = 64
_PROGRAM: Final = 512  # places, as counted below; RE2 makes a few instructions of each
_TEXT: Final = 512  # characters of a value; longer ones are no identifiers
_CLASS: Final = 4  # places of a class of characters, which is several ranges of bytes in UTF-8
_TOKEN: Final = re.compile(
    r"\\p\{[A-Za-z_]{1,20}\}|\\[dDwWsS.\-+*?()|\[\]{}^$/\\]|\[\^?\]?(?:\\.|\[:\^?[a-z]{1,10}:\]|[^\]\\])+\]"
    r"|\(\?:|[()|^$.]|[*+?]\??|\{\d{1,3}(?:,\d{0,3})?\}\??|[^\\\[\](){}|*+?]"
)


def check_pattern(pattern: str, place: str = "pattern") -> None:
    """Check that a pattern is one of the dialect.

    Raises:
        Malformed: it is too long, too large, of another dialect, or no regular expression.

    """
    if len(pattern) > _LONGEST:
        raise Malformed(f"{place}: a pattern of {len(pattern)} characters, want at most {_LONGEST}")
    if any(not sign.isprintable() for sign in pattern):
        raise Malformed(f"{place}: a pattern has signs that cannot be seen")
    _Scan(place).read(pattern)
    try:
        pc.match_substring_regex(pa.array([""]), pattern=_whole(pattern))
    except pa.ArrowInvalid as error:
        raise Malformed(f"{place}: the pattern is no regular expression") from error


def matches(pattern: str, values: pa.StringArray) -> "np.typing.NDArray[np.bool_]":
    """Return which values match as a whole; the pattern was checked."""
    short = pc.less_equal(pc.utf8_length(values), _TEXT)
    found = pc.and_(short, pc.match_substring_regex(values, pattern=_whole(pattern)))
    return np.asarray(found.to_numpy(zero_copy_only=False), dtype=np.bool_)


def _whole(pattern: str) -> str:
    # \z, not $: the pattern's own anchors stay, and a line end is no end.
    return rf"\A(?:{pattern})\z"


class _Scan:
    """Reads a pattern once and counts what it would cost."""

    def __init__(self, place: str) -> None:
        self._place = place
        # For each open group: its places, whether it repeats without end, and the last item's of both.
        self._open: list[tuple[int, bool]] = []
        self._size, self._endless = 0, False
        self._last: tuple[int, bool] | None = None

    def read(self, pattern: str) -> None:
        at = 0
        while at < len(pattern):
            found = _TOKEN.match(pattern, at)
            if found is None:
                raise self._refusal(f"what stands at {at} is not of the dialect")
            at = found.end()
            self._take(found.group())
            if self._size > _PROGRAM:
                raise self._refusal(f"its repetitions make more than {_PROGRAM} places")
        if self._open:
            raise self._refusal("a group is not closed")

    def _take(self, sign: str) -> None:
        if sign in {"(", "(?:"}:
            self._open.append((self._size, self._endless))
            self._size, self._endless, self._last = 0, False, None
        elif sign == ")":
            self._close()
        elif sign[0] in "*+?{" and sign != "{":
            self._repeat(sign)
        elif sign in {"|", "^", "$"}:
            self._last = None
        else:
            self._add(_CLASS if sign[0] in "[.\\" else 1, endless=False)

    def _add(self, size: int, *, endless: bool) -> None:
        self._last = (size, endless)
        self._size += size
        self._endless = self._endless or endless

    def _close(self) -> None:
        if not self._open:
            raise self._refusal("a group is closed that was not opened")
        inner, endless = self._size, self._endless
        self._size, self._endless = self._open.pop()
        self._add(inner + 1, endless=endless)

    def _repeat(self, sign: str) -> None:
        if self._last is None:
            raise self._refusal("there is nothing to repeat")
        size, endless = self._last
        counts = [int(number) for number in re.findall(r"\d+", sign)]
        unbounded = sign[0] in "*+" or sign.rstrip("?").endswith(",}")
        if max(counts, default=0) > _REPEATED:
            raise self._refusal(f"a repetition of more than {_REPEATED}")
        if len(counts) == 2 and counts[0] > counts[1]:
            raise self._refusal("a repetition that ends before it begins")
        if endless and (unbounded or counts):
            raise self._refusal("a repetition without end lies in another repetition")
        # The item stands once already; a repetition of nothing is none.
        self._size += size * (max([*counts, 1]) - 1 + (unbounded and bool(counts)))
        self._endless = self._endless or unbounded
        self._last = None

    def _refusal(self, reason: str) -> Malformed:
        return Malformed(f"{self._place}: the pattern is refused: {reason}")
