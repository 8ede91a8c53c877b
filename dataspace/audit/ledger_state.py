"""The tables of the ledger itself, and of what hangs on single entries, against the entries.

Published checkpoints and cosignatures are their own witnesses: what their
columns say is what their notes say, under the keys that they name.
"""

import hashlib
from collections import Counter
from typing import Any

from sqlmodel import col, func, or_, select

from dataspace.audit.comparison import MISSING, PAGE, UNEXPLAINED, Comparison
from dataspace.errors import VerificationError
from dataspace.ledger.models import (
    LedgerCheckpoint,
    LedgerCosignature,
    LedgerEntry,
    LedgerHead,
    LedgerKey,
    LedgerNode,
    LedgerRecord,
    LedgerTimestamp,
    WitnessedLog,
)
from dataspace.participants.models import Credential
from dataspace.proof.checkpoint import Checkpoint
from dataspace.proof.cosignature import cosigned
from dataspace.proof.note import split
from dataspace.proof.vkey import parse_vkey
from dataspace.transfer.models import Acknowledgement


def heads(comparison: Comparison, head: Checkpoint) -> None:
    """Compare the head, and look for entries, records and hashes behind it."""
    found = comparison.session.get_one(LedgerHead, 1)
    comparison.columns("ledger_head", "1", found, {"size": head.size, "root": head.root})
    outside = f"it lies outside of the signed size {head.size}"
    for table, column in (
        ("ledger_entry", col(LedgerEntry.index)),
        ("ledger_record", col(LedgerRecord.index)),
    ):
        beyond = or_(column < 0, column >= head.size)
        for index in comparison.session.exec(select(column).where(beyond).limit(PAGE)):
            comparison.wrong(table, str(index), outside)
    per_level = select(LedgerNode.level, func.max(col(LedgerNode.index))).group_by(col(LedgerNode.level))
    for level, last in comparison.session.exec(per_level):
        if level < 1 or last >= head.size >> 8 * level:
            comparison.wrong("ledger_node", f"level {level} index {last}", outside)


def checkpoints(comparison: Comparison) -> None:
    """Compare size and root of published checkpoints with what their notes say."""
    for row in comparison.stream(LedgerCheckpoint):
        key = f"size {row.size}"
        try:
            told = Checkpoint.parse(split(row.note)[0])
        except VerificationError as error:
            comparison.wrong("ledger_checkpoint", key, f"its note cannot be read: {error}")
            continue
        _noted(comparison, "ledger_checkpoint", key, row, {"size": told.size, "root": told.root})
        if row.size > comparison.size:
            comparison.wrong("ledger_checkpoint", key, f"it is larger than the signed size {comparison.size}")


def cosignatures(comparison: Comparison) -> None:
    """Check each line of a witness with the key that its row names."""
    for row in comparison.stream(LedgerCosignature):
        key = f"size {row.size} {row.key.split('+')[0]}"
        note = comparison.session.get_one(LedgerCheckpoint, row.size).note
        try:
            times = cosigned(note + row.line, [parse_vkey(row.key)])
        except VerificationError as error:
            comparison.wrong("ledger_cosignature", key, f"its line does not hold: {error}")
            continue
        if row.key not in times:
            comparison.wrong("ledger_cosignature", key, "its line is not by its key")
        else:
            _noted(comparison, "ledger_cosignature", key, row, {"time": times[row.key]})


def timestamps(comparison: Comparison) -> None:
    """Look that each token is over the text of its checkpoint; whether it is right, step 12 says."""
    for row in comparison.stream(LedgerTimestamp):
        text = split(comparison.session.get_one(LedgerCheckpoint, row.size).note)[0]
        if hashlib.sha256(text.encode()).digest() not in row.token:
            problem = "its token is not over the text of its checkpoint"
            comparison.wrong("ledger_timestamp", f"size {row.size} {row.authority}", problem)


def keys(comparison: Comparison) -> None:
    """Compare the log's keys with the entries that adopt and rotate them."""
    implied = {
        index: {
            "role": fields["role"],
            "vkey": fields.get("vkey", fields.get("new")),
            "statement": fields.get("statement", ""),
        }
        for index, fields in comparison.told("key.adopted", "key.rotated")
    }
    for row in comparison.explained(LedgerKey, implied, lambda row: row.index):
        comparison.columns("ledger_key", str(row.index), row, implied[row.index])


def witnessed(comparison: Comparison) -> None:
    """Compare what is kept of other logs with the notes it was read from."""
    for row in comparison.stream(WitnessedLog):
        try:
            told = Checkpoint.parse(split(row.note)[0])
        except VerificationError as error:
            comparison.wrong("witnessed_log", row.origin, f"its note cannot be read: {error}")
            continue
        noted = {"origin": told.origin, "size": told.size, "root": told.root}
        _noted(comparison, "witnessed_log", row.origin, row, noted)


def credentials(comparison: Comparison) -> None:
    """Count tokens, and those that were revoked: an entry tells whose one was, and not which."""
    # Every participant got one when it was admitted.
    issued, revoked = Counter(dict.fromkeys(comparison.history.participants, 1)), Counter[str]()
    for _, fields in comparison.told("credential.issued", "credential.revoked"):
        (issued if fields["kind"] == "credential.issued" else revoked)[fields["participant"]] += 1
    there, dead = Counter[str](), Counter[str]()
    for row in comparison.stream(Credential):
        there[row.participant] += 1
        dead[row.participant] += row.revoked is not None
    for participant in sorted(issued | revoked | there):
        for what, found, implied in (("rows", there, issued), ("revoked rows", dead, revoked)):
            if found[participant] != implied[participant]:
                problem = f"{found[participant]} {what}, the entries imply {implied[participant]}"
                comparison.wrong_unless_excused("credential", f"of {participant}", problem)


def acknowledgements(comparison: Comparison) -> None:
    """Compare both lists side by side, by entry: there may be as many as answers."""
    told = ((index, fields["answered"]) for index, fields in comparison.told("answer.acknowledged"))
    rows = (
        (row.entry, row.answered) for row in comparison.stream(Acknowledgement, col(Acknowledgement.entry))
    )
    end: tuple[float, Any] = (float("inf"), None)
    (entry, answered), (index, implied) = next(rows, end), next(told, end)
    while (entry, index) != (end[0], end[0]):
        if entry < index:
            comparison.wrong_unless_excused("acknowledgement", f"of entry {answered}", UNEXPLAINED)
        elif entry > index:
            comparison.wrong("acknowledgement", f"of entry {implied}", MISSING)
        else:
            comparison.value("acknowledgement", f"by entry {index}", "answered", answered, implied)
        step = (entry, index)
        if step[0] <= step[1]:
            entry, answered = next(rows, end)
        if step[1] <= step[0]:
            index, implied = next(told, end)


def _noted(comparison: Comparison, table: str, key: str, row: Any, noted: dict[str, Any]) -> None:
    for name, value in noted.items():
        if getattr(row, name) != value:
            comparison.wrong(table, key, f"{name} is not what its note says")
