"""The auditor's journey: every receipt, the whole ledger, and three copies that somebody changed."""

import tempfile
import time
from pathlib import Path

from rich.console import Console

from dataspace.audit.audit import audit
from dataspace.audit.home import Home
from dataspace.audit.report import Report
from dataspace.audit.sources import open_source
from dataspace.client import DataSpace
from dataspace.demo.journeys import Journeys
from dataspace.demo.tamper import changes
from dataspace.ledger.anchors import Anchor, open_anchor
from dataspace.proof.receipt import Receipt
from dataspace.proof.verify import verify_receipt
from dataspace.settings import Settings

_ANCHOR_WAIT = 15.0


def audit_service(journeys: Journeys, settings: Settings, anchor: str, console: Console) -> bool:
    """Verify every receipt and audit the ledger over HTTP; tell whether all of it is right."""
    console.rule("the auditor trusts nobody but the key it was given")
    console.print(f"  {journeys.key}")
    # The chain as the auditor reaches it; a chain inside the service's process is reached by nobody else.
    checker = open_anchor(anchor, settings.origin) if anchor.startswith("evm:http") else None
    token = journeys.member("auditor")["token"]
    right = _receipts(journeys, token, checker, console)
    checkers = {"evm": checker} if checker else {}
    report = audit(open_source(journeys.url, token), journeys.key, checkers=checkers, target=journeys.url)
    _print(report, console)
    return right and report.exit_code == 0


def audit_tampered(home: Path, key: str, console: Console) -> bool:
    """Audit the home as it is, then each changed copy; tell whether only the copies were found wrong."""
    with tempfile.TemporaryDirectory() as folder:
        console.rule("three copies, each with one thing changed")
        untouched = audit(Home(home), key, target=str(home))
        console.print(f"  the home as it is: {untouched.verdict}")
        right = untouched.exit_code == 0
        for change in changes(home, Path(folder)):
            report = audit(Home(change.home), key, target=change.what)
            console.print(f"  {change.what} changed: {report.verdict}")
            for finding in report.findings[:2]:
                console.print(f"    {finding}")
            right = right and report.exit_code == 1
        return right


def _receipts(journeys: Journeys, token: str, checker: Anchor | None, console: Console) -> bool:
    with DataSpace(journeys.url, token) as auditor:
        _await_anchor(auditor, max(journeys.receipts), console)
        reports = [
            verify_receipt(auditor.receipt(entry), journeys.key, anchor=checker)
            for entry in journeys.receipts
        ]
    wrong = [entry for entry, report in zip(journeys.receipts, reports, strict=True) if not report.ok]
    console.print(
        f"  {len(reports)} receipts verified, {len(wrong)} wrong{': ' + str(wrong) if wrong else ''}; "
        "the last, step by step:"
    )
    for step in reports[-1].steps:
        console.print(f"    {step.number}. {step.name}: {step.outcome} {step.detail}")
    return not wrong


def _await_anchor(auditor: DataSpace, entry: int, console: Console) -> None:
    """Wait a little for the newest entry's anchor; without it the receipt says so itself."""
    deadline = time.monotonic() + _ANCHOR_WAIT
    while time.monotonic() < deadline:
        if Receipt.parse(auditor.receipt(entry)).anchor is not None:
            return
        time.sleep(0.3)
    console.print("  (the newest entries are not anchored yet)")


def _print(report: Report, console: Console) -> None:
    console.print("  the whole ledger:")
    for step in report.steps:
        console.print(f"    {step.number}. {step.name}: {step.outcome} {step.detail}")
    console.print(f"  {report.verdict}")
