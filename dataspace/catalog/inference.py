"""The type of a column, inferred so that no character of any value is lost or changed in meaning.

    INTEGER   every value is a canonical integer of at most 15 digits: `-7`, `0`, `1e+05`; never `007`
    DECIMAL   every value is a decimal that a double gives back: `0.10`, `-3`, `2e-05`; never `.5`, `1e5`
    DATE      every value is a day in ISO 8601: `2024-02-29`
    TEXT      everything else

Values that are no number (`NaN`, `inf`, `1e400`) in a column of numbers follow
the declared rule: the column stays text, the values become null, or the file is
refused. An exponent with a sign and two digits is what programs write for a
number; `1e5` may as well be a code, and counts as a number only by `exponents`.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dataspace.table import Type

_DIGITS = 15  # a double holds every decimal of so many digits (IEEE 754: DBL_DIG)
_SHOWN = 10  # lines that an error names
_TOKENS = 16  # spellings of no number that one column may have
_NO_NUMBER = r"(?i)^[+-]?(nan|inf|infinity)$"
_HUGE = r"^[+-]?\d{1,20}(\.\d{1,20})?[eE]\+?\d{3,6}$"
_VANISHING = r"^-?[0.]*[1-9]"  # no zero, as it is written
_SMALLEST = 2.2250738585072014e-308  # below it a double has fewer digits (IEEE 754: DBL_MIN), or none
_WRITTEN = r"^-?\d(\.\d{1,15})?[eE][+-]\d{2,3}$"
_EXPONENT = r"^-?(0|[1-9]\d{0,14})(\.\d{1,15})?[eE][+-]?\d{1,3}$"
_ORDER = (Type.INTEGER, Type.DECIMAL, Type.DATE)
ARROW_TYPES = {
    Type.TEXT: pa.string(),
    Type.INTEGER: pa.int64(),
    Type.DECIMAL: pa.float64(),
    Type.DATE: pa.date32(),
}

Bytes = npt.NDArray[np.uint8]


class NotFinite(StrEnum):
    """What to do with NaN, infinities and numbers beyond a double in a column of numbers."""

    TEXT = "text"
    NULL = "null"
    ERROR = "error"


@dataclass
class Inference:
    """What is known of one column so far: the types that still fit, and the values that are no number."""

    exponents: bool = False
    fits: set[Type] = field(default_factory=lambda: set(_ORDER))
    tokens: set[str] = field(default_factory=set)
    token_lines: list[int] = field(default_factory=list)
    codes: bool = False  # would be numbers, but for exponents that may be codes
    exponential: bool = False  # some integers are written with an exponent
    seen: int = 0

    def add(self, values: pa.StringArray, line: Callable[[int], int]) -> None:
        """Take the next values; `line` tells on which line one of them stands."""
        if not self.fits:
            return
        column = Texts(values)
        if not len(column.starts):
            return
        self.seen += len(column.starts)
        self.fits = self._fitting(column) or self._without_tokens(values, line)

    def type(self, rule: NotFinite) -> Type:
        """Return the column's type under the rule for values that are no number."""
        if not self.seen or not self.fits or (self.tokens and rule is NotFinite.TEXT):
            return Type.TEXT
        return next(kind for kind in _ORDER if kind in self.fits)

    def remark(self, rule: NotFinite, kind: Type) -> str:
        """Return what the provider should know of the column as it was typed; nothing if all is well."""
        if not self.seen:
            return "has no values"
        if self.tokens and self.fits and rule is NotFinite.TEXT:
            return "stays text: it has values that are no finite number"
        if self.tokens and kind is not Type.TEXT:
            return "holds values that are no finite number, which became null"
        if self.codes:
            return "stays text: its exponents may be codes (declare them to be numbers)"
        return ""

    def _fitting(self, column: "Texts") -> set[Type]:
        """Return which of the types that fitted so far still do; what fits an integer fits a decimal."""
        numeric = self.fits & {Type.INTEGER, Type.DECIMAL}
        if numeric and column.integers:
            return numeric
        if Type.INTEGER in numeric and column.whole(free=self.exponents):
            self.exponential = True
            return numeric
        if numeric and column.decimals(free=self.exponents):
            return {Type.DECIMAL}
        return self.fits & {Type.DATE} if column.dates() else set()

    def _without_tokens(self, values: pa.StringArray, line: Callable[[int], int]) -> set[Type]:
        """Return the numeric types that fit once the values that are no number are left out."""
        numeric = self.fits & {Type.INTEGER, Type.DECIMAL}
        if not numeric:
            return set()
        odd = pc.fill_null(pc.or_(pc.match_substring_regex(values, _NO_NUMBER), _overflowing(values)), False)
        if not pc.any(odd).as_py():
            self._notice_codes(values)
            return set()
        self.tokens |= set(pc.unique(values.filter(odd)).to_pylist()[: _TOKENS + 1])
        room = _SHOWN - len(self.token_lines)
        self.token_lines += [
            line(int(row)) for row in np.flatnonzero(odd.to_numpy(zero_copy_only=False))[:room]
        ]
        rest = Texts(values.filter(pc.invert(odd)))
        if len(self.tokens) > _TOKENS:
            return set()
        return self._fitting(rest) if len(rest.starts) else numeric

    def _notice_codes(self, values: pa.StringArray) -> None:
        """Note when only exponents keep the column from being a number: its provider may want to know."""
        if not self.exponents and pc.any(pc.match_substring_regex(values, _EXPONENT)).as_py():
            self.codes = Texts(values).decimals(free=True)


class Texts:
    """The non-empty values of a text array, as the bytes they lie in."""

    def __init__(self, values: pa.StringArray) -> None:
        buffers = values.buffers()
        offsets = np.frombuffer(buffers[1], np.int32, len(values) + 1 + values.offset)[values.offset :]
        whole = np.frombuffer(buffers[2], np.uint8) if buffers[2] is not None else np.zeros(0, np.uint8)
        self.values = values
        self.bytes: Bytes = whole[offsets[0] : offsets[-1]]
        lengths = np.diff(offsets)
        self.places = np.flatnonzero(lengths)
        self.starts = (offsets[:-1] - offsets[0])[self.places]
        self.lengths = lengths[self.places]

    @cached_property
    def integers(self) -> bool:
        """Whether all are canonical integers of at most 15 digits."""
        digits = int(np.count_nonzero(self.bytes - 48 < 10))
        if digits < len(self.bytes) and digits + len(self.starts) < len(self.bytes):
            return False
        negative, figures = self._split
        if digits + int(np.count_nonzero(negative)) != len(self.bytes):
            return False
        if figures.min() < 1 or figures.max() > _DIGITS:
            return False
        leading = self.bytes[self.starts + negative] == 48
        return not bool((leading & ((figures > 1) | negative)).any())

    def whole(self, *, free: bool) -> bool:
        """Tell whether all are canonical integers, or written with an exponent and as small and whole."""
        if not len(self._exponential) or not self.decimals(free=free):
            return False
        plain = np.ones(len(self.values), np.bool_)
        plain[self._exponential] = False
        rest = Texts(self.values.filter(pa.array(plain)))
        if len(rest.starts) and not rest.integers:
            return False
        numbers = pc.cast(self.values.take(self._exponential), pa.float64()).to_numpy()
        return bool((numbers % 1 == 0).all() and (np.abs(numbers) < 10**_DIGITS).all())

    def decimals(self, *, free: bool) -> bool:
        """Tell whether all are decimals that a double gives back; `free`: also those like `1e5`."""
        if not _DECIMAL_BYTES[self.bytes].all():
            return False
        negative, figures = self._split
        if figures.min() < 1:
            return False
        at = self.starts + negative
        first, last = self.bytes[at], self.bytes[self.starts + self.lengths - 1]
        if not ((first - 48 < 10) & (last - 48 < 10)).all():
            return False
        second = self.bytes[np.minimum(at + 1, len(self.bytes) - 1)]
        if ((first == 48) & (figures > 1) & (second - 48 < 10)).any():
            return False
        return self._held_by_doubles(int(figures.max()), free=free)

    def dates(self) -> bool:
        """Tell whether all are days in ISO 8601, of the years 1 to 9999."""
        if self.lengths.min() != 10 or self.lengths.max() != 10:
            return False
        rows = self.bytes.reshape(-1, 10)
        figures = rows[:, (0, 1, 2, 3, 5, 6, 8, 9)] - 48 < 10
        dashes = rows[:, (4, 7)] == 45
        if not (figures.all() and dashes.all()) or (rows[:, :4] == 48).all(axis=1).any():
            return False
        return _casts(self.values, pa.date32()) is not None

    @cached_property
    def _split(self) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.int32]]:
        """For each value whether it begins with a minus, and how many characters follow."""
        negative = self.bytes[self.starts] == 45
        return negative, self.lengths - negative

    @cached_property
    def _exponential(self) -> npt.NDArray[np.int64]:
        """The places of the values with an exponent or a plus."""
        found = np.flatnonzero(_EXPONENT_BYTES[self.bytes])
        return self.places[np.unique(np.searchsorted(self.starts, found, side="right") - 1)]

    def _held_by_doubles(self, longest: int, *, free: bool) -> bool:
        numbers = _casts(self.values, pa.float64())
        if numbers is None or not np.isfinite(numbers.drop_null().to_numpy(zero_copy_only=False)).all():
            return False
        shape = _EXPONENT if free else _WRITTEN
        written = self.values.take(self._exponential)
        if not pc.all(pc.match_substring_regex(written, shape), min_count=0).as_py():
            return False
        small = pc.less(pc.abs(numbers.take(pa.array(self._exponential))), _SMALLEST)
        if pc.any(pc.and_(small, pc.match_substring_regex(written, _VANISHING)), min_count=0).as_py():
            return False  # `1e-400` would become zero
        if longest <= _DIGITS:
            return True
        long = pc.greater(pc.binary_length(self.values), _DIGITS)
        texts = self.values.filter(long)
        # The shortest text that gives the double back must be the value itself.
        same = pc.equal(pc.cast(numbers.filter(long), pa.string()), texts)
        return bool(pc.all(pc.or_(same, _few_digits(texts))).as_py())


def _bytes(characters: bytes) -> npt.NDArray[np.bool_]:
    table = np.zeros(256, np.bool_)
    table[np.frombuffer(characters, np.uint8)] = True
    return table


_DECIMAL_BYTES = _bytes(b"0123456789.-+eE")
_EXPONENT_BYTES = _bytes(b"eE+")


def _casts(values: pa.StringArray, kind: pa.DataType) -> pa.Array | None:
    try:
        return pc.cast(values, kind)
    except pa.ArrowInvalid:  # its text holds the cell
        return None


def _overflowing(values: pa.StringArray) -> pa.BooleanArray:
    """Return which values are numbers that no double holds."""
    shaped = values.filter(pc.match_substring_regex(values, _HUGE))
    huge = [text for text in pc.unique(shaped).to_pylist() if math.isinf(float(text))]
    return pc.is_in(values, value_set=pa.array(huge, pa.string()))


def _few_digits(texts: pa.StringArray) -> pa.BooleanArray:
    """Return which decimals have at most 15 digits, a sign and a point apart."""
    return pc.less_equal(pc.binary_length(pc.replace_substring_regex(texts, "[-.]|[eE].*$", "")), _DIGITS)
