"""What `dataspace verify` does with a receipt: verify it offline, and tell what is proved."""

import json as jsonlib
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from dataspace.audit.files import read_file
from dataspace.audit.order import read_checkers, read_key, read_policy, read_rotations
from dataspace.audit.report import MARKS, printable
from dataspace.errors import TooLarge
from dataspace.proof import receipt
from dataspace.proof.disclosure import Disclosure
from dataspace.proof.verify import Report, verify_receipt

WORDS: Final = {0: "right", 1: "wrong", 2: "not-checked"}


def verify(path: Path, vkey: str, anchor: str | None, policy: Path | None, rotations: Path | None) -> Report:
    """Return the report on the receipt in a file.

    Raises:
        DataSpaceError: one of the auditor's own files is not what it should be.

    """
    verifier = read_key(vkey)
    checker = next(iter(read_checkers(anchor, verifier).values()), None)
    notes, witnesses = read_rotations(rotations), read_policy(policy)
    return verify_receipt(_read(path), str(verifier), anchor=checker, policy=witnesses, rotations=notes)


def _read(path: Path) -> bytes:
    try:
        return read_file(path, str(path), receipt.LIMIT)
    except TooLarge:
        return bytes(receipt.LIMIT + 1)  # The report says so: it reads no more than the limit either.


def as_text(path: Path, report: Report) -> str:
    """Return the report as plain text."""
    width = max(len(step.name) for step in report.steps)
    lines = [f"receipt {path}", ""]
    lines += [
        f"{MARKS[step.outcome]} {step.number} {step.name:{width}}  {step.detail}" for step in report.steps
    ]
    if report.ok and report.receipt is not None:
        lines += ["", *_facts(report.receipt)]
    lines += ["", _verdict(report)]
    return "\n".join(printable(line) for line in lines) + "\n"


def as_json(path: Path, report: Report) -> dict[str, Any]:
    """Return the report as JSON-ready data; its record only when it is proved, and what is shown of it."""
    proved = report.receipt if report.ok else None
    return {
        "target": str(path),
        "verdict": WORDS[report.exit_code],
        "exit_code": report.exit_code,
        "steps": [asdict(step) for step in report.steps],
        "entry": None if proved is None else proved.proof.index,
        "record": None if proved is None else proved.record.fields,
        "hidden": None if proved is None else _hidden(proved),
    }


def _facts(proved: receipt.Receipt) -> Iterator[str]:
    """Return what is proved: the entry's place, kind and time, and then each field that is shown."""
    fields = dict(proved.record.fields)
    yield f"entry {proved.proof.index}: {fields.pop('kind', '-')} at {fields.pop('time', '-')}"
    width = max(map(len, fields), default=0)
    for name, value in fields.items():
        told = value if isinstance(value, str) else jsonlib.dumps(value, ensure_ascii=False)
        yield f"  {name:{width}}  {told}"
    if hidden := _hidden(proved):
        yield f"  and {hidden} fields that are hidden"


def _hidden(proved: receipt.Receipt) -> int:
    return len(proved.record.hidden) if isinstance(proved.record, Disclosure) else 0


def _verdict(report: Report) -> str:
    missing = report.not_checked
    match report.exit_code:
        case 0:
            rest = f"; not checked: {', '.join(step.name for step in missing)}" if missing else ""
            return f"RIGHT: the entry is in the log{rest}"
        case 1:
            return "WRONG: the receipt does not hold"
        case _:
            return f"NOT CHECKED: {missing[0].detail}"
