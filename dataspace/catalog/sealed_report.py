"""What is told of a sealed dataset: the report that every version has, and the facts for the policy."""

import base64
from datetime import datetime
from typing import Any, Final

from dataspace.catalog.container import Taken
from dataspace.catalog.models import Offer
from dataspace.catalog.report import FORMAT
from dataspace.participants.access import Caller
from dataspace.table import Column
from dataspace.zones.pack import Pack

_SUBJECT: Final = "subject"
_AGGREGATE: Final = 4  # the grade of GB/T 42460-2023 of what is no microdata


def report_of(taken: Taken, offer: Offer, title: str, pack: Pack, now: datetime) -> dict[str, Any]:
    """Return the report as every version has one; under "sealed", what the provider signed."""
    found = taken.report
    return {
        "format": FORMAT,
        "standards": ["GB/T 42460-2023", "GB/T 37964-2019"],
        "documents": [{"id": one.id, "title": one.title} for one in pack.documents],
        "created": now.isoformat(),
        "zone": pack.name,
        "pack_sha256": pack.digest,
        "title": title,
        "source_sha256": taken.sha256,
        "payload_sha256": taken.sha256,
        "rows": found.rows,
        "subjects": 0,
        "forms": list(offer.forms),
        "sampled_percent": 100,
        "level": found.level,
        "grading": found.grading,
        "columns": [_reported(column, pack) for column in taken.columns],
        "deidentification": {
            "grade": _AGGREGATE,
            "thresholds": pack.risk.to_json(),
            "overridden": False,
            "before": {},
            "after": {},
            "passes": True,
            "failing": [],
            "release": {},
            "recoded_ppm": 0,
            "suppressed_ppm": 0,
        },
        "utility": {},
        "suggestion": None,
        "sample": "",
        "contradicted": [],
        "acknowledged": [],
        "approval": None,
        "sealed": _signed(taken),
    }


def facts_of(caller: Caller, pack: Pack, taken: Taken, offer: Offer) -> dict[str, Any]:
    """Return what the policy is told of a registration."""
    return {
        "participant": caller.facts(),
        "zone": pack.facts(),
        "dataset": {
            "level": taken.report.level,
            "graded_level": taken.report.level,
            "contradicted": [],
            "provider": caller.id,
            "withdrawn": False,
            "subjects": sum(told.get("role") == _SUBJECT for told in taken.report.columns),
        },
        "offer": {
            "purposes": offer.purposes,
            "forms": offer.forms,
            "units": offer.units,
            "min_group": offer.min_group,
            "row_limit": offer.row_limit,
            "price": offer.price,
        },
        "release": {"passes": True, "failing": []},
        "approval": {"id": "", "codes": [], "by": ""},
    }


def sealed_of(taken: Taken) -> dict[str, Any]:
    """Return what a version keeps of a container: `start` is where its blocks begin."""
    told: dict[str, Any] = {**_signed(taken), "start": taken.head.size}
    # As it was signed: canonical JSON comes out of it again byte for byte.
    return {**told, "report": taken.report.to_json()}


def _reported(column: Column, pack: Pack) -> dict[str, Any]:
    field = next((one for one in pack.fields if one.category == column.category), None)
    return {
        **column.to_json(),
        "graded_level": column.level,
        "title": {"zh": field.title.zh, "en": field.title.en} if field else None,
        "clause": {"document": field.clause.document, "text": field.clause.text} if field else None,
        "offered": None,
        "corrected": False,
        "proposed": {},
        "quality": {},
    }


def _signed(taken: Taken) -> dict[str, Any]:
    return {
        "container": taken.head.id,
        "signature": base64.b64encode(taken.head.signature).decode(),
        "provider_key": taken.report.provider_key,
        "keyservice": taken.report.keyservice,
    }
