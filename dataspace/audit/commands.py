"""What `dataspace verify` and `dataspace audit` do: read, check, print, and say by an exit code how it went.

0 the evidence is right, as far as the verdict says, 1 it is wrong, 2 it could
not be checked, or what was asked for besides could not be done.
"""

import json as jsonlib
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from dataspace.audit.report import MARKS, Report, as_json, as_text, printable
from dataspace.errors import DataSpaceError, Malformed, TooLarge, Unavailable, VerificationError
from dataspace.proof import note, receipt
from dataspace.proof.checkpoint import Checkpoint
from dataspace.proof.note import Verifier
from dataspace.proof.verify import AnchorChecker, verify_receipt
from dataspace.proof.verify import Report as ReceiptReport

ANCHOR_FORM: Final = "evm:http://HOST:PORT#0xCONTRACT?chain=N&code=SHA256&sender=0xADDRESS"
SKEW: Final = timedelta(minutes=5)  # how far the clock of the log may be ahead of the auditor's


def verify_command(receipt_path: Path, vkey: str, *, json: bool = False, anchor: str | None = None) -> int:
    """Verify a receipt offline, print the report, return the exit code.

    `vkey` is the log's key, or `@` and the file it is in; `anchor` is the URL
    of the anchor to ask, as in the settings, from the auditor's own sources.
    """
    try:
        verifier = _key(vkey)
        checker = None if anchor is None else next(iter(_checkers(anchor, verifier).values()))
        # One byte more, so that verify_receipt sees what is too long.
        report = verify_receipt(_read(receipt_path, receipt.LIMIT + 1), str(verifier), anchor=checker)
    except DataSpaceError as error:
        return _unchecked(str(receipt_path), error, json=json)
    _print(receipt_as_json(receipt_path, report) if json else receipt_as_text(receipt_path, report))
    return report.exit_code


def audit_command(
    target: str,
    vkey: str,
    *,
    since: Path | None = None,
    token: str | None = None,
    json: bool = False,
    save_checkpoint: Path | None = None,
    anchor: str | None = None,
) -> int:
    """Audit a URL, a copy of a home or an evidence folder, print the report, return the exit code.

    `since` is the file of the checkpoint remembered from the last audit;
    `save_checkpoint` is written when the verdict is right, and may be the
    same; `vkey` and `anchor` are as in `verify_command`.
    """
    try:
        report = _audit(target, _key(vkey), since, token, anchor)
    except DataSpaceError as error:
        return _unchecked(target, error, json=json)
    _print(as_json(report) if json else as_text(report))
    if save_checkpoint is not None and report.ok and report.checkpoint is not None:
        return _save(save_checkpoint, report.checkpoint)
    return report.exit_code


def _save(path: Path, checkpoint: str) -> int:
    """Write the checkpoint after the report, so that an audit's findings are never lost to a full disk."""
    try:
        _replace(path, checkpoint)
    except DataSpaceError as error:
        print(printable(f"the checkpoint was not saved: {error}"), file=sys.stderr)  # noqa: T201
        return 2
    return 0


def _audit(
    target: str, verifier: Verifier, since: Path | None, token: str | None, anchor: str | None
) -> Report:
    # Imported here, so that verifying a receipt loads nothing but `proof`.
    from dataspace.audit.audit import audit  # noqa: PLC0415
    from dataspace.audit.sources import open_source  # noqa: PLC0415

    remembered = None if since is None else _remembered(since, verifier)
    checkers = {} if anchor is None else _checkers(anchor, verifier)
    source, now = open_source(target, token), datetime.now(UTC) + SKEW
    return audit(source, str(verifier), since=remembered, checkers=checkers, now=now, target=target)


def _checkers(anchor: str, verifier: Verifier) -> dict[str, AnchorChecker]:
    from dataspace.ledger.anchors import open_anchor  # noqa: PLC0415 - a receipt needs no anchor

    _check_pins(anchor)
    return {urlsplit(anchor).scheme: open_anchor(anchor, verifier.name)}


def _check_pins(anchor: str) -> None:
    """Check that the URL of a chain pins all that an auditor must not take from the evidence."""
    chain, _, pins = anchor.partition("#")
    if not chain.startswith("evm:") or chain == "evm:local":
        return
    contract, _, query = pins.partition("?")
    given = {"0xCONTRACT": contract, **parse_qs(query)}
    missing = [name for name in ("0xCONTRACT", "chain", "code", "sender") if not given.get(name)]
    if missing:
        raise Malformed(f"the anchor's URL lacks {', '.join(missing)}: want {ANCHOR_FORM}")


def receipt_as_text(path: Path, report: ReceiptReport) -> str:
    """Return the report on a receipt as plain text."""
    width = max(len(step.name) for step in report.steps)
    lines = [f"receipt {path}", ""]
    lines += [
        f"{MARKS[step.outcome]} {step.number} {step.name:{width}}  {step.detail}" for step in report.steps
    ]
    if report.ok and report.receipt is not None:
        lines += ["", *_facts(report.receipt)]
    lines += ["", _verdict(report)]
    return "\n".join(printable(line) for line in lines) + "\n"


def _facts(proved: receipt.Receipt) -> Iterator[str]:
    """Return what is proved: the entry's place, kind and time, and then each field of its record."""
    fields = dict(proved.record.fields)
    yield f"entry {proved.proof.index}: {fields.pop('kind', '-')} at {fields.pop('time', '-')}"
    width = max(map(len, fields), default=0)
    for name, value in fields.items():
        told = value if isinstance(value, str) else jsonlib.dumps(value, ensure_ascii=False)
        yield f"  {name:{width}}  {told}"


def receipt_as_json(path: Path, report: ReceiptReport) -> dict[str, Any]:
    """Return the report on a receipt as JSON-ready data; its record only when it is proved."""
    proved = report.receipt if report.ok else None
    return {
        "target": str(path),
        "verdict": _WORDS[report.exit_code],
        "exit_code": report.exit_code,
        "steps": [asdict(step) for step in report.steps],
        "entry": None if proved is None else proved.proof.index,
        "record": None if proved is None else proved.record.fields,
    }


_WORDS: Final = {0: "right", 1: "wrong", 2: "not-checked"}


def _verdict(report: ReceiptReport) -> str:
    missing = report.not_checked
    match report.exit_code:
        case 0:
            rest = f"; not checked: {', '.join(step.name for step in missing)}" if missing else ""
            return f"RIGHT: the entry is in the log{rest}"
        case 1:
            return "WRONG: the receipt does not hold"
        case _:
            return f"NOT CHECKED: {missing[0].detail}"


def _unchecked(target: str, error: DataSpaceError, *, json: bool) -> int:
    report = {"target": target, "verdict": _WORDS[2], "exit_code": 2, "interrupted": str(error), "steps": []}
    _print(report if json else printable(f"{target}: NOT CHECKED: {error}") + "\n")
    return 2


def _print(report: Mapping[str, Any] | str) -> None:
    text = report if isinstance(report, str) else jsonlib.dumps(report, indent=2) + "\n"
    print(text, end="")  # noqa: T201 - the command's own output


def _key(vkey: str) -> Verifier:
    """Return the auditor's key; a wrong one is the auditor's mistake, not the evidence's."""
    text = _text(Path(vkey[1:])).strip() if vkey.startswith("@") else vkey
    try:
        return Verifier.parse(text)
    except VerificationError as error:
        raise Malformed(str(error)) from error


def _remembered(path: Path, verifier: Verifier) -> str:
    """Return the note the auditor kept; a file that is none of this log is the auditor's mistake."""
    note = _text(path)
    try:
        Checkpoint.open(note, verifier)
    except VerificationError as error:
        raise Malformed(f"{path} holds no checkpoint of this log under this key: {error}") from error
    return note


def _text(path: Path) -> str:
    data = _read(path, note.LIMIT + 1)
    if len(data) > note.LIMIT:
        raise TooLarge(f"{path} has more than {note.LIMIT} bytes")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise Malformed(f"{path} is not UTF-8") from error


def _read(path: Path, limit: int) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(limit)
    except OSError as error:
        raise Unavailable(f"{path} cannot be read: {error.strerror}") from error


def _replace(path: Path, text: str) -> None:
    """Write the auditor's memory whole or not at all: a torn one would lose what it remembers."""
    written = path.with_name(f"{path.name}.new")
    try:
        with written.open("w", encoding="utf-8", newline="") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        written.replace(path)
    except OSError as error:
        raise Unavailable(f"{path} cannot be written: {error.strerror}") from error
