"""One worksheet of an Excel workbook (ECMA-376, xlsx), read by calamine once its archive was looked through.

The first row that holds anything names the columns. Numbers, days and texts
are what the cells say they are; a cell without a value is null. calamine holds
a worksheet whole, which `Limits.cells` bounds.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import islice
from operator import add
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
from python_calamine import CalamineError, CalamineSheet, CalamineWorkbook, SheetTypeEnum, SheetVisibleEnum

from dataspace.catalog.inference import ARROW_TYPES
from dataspace.catalog.limits import SHOWN, Bad, Limits
from dataspace.catalog.names import column_names
from dataspace.catalog.readers.archive import Archive
from dataspace.catalog.readers.learning import Learner
from dataspace.catalog.readers.source import Source
from dataspace.catalog.readers.values import Values, as_type, from_python, text, whole
from dataspace.catalog.survey import Declared, Survey, refuse_tokens
from dataspace.errors import Unprocessable
from dataspace.table import Column

_ROWS: Final = 4096  # at a time
_CELLS: Final = 1 << 17


class Workbook:
    """Reads one file; it is a `Reader`."""

    def __init__(self, source: Source, declared: Declared, limits: Limits) -> None:
        self._source, self._declared, self._limits = source, declared, limits
        self._sheet: CalamineSheet | None = None
        self._start = 0  # rows before the first of the table
        self._width = 0
        self._empty = 0  # rows at the end

    def survey(self) -> Survey:
        """Read a worksheet.

        Raises:
            Unsupported: the archive is no workbook.
            TooLarge: a limit is passed.
            Unprocessable: the workbook is damaged or dangerous, or has rows or columns that cannot be taken.

        """
        path = self._source.spool()
        archive = _checked(path, self._limits)
        found = Survey(format="xlsx")
        self._open(path, found)
        self._read_header(found)
        rows = self._height - self._start
        learner = Learner(self._limits, "row", rows // self._step + 1, dated=True)
        learner.refuse(self._merged())
        done = 0
        for number, block in self._blocks():
            done += len(block)
            if columns := self._checked(block, number, learner):
                learner.add(columns, partial(add, number))
            self._source.progress.at("scanning", done, rows)
        learner.finish(found)
        refuse_tokens(learner.columns, self._declared.not_finite, "row")
        if self._empty:
            found.warnings.append("empty rows at the end of the worksheet were left out")
        if archive.errors:
            found.warnings.append(
                f"cells of the workbook that hold an error (#REF!, #N/A) became null: {archive.errors}"
            )
        if archive.unsolved:
            found.warnings.append(
                "cells of the workbook with a formula that nobody calculated became null: "
                f"{archive.unsolved} (open it in an office program and save it)"
            )
        return found

    def tables(self, columns: Sequence[Column]) -> Iterator[pa.Table]:
        """Yield the rows with the columns' types, some at a time.

        Raises:
            Unprocessable: the worksheet is not the one that was surveyed.

        """
        schema = pa.schema([(column.name, ARROW_TYPES[column.type]) for column in columns])
        for number, block in self._blocks():
            kept = block[: max(0, self._height - self._empty - number + 1)]
            if kept:
                read = self._columns(kept)
                arrays = [
                    as_type(values.array, column.type) for values, column in zip(read, columns, strict=True)
                ]
                yield pa.table(arrays, schema=schema)

    @property
    def _opened(self) -> CalamineSheet:
        assert self._sheet is not None  # noqa: S101 - `survey` opened it
        return self._sheet

    @property
    def _height(self) -> int:
        """The number of the last row."""
        return self._opened.end[0] + 1 if self._opened.end else 0

    @property
    def _step(self) -> int:
        return max(1, min(_ROWS, _CELLS // max(self._width, 1)))

    def _open(self, path: str, found: Survey) -> None:
        with _translated():
            book = CalamineWorkbook.from_path(path)
            sheets = [sheet for sheet in book.sheets_metadata if sheet.typ == SheetTypeEnum.WorkSheet]
        found.sheets = [sheet.name for sheet in sheets]
        shown = [sheet.name for sheet in sheets if sheet.visible == SheetVisibleEnum.Visible]
        found.sheet = self._declared.sheet or next(iter(shown), "")
        if found.sheet not in found.sheets:
            what = "no worksheet of the declared name" if found.sheet else "no worksheet that is shown"
            raise Unprocessable(f"the workbook has {what}", sheets=found.sheets[:SHOWN])
        if len(shown) > 1 and not self._declared.sheet:
            found.warnings.append(
                f"the workbook has {len(shown)} worksheets: the first was read (declare another by its name)"
            )
        with _translated():
            self._sheet = book.get_sheet_by_name(found.sheet)

    def _read_header(self, found: Survey) -> None:
        for number, row in enumerate(self._opened.iter_rows(), 1):
            filled = [position for position, cell in enumerate(row, 1) if cell != ""]
            if filled:
                self._start, self._width = number, filled[-1]
                found.header = [text(cell) or "" for cell in row[: self._width]]
                found.names = column_names(found.header, self._limits.columns)
                return
        raise Unprocessable("the worksheet is empty")

    def _blocks(self) -> Iterator[tuple[int, list[list[Any]]]]:
        """Yield rows with the number of the first one."""
        rows = iter(self._opened.iter_rows())
        next(islice(rows, self._start - 1, self._start), None)
        number = self._start + 1
        while block := list(islice(rows, self._step)):
            yield number, block
            number += len(block)

    def _checked(self, block: list[list[Any]], number: int, learner: Learner) -> list[Values]:
        """Return a block's columns; empty rows may stand at the very end, and wider ones nowhere."""
        empty = 0
        bad = []
        for place, row in enumerate(block, number):
            if any(cell != "" for cell in row[self._width :]):
                bad.append(Bad(place, f"values beyond the {self._width} columns that have names"))
            if any(cell != "" for cell in row):
                bad += [Bad(place - back, "an empty row") for back in range(empty + self._empty, 0, -1)]
                empty = self._empty = 0
            else:
                empty += 1
            if len(bad) >= SHOWN:
                break
        self._empty += empty
        learner.refuse(bad[:SHOWN])
        kept = block[: len(block) - empty]
        return self._columns(kept) if kept and not bad else []

    def _columns(self, block: list[list[Any]]) -> list[Values]:
        columns = list(zip(*block, strict=True))[: self._width]
        return [whole(from_python([None if cell == "" else cell for cell in column])) for column in columns]

    def _merged(self) -> list[Bad]:
        """Return the rows of the table in which cells are merged: nobody can tell what the others hold."""
        with _translated():
            ranges = self._opened.merged_cell_ranges or []
        rows = {first + 1 for (first, _), (last, _) in ranges if last + 1 >= self._start}
        return [Bad(row, "merged cells") for row in sorted(rows)[:SHOWN]]


def _checked(path: str, limits: Limits) -> Archive:
    with Path(path).open("rb") as file:
        archive = Archive(file, Path(path).stat().st_size, limits)
        archive.check()
    return archive


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (CalamineError, ValueError, OSError):
        # `from None`: its text may hold cells.
        raise Unprocessable("the workbook cannot be read: it is damaged, or no table of cells") from None
    except BaseException as error:
        if type(error).__name__ != "PanicException":  # of Rust; it is no Exception
            raise
        raise Unprocessable("the workbook cannot be read: its reader failed on it") from None
