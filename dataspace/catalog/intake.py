"""From an upload to a typed table: runs in a worker process, for it parses what strangers send.

Two passes over the sealed upload: the first validates and infers, the second
writes Parquet, sealed. Nothing is written in plain, and at no time is more than
a few blocks in memory. Errors name lines and columns by number, never a cell.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, BinaryIO

import msgspec
import pyarrow as pa

from dataspace.catalog.convert import convert
from dataspace.catalog.limits import Limits
from dataspace.catalog.names import display_name, escape_formula
from dataspace.catalog.payloads import SealWriter
from dataspace.catalog.preview import desensitized, original
from dataspace.catalog.readers import contradiction, open_reader
from dataspace.catalog.readers.source import Progress, Source
from dataspace.catalog.survey import Declared, Survey
from dataspace.errors import Malformed, Unavailable
from dataspace.table import Column, Type
from dataspace.zones.classify import Proposal, Sampled, classify, looks_like_identifier
from dataspace.zones.grade import highest
from dataspace.zones.pack import read_fields

__all__ = ["Intake", "display_name", "escape_formula"]

_Key = Annotated[bytes, msgspec.Meta(min_length=32, max_length=32)]


class _Request(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What `read` takes: two sealed files with their keys and contexts, rules, what is declared."""

    source: str
    source_key: _Key
    source_context: bytes
    target: str
    target_key: _Key
    target_context: bytes
    pack: list[dict[str, Any]]
    recognisers: list[dict[str, Any]] = []
    rules: dict[str, str] = {}
    filename: str = ""
    declared: Declared = msgspec.field(default_factory=Declared)
    limits: Limits = msgspec.field(default_factory=Limits)


def _unheard(_stage: str, _percent: int) -> None:
    """Tell nobody: what `report` is until a sandbox sets it."""


class Intake:
    """The worker's side; an instance keeps nothing between calls.

    `report(stage, percent)` is told how far the reading is: scanning, classifying, encrypting.
    """

    def __init__(self) -> None:
        self.report: Callable[[str, int], object] = _unheard

    def read(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Read the upload at `source`, write its payload to `target`, and return what was found.

        Request: `source`, `source_key`, `source_context`, the same of `target`,
        `pack` (`Pack.rules()`), and if wanted `recognisers` (fields like those
        of the pack), `rules` (what a provider said that columns are),
        `filename`, `declared` (`format`, `encoding`, `delimiter`, `sheet`,
        `not_finite`: text, null or error, `exponents`) and `limits` (`Limits`).

        Result: `columns` (each a `Column`'s JSON), `proposals` (category,
        confidence in percent, evidence), `level`, `mapping` of changed names,
        `format`, `compression`, `encoding`, `delimiter`, `sheets`, `sheet`,
        `rows`, `bytes` of the upload, `text_bytes` of its table,
        `source_sha256`, `payload_bytes` and `payload_sha256` (both of the
        Parquet file before sealing), `preview` (`columns`, `original`,
        `desensitized`), `warnings`.

        Raises:
            Unsupported: the file is no table of a kind that is taken.
            TooLarge: it passes a limit.
            Unprocessable: it has rows, columns or bytes that cannot be taken.
            VerificationError: the sealed upload does not open.

        """
        asked = _asked(request)
        progress = Progress(self.report)
        source = Source(asked.source, asked.source_key, asked.source_context, asked.limits, progress)
        with source:
            reader = open_reader(source, asked.declared, asked.limits, asked.filename)
            survey = reader.survey()
            progress.at("classifying", 0, 1)
            proposals = _propose(survey, asked)
            columns = [proposal.column for proposal in proposals]
            progress.at("encrypting", 0, 1)
            with _created(Path(asked.target)) as file:
                writer = SealWriter(file, asked.target_key, asked.target_context)
                tables = reader.tables(columns)
                written = convert(
                    tables, survey, columns, writer,
                    written=lambda rows: progress.at("encrypting", rows, survey.rows),
                )  # fmt: skip
                preview = _preview(survey, columns, written.first)
        return {
            "columns": [column.to_json() for column in columns],
            "proposals": [proposal.to_json() for proposal in proposals],
            "level": highest(columns),
            "mapping": survey.mapping(),
            "format": survey.format,
            "compression": source.compression,
            "encoding": survey.encoding,
            "delimiter": survey.delimiter,
            "sheets": survey.sheets,
            "sheet": survey.sheet,
            "rows": survey.rows,
            "bytes": source.size,
            "text_bytes": survey.text_bytes,
            "source_sha256": source.sha256,
            "payload_bytes": written.sealed.size,
            "payload_sha256": written.sealed.sha256,
            "preview": preview,
            "warnings": survey.warnings + _warnings(survey, columns, asked),
        }

    def assess(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Measure a payload as its columns would leave: `catalog.assess.assess`."""
        from dataspace.catalog.assess import assess  # noqa: PLC0415 - the search's libraries, which reading does not need

        return dict(assess(request))


def _asked(request: Mapping[str, Any]) -> _Request:
    try:
        return msgspec.convert(dict(request), _Request)
    except msgspec.ValidationError as error:
        raise Malformed(f"malformed request to read an upload: {error}") from error


@contextmanager
def _created(path: Path) -> Iterator[BinaryIO]:
    """Create the payload's file; remove it again when it does not become whole."""
    try:
        file = path.open("xb")
    except OSError as error:
        raise Unavailable(f"the payload cannot be written: {error.strerror}") from error
    try:
        with file:
            yield file
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _propose(survey: Survey, asked: _Request) -> list[Proposal]:
    sampled = []
    for position, (name, column) in enumerate(zip(survey.header, survey.columns, strict=True)):
        kind = column.type(asked.declared.not_finite)
        # Digits that number things are no quantity: leading zeros and sums would tell.
        kind = Type.TEXT if kind is Type.INTEGER and looks_like_identifier(name) else kind
        sampled.append(Sampled(name, kind, survey.sample.column(position).combine_chunks()))
    fields = read_fields([*asked.pack, *asked.recognisers])
    return classify(sampled, survey.names, fields, asked.rules)


def _preview(survey: Survey, columns: Sequence[Column], first: pa.Table) -> dict[str, Any]:
    return {
        "columns": survey.names,
        "original": original(survey.first),
        "desensitized": desensitized(first.slice(0, survey.first.num_rows), columns),
    }


def _warnings(survey: Survey, columns: Sequence[Column], asked: _Request) -> list[str]:
    found = [contradiction(survey.format, asked.filename)]
    for column, learned in zip(columns, survey.columns, strict=True):
        remark = learned.remark(asked.declared.not_finite, column.type)
        found.append(remark and f"column {column.name} {remark}")
    return [warning for warning in found if warning]
