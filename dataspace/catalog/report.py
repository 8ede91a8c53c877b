"""The report of a registration: what its columns are, how they are graded and leave, and who could be found.

In the terms of GB/T 42460-2023 (evaluation of de-identification) and GB/T
37964-2019 (its techniques); JSON without floats, shares in parts per million.
It holds no cell of the dataset in plain: its sample, desensitized rows of classes
that are large enough, is sealed (`sample.py`). Its digest is in the
registration's entry.
"""

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from dataspace.catalog.models import Form
from dataspace.proof.canonical import canonical
from dataspace.table import Attribute, Method

if TYPE_CHECKING:
    from dataspace.catalog.draft import Draft

FORMAT: Final = "dataspace-report/1"
_STANDARDS: Final = ("GB/T 42460-2023", "GB/T 37964-2019")
# The grades of GB/T 42460-2023: what is told identifies directly, indirectly, hardly, or is no microdata.
_DIRECT, _INDIRECT, _BELOW, _AGGREGATE = 1, 2, 3, 4
_RISK: Final = ("before", "after", "passes", "failing", "recoded_ppm", "suppressed_ppm", "release")


def report(draft: "Draft", now: datetime) -> dict[str, Any]:
    """Return the report of a draft, as it is stored and shown."""
    measured, upload, approval = draft.measured, draft.upload, draft.approval
    return {
        "format": FORMAT,
        "standards": list(_STANDARDS),
        "documents": [{"id": one.id, "title": one.title} for one in draft.pack.documents],
        "created": now.isoformat(),
        "zone": draft.pack.name,
        "pack_sha256": draft.pack.digest,
        "title": draft.registration.title,
        "source_sha256": upload.source_sha256,
        "payload_sha256": upload.payload_sha256,
        "rows": measured["rows"],
        "subjects": measured["subjects"],
        "forms": list(draft.offer.forms),
        "sampled_percent": draft.offer.sample,
        "level": draft.level,
        "grading": draft.grading.to_json(),
        "columns": [_column(draft, place) for place in range(len(draft.columns))],
        "deidentification": {
            "grade": _grade(draft),
            "thresholds": draft.pack.risk.to_json(),
            "overridden": "release-above-threshold" in draft.lifted,
            **{name: measured[name] for name in _RISK},
        },
        "utility": measured["utility"],
        "suggestion": measured.get("suggestion"),
        "sample": draft.sealed,
        "contradicted": list(draft.contradicted),
        "acknowledged": sorted(draft.registration.acknowledged),
        "approval": approval
        and {"id": approval.id, "codes": draft.lifted, "by": approval.by, "entry": approval.entry},
    }


def report_sha256(found: Mapping[str, Any]) -> str:
    """Return the digest of a report, in hex: the one in the registration's entry."""
    return hashlib.sha256(canonical(dict(found))).hexdigest()


def release_of(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return how rows are kept k-anonymous by a version's report; nothing is where there is none."""
    measured = found.get("deidentification", {})
    return {} if measured.get("overridden", True) else dict(measured["release"])


def _column(draft: "Draft", place: int) -> dict[str, Any]:
    column, proposal = draft.columns[place], draft.upload.proposal["proposals"][place]
    field = next((one for one in draft.pack.fields if one.category == column.category), None)
    offered = draft.offer.methods.get(column.name)
    return {
        **column.to_json(),
        "graded_level": draft.grading.columns[place],
        "title": {"zh": field.title.zh, "en": field.title.en} if field else None,
        "clause": {"document": field.clause.document, "text": field.clause.text} if field else None,
        "offered": offered,
        "corrected": column.name in draft.registration.corrections,
        "proposed": {
            name: proposal[name]
            for name in ("category", "confidence", "evidence", "evidence_zh", "strong")
            if name in proposal
        },
        "quality": next((one for one in draft.measured["quality"] if one["column"] == column.name), {}),
    }


def _grade(draft: "Draft") -> int:
    """Return the grade of what leaves, by GB/T 42460-2023."""
    if Form.ROWS not in draft.offer.forms:
        return _AGGREGATE
    shown = {Method.KEEP, Method.ROUND, Method.TOP_CODE, Method.NOISE}
    if any(one.attribute is Attribute.IDENTIFIER and one.method in shown for one in draft.columns):
        return _DIRECT
    return _BELOW if draft.measured["passes"] else _INDIRECT
