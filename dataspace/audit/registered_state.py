"""What hangs on a registration, against the entries: the report, what is enforced of it, and approvals."""

import hashlib
from collections.abc import Mapping
from typing import Any, Final

from sqlmodel import select

from dataspace.audit.comparison import MISSING, UNEXPLAINED, Comparison
from dataspace.catalog.models import Approval, DatasetVersion
from dataspace.catalog.report import release_of, report_sha256
from dataspace.proof.canonical import canonical

_ANSWERED: Final = {True: "approved", False: "rejected"}
# Of a report, what a second person is shown and what is registered must have alike.
_SHOWN: Final = (
    *("title", "zone", "pack_sha256", "source_sha256", "payload_sha256", "rows", "subjects", "forms"),
    *("sampled_percent", "level", "columns", "contradicted"),
)
_MEASURED: Final = ("before", "after", "failing", "recoded_ppm", "suppressed_ppm", "release")


def report(comparison: Comparison, key: str, row: DatasetVersion, implied: str) -> None:
    """Compare a version's report with its digest, and what is enforced of it with the report."""
    comparison.value("dataset_version", key, "report_sha256", row.report_sha256, implied)
    digest = report_sha256(row.report) if row.report else ""
    comparison.value("dataset_version", key, "report (its SHA-256)", digest, implied)
    comparison.value("dataset_version", key, "release", row.release, release_of(row.report))
    approval = row.report.get("approval")
    if approval:
        seen = comparison.session.exec(select(Approval.report).where(Approval.id == approval["id"])).first()
        if seen is not None:
            said = "what was approved of its report (SHA-256)"
            comparison.value("dataset_version", key, said, _said(row.report), _said(seen))


def _said(found: Mapping[str, Any]) -> str:
    """Return the digest of what a report says of a registration, whenever it was made."""
    measured = found.get("deidentification", {})
    told = [found.get(name) for name in _SHOWN] + [measured.get(name) for name in _MEASURED]
    return hashlib.sha256(canonical(told)).hexdigest()


def approvals(comparison: Comparison) -> None:
    """Compare what was answered; of what was only asked for no entry tells."""
    implied = comparison.history.approvals
    there = set()
    for row in comparison.stream(Approval):
        there.add(row.id)
        found = implied.get(row.id)
        if found is not None:
            expected = {
                name: getattr(found, name)
                for name in ("provider", "zone", "registration_sha256", "by", "entry")
            }
            expected |= {"asked": found.codes, "state": _ANSWERED[found.granted]}
            comparison.columns("approval", row.id, row, expected)
        elif row.state in _ANSWERED.values() or row.entry is not None:
            comparison.wrong_unless_excused("approval", row.id, UNEXPLAINED)
    for name in sorted(implied.keys() - there):
        comparison.wrong("approval", name, MISSING)
