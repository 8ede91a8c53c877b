"""The anchors of a log: each anchored checkpoint against the log, and each anchor against its chain."""

from collections.abc import Mapping
from typing import Final

from dataspace.audit.report import Notebook, Stage
from dataspace.audit.source import Source
from dataspace.audit.tree import Tree
from dataspace.errors import NotFound, TooLarge, Unavailable, VerificationError
from dataspace.ledger.anchors import Anchor
from dataspace.proof.checkpoint import Checkpoint
from dataspace.proof.receipt import AnchorEvidence
from dataspace.proof.rotation import LogKeys
from dataspace.proof.verify import AnchorChecker

LIMIT: Final = 1 << 20  # anchored checkpoints of one log


class AnchorCheck:
    """Reads the anchors before the log is walked, compares them after, and asks `checkers`, by kind.

    A checker that also tells the newest head its anchor holds shows a
    rollback of everything, the kept evidence included.
    """

    def __init__(self, source: Source, checkers: Mapping[str, AnchorChecker], notebook: Notebook) -> None:
        self._source, self._checkers, self._notebook = source, checkers, notebook
        self._keys: LogKeys | None = None
        self._heads: list[tuple[int, bytes]] = []  # size and root of each that was kept
        self._latest: dict[str, tuple[int, bytes]] = {}  # of each anchor that was asked

    @property
    def latest(self) -> list[int]:
        """The sizes of the newest heads that the anchors hold."""
        return [size for size, _ in self._latest.values()]

    @property
    def sizes(self) -> list[int]:
        """The sizes at which the log's root will be asked for."""
        return [size for size, _ in [*self._heads, *self._latest.values()]]

    def ask_latest(self) -> None:
        """Ask for the newest anchored heads, before the log's own is read: a log in use grows meanwhile."""
        for kind, checker in self._checkers.items():
            if not isinstance(checker, Anchor):
                continue
            try:
                latest = checker.latest()
            except Unavailable as error:
                self._notebook.skip(Stage.ANCHORS, str(error))
            except VerificationError as error:
                self._notebook.wrong(Stage.ANCHORS, f"the anchor {kind}", str(error))
            else:
                if latest is not None:
                    self._latest[kind] = (latest.size, latest.root)

    def read(self, keys: LogKeys) -> None:
        """Read the anchored checkpoints, each under the key of the log that signed at its size."""
        self._keys = keys
        try:
            for number, evidence in enumerate(self._source.anchors()):
                if number == LIMIT:
                    raise TooLarge(f"an audit takes at most {LIMIT} anchors")
                self._open(number, evidence.checkpoint, keys)
        except NotFound as reason:
            self._skip(str(reason))
            return
        except VerificationError as error:
            self._notebook.wrong(Stage.ANCHORED, "anchors", str(error))
        if not self._heads:
            self._skip("no anchor is kept here: a log that was made anew from the start would not show")

    def compare(self, head: Checkpoint, tree: Tree, begin: int = 0) -> None:
        """Hold every anchored root against the log's own at that size.

        Of those before entry `begin`, with which the audit began, the ones whose
        roots were proved: all were held against it before, and may be others now.
        """
        for size, root in self._heads:
            if size >= begin or size in tree.roots:
                problem = disagreement(size, root, head, tree, "was anchored")
                self._compare(Stage.ANCHORED, f"size {size}", problem)
        if self._heads:
            largest = max(size for size, _ in self._heads)
            self._notebook.right(Stage.ANCHORED, f"{len(self._heads)} anchors, the largest of size {largest}")
        for kind, (size, root) in self._latest.items():
            problem = disagreement(size, root, head, tree, "is anchored now")
            self._compare(Stage.ANCHORS, f"the newest head of the anchor {kind}", problem)

    def ask(self) -> None:
        """Ask the checkers whether the anchors hold what they are said to."""
        found = [
            f"the newest head of the anchor {kind} has size {size}"
            for kind, (size, _) in self._latest.items()
        ]
        if self._keys is not None and self._heads:
            asked = self._check_all(self._keys)
            found += [f"{asked} anchors hold their checkpoints"] if asked else []
        if found and Stage.ANCHORS not in self._notebook.reasons:
            self._notebook.right(Stage.ANCHORS, "; ".join(found))

    def _check_all(self, keys: LogKeys) -> int:
        """Ask for every anchor that was kept; return how many are held."""
        held = 0
        try:
            for number, evidence in enumerate(self._source.anchors()):
                held += self._check(number, evidence, keys)
        except (VerificationError, NotFound):
            # Reported when the anchors were read for the first time.
            self._notebook.skip(Stage.ANCHORS, "the anchors that are kept cannot be read to their end")
        return held

    def _check(self, number: int, evidence: AnchorEvidence, keys: LogKeys) -> bool:
        checker = self._checkers.get(evidence.kind)
        if checker is None:
            self._notebook.skip(Stage.ANCHORS, f"no checker for anchors of kind {evidence.kind!r} was given")
            return False
        try:
            checker.check(evidence, keys.open(evidence.checkpoint))
        except VerificationError as error:
            self._notebook.wrong(Stage.ANCHORS, f"anchor {number}", str(error))
        except Unavailable as error:
            self._notebook.skip(Stage.ANCHORS, str(error))
        else:
            return True
        return False

    def _open(self, number: int, note: str, keys: LogKeys) -> None:
        try:
            checkpoint = keys.open(note)
        except VerificationError as error:
            self._notebook.wrong(Stage.ANCHORED, f"anchor {number}", str(error))
        else:
            self._heads.append((checkpoint.size, checkpoint.root))

    def _compare(self, stage: Stage, place: str, problem: str | None) -> None:
        if problem:
            self._notebook.wrong(stage, place, problem)

    def _skip(self, reason: str) -> None:
        self._notebook.skip(Stage.ANCHORED, reason)
        if not self._latest:
            self._notebook.skip(Stage.ANCHORS, reason)


def disagreement(size: int, root: bytes, head: Checkpoint, tree: Tree, how: str) -> str | None:
    """Return how a checkpoint contradicts the log: larger is a rollback, another root a fork; None: not."""
    if size > head.size:
        return f"rollback: a log of {size} entries {how}, this one has {head.size}"
    found = tree.roots.get(size)
    if found == root:
        return None
    own = "not known" if found is None else found.hex()
    return f"fork: {root.hex()} {how}, the root of this log at that size is {own}"
