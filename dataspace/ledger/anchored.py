"""Anchoring: the newest checkpoint larger than the last anchored one is still to do, and that is all.

The evidence of every anchor is kept in one file, a line each, beside the
database: receipts and audits take it from there.
"""

import logging
import os
import threading
from dataclasses import replace
from pathlib import Path

from sqlmodel import Session

from dataspace.database import Database
from dataspace.errors import Unavailable, VerificationError
from dataspace.ledger.anchors import Anchor, Head
from dataspace.ledger.log import Log
from dataspace.proof.canonical import canonical, parse
from dataspace.proof.checkpoint import Checkpoint
from dataspace.proof.note import Verifier
from dataspace.proof.receipt import AnchorEvidence

FILE = "anchors.jsonl"
_LINE_LIMIT = 1 << 20
_LOG = logging.getLogger("dataspace.anchors")


class Anchorage:
    """Publishes a log's checkpoints to one anchor, and keeps the evidence in `kept`."""

    def __init__(self, database: Database, log: Log, anchor: Anchor, kept: Path) -> None:
        self._database, self._log, self._anchor, self._kept = database, log, anchor, kept
        self._lock = threading.Lock()
        self._last: tuple[int, AnchorEvidence] | None = _last_line(kept, log)

    def guard(self) -> None:
        """Let the log refuse to grow while it is behind what was anchored (attack LE-05).

        A chain that does not answer is logged: what is kept here is then all that is known.
        """
        known = [Head(self._last[0], b"")] if self._last else []
        try:
            latest = self._anchor.latest()
        except Unavailable as error:
            _LOG.warning(
                "the anchor does not answer, so a rollback of the whole home would not show: %s", error
            )
        else:
            known += [latest] if latest else []
        self._log.floor(max((head.size for head in known), default=0))

    def publish(self) -> int | None:
        """Anchor the head, if it has grown since the last time; return its size, or None.

        Raises:
            Conflict: the anchor holds a larger head: the log was rolled back.
            VerificationError: it holds another root of this size: the log was forked.
            Unavailable: it does not answer; the head is still to be anchored.

        """
        with self._lock:
            with self._database.reading() as session:
                note = self._log.checkpoint(session)
            head = Checkpoint.open(note, Verifier.parse(self._log.vkey()))
            if self._last and head.size <= self._last[0]:
                return None
            evidence = self._anchor.publish(head.size, head.root, note)
            if evidence.kind != "file":  # that one keeps its own lines, in the same file
                _append(self._kept, evidence)
            self._last = (head.size, evidence)
            self._log.floor(head.size)
            return head.size

    def evidence(self, session: Session, index: int) -> AnchorEvidence | None:
        """Return what anchors an entry, with the proof that leads to the head; None while nothing does."""
        if self._last is None or self._last[0] <= index:
            return None
        size, evidence = self._last
        path = self._log.consistency(session, size, self._log.size(session))
        return replace(evidence, consistency=tuple(path))


def _append(path: Path, evidence: AnchorEvidence) -> None:
    try:
        with path.open("ab") as file:
            file.write(canonical(evidence.to_json()) + b"\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise Unavailable(f"the anchor's evidence cannot be kept: {error.strerror}") from error


def _last_line(path: Path, log: Log) -> tuple[int, AnchorEvidence] | None:
    """Return the last whole line, if it is of this log; a line cut short by a crash is passed over."""
    if not path.is_file():
        return None
    for line in reversed(path.read_bytes().split(b"\n")[:-1]):
        try:
            evidence = AnchorEvidence.from_json(parse(line, limit=_LINE_LIMIT))
            return Checkpoint.open(evidence.checkpoint, Verifier.parse(log.vkey())).size, evidence
        except VerificationError:
            _LOG.warning("a line of %s is no evidence of this log", path.name)
    return None
