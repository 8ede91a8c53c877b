"""The checkpoint an auditor remembers, against the log; and how an audit goes on from where it ended."""

from collections.abc import Callable, Iterable
from typing import Final

from sqlmodel import Session

from dataspace.audit import memory
from dataspace.audit.anchors import disagreement
from dataspace.audit.history import History
from dataspace.audit.past import Past, lost_records
from dataspace.audit.records import Erased, RecordCheck
from dataspace.audit.report import Notebook, Stage
from dataspace.audit.source import AtRest, Source
from dataspace.audit.tree import Tree
from dataspace.errors import Malformed, NotFound, Unauthenticated, VerificationError
from dataspace.proof.checkpoint import Checkpoint
from dataspace.proof.rotation import LogKeys

PROVED: Final = 4096  # sizes before the first entry that are proved: each takes a millisecond, or requests
NOT_GIVEN: Final = "no remembered checkpoint was given: a rollback or a second log would not show"


class Remembered:
    """The checkpoint in the note `since`, and what was saved with it; either may be None.

    `begin` is the first entry that this audit reads: 0, until `resume` found
    that it can go on from the remembered one. `hidden` is why no record was
    shown then, and is now.
    """

    def __init__(self, since: str | None, saved: bytes | None, notebook: Notebook) -> None:
        self.checkpoint: Checkpoint | None = None
        self.begin = 0
        self.hidden: NotFound | Unauthenticated | None = None
        self._since, self._saved, self._notebook = since, saved, notebook
        self._kept: memory.Kept | None = None
        self._past: Past | None = None
        self._why = "nothing is saved beside it"  # that everything is read again

    def open(self, keys: LogKeys) -> None:
        """Open the note under the key of the log that signed at its size."""
        if self._since is None:
            self._notebook.skip(Stage.REMEMBERED, NOT_GIVEN)
            return
        try:
            self.checkpoint = keys.open(self._since)
        except VerificationError as error:
            # Who shows the log as it was before a rotation shows another history than the one remembered.
            problem = f"fork: no key that this log shows signed it: {error}"
            self._notebook.wrong(Stage.REMEMBERED, "remembered checkpoint", problem)

    def resume(self, source: Source, head: Checkpoint, make: Callable[[], Tree]) -> Tree:
        """Return a tree that goes on behind the remembered checkpoint; a new one when nothing leads there."""
        known = self.checkpoint
        if known is None or self._since is None or self._saved is None or not 0 < known.size <= head.size:
            return make()
        try:
            kept = memory.load(self._saved, self._since).kept
            self.hidden = _hidden(source, known.size - 1) if kept is None else None
            if kept is None and self.hidden is None:
                raise Malformed("the audit that remembered it was shown no records")  # noqa: TRY301
            tree = make()
            if tree.resume(known.size) != known.root:
                raise Malformed("the tiles of this log do not lead to its root")  # noqa: TRY301
        except (Malformed, VerificationError) as reason:
            self._why = str(reason)
            return make()
        self._kept, self.begin, self._past = kept, known.size, Past(source, known, head.size)
        return tree

    def prove(self, tree: Tree, sizes: Iterable[int]) -> None:
        """Add to the tree its roots at sizes before the first entry that is read, of many the newest."""
        if self._past is None:
            return
        for size in sorted({size for size in sizes if 0 < size < self.begin})[-PROVED:]:
            try:
                tree.roots[size] = self._past.root(size)
            except VerificationError as error:
                problem = f"the tiles before entry {self.begin} do not give the root at this size: {error}"
                self._notebook.wrong(Stage.TILES, f"size {size}", problem)

    def carry(self, source: Source, records: RecordCheck, history: History) -> None:
        """Tell those who take the records what was told before the first one."""
        kept, past = self._kept, self._past
        if kept is None or past is None:
            return
        erased = Erased(kept.erased, kept.named)
        records.resume(self.begin, kept.last, erased, kept.gap)
        records.present = past.present
        history.resume(self.begin, kept.saved, past.look)
        session = _database(source)
        if session is not None:
            records.miss(list(lost_records(session, self.begin, erased)))

    def compare(self, head: Checkpoint, tree: Tree) -> None:
        """Hold the remembered root against the log's own at that size."""
        known = self.checkpoint
        if known is None:
            return
        problem = disagreement(known.size, known.root, head, tree, "was remembered")
        if problem:
            self._notebook.wrong(Stage.REMEMBERED, f"size {known.size}", problem)
        rest = "what is before it was not read again" if self.begin else f"everything was read: {self._why}"
        self._notebook.right(Stage.REMEMBERED, f"extends the remembered size {known.size}; {rest}")


def _hidden(source: Source, index: int) -> NotFound | Unauthenticated | None:
    """Return why the source shows no records, or None."""
    try:
        source.records(index, index + 1)
    except (NotFound, Unauthenticated) as reason:
        return reason
    return None


def _database(source: Source) -> Session | None:
    if not isinstance(source, AtRest):
        return None
    try:
        return source.database()
    except NotFound:
        return None
