"""From an upload to a typed table: runs in a worker process, for it parses what strangers send.

Two passes over the sealed upload: the first validates and infers, the second
writes Parquet, sealed. Nothing is written in plain, and at no time is more than
a few blocks in memory. Errors name lines and columns by number, never a cell.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, BinaryIO

import msgspec

from dataspace.catalog.convert import convert, typed
from dataspace.catalog.delimited import Limits
from dataspace.catalog.inference import NotFinite
from dataspace.catalog.names import display_name, escape_formula
from dataspace.catalog.payloads import SealWriter, open_sealed, plain_size
from dataspace.catalog.preview import desensitized, original
from dataspace.catalog.survey import Declared, Survey, Surveyor
from dataspace.errors import Malformed, Unavailable
from dataspace.table import Column, Type
from dataspace.zones.classify import Proposal, Sampled, classify, looks_like_identifier
from dataspace.zones.grade import grade
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
    declared: Declared = msgspec.field(default_factory=Declared)
    limits: Limits = msgspec.field(default_factory=Limits)


class Intake:
    """The worker's side; an instance keeps nothing between calls."""

    def read(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Read the upload at `source`, write its payload to `target`, and return what was found.

        Request: `source`, `source_key`, `source_context`, the same of `target`,
        `pack` (`Pack.rules()`), and if wanted `declared` (`encoding`,
        `delimiter`, `not_finite`: text, null or error, `exponents`) and `limits`
        (`columns`, `field`, `record`, `rows`).

        Result: `columns` (each a `Column`'s JSON), `proposals` (category,
        confidence in percent, evidence), `level`, `mapping` of changed names,
        `encoding`, `delimiter`, `rows`, `bytes` of the upload, `source_sha256`,
        `payload_bytes` and `payload_sha256` (both of the Parquet file before
        sealing), `preview` (`columns`, `original`, `desensitized`), `warnings`.

        Raises:
            Unsupported: the file is no table of text.
            TooLarge: it passes a limit.
            Unprocessable: it has rows, columns or bytes that cannot be taken.
            VerificationError: the sealed upload does not open.

        """
        asked = _asked(request)
        survey = Surveyor(asked.declared, asked.limits, plain_size(Path(asked.source))).survey(_source(asked))
        proposals = _propose(survey, asked)
        columns = [proposal.column for proposal in proposals]
        with _created(Path(asked.target)) as file:
            writer = SealWriter(file, asked.target_key, asked.target_context)
            payload = convert(_source(asked), survey, columns, writer)
        return {
            "columns": [column.to_json() for column in columns],
            "proposals": [proposal.to_json() for proposal in proposals],
            "level": grade(columns),
            "mapping": survey.mapping(),
            "encoding": survey.encoding,
            "delimiter": survey.delimiter,
            "rows": survey.rows,
            "bytes": survey.size,
            "source_sha256": survey.sha256,
            "payload_bytes": payload.size,
            "payload_sha256": payload.sha256,
            "preview": _preview(survey, columns),
            "warnings": survey.warnings + _warnings(survey, columns, asked.declared),
        }


def _asked(request: Mapping[str, Any]) -> _Request:
    try:
        return msgspec.convert(dict(request), _Request)
    except msgspec.ValidationError as error:
        raise Malformed(f"malformed request to read an upload: {error}") from error


def _source(asked: _Request) -> Iterator[bytes]:
    return open_sealed(asked.source, asked.source_key, asked.source_context)


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
    return classify(sampled, survey.names, read_fields(asked.pack))


def _preview(survey: Survey, columns: Sequence[Column]) -> dict[str, Any]:
    return {
        "columns": survey.names,
        "original": original(survey.first),
        "desensitized": desensitized(typed(survey.first, survey, columns), columns),
    }


def _warnings(survey: Survey, columns: Sequence[Column], declared: Declared) -> list[str]:
    found = []
    for column, inference in zip(columns, survey.columns, strict=True):
        if not inference.seen:
            found.append(f"column {column.name} has no values")
        elif inference.tokens and inference.fits and declared.not_finite is NotFinite.TEXT:
            found.append(f"column {column.name} stays text: it has values that are no finite number")
        elif inference.tokens and column.type is not Type.TEXT:
            found.append(f"column {column.name}: values that are no finite number became null")
        elif inference.codes:
            found.append(
                f"column {column.name} stays text: its exponents may be codes (declare them to be numbers)"
            )
    return found
