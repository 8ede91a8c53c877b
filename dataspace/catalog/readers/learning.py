"""What is learned of a table whose values came with types: columns, a sample, the first rows, the bad ones.

Types of a file are kept where they are ours, and become text where a digit or
a time of day would be lost:

    INTEGER   whole numbers of at most 15 digits
    DECIMAL   numbers that a double is, or gives back
    DATE      days; moments that are all midnights; texts that are all days, where the format has no days
    TEXT      everything else: mixed columns, longer numbers, moments, truth values

Text is never taken for a number: `"00123"` stays what it is.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dataspace.catalog.inference import NotFinite, Texts
from dataspace.catalog.limits import SHOWN, Bad, Limits, refusal
from dataspace.catalog.readers.values import Kind, Values, beyond, texts
from dataspace.catalog.survey import PREVIEW_ROWS, Survey, sample_quota
from dataspace.errors import TooLarge, Unprocessable
from dataspace.table import Type

Place = Callable[[int], int]  # the line or number of a row of a block


@dataclass
class Natural:
    """What is known of one column so far; `dated`: texts that are all days in ISO 8601 are days."""

    dated: bool
    kinds: set[Kind] = field(default_factory=set)
    wide: bool = False
    lossy: bool = False
    days: bool = True
    midnights: bool = True
    token_lines: list[int] = field(default_factory=list)
    seen: int = 0

    def add(self, values: Values, place: Place) -> None:
        """Take the next values."""
        array = values.array
        self.seen += len(array) - array.null_count
        self.kinds |= values.kinds
        self.wide |= values.wide
        self.lossy |= values.lossy
        if Kind.DECIMAL in values.kinds and pa.types.is_floating(array.type):
            self._note_tokens(array, place)
        if Kind.MOMENT in values.kinds and self.midnights:
            self.midnights = pa.types.is_timestamp(array.type) and _midnights(array)
        if Kind.TEXT in values.kinds and self.dated and self.days:
            self.days = _days(array)

    def type(self, rule: NotFinite) -> Type:
        """Return the column's type under the rule for values that are no number."""
        if self.kinds == {Kind.INTEGER}:
            return Type.TEXT if self.wide else Type.INTEGER
        if self.kinds and self.kinds <= {Kind.INTEGER, Kind.DECIMAL}:
            kept = self.lossy or (self.token_lines and rule is NotFinite.TEXT)
            return Type.TEXT if kept else Type.DECIMAL
        if self.kinds and self.kinds <= {Kind.DAY, Kind.MOMENT}:
            return Type.DATE if self.midnights else Type.TEXT
        return Type.DATE if self.kinds == {Kind.TEXT} and self.dated and self.days else Type.TEXT

    def remark(self, rule: NotFinite, kind: Type) -> str:
        """Return what the provider should know of the column as it was typed; nothing if all is well."""
        numeric = self.kinds <= {Kind.INTEGER, Kind.DECIMAL}
        if not self.seen:
            return "has no values"
        if self.token_lines and numeric:
            kept = "stays text: it has values that are no finite number"
            became = "holds values that are no finite number, which became null"
            return kept if kind is Type.TEXT and rule is NotFinite.TEXT else became
        if numeric and kind is Type.TEXT and (self.wide or self.lossy):
            return "becomes text: it has numbers of more digits than a number is sure to keep"
        if kind is Type.TEXT and len(self.kinds) > 1 and not numeric:
            return f"becomes text: it mixes {', '.join(sorted(self.kinds))}"
        return ""

    def _note_tokens(self, array: pa.Array, place: Place) -> None:
        odd = pc.fill_null(pc.invert(pc.is_finite(array)), fill_value=False)
        room = SHOWN - len(self.token_lines)
        if room and pc.any(odd).as_py():
            places = np.flatnonzero(odd.to_numpy(zero_copy_only=False))[:room]
            self.token_lines += [place(int(row)) for row in places]


class Learner:
    """Collects what a survey needs from blocks of values; `unit` says what rows are counted by.

    From the first bad row on nothing more is learned; ten of them end the reading.
    """

    def __init__(self, limits: Limits, unit: str, blocks: int, *, dated: bool) -> None:
        self.columns: list[Natural] = []
        self.rows = 0
        self._limits, self._unit, self._blocks, self._dated = limits, unit, blocks, dated
        self._size = 0
        self._bad: list[Bad] = []
        self._samples: list[list[pa.Array]] = []  # per block, its columns
        self._first: list[list[pa.Array]] = []

    def refuse(self, bad: Sequence[Bad]) -> None:
        """Note bad rows.

        Raises:
            Unprocessable: there are ten of them.

        """
        self._bad += bad
        if len(self._bad) >= SHOWN:
            raise refusal(self._bad, self._unit)

    def add(self, columns: Sequence[Values], place: Place) -> None:
        """Take the next rows; there may be more columns than before, whose earlier values are null.

        Raises:
            TooLarge: there are more rows or bytes than the limits.
            Unprocessable: ten rows are bad.

        """
        rows = len(columns[0].array) if columns else 0
        self.rows += rows
        if self.rows > self._limits.rows:
            raise TooLarge(f"the file has more than {self._limits.rows} rows", limit=self._limits.rows)
        self._size += sum(values.array.nbytes for values in columns)
        if self._size > self._limits.plain:
            raise TooLarge(f"the table has more than {self._limits.plain} bytes", limit=self._limits.plain)
        self.columns += [Natural(self._dated) for _ in columns[len(self.columns) :]]
        self.refuse(_bad(columns, self._limits, place))
        if self._bad or not rows:
            return
        for known, values in zip(self.columns, columns, strict=False):
            known.add(values, place)
        self._take([values.array for values in columns], rows)

    def finish(self, survey: Survey) -> None:
        """Fill in what was learned; `survey.names` are there already.

        Raises:
            Unprocessable: there were bad rows, or none at all.

        """
        if self._bad:
            raise refusal(self._bad, self._unit)
        if not self.rows:
            raise Unprocessable("the file has no rows")
        most, _ = sample_quota(len(survey.names), self._blocks)
        survey.columns, survey.rows, survey.text_bytes = self.columns, self.rows, self._size
        survey.sample = _table(survey.names, self._samples).slice(0, most)
        survey.first = _table(survey.names, self._first).slice(0, PREVIEW_ROWS)

    def _take(self, columns: list[pa.Array], rows: int) -> None:
        """Keep the rows for the preview and, evenly from each block, for the sample."""
        if self.rows - rows < PREVIEW_ROWS:
            self._first.append([texts(array.slice(0, PREVIEW_ROWS)) for array in columns])
        _, quota = sample_quota(len(columns), self._blocks)
        if rows > quota:
            numbers = np.linspace(0, rows - 1, quota).astype(int)
            columns = [array.take(pa.array(numbers)) for array in columns]
        self._samples.append([texts(array) for array in columns])


def _table(names: Sequence[str], blocks: Sequence[Sequence[pa.Array]]) -> pa.Table:
    """Return blocks of texts as one table; columns that came later are null before."""
    columns = []
    for position in range(len(names)):
        chunks = [
            block[position] if position < len(block) else pa.nulls(len(block[0]), pa.string())
            for block in blocks
        ]
        columns.append(pa.chunked_array(chunks, pa.string()))
    return pa.table(dict(zip(names, columns, strict=True)))


def _bad(columns: Sequence[Values], limits: Limits, place: Place) -> list[Bad]:
    """Return the rows with values that cannot be taken: texts too long or with NULs, days of no calendar."""
    found: dict[int, str] = {}
    for position, values in enumerate(columns, 1):
        for row in beyond(values.array)[:SHOWN]:
            found[int(row)] = f"a day outside of the years 1 to 9999 in column {position}"
        if not pa.types.is_string(values.array.type):
            continue
        column = Texts(values.array)
        if not len(column.starts):
            continue
        for number in np.flatnonzero(column.lengths > limits.field)[:SHOWN]:
            size = column.lengths[number]
            found[int(column.places[number])] = (
                f"a value of {size} bytes in column {position}, want at most {limits.field}"
            )
        if not column.bytes.all():
            zeros = np.flatnonzero(column.bytes == 0)[:SHOWN]
            for number in np.searchsorted(column.starts, zeros, side="right") - 1:
                found[int(column.places[number])] = f"a NUL character in column {position}"
    return [Bad(place(row), found[row]) for row in sorted(found)[:SHOWN]]


def _midnights(array: pa.Array) -> bool:
    """Tell whether all moments are midnights."""
    same = pc.equal(pc.cast(pc.cast(array, pa.date32(), safe=False), array.type), array)
    return bool(pc.all(same, min_count=0).as_py())


def _days(array: pa.Array) -> bool:
    """Tell whether all texts are days; an empty text is none."""
    column = Texts(array)
    if len(column.starts) < len(array) - array.null_count:
        return False
    return not len(column.starts) or column.dates()
