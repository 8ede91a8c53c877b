"""The sample of a report, some rows as they leave and as they are: cells, and so sealed under the data key.

Only their provider is shown the rows as they are; `provider` says that it asks.

In a report they are one text, the same for everybody that compares its digest;
when the dataset is withdrawn, and its key destroyed, nobody reads them any more.
"""

import base64
import json
from collections.abc import Mapping
from io import BytesIO
from typing import Any, Final

from sqlmodel import Session

from dataspace.catalog.models import Dataset, DatasetKey, DatasetVersion, Upload
from dataspace.catalog.payloads import open_sealed, seal
from dataspace.space import Space

_ORIGINAL: Final = "original"


def seal_sample(sample: Mapping[str, Any] | None, key: bytes, upload: str) -> str:
    """Return the rows as a report has them; empty when there are none. `key`: of the data, 32 bytes."""
    if not sample:
        return ""
    sealed = BytesIO()
    seal(BytesIO(json.dumps(sample).encode()), sealed, key, _context(upload))
    return base64.b64encode(sealed.getvalue()).decode()


def within(sample: Mapping[str, Any], levels: Mapping[str, int], limit: int) -> dict[str, Any]:
    """Return the rows without the columns whose level is above `limit`: those never leave as rows."""
    kept = [place for place, one in enumerate(sample["columns"]) if levels[one["name"]] <= limit]
    parts = [part for part in ("rows", _ORIGINAL) if part in sample]
    return {
        "columns": [sample["columns"][place] for place in kept],
        **{part: [[row[place] for place in kept] for row in sample[part]] for part in parts},
    }


def sample_of_version(
    session: Session, space: Space, version: DatasetVersion, *, provider: bool = False
) -> dict[str, Any] | None:
    """Return the sample of a version's report: `columns` (name, type), `rows` of texts; None without key.

    For the provider also `original`, the same rows as they are.
    """
    kept = session.get(DatasetKey, (version.dataset, version.version))
    if kept is None:
        return None
    zone = session.get_one(Dataset, version.dataset).zone
    found = _opened(version.report, space, zone, kept.wrapped, version.path.removesuffix(".sealed"))
    return _for(found, provider=provider)


def sample_of_upload(
    space: Space, upload: Upload | None, report: Mapping[str, Any], *, provider: bool = False
) -> dict[str, Any] | None:
    """Return the sample of a report on an upload that waits; None when it waits no more."""
    if upload is None:
        return None
    return _for(_opened(report, space, upload.zone, upload.key, upload.id), provider=provider)


def _for(sample: dict[str, Any] | None, *, provider: bool) -> dict[str, Any] | None:
    """Return a sample without the rows as they are, unless it is for their provider."""
    if sample is None or provider:
        return sample
    return {part: cells for part, cells in sample.items() if part != _ORIGINAL}


def _opened(
    report: Mapping[str, Any], space: Space, zone: str, wrapped: bytes, upload: str
) -> dict[str, Any] | None:
    sealed = report.get("sample")
    if not sealed:
        return None
    key = space.keys.secret(f"zone/{zone}").unwrap(wrapped, upload.encode())
    plain = b"".join(open_sealed(BytesIO(base64.b64decode(sealed)), key, _context(upload)))
    return dict(json.loads(plain))


def _context(upload: str) -> bytes:
    return f"{upload}/sample".encode()
