"""What hangs on a registration, against the entries: the report, what is enforced of it, and approvals."""

from typing import Final

from dataspace.audit.comparison import MISSING, UNEXPLAINED, Comparison
from dataspace.catalog.models import Approval, DatasetVersion
from dataspace.catalog.report import release_of, report_sha256

_ANSWERED: Final = {True: "approved", False: "rejected"}


def report(comparison: Comparison, key: str, row: DatasetVersion, implied: str) -> None:
    """Compare a version's report with its digest, and what is enforced of it with the report."""
    comparison.value("dataset_version", key, "report_sha256", row.report_sha256, implied)
    digest = report_sha256(row.report) if row.report else ""
    comparison.value("dataset_version", key, "report (its SHA-256)", digest, implied)
    comparison.value("dataset_version", key, "release", row.release, release_of(row.report))


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
