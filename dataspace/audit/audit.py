"""The audit of a whole ledger, in numbered steps, streaming, under a key the auditor brought.

 1. the log's key of that time signed the checkpoint, and its origin is the key's name
 2. every entry hashes to its leaf
 3. every tile of every level is what the one below it gives
 4. the highest hashes give the signed root
 5. every record hashes to its entry; a missing one was erased by an entry that says so
 6. every record has the fields of its kind, and times never go back
 7. the log extends the checkpoint the auditor remembers
 8. every published checkpoint is a state this log went through
 9. the auditor's quorum of witnesses cosigned what was published
10. every anchored checkpoint is a state this log went through
11. the anchors themselves hold those checkpoints
12. the time tokens on published checkpoints are of authorities the auditor trusts
13. no entry contradicts those before it
14. every decision, made again, is the one its entry tells
15. the database holds what the entries imply, and nothing else

Size and root come from the signed checkpoint alone. A step that could not run
is reported with the reason: silence would read as success.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import Final

from dataspace.audit import memory
from dataspace.audit.anchors import AnchorCheck
from dataspace.audit.history import History
from dataspace.audit.published import PublishedCheck
from dataspace.audit.records import RecordCheck
from dataspace.audit.remembered import Remembered
from dataspace.audit.report import BRIEF, Notebook, Report, Stage
from dataspace.audit.source import LARGEST_LOG, AtRest, Source
from dataspace.audit.state import compare_state
from dataspace.audit.times import TimeCheck
from dataspace.audit.tree import Tree
from dataspace.audit.walk import Progress, Walk
from dataspace.audit.workers import Workers, told
from dataspace.errors import DataSpaceError, NotFound, TooLarge, VerificationError
from dataspace.proof.checkpoint import Checkpoint
from dataspace.proof.key import Verifier
from dataspace.proof.rotation import LogKeys
from dataspace.proof.tiles import WIDTH
from dataspace.proof.verify import AnchorChecker, Outcome
from dataspace.proof.witnesses import WitnessPolicy

_NO_CHECKERS: Final[Mapping[str, AnchorChecker]] = {}


@dataclass(frozen=True)
class Means:
    """What an auditor brings along, besides key and remembered checkpoint.

    `memory` is what the audit of the remembered checkpoint left (`Report.memory`):
    then only what is new is read. `policy` names witnesses, `authorities` are
    roots of time-stamping authorities in PEM. With more `jobs` than one, so many
    worker processes read too. `progress` is called now and then. When a step that
    was `asked` for cannot be run, the audit is not what the auditor wanted.
    """

    memory: bytes | None = field(default=None, repr=False)
    policy: WitnessPolicy | None = None
    authorities: bytes | None = None
    jobs: int = 1
    progress: Progress | None = None
    asked: frozenset[Stage] = frozenset()


_NOTHING: Final = Means()


def audit(
    source: Source,
    vkey: str,
    *,
    since: str | None = None,
    checkers: Mapping[str, AnchorChecker] = _NO_CHECKERS,
    now: datetime | None = None,
    target: str = "",
    means: Means = _NOTHING,
) -> Report:
    """Open `source`, audit it under a pinned key of the log, close it; whatever it holds, return a report.

    `since` is the note of the checkpoint the auditor remembers; `checkers` look
    at anchors, by kind; `now` bounds the entries' times; `target` names the
    source in the report.

    Raises:
        VerificationError: `vkey` itself is malformed.
        Malformed: the means hold no certificate of an authority.

    """
    run = _Run(source, Verifier.parse(vkey), since, checkers, now, means)
    interrupted = None
    try:
        with source:
            run.steps()
    except VerificationError as error:
        run.stop(error)
        interrupted = str(error)
    except DataSpaceError as error:
        interrupted = str(error)
    finally:
        run.close()
    return run.report(target, interrupted)


class _Run:
    """One audit on its way: what earlier steps established for later ones."""

    def __init__(
        self,
        source: Source,
        pinned: Verifier,
        since: str | None,
        checkers: Mapping[str, AnchorChecker],
        now: datetime | None,
        means: Means,
    ) -> None:
        self._source, self._pinned, self._now, self._means = source, pinned, now, means
        self._told = told(source) if means.jobs > 1 else None
        self._notebook = Notebook()
        self._anchors = AnchorCheck(source, checkers, self._notebook)
        self._times = TimeCheck(means.authorities, self._notebook, now)
        self._remembered = Remembered(since, means.memory, self._notebook)
        self._records = RecordCheck(self._notebook, now)
        self._history: History | None = None
        self._walk: Walk | None = None
        self._note: str | None = None
        self._head: Checkpoint | None = None

    def steps(self) -> None:
        """Run the steps, as far as they have something to stand on."""
        self._anchors.ask_latest()
        keys = self._follow()
        head = self._open(keys)
        if head is None:
            return
        self._remembered.open(keys)
        self._anchors.read(keys)
        tree = self._remembered.resume(self._source, head, lambda: self._tree(head))
        published = self._published(keys)
        tree.watch([*published.sizes, *self._anchors.sizes])
        self._remembered.prove(tree, self._anchors.latest)
        self._remembered.prove(tree, [*published.sizes, *self._anchors.sizes])
        history = self._history = History(self._notebook, keys, self._records)
        history.adopted.origin = keys.origin
        self._remembered.carry(self._source, self._records, history)
        walk = self._take(head, tree, history)
        self._remembered.compare(head, tree)
        published.compare(head, tree, history.adopted if walk.shows_records else None)
        self._anchors.compare(head, tree, self._remembered.begin)
        self._anchors.ask()
        if walk.shows_records:
            self._compare_state(head, history)

    def stop(self, error: VerificationError) -> None:
        """Write down what is wrong where no step expects it: nothing after it was looked at."""
        stage = Stage.CHECKPOINT if self._walk is None else Stage.RECORDS
        self._notebook.wrong(stage, "what the source shows", str(error))

    def close(self) -> None:
        """Let go of what lies outside of memory."""
        if self._history is not None:
            self._history.close()

    def report(self, target: str, interrupted: str | None) -> Report:
        """Return the report of what was done."""
        interrupted = interrupted or (None if self._walk is None else self._walk.denied)
        if interrupted:
            for stage in Stage:
                if stage not in self._notebook.details:
                    self._notebook.skip(stage, interrupted)
        interrupted = interrupted or self._unmet()
        size = None if self._head is None else self._head.size
        findings = tuple(sorted(self._notebook.findings, key=lambda finding: finding.step))
        report = Report(target, self._notebook.steps(), findings, self._note, size, interrupted)
        return replace(report, memory=self._memory()) if report.ok else report

    def _unmet(self) -> str | None:
        """Return which step that was asked for was not run, and why; None when all of them were."""
        for step in self._notebook.steps():
            stage = Stage(step.number)
            if stage in self._means.asked and step.outcome is Outcome.NOT_CHECKED:
                were = "they were" if BRIEF[stage].endswith("s") else "it was"
                return f"you asked for {BRIEF[stage]}, and {were} not checked: {step.detail}"
        return None

    def _follow(self) -> LogKeys:
        """Return the chain of the log's keys that holds the pinned one."""
        try:
            return LogKeys.follow(self._pinned, self._source.rotations())
        except NotFound:
            return LogKeys((self._pinned,))
        except VerificationError as error:
            self._notebook.wrong(Stage.CHECKPOINT, "rotations of the key", str(error))
            return LogKeys((self._pinned,))

    def _open(self, keys: LogKeys) -> Checkpoint | None:
        try:
            note = self._source.checkpoint()
            head = keys.open(note)
        except VerificationError as error:
            self._notebook.wrong(Stage.CHECKPOINT, "checkpoint", str(error))
            return None
        self._note, self._head = note, head
        rotated = f", after {len(keys.rotations)} rotations of its key" if keys.rotations else ""
        self._notebook.right(Stage.CHECKPOINT, f"size {head.size}, signed by {keys.origin}{rotated}")
        if head.size > LARGEST_LOG:
            raise TooLarge(f"a log of {head.size} entries, an audit takes at most {LARGEST_LOG}")
        return head

    def _tree(self, head: Checkpoint) -> Tree:
        known = self._remembered.checkpoint
        return Tree(self._source.tile, head.size, self._notebook, [] if known is None else [known.size])

    def _published(self, keys: LogKeys) -> PublishedCheck:
        published = PublishedCheck(
            self._source,
            self._means.policy,
            self._notebook,
            now=self._now,
            times=self._times,
            after=self._remembered.begin,
        )
        published.read(keys)
        return published

    def _take(self, head: Checkpoint, tree: Tree, history: History) -> Walk:
        walk = self._walk = Walk(self._source, self._notebook, tree, self._records, history)
        if self._remembered.hidden is not None:
            walk.hide(self._remembered.hidden)
        start = None if self._told is None else partial(Workers, self._told, head.size, self._means.jobs)
        walk.run(self._remembered.begin, head.size, self._means.progress, start)
        if walk.shows_records and isinstance(self._source, AtRest):
            for index in self._source.records(head.size, head.size + WIDTH):
                problem = f"it lies behind the signed size {head.size}"
                self._notebook.wrong(Stage.RECORDS, f"entry {index}", problem)
        if tree.roots.get(head.size) != head.root:
            found = tree.roots.get(head.size, b"").hex()
            problem = f"the tree has {found}, the checkpoint says {head.root.hex()}"
            self._notebook.wrong(Stage.ROOT, "root", problem)
        self._notebook.right(Stage.ROOT, head.root.hex())
        return walk

    def _compare_state(self, head: Checkpoint, history: History) -> None:
        if not isinstance(self._source, AtRest):
            self._notebook.skip(Stage.STATE, "a service does not show its database: audit a copy of its home")
            return
        try:
            session = self._source.database()
        except NotFound as reason:
            self._notebook.skip(Stage.STATE, str(reason))
            return
        compare_state(session, history, head, self._notebook, gaps=self._records.lacking)

    def _memory(self) -> bytes | None:
        """Return what the next audit goes on from, once this one was right."""
        if self._note is None or self._walk is None or self._history is None:
            return None
        if not self._walk.shows_records:
            return memory.save(self._note, None)
        erased, saved = self._records.erased, self._history.save()
        return memory.save(
            self._note,
            memory.Kept(self._records.last, bytes(erased.entries), erased.named, self._records.gap, saved),
        )
