"""Anchoring: the newest published checkpoint that the anchor does not hold for good is still to do.

What the anchor shows decides, and nothing that this process remembers: after a
crash, a reorganisation, or a chain that lost its state, the same look finds
what is left. The evidence of every anchor is kept in one file beside the
database, a line each, once it is final: receipts and audits take it from there.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from sqlmodel import Session

from dataspace.database import Database
from dataspace.errors import Conflict, DataSpaceError, Unavailable, VerificationError
from dataspace.ledger.anchors import Anchor, Head
from dataspace.ledger.anchors.kept import Kept, size_of
from dataspace.ledger.log import Log
from dataspace.ledger.models import LedgerCheckpoint
from dataspace.ledger.published import whole
from dataspace.proof.checkpoint import Checkpoint
from dataspace.proof.receipt import AnchorEvidence

FILE: Final = "anchors.jsonl"
RETRY_SECONDS: Final = 300.0  # the longest pause after a failure
_LOG = logging.getLogger("dataspace.anchors")


@dataclass(frozen=True)
class Status:
    """How far the log is anchored.

    `anchored`: the largest size with final evidence; `pending`: a larger one
    that was submitted, or 0; `problem`: why the last try failed, or nothing.
    """

    anchored: int
    pending: int
    problem: str


class Anchorage:
    """Publishes a log's checkpoints to one anchor, and keeps the evidence in `kept`.

    After a failure it leaves the anchor alone for a while, twice as long each
    time; the log goes on meanwhile. `clock` counts seconds.
    """

    def __init__(
        self,
        database: Database,
        log: Log,
        anchor: Anchor,
        kept: Path,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database, self._log, self._anchor, self._clock = database, log, anchor, clock
        self._lock = threading.Lock()
        self._kept = Kept(kept, log.vkey().partition("+")[0])
        self._last = self._kept.last()
        self._pending, self._problem, self._failures, self._resume = 0, "", 0, clock()

    @property
    def status(self) -> Status:
        """How far the log is anchored, as of the last look."""
        return Status(self._anchored(), self._pending, self._problem)

    def guard(self) -> None:
        """Let the log refuse to grow while it is behind what was anchored (attack LE-05).

        An anchor that does not answer, or calls the log forked, is logged: what
        is kept here is then all that is known.
        """
        known = [self._anchored()]
        try:
            # A head that may still vanish from the chain came from this log too.
            latest = self._anchor.latest(final=False)
        except Unavailable as error:
            _LOG.warning(
                "the anchor does not answer, so a rollback of the whole home would not show: %s", error
            )
        except VerificationError as error:
            self._problem = str(error)
            _LOG.error("nothing more will be anchored: %s", error)
        else:
            known += [latest.size] if latest else []
        self._log.floor(max(known))

    def publish(self, head: Checkpoint, note: str) -> int | None:
        """Bring the anchor to `head`, published as `note`; return the size that became final, or None.

        None says that nothing is left to do, that a head is submitted and not
        final yet, or that the pause after a failure is not over: call it again.

        Raises:
            Conflict: the anchor holds a larger head: the log was rolled back.
            VerificationError: it holds another history of this log.
            Unavailable: it does not answer; the head is still to be anchored.

        """
        with self._lock:
            if self._clock() < self._resume:
                return None
            try:
                done = self._settle(head, note)
            except DataSpaceError as error:
                self._failures += 1
                self._resume = self._clock() + min(RETRY_SECONDS, 2.0**self._failures)
                self._problem = str(error)
                raise
            self._failures, self._problem = 0, ""
            return done

    def evidence(self, session: Session, index: int, size: int | None = None) -> AnchorEvidence | None:
        """Return what anchors an entry; None while nothing does.

        Its proof leads between the anchored checkpoint and the one of `size`,
        or the head, from the smaller to the larger.
        """
        evidence, anchored = self._last, self._anchored()
        if evidence is None or anchored <= index:
            return None
        other = self._log.size(session) if size is None else size
        path = self._log.consistency(session, min(anchored, other), max(anchored, other))
        return replace(evidence, consistency=tuple(path))

    def all_evidence(self, after: int = 0) -> Iterator[AnchorEvidence]:
        """Yield the evidence of every anchored head larger than `after`, by size.

        Raises:
            Unavailable: what is kept cannot be read.

        """
        return self._kept.after(after)

    def _settle(self, head: Checkpoint, note: str) -> int | None:
        """Keep the evidence of what is on the anchor, and submit what is not."""
        done = None
        tip = self._anchor.latest(final=False)
        if tip and self._anchored() < tip.size < head.size and (found := self._published(tip)):
            # Another run or another process submitted it: with its evidence it is done.
            if not self._bring(*found):
                return None
            done = tip.size
        if not tip or not tip.size == head.size == self._anchored():
            # Larger than what is there; or the anchor forgot what it held; or the log was rolled back.
            done = head.size if self._bring(head, note) else done
        return done

    def _bring(self, head: Checkpoint, note: str) -> bool:
        """Submit a head, or keep its evidence; return whether it is final."""
        try:
            evidence = self._anchor.publish(head, note, lambda old: self._growth(old, head.size))
        except Conflict:
            if tip := self._anchor.latest(final=False):
                self._log.floor(tip.size)
            raise
        self._pending = 0 if evidence else head.size
        if evidence is None:
            return False
        if self._kept.last() != evidence:  # an anchor that is a file may be this very one
            self._kept.append(evidence)
        self._last = evidence
        self._log.floor(head.size)
        return True

    def _published(self, tip: Head) -> tuple[Checkpoint, str] | None:
        """Return the published checkpoint of the anchor's head, with its note.

        Raises:
            VerificationError: it was published with another root.

        """
        with self._database.reading() as session:
            row = session.get(LedgerCheckpoint, tip.size)
            if row is None:
                return None
            if row.root != tip.root:
                raise VerificationError(
                    f"the anchor holds another root of size {tip.size}: the log was forked"
                )
            found = whole(session, row)
            return Checkpoint.parse(found.text), found.note

    def _growth(self, old: int, new: int) -> Sequence[bytes]:
        with self._database.reading() as session:
            return self._log.consistency(session, old, new)

    def _anchored(self) -> int:
        return size_of(self._last) if self._last else 0
