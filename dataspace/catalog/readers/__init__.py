"""Readers of uploads: one for each format, all with the same two passes.

    text.py        delimited text: CSV, TSV and their kin
    jsonlines.py   JSON Lines
    workbook.py    the worksheets of an Excel workbook (xlsx)
    columnar.py    Parquet

A format is known by its magic number; what has none is text, and JSON Lines
when its first line is an object. A declared format decides, and must be true.
"""

import codecs
import re
from collections.abc import Iterator, Sequence
from typing import Protocol

import pyarrow as pa

from dataspace.catalog.limits import Limits
from dataspace.catalog.readers.columnar import Parquet
from dataspace.catalog.readers.jsonlines import JsonLines
from dataspace.catalog.readers.source import Source
from dataspace.catalog.readers.text import DelimitedText
from dataspace.catalog.readers.workbook import Workbook
from dataspace.catalog.survey import Declared, Survey
from dataspace.errors import Unsupported
from dataspace.table import Column

FORMATS = ("csv", "tsv", "jsonl", "xlsx", "parquet")
_MAGIC = {b"PAR1": "parquet", b"PK\x03\x04": "xlsx"}
_ENDINGS = {"csv": "csv", "tsv": "csv", "txt": "csv", "tab": "csv", "jsonl": "jsonl", "ndjson": "jsonl",
            "json": "jsonl", "xlsx": "xlsx", "parquet": "parquet", "pq": "parquet"}  # fmt: skip
_OBJECT = re.compile(rb'(?:\xef\xbb\xbf)?\s*\{\s*["}]')
_ARRAY = re.compile(rb"(?:\xef\xbb\xbf)?\s*\[\s*[\[{]")
_TITLES = {"csv": "delimited text", "jsonl": "JSON Lines", "xlsx": "an Excel workbook", "parquet": "Parquet"}


class Reader(Protocol):
    """Reads one upload: first `survey`, then `tables`, each once."""

    def survey(self) -> Survey:
        """Read the whole file, check it, and return what it holds; raises only `Malformed`."""
        ...

    def tables(self, columns: Sequence[Column]) -> Iterator[pa.Table]:
        """Yield the rows with the columns' types, some at a time; raises only `Malformed`."""
        ...


def open_reader(source: Source, declared: Declared, limits: Limits, name: str = "") -> Reader:
    """Return the reader for an upload; of its `name` only the ending is looked at.

    Raises:
        Unsupported: the file is of no kind that is taken, or not of the declared one.

    """
    found = _format(source.head, declared.format, name)
    if found == "parquet":
        return Parquet(source, declared, limits)
    if found == "xlsx":
        return Workbook(source, declared, limits)
    if found == "jsonl":
        return JsonLines(source, declared, limits)
    return DelimitedText(source, declared, limits)


def contradiction(format_: str, name: str) -> str:
    """Return a warning when a file's name says another format than was found, else nothing."""
    said = _ending(name)
    if not said or said == format_:
        return ""
    return f"the file's name says {_TITLES[said]}, and it was read as {_TITLES[format_]}, which it is"


def _format(head: bytes, declared: str, name: str) -> str:
    if declared and declared not in FORMATS:
        raise Unsupported(f"the declared format is not known: want one of {', '.join(FORMATS)}")
    wanted = "csv" if declared == "tsv" else declared
    found = next((kind for magic, kind in _MAGIC.items() if head.startswith(magic)), "")
    if found or wanted in _MAGIC.values():
        if wanted not in ("", found):
            raise Unsupported(f"the file is not what was declared: want {_TITLES[wanted]}", kind=found)
        return found
    if wanted:
        return wanted
    for mark in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        head = head.removeprefix(mark)
    head = head.replace(b"\0", b"")  # of UTF-16
    if _ARRAY.match(head):
        raise Unsupported("the file is a JSON array, want JSON Lines: one object on each line", kind="JSON")
    return "jsonl" if _OBJECT.match(head) and _ending(name) != "csv" else "csv"


def _ending(name: str) -> str:
    ending = name.lower().removesuffix(".gz").rpartition(".")[2]
    return _ENDINGS.get(ending, "")
