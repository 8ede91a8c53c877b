"""The structure of delimited text, checked strictly: RFC 4180, with the delimiter free and LF for CRLF.

A quote opens a field only at its beginning, and closes it only at its end; every
record has as many fields as the header; no line is empty. The scanner looks at
the positions of delimiters, quotes and line ends of a whole block at once, so
that what a lenient parser would bend into shape is found, with its line, before
any parser sees it.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dataspace.catalog.limits import SHOWN, Bad, Limits, refusal
from dataspace.errors import Malformed, TooLarge, Unsupported

DELIMITERS = (",", "\t", ";", "|")
# Found only where none of the others fits: they stand inside values, too.
RARE_DELIMITERS = ("^", "~", "\x01", ":")
_LF, _CR, _QUOTE = 10, 13, 34
_HEAD = 1 << 16  # bytes that the delimiter is found by

Positions = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Block:
    """Whole records: their bytes, where each begins and the last ends, and the line of the first."""

    data: bytes
    starts: Positions
    line: int

    @property
    def rows(self) -> int:
        """How many records it has."""
        return len(self.starts) - 1

    def record(self, number: int) -> bytes:
        """Return the bytes of one record with its line end."""
        return self.data[self.starts[number] : self.starts[number + 1]]

    def line_of(self, number: int) -> int:
        """Return the line on which a record begins."""
        return self.line + self.data.count(b"\n", 0, int(self.starts[number]))


def check_delimiter(declared: str) -> None:
    """Let a delimiter pass that can be one, or none.

    Raises:
        Unsupported: it is no single ASCII character, or one that values or quotes are made of.

    """
    taken = len(declared) == 1 and declared.isascii() and not declared.isalnum() and declared not in '"\r\n\0'
    if declared and not taken:
        raise Unsupported("the declared delimiter is not one: want a single character such as , ; | or a tab")


def find_delimiter(head: bytes) -> str:
    """Return the delimiter that cuts the first records into the most fields, all alike; else a comma."""
    best, most = DELIMITERS[0], (0.0, 1)
    text = head[:_HEAD] if b"\n" in head[:_HEAD] else head[:_HEAD] + b"\n"
    for delimiter in DELIMITERS:
        if (score := _score(text, delimiter)) > most and score[1] > 1:
            best, most = delimiter, score
    rare = [(*_score(text, delimiter), delimiter) for delimiter in RARE_DELIMITERS]
    if most[0] < 1 and (whole := [found for found in rare if found[0] == 1 and found[1] > 1]):
        best = max(whole, key=lambda found: found[1])[2]
    return best


def _score(text: bytes, delimiter: str) -> tuple[float, int]:
    """Return the share of records that have as many fields as the first, and how many those are."""
    counts = _fields(_marks(text, ord(delimiter)))
    return (float((counts == counts[0]).mean()), int(counts[0])) if len(counts) else (0.0, 0)


class Scanner:
    """Cuts a stream of UTF-8 into blocks of whole records, and collects the rows that break the rules.

    `columns` is that of the header, 0 before it. From the first bad row on no
    block is yielded; after the stream, `finish` raises for the bad rows.
    """

    def __init__(self, delimiter: str, limits: Limits) -> None:
        self.columns = 0
        self.warnings: list[str] = []
        self._delimiter = ord(delimiter)
        self._limits = limits
        self._line = 1
        self._bad: list[Bad] = []

    def blocks(self, chunks: Iterable[bytes]) -> Iterator[Block]:
        """Yield blocks of whole records; the first one begins with the header.

        Raises:
            Unprocessable: quotes do not match, or too many rows are bad.
            TooLarge: a record passes its limit.

        """
        rest = b""
        for chunk in chunks:
            data = rest + chunk if rest else chunk
            block, rest = self._cut(data, final=False)
            if len(rest) > self._limits.record:
                self._too_long(rest)
            if block is not None and not self._bad:
                yield block
        block, _ = self._cut(self._ended(rest), final=True)
        if block is not None and not self._bad:
            yield block

    def finish(self) -> None:
        """Pass when every row was good.

        Raises:
            Unprocessable: some were not; `facts["rows"]` has the first, each with line and reason.

        """
        if self._bad:
            raise refusal(self._bad)

    def _ended(self, rest: bytes) -> bytes:
        """Give the last record its line end; leave empty lines after it out."""
        if self.columns > 1 and rest and not rest.strip(b"\r\n"):
            self.warnings.append("empty lines at the end of the file were left out")
            return b""
        return rest + b"\n" if rest and not rest.endswith(b"\n") else rest

    def _cut(self, data: bytes, *, final: bool) -> tuple[Block | None, bytes]:
        if not data:
            return None, b""
        marks = _marks(data, self._delimiter)
        ends = marks.position[marks.kind == _LF]
        if marks.open and final:
            self._check_quotes(data, marks)
            raise self._unclosed(data, marks)
        end = int(ends[-1]) + 1 if len(ends) else 0
        if end and not self.columns:
            self.columns = int(_fields(marks)[0])
        if self.columns > 1 and not final:
            end = _without_empty_lines(data, end)
        if not end:
            return None, data
        block = self._checked(data[:end], marks.until(end))
        self._line += data.count(b"\n", 0, end)
        return block, data[end:]

    def _checked(self, data: bytes, marks: "_Marks") -> Block:
        self._check_quotes(data, marks)
        ends = marks.position[marks.kind == _LF]
        block = Block(data, np.concatenate(([0], ends + 1)), self._line)
        found = dict(self._ragged(block, _fields(marks)))
        found.update(self._stray(block, marks))
        for number in sorted(found):
            self._bad.append(Bad(block.line_of(number), found[number]))
            if len(self._bad) == SHOWN:
                raise refusal(self._bad)
        return block

    def _ragged(self, block: Block, counts: Positions) -> Iterator[tuple[int, str]]:
        for number in np.flatnonzero(counts != self.columns)[:SHOWN]:
            empty = not block.record(number).strip(b"\r\n")
            fields = f"{counts[number]} fields" if counts[number] > 1 else "1 field"
            yield int(number), "an empty line" if empty else f"{fields}, want {self.columns}"

    def _stray(self, block: Block, marks: "_Marks") -> Iterator[tuple[int, str]]:
        """Find NULs, carriage returns that end no line, and fields beyond the limit."""
        if b"\0" in block.data:
            yield self._record(block, block.data.index(0)), "a NUL character"
        if len(marks.returns):
            lone = marks.returns[np.frombuffer(block.data, np.uint8)[marks.returns + 1] != _LF]
            for position in lone[:SHOWN]:
                yield self._record(block, int(position)), "a carriage return without a line feed"
        sizes = np.diff(marks.position, prepend=-1) - 1
        for mark in np.flatnonzero(sizes > self._limits.field)[:SHOWN]:
            number = self._record(block, int(marks.position[mark]))
            yield number, f"a field of {sizes[mark]} bytes, want at most {self._limits.field}"

    def _record(self, block: Block, position: int) -> int:
        return int(np.searchsorted(block.starts, position, side="right")) - 1

    def _check_quotes(self, data: bytes, marks: "_Marks") -> None:
        """Check that quotes stand only around fields, or doubled within; else what follows is guesswork."""
        if not len(marks.quotes):
            return
        array = np.frombuffer(data, np.uint8)
        opening, closing = marks.quotes[0::2], marks.quotes[1::2]
        before = array[np.maximum(opening - 1, 0)]
        good = (opening == 0) | (before == self._delimiter) | (before == _LF) | (before == _QUOTE)
        after = array[closing + 1]
        ended = (after == self._delimiter) | (after == _LF) | (after == _CR) | (after == _QUOTE)
        stray, loose = np.flatnonzero(~good), np.flatnonzero(~ended)
        if len(stray) and (not len(loose) or stray[0] <= loose[0]):
            self._refuse(data, int(opening[stray[0]]), "a quote inside an unquoted field")
        if len(loose):
            self._refuse(
                data, int(opening[loose[0]]), "a quoted field that does not end at its closing quote"
            )

    def _refuse(self, data: bytes, position: int, reason: str) -> None:
        raise refusal([*self._bad, Bad(self._line + data.count(b"\n", 0, position), reason)])

    def _unclosed(self, data: bytes, marks: "_Marks") -> Malformed:
        line = self._line + data.count(b"\n", 0, int(marks.quotes[-1]))
        return refusal([*self._bad, Bad(line, "a quote that is never closed")])

    def _too_long(self, rest: bytes) -> None:
        line, limit = self._line, self._limits.record
        if b"\n" not in rest and b"\r" in rest:
            raise refusal([Bad(line, "a carriage return without a line feed")])
        reason = f"a record of more than {limit} bytes, or a quote that is never closed"
        raise TooLarge(f"line {line}: {reason}", limit=limit, rows=[{"line": line, "reason": reason}])


@dataclass(frozen=True)
class _Marks:
    """Positions in a block: delimiters and line ends outside quotes, with their kind; quotes; returns."""

    position: Positions
    kind: npt.NDArray[np.uint8]
    quotes: Positions
    returns: Positions
    open: bool

    def until(self, end: int) -> "_Marks":
        """Return the marks before `end`, which is the end of a record."""
        kept = int(np.searchsorted(self.position, end))
        quotes = int(np.searchsorted(self.quotes, end))
        returns = int(np.searchsorted(self.returns, end))
        return _Marks(
            self.position[:kept], self.kind[:kept], self.quotes[:quotes], self.returns[:returns], False
        )


def _fields(marks: _Marks) -> Positions:
    """Return how many fields each record has."""
    return np.diff(np.flatnonzero(marks.kind == _LF), prepend=-1)


def _marks(data: bytes, delimiter: int) -> _Marks:
    array = np.frombuffer(data, np.uint8)
    found = array == delimiter
    found |= array == _LF
    found |= array == _CR
    quoted = b'"' in data
    if quoted:
        found |= array == _QUOTE
    position = np.flatnonzero(found)
    kind = array[position]
    quotes = position[kind == _QUOTE]
    if quoted:
        # Inside a quoted field an odd number of quotes stands before.
        outside = (np.cumsum(kind == _QUOTE) & 1) == 0
        outside &= kind != _QUOTE
        position, kind = position[outside], kind[outside]
    returned = kind == _CR
    returns = position[returned]
    return _Marks(position[~returned], kind[~returned], quotes, returns, bool(len(quotes) & 1))


def _without_empty_lines(data: bytes, end: int) -> int:
    """Return the end of the last record before `end` that is no empty line: the file may end with those."""
    kept = len(data[:end].rstrip(b"\r\n"))
    newline = data.find(b"\n", kept, end)
    return newline + 1 if kept else 0
