"""JSON Lines: one flat object on each line, in UTF-8 or what becomes it.

Most blocks are read by pyarrow, which is told every column and its type and so
is strict: another type, a new member, a member twice end its reading. Such a
block, and the first one, is read by Python's parser line by line, which says
what is new or wrong. A member that an object lacks is null.
"""

import json
import math
import re
import sys
from collections.abc import Iterator, Sequence
from decimal import Decimal
from functools import partial
from operator import add
from typing import Any

import pyarrow as pa
import pyarrow.json as pjson

from dataspace.catalog.encoding import Transcoder
from dataspace.catalog.inference import ARROW_TYPES
from dataspace.catalog.limits import SHOWN, Bad, Limits
from dataspace.catalog.names import column_names
from dataspace.catalog.readers.learning import Learner
from dataspace.catalog.readers.source import Source
from dataspace.catalog.readers.values import Kind, Literal, Values, as_type, from_python, integers
from dataspace.catalog.survey import BLOCK, Declared, Survey, refuse_tokens
from dataspace.errors import TooLarge, Unprocessable
from dataspace.table import Column, Type

_DOUBLE = 17  # digits that programs write of a double (IEEE 754: DBL_DECIMAL_DIG)
_FIRST = 1 << 16  # bytes by which the columns are first known
_DIGITS = 16  # a whole number of so many may not be the double that pyarrow makes of it
_ARROW = {
    frozenset[Kind](): pa.null(),
    frozenset({Kind.TEXT}): pa.string(),
    frozenset({Kind.INTEGER}): pa.int64(),
    frozenset({Kind.DECIMAL}): pa.float64(),
    frozenset({Kind.INTEGER, Kind.DECIMAL}): pa.float64(),
    frozenset({Kind.BOOLEAN}): pa.bool_(),
}
_KINDS = {pa.string(): Kind.TEXT, pa.float64(): Kind.DECIMAL, pa.bool_(): Kind.BOOLEAN}


class JsonLines:
    """Reads one file; it is a `Reader`."""

    def __init__(self, source: Source, declared: Declared, limits: Limits) -> None:
        self._source, self._declared, self._limits = source, declared, limits
        self._header: dict[str, int] = {}  # members' names, and their places
        self._learner = Learner(limits, "line", source.expected // BLOCK + 1, dated=True)
        self._names: list[str] = []
        self._lexical: set[int] = set()  # columns of text whose numbers are wanted as they were written
        self._schema: pa.Schema | None = None
        self._long = _long_numbers([])

    def survey(self) -> Survey:
        """Read the whole file.

        Raises:
            Unsupported: it is no text.
            TooLarge: a limit is passed.
            Unprocessable: it has lines or members that cannot be taken.

        """
        found = Survey(format="jsonl")
        transcoder = Transcoder(self._declared.encoding)
        line = 1
        for block in self._blocks(transcoder.text(self._source.chunks("scanning"))):
            columns = self._read(block, line)
            if columns:
                self._learner.add(columns, partial(add, line))
                self._know()
            line += block.count(b"\n")
        found.encoding = transcoder.encoding
        found.warnings = transcoder.warnings
        found.header = list(self._header)
        if self._learner.rows:
            self._names = found.names = column_names(found.header, self._limits.columns)
        self._learner.finish(found)
        refuse_tokens(self._learner.columns, self._declared.not_finite, "line")
        return found

    def tables(self, columns: Sequence[Column]) -> Iterator[pa.Table]:
        """Yield the rows with the columns' types, a block at a time.

        Raises:
            Unprocessable: the file is not the one that was surveyed.

        """
        self._lexical = {
            position
            for position, (column, known) in enumerate(zip(columns, self._learner.columns, strict=True))
            if column.type is Type.TEXT and Kind.DECIMAL in known.kinds
        }
        schema = pa.schema([(column.name, ARROW_TYPES[column.type]) for column in columns])
        line = 1
        for block in self._blocks(Transcoder(self._declared.encoding).text(self._source.chunks())):
            if read := self._read(block, line):
                arrays = [
                    as_type(values.array, column.type) for values, column in zip(read, columns, strict=True)
                ]
                yield pa.table(arrays, schema=schema)
            line += block.count(b"\n")

    def _blocks(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        """Cut a stream into blocks of whole lines; empty lines at its end are left out."""
        rest = b""
        for chunk in chunks:
            data = rest + chunk if rest else chunk
            end = data.rfind(b"\n", 0, len(data.rstrip())) + 1
            rest = data[end:]
            if len(rest) > self._limits.record:
                raise TooLarge(f"a line has more than {self._limits.record} bytes", limit=self._limits.record)
            # The columns are known by a few lines, and what follows them is read the fast way.
            cut = end if self._header else data.rfind(b"\n", 0, min(_FIRST, end)) + 1
            yield from (block for block in (data[:cut], data[cut:end]) if block)
        if rest.strip():
            yield rest.rstrip(b" \t\r\n") + b"\n"

    def _read(self, block: bytes, line: int) -> list[Values]:
        """Return a block's columns, or none when it has lines that cannot be read."""
        return self._fast(block) or self._exact(block, line)

    def _know(self) -> None:
        """Settle how blocks are read the fast way, unless a column is of several types."""
        types = [_ARROW.get(frozenset(known.kinds)) for known in self._learner.columns]
        fields = [(name, kind) for name, kind in zip(self._header, types, strict=True) if kind]
        schema = pa.schema(fields) if len(fields) == len(types) else None
        if schema != self._schema:
            self._schema = schema
            self._long = _long_numbers([name for name, kind in fields if kind == pa.float64()])

    def _fast(self, block: bytes) -> list[Values]:
        """Return a block's columns when pyarrow reads them as they were so far."""
        rows = block.count(b"\n")
        ordered = block.startswith(b"{") and block.count(b"\n{") == rows - 1
        if self._schema is None or self._lexical or not ordered:
            return []
        if self._long.search(block):
            return []
        reading = pjson.ReadOptions(use_threads=False, block_size=len(block) + 1)
        strict = pjson.ParseOptions(
            explicit_schema=self._schema, newlines_in_values=False, unexpected_field_behavior="error"
        )
        try:
            table = pjson.read_json(pa.BufferReader(block), reading, strict)
        except (pa.ArrowInvalid, ValueError):  # what is wrong is found, and said without cells, by `_exact`
            return []
        # Each line begins an object, and there are as many: no line has two.
        if table.num_rows != rows:
            return []
        return [_known(column.combine_chunks()) for column in table.columns]

    def _exact(self, block: bytes, line: int) -> list[Values]:
        """Return a block's columns as Python's parser reads them, and note its bad lines."""
        rows: list[dict[str, Any]] = []
        bad: list[Bad] = []
        for number, text in enumerate(block.decode().split("\n")[:-1], line):
            try:
                rows.append(self._object(text))
            except _BadLineError as error:
                rows.append({})
                bad.append(Bad(number, str(error)))
                if len(bad) == SHOWN:
                    break
        columns = [[row.get(name) for row in rows] for name in self._header]
        # Without an escape no text holds half a character, or a NUL.
        bad += _bad_values(columns, line, escaped=b"\\u" in block)
        self._learner.refuse(sorted(bad, key=lambda row: row.line)[:SHOWN])
        return [] if bad else [self._typed(place, column) for place, column in enumerate(columns)]

    def _object(self, text: str) -> dict[str, Any]:
        try:
            found = (_LEXICAL if self._lexical else _DECODER).decode(text)
        except RecursionError:
            raise _BadLineError("a value inside a value") from None
        except ValueError:  # its text holds cells
            raise _BadLineError("no JSON" if text.strip() else "an empty line") from None
        if not isinstance(found, dict):
            raise _BadLineError("no object")
        if not found.keys() <= self._header.keys():
            self._add_names(found)
        return found

    def _add_names(self, found: dict[str, Any]) -> None:
        for name in found:
            if not _is_whole(name):
                raise _BadLineError("a member whose name holds half a character, or a NUL")
            self._header.setdefault(name, len(self._header))
        if len(self._header) > self._limits.columns:
            raise Unprocessable(
                f"the file has more than {self._limits.columns} columns", columns=len(self._header)
            )

    def _typed(self, place: int, values: list[Any]) -> Values:
        if self._lexical and place not in self._lexical:
            values = [float(value) if type(value) is Literal else value for value in values]
        return from_python(values)


class _BadLineError(Exception):
    """A line that cannot be read; the text says why."""


def _known(array: pa.Array) -> Values:
    if pa.types.is_int64(array.type):
        return integers(array)
    return Values(array, frozenset({_KINDS[array.type]} if array.type in _KINDS else ()))


def _bad_values(columns: Sequence[Sequence[Any]], line: int, *, escaped: bool) -> list[Bad]:
    """Return the lines with values that are no cells: lists and objects, and texts that are no text."""
    found = []
    for position, values in enumerate(columns, 1):
        types = set(map(type, values))
        if types & {dict, list}:
            nested = (place for place, value in enumerate(values, line) if isinstance(value, (dict, list)))
            found += [Bad(place, f"a value inside a value, in column {position}") for place in nested]
        if escaped and str in types:
            broken = (
                place for place, value in enumerate(values, line)
                if isinstance(value, str) and not _is_whole(value)
            )  # fmt: skip
            found += [Bad(place, f"half a character, or a NUL, in column {position}") for place in broken]
    return found


def _is_whole(value: str) -> bool:
    """Tell whether a text is one: no half of a surrogate pair, and no NUL."""
    try:
        return b"\0" not in value.encode()
    except UnicodeEncodeError:
        return False


def _long_numbers(names: Sequence[str]) -> re.Pattern[bytes]:
    """Return what finds numbers of these members that pyarrow would round."""
    spelled = {json.dumps(name, ensure_ascii=ascii_) for name in names for ascii_ in (False, True)}
    spelled |= {re.sub(r"\\u[0-9a-f]{4}", lambda code: r"\u" + code[0][2:].upper(), name) for name in spelled}
    either = b"|".join(re.escape(name.encode()) for name in sorted(spelled))
    if not names:
        return re.compile(rb"(?!)")
    digits = b"(?:[0-9]{%d}|[0-9.]{%d}|[0-9.]+[eE]-[0-9]{3})" % (_DIGITS, _DOUBLE + 2)
    return re.compile(rb"(?:" + either + rb")[ \t]*:[ \t]*-?" + digits)


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise _BadLineError("a member that stands twice")
    return found


def _number(written: str) -> float | Literal:
    """Return a number with a point or an exponent: a double, unless it is one that no double is or tells."""
    digits = written.lower().partition("e")[0].replace(".", "").lstrip("-0").rstrip("0")
    number = float(written)
    if math.isinf(number) or len(digits) <= sys.float_info.dig:
        # Near zero a double has fewer digits, or none: `1e-400` is not zero.
        return Literal(written) if digits and abs(number) < sys.float_info.min else number
    told = {Decimal(repr(number)), Decimal(f"{number:.{_DOUBLE - 1}e}")}
    return number if len(digits) <= _DOUBLE and Decimal(written) in told else Literal(written)


_DECODER = json.JSONDecoder(object_pairs_hook=_pairs, parse_float=_number)
_LEXICAL = json.JSONDecoder(object_pairs_hook=_pairs, parse_float=Literal, parse_constant=Literal)
