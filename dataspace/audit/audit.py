"""The audit of a whole ledger, in numbered steps, streaming, under a key the auditor brought.

 1. the given key signed the checkpoint, and its origin is the key's name
 2. every entry hashes to its leaf
 3. every tile of every level is what the one below it gives
 4. the highest hashes give the signed root
 5. every record hashes to its entry; a missing one was erased by an entry that says so
 6. every record has the fields of its kind, and times never go back
 7. the log extends the checkpoint the auditor remembers
 8. every anchored checkpoint is a state this log went through
 9. the anchors themselves hold those checkpoints
10. no entry contradicts those before it
11. the database holds what the entries imply, and nothing else

Size and root come from the signed checkpoint alone. A step that could not run
is reported with the reason: silence would read as success.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from dataspace.audit.anchors import AnchorCheck, disagreement
from dataspace.audit.history import History
from dataspace.audit.records import RecordCheck
from dataspace.audit.report import KEPT, Notebook, Report, Stage
from dataspace.audit.source import LARGEST_LOG, AtRest, Records, Source
from dataspace.audit.state import compare_state
from dataspace.audit.tree import Tree
from dataspace.errors import Malformed, NotFound, TooLarge, Unauthenticated, Unavailable, VerificationError
from dataspace.proof.checkpoint import Checkpoint
from dataspace.proof.note import Verifier
from dataspace.proof.tiles import WIDTH, split_entries, width_at
from dataspace.proof.verify import AnchorChecker

_NO_CHECKERS: Final[Mapping[str, AnchorChecker]] = {}


def audit(
    source: Source,
    vkey: str,
    *,
    since: str | None = None,
    checkers: Mapping[str, AnchorChecker] = _NO_CHECKERS,
    now: datetime | None = None,
    target: str = "",
) -> Report:
    """Open `source`, audit it under the log's pinned key, close it; whatever it holds, return a report.

    `since` is the note of the checkpoint the auditor remembers; `checkers` look
    at anchors, by kind; `now` bounds the entries' times; `target` names the
    source in the report.

    Raises:
        VerificationError: `vkey` itself is malformed.

    """
    run = _Run(source, Verifier.parse(vkey), since, checkers, now)
    interrupted = None
    try:
        with source:
            run.steps()
    except (Unavailable, Malformed) as error:
        interrupted = str(error)
    return run.report(target, interrupted)


class _Stopped(Exception):
    """Not an error: what follows has nothing to stand on."""


class _Run:
    """One audit on its way: what earlier steps established for later ones."""

    def __init__(
        self,
        source: Source,
        verifier: Verifier,
        since: str | None,
        checkers: Mapping[str, AnchorChecker],
        now: datetime | None,
    ) -> None:
        self._source, self._verifier, self._since = source, verifier, since
        self._notebook = Notebook()
        self._anchors = AnchorCheck(source, verifier, checkers, self._notebook)
        self._note: str | None = None
        self._head: Checkpoint | None = None
        self._remembered: Checkpoint | None = None
        self._records = RecordCheck(self._notebook, now)
        self._history = History(self._notebook, verifier.name, str(verifier), self._records)
        self._shows_records = True
        self._denied: str | None = None

    def steps(self) -> None:
        """Run the steps, as far as they have something to stand on."""
        try:
            self._anchors.ask_latest()
            head = self._open()
            self._remember()
            self._anchors.read()
            tree = self._walk(head)
        except _Stopped:
            return
        self._compare_remembered(head, tree)
        self._anchors.compare(head, tree)
        self._anchors.ask()
        self._compare_state(head)

    def report(self, target: str, interrupted: str | None) -> Report:
        """Return the report of what was done."""
        interrupted = interrupted or self._denied
        if interrupted:
            for stage in Stage:
                if stage not in self._notebook.details:
                    self._notebook.skip(stage, interrupted)
        size = None if self._head is None else self._head.size
        findings = tuple(sorted(self._notebook.findings, key=lambda finding: finding.step))
        return Report(target, self._notebook.steps(), findings, self._note, size, interrupted)

    def _open(self) -> Checkpoint:
        try:
            note = self._source.checkpoint()
            head = Checkpoint.open(note, self._verifier)
        except VerificationError as error:
            self._notebook.wrong(Stage.CHECKPOINT, "checkpoint", str(error))
            raise _Stopped from error
        self._note, self._head = note, head
        self._notebook.right(Stage.CHECKPOINT, f"size {head.size}, signed by {self._verifier.name}")
        if head.size > LARGEST_LOG:
            raise TooLarge(f"a log of {head.size} entries, an audit takes at most {LARGEST_LOG}")
        return head

    def _remember(self) -> None:
        if self._since is None:
            self._notebook.skip(
                Stage.REMEMBERED,
                "no remembered checkpoint was given: a rollback or a second log would not show",
            )
            return
        try:
            self._remembered = Checkpoint.open(self._since, self._verifier)
        except VerificationError as error:
            self._notebook.wrong(Stage.REMEMBERED, "remembered checkpoint", str(error))

    def _walk(self, head: Checkpoint) -> Tree:
        """Take the log bundle by bundle: tree, records and meaning in one pass.

        One pass, so that a source cannot show one log to the hashes and
        another to the records.
        """
        watched = self._anchors.sizes + ([self._remembered.size] if self._remembered else [])
        tree = Tree(self._source.tile, head.size, self._notebook, watched)
        for number in range((head.size + WIDTH - 1) // WIDTH):
            self._take_records(number, tree.take(number), width_at(head.size, 0, number))
            if self._notebook.counts[Stage.ENTRIES] >= KEPT:
                raise Unavailable(f"stopped after {KEPT} wrong entries")
        tree.finish()
        self._close_records(head)
        self._notebook.right(Stage.ENTRIES, f"{head.size} entries")
        self._notebook.right(Stage.TILES, f"{tree.tiles} tiles")
        if tree.roots.get(head.size) != head.root:
            found = tree.roots.get(head.size, b"").hex()
            self._notebook.wrong(
                Stage.ROOT, "root", f"the tree has {found}, the checkpoint says {head.root.hex()}"
            )
        self._notebook.right(Stage.ROOT, head.root.hex())
        return tree

    def _take_records(self, number: int, bundle: bytes | None, width: int) -> None:
        if not self._shows_records:
            return
        if bundle is None:
            self._records.lose()
            return
        start = number * WIDTH
        try:
            records: Records = self._source.records(start, start + width)
        except (NotFound, Unauthenticated) as reason:
            self._shows_records = False
            # Who brings a token means to see records: without them the audit is not what was asked for.
            self._denied = str(reason) if isinstance(reason, Unauthenticated) else None
            for stage in (Stage.RECORDS, Stage.FORM, Stage.MEANING, Stage.STATE):
                self._notebook.skip(stage, str(reason))
            return
        except VerificationError as error:
            self._notebook.wrong(Stage.RECORDS, f"records from {start} on", str(error))
            self._shows_records = False
            return
        for index, fields in self._records.take(start, split_entries(bundle, width), records):
            self._history.take(index, fields)

    def _close_records(self, head: Checkpoint) -> None:
        if not self._shows_records:
            return
        self._records.finish()
        self._history.finish()
        if isinstance(self._source, AtRest):
            for index in self._source.records(head.size, head.size + WIDTH):
                self._notebook.wrong(
                    Stage.RECORDS, f"entry {index}", f"it lies behind the signed size {head.size}"
                )

    def _compare_remembered(self, head: Checkpoint, tree: Tree) -> None:
        known = self._remembered
        if known is None:
            return
        problem = disagreement(known.size, known.root, head, tree, "was remembered")
        if problem:
            self._notebook.wrong(Stage.REMEMBERED, f"size {known.size}", problem)
        self._notebook.right(Stage.REMEMBERED, f"extends the remembered size {known.size}")

    def _compare_state(self, head: Checkpoint) -> None:
        if not self._shows_records:
            return
        if not isinstance(self._source, AtRest):
            self._notebook.skip(Stage.STATE, "a service does not show its database: audit a copy of its home")
            return
        try:
            session = self._source.database()
        except NotFound as reason:
            self._notebook.skip(Stage.STATE, str(reason))
            return
        compare_state(session, self._history, head, self._notebook, complete=not self._records.gaps)
