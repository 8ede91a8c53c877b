"""What `dataspace verify` and `dataspace audit` do: read, check, print, and say by an exit code how it went.

0 the evidence is right, as far as the verdict says, 1 it is wrong, 2 it could
not be checked, or what was asked for besides could not be done.
"""

import json as jsonlib
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from dataspace.audit import receipts
from dataspace.audit.order import (
    Order,
    now,
    read_authorities,
    read_checkers,
    read_key,
    read_policy,
    read_text,
)
from dataspace.audit.progress import progress_bar
from dataspace.audit.report import Report, as_json, as_text, printable
from dataspace.errors import DataSpaceError, Malformed, VerificationError
from dataspace.proof.checkpoint import Checkpoint
from dataspace.proof.key import Verifier
from dataspace.proof.note import split

Progress = Callable[[int, int], None]


def verify_command(
    receipt_path: Path,
    vkey: str,
    *,
    json: bool = False,
    anchor: str | None = None,
    policy: Path | None = None,
    rotations: Path | None = None,
) -> int:
    """Verify a receipt offline, print the report, return the exit code.

    `vkey` is a key of the log, or `@` and the file it is in; `anchor` is the
    URL of the anchor to ask, as in the settings, from the auditor's own sources;
    `policy` is a tlog-policy file; `rotations` holds the statements by which the
    log's key changed, as the service answers them at `/ledger/keys`.
    """
    try:
        report = receipts.verify(receipt_path, vkey, anchor, policy, rotations)
    except DataSpaceError as error:
        return _unchecked(str(receipt_path), error, json=json)
    _print(receipts.as_json(receipt_path, report) if json else receipts.as_text(receipt_path, report))
    return report.exit_code


def audit_command(order: Order, *, json: bool = False, quiet: bool = False) -> int:
    """Audit a URL, a copy of a home or an evidence folder, print the report, return the exit code."""
    try:
        with progress_bar(quiet=quiet) as progress:
            report = audit_once(order, progress)
    except DataSpaceError as error:
        return _unchecked(order.target, error, json=json)
    _print(as_json(report) if json else as_text(report))
    return _keep(order, report)


def audit_once(order: Order, progress: Progress | None = None) -> Report:
    """Audit what is ordered, and return the report; nothing is printed or written.

    Raises:
        DataSpaceError: one of the auditor's own files is not what it should be.

    """
    # Imported here, so that verifying a receipt loads nothing but `proof`.
    from dataspace.audit.audit import Means, audit  # noqa: PLC0415
    from dataspace.audit.sources import open_source  # noqa: PLC0415

    verifier = read_key(order.vkey)
    means = Means(
        memory=order.memory(),
        policy=read_policy(order.policy),
        authorities=read_authorities(order.authorities),
        jobs=order.workers(),
        progress=progress,
        asked=order.asked,
    )
    return audit(
        open_source(order.target, order.token),
        str(verifier),
        since=None if order.since is None else _remembered(order.since, verifier),
        checkers=read_checkers(order.anchor, verifier),
        now=now(),
        target=order.target,
        means=means,
    )


def audit_and_keep(order: Order) -> Report:
    """Audit, and write what the next audit goes on from if this one was right: a round of a monitor.

    Raises:
        DataSpaceError: one of the auditor's own files is not what it should be, or cannot be written.

    """
    report = audit_once(order)
    if report.ok and report.checkpoint is not None:
        order.keep(report.checkpoint, report.memory)
    return report


def _keep(order: Order, report: Report) -> int:
    """Write the checkpoint after the report, so that an audit's findings are never lost to a full disk."""
    try:
        if report.ok and report.checkpoint is not None:
            order.keep(report.checkpoint, report.memory)
    except DataSpaceError as error:
        print(printable(f"the checkpoint was not saved: {error}"), file=sys.stderr)  # noqa: T201
        return 2
    return report.exit_code


def _remembered(path: Path, verifier: Verifier) -> str:
    """Return the note the auditor kept; a file that is none of this log is the auditor's mistake."""
    note = read_text(path)
    try:
        origin = Checkpoint.parse(split(note)[0]).origin
        if origin != verifier.name:
            raise VerificationError(f"its origin is {origin}")  # noqa: TRY301
    except VerificationError as error:
        raise Malformed(f"{path} holds no checkpoint of this log: {error}") from error
    return note


def _unchecked(target: str, error: DataSpaceError, *, json: bool) -> int:
    report = {
        "target": target,
        "verdict": receipts.WORDS[2],
        "exit_code": 2,
        "interrupted": str(error),
        "steps": [],
    }
    _print(report if json else printable(f"{target}: NOT CHECKED: {error}") + "\n")
    return 2


def _print(report: Mapping[str, Any] | str) -> None:
    text = report if isinstance(report, str) else jsonlib.dumps(report, indent=2) + "\n"
    print(text, end="")  # noqa: T201 - the command's own output
