"""Reading a sealed file in a worker process: payload, proposal, preview, and what is measured of it."""

import json
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass, field
from io import BytesIO
from types import MappingProxyType
from typing import Any, Final

from dataspace.catalog.models import Upload
from dataspace.catalog.payloads import open_sealed, seal
from dataspace.catalog.places import Places
from dataspace.catalog.rules import Known, known
from dataspace.catalog.staging import disk
from dataspace.database import crash_at
from dataspace.errors import TooCostly, TooLarge, Unavailable, Unprocessable
from dataspace.sandbox import Pool, Progress
from dataspace.space import Space
from dataspace.table import Column
from dataspace.zones.pack import Pack

_SAMPLES: Final = "samples"  # beside the preview, by the part of the assessment they belong to
_DECLARED: Final = ("delimiter", "encoding", "format", "sheet")  # what intake takes of what a sender says


@dataclass(frozen=True)
class Sealed:
    """A sealed file to be read: where it lies, its key and its context."""

    source: str
    source_key: bytes = field(repr=False)
    source_context: bytes


class Reader:
    """Reads uploads; what it leaves of one that cannot be read is for its caller to forget."""

    def __init__(self, space: Space, intake: Pool, places: Places) -> None:
        self._space = space
        self._intake = intake
        self._places = places

    def read(self, upload: Upload, sealed: Sealed, progress: Progress | None = None) -> None:
        """Read `sealed` into the payload and preview of `upload`, and set what was found in the row's fields.

        Raises:
            Unprocessable: the file cannot be taken; `facts` name the first bad lines.
            Unsupported: it is no table of a kind that is taken.
            TooCostly: it needs more time or memory than a worker has.
            OutOfSpace: there is no room for the payload.

        """
        # A reading that was cut short by a restart may have left one.
        self._places.payload(f"{upload.id}.sealed").unlink(missing_ok=True)
        taught = self._known(upload)
        found = self._read(self._request(upload, sealed, taught), progress)
        self._check_size(found)
        preview = found.pop("preview")
        upload.source_sha256, upload.payload_sha256 = found["source_sha256"], found["payload_sha256"]
        upload.rows, upload.size, upload.proposal = found["rows"], found["bytes"], found
        columns = [Column.from_json(column) for column in found["columns"]]
        pack = taught.taught(self._space.pack(upload.zone))
        try:
            found["assessment"] = self.assess(upload, columns, pack, search=True, progress=progress)
        except TooCostly as error:
            # The file can be read, and its columns corrected: what is confirmed is measured again.
            found["assessment"] = None
            found["warnings"].append(f"the risk could not be measured: {error}")
        self._keep_cells(upload, {**preview, _SAMPLES: _taken(found["assessment"])})
        crash_at("upload.before_row")

    def assess(  # noqa: PLR0913 - the terms of an offer, by name
        self,
        upload: Upload,
        columns: Sequence[Column],
        pack: Pack,
        *,
        search: bool = False,
        offered: Sequence[str] = (),
        methods: Mapping[str, Any] = MappingProxyType({}),
        sample: int = 100,
        progress: Progress | None = None,
    ) -> dict[str, Any]:
        """Measure an upload as `columns` would let it leave; the result is `catalog.assess`'s.

        `offered` are forms, `methods` (by column) and `sample` (percent of the subjects) the offer's;
        `search` looks for columns that meet the zone's thresholds when these do not.

        Raises:
            TooCostly: it needs more time or memory than a worker has.

        """
        path = self._places.payload(f"{upload.id}.sealed")
        request = {
            "payload": {"path": str(path), "key": self.key_of(upload), "context": upload.id.encode()},
            "columns": [column.to_json() for column in columns],
            "fields": pack.rules(),
            "risk": pack.risk.to_json(),
            "max_rows_level": pack.max_rows_level,
            "search": search,
            "offered": list(offered),
            "methods": dict(methods),
            "sample": sample,
        }
        if progress:
            progress("assessing", 0)
        return dict(self._intake.call("assess", request, progress=progress))

    def key_of(self, upload: Upload) -> bytes:
        """Return the data key of an upload."""
        return self._space.keys.secret(f"zone/{upload.zone}").unwrap(upload.key, upload.id.encode())

    def shown(self, upload: Upload) -> dict[str, Any]:
        """Return the proposal of an upload with the cells that are kept sealed beside it.

        They are its first rows in `preview`, and `sample` in what was measured.
        """
        path = self._places.payload(f"{upload.id}.preview")
        preview = json.loads(b"".join(open_sealed(path, self.key_of(upload), _preview_of(upload.id))))
        assessment: Any = deepcopy(upload.proposal.get("assessment"))
        for part, sample in preview.pop(_SAMPLES, {}).items():
            (assessment[part] if part else assessment)["sample"] = sample
        return {**upload.proposal, "assessment": assessment, "preview": preview}

    def _read(self, request: Mapping[str, Any], progress: Progress | None) -> dict[str, Any]:
        try:
            return dict(self._intake.call("read", request, progress=progress))
        except Unavailable as error:
            # Parsers of strangers' files die of some of them (attack UP-11): that is the file's fault.
            if error.facts.get("died"):
                raise Unprocessable("the file cannot be read: its reader died of it") from error
            raise

    def _request(self, upload: Upload, sealed: Sealed, taught: Known) -> dict[str, Any]:
        return {
            **asdict(sealed),
            "target": str(self._places.payload(f"{upload.id}.sealed")),
            "target_key": self.key_of(upload),
            "target_context": upload.id.encode(),
            "filename": upload.filename,
            "pack": taught.taught(self._space.pack(upload.zone)).rules(),
            "rules": dict(taught.rules),
            "declared": {name: upload.declared[name] for name in _DECLARED if upload.declared.get(name)},
        }

    def _known(self, upload: Upload) -> Known:
        with self._space.database.reading() as session:
            return known(session, upload.provider, upload.zone)

    def _keep_cells(self, upload: Upload, cells: Mapping[str, Any]) -> None:
        with disk(), self._places.payload(f"{upload.id}.preview").open("wb") as file:
            seal(BytesIO(json.dumps(cells).encode()), file, self.key_of(upload), _preview_of(upload.id))

    def _check_size(self, found: Mapping[str, Any]) -> None:
        # Loaded as a table it takes about three times its text; a worker must hold it beside its own work.
        limit, size = self._space.settings.worker_memory // 4, found["text_bytes"]
        if size > limit:
            raise TooLarge(
                f"the dataset has {size} bytes of text, want at most {limit} for a query worker",
                limit=limit,
            )


def _taken(assessment: dict[str, Any] | None) -> dict[str, Any]:
    """Take the samples out of what was measured: they hold cells, and its row lies on disk in plain."""
    parts = {"": assessment, "suggestion": (assessment or {}).get("suggestion")}
    return {part: found.pop("sample") for part, found in parts.items() if found and "sample" in found}


def _preview_of(upload: str) -> bytes:
    return f"{upload}/preview".encode()
