"""The published checkpoints of a log: each signed by the key of its time, and a state this log went through.

Checkpoints that are all states of one tree are consistent with one another;
so the tree gives its root at every published size, and each is held against
it. Two that the log signed for one size with two roots are a fork, whatever
the tree says. What the log's further keys and witnesses signed is read again
after the walk, when the entries have told which keys the log had.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from datetime import datetime
from typing import Final

from dataspace.audit.adopted import AdoptedKeys, brief
from dataspace.audit.anchors import disagreement
from dataspace.audit.past import Past
from dataspace.audit.quorum import Quorum
from dataspace.audit.report import Notebook, Stage
from dataspace.audit.source import AtRest, Published, Source
from dataspace.audit.times import TimeCheck
from dataspace.audit.tree import Tree
from dataspace.errors import NotFound, VerificationError
from dataspace.proof.checkpoint import Checkpoint
from dataspace.proof.key import NoteKey
from dataspace.proof.merkle import HASH_SIZE
from dataspace.proof.note import read_note, split
from dataspace.proof.rotation import LogKeys
from dataspace.proof.witnesses import WitnessPolicy

LIMIT: Final = 1 << 20  # published checkpoints whose roots are kept; of more, the newest
NO_POLICY: Final = "no policy of witnesses was given: that others saw the same log was not asked"
NO_RECORDS: Final = "; the signatures of its other keys not checked: entries name them, and none is shown"


class PublishedCheck:
    """Reads the published checkpoints before the log is walked, and compares them after.

    `policy` is the auditor's own, of witnesses; `times` is handed the time
    tokens; of what is not larger than `after` and was looked at before, the
    roots are held against the log's again, and the newest is looked at whole.
    """

    def __init__(
        self,
        source: Source,
        policy: WitnessPolicy | None,
        notebook: Notebook,
        *,
        now: datetime | None = None,
        times: TimeCheck | None = None,
        after: int = 0,
    ) -> None:
        self._source, self._policy, self._notebook = source, policy, notebook
        self._now, self._times, self._after = now, times, after
        self._keys: LogKeys | None = None
        self._heads = _Heads()
        self._stamped: tuple[Checkpoint, Published] | None = None  # the newest that was looked at before

    @property
    def sizes(self) -> list[int]:
        """The sizes at which the log's root will be asked for."""
        return list(self._heads.sizes)

    def read(self, keys: LogKeys) -> None:
        """Read the published checkpoints, each under the key of the log that signed at its size."""
        self._keys = keys
        try:
            for published in self._source.published():
                self._open(keys, published)
        except NotFound as reason:
            self._skip(str(reason))
        except VerificationError as error:
            self._notebook.wrong(Stage.PUBLISHED, "published checkpoints", str(error))
        if self._times is not None:
            if self._stamped is not None:
                head, published = self._stamped
                self._times.take(head.size, head.text(), published.timestamps)
            self._times.finish()

    def compare(self, head: Checkpoint, tree: Tree, adopted: AdoptedKeys | None = None) -> None:
        """Hold every published root against the log's own at that size, then look who else signed.

        `adopted` holds the keys that the entries name; None when no entry was shown.
        """
        if Stage.PUBLISHED in self._notebook.reasons:
            return
        if not self._heads.sizes:
            self._skip("no checkpoint was published")
            return
        waiting = self._compare_roots(head, tree)
        if self._policy is None:
            self._notebook.skip(Stage.COSIGNATURES, NO_POLICY)
        if self._policy is not None or adopted:
            past = None if adopted is None else Past(self._source, head, head.size)
            quorum = self._read_again(adopted or AdoptedKeys())
            quorum.finish(head.size, past, live=not isinstance(self._source, AtRest))
        rest = [self._told_again(tree), NO_RECORDS if adopted is None else ""]
        self._notebook.right(Stage.PUBLISHED, "".join([self._told(waiting), *rest]))

    def _open(self, keys: LogKeys, published: Published) -> None:
        try:
            checkpoint = keys.open(published.note)
        except VerificationError as error:
            self._notebook.wrong(Stage.PUBLISHED, _place(published), str(error))
            return
        if not checkpoint.size:
            return
        other = self._heads.add(checkpoint.size, checkpoint.root)
        if other is not None:
            self._fork(checkpoint, other)
        if checkpoint.size <= self._after:
            self._stamped = (checkpoint, published) if published.timestamps else self._stamped
        elif self._times is not None:
            self._times.take(checkpoint.size, checkpoint.text(), published.timestamps)

    def _compare_roots(self, head: Checkpoint, tree: Tree) -> int:
        """Compare all that are not larger than the head; return how many are."""
        waiting = 0
        newest = head.size if isinstance(self._source, AtRest) else self._newest_head()
        for size, root in self._heads:
            if size > head.size and size <= newest:
                continue  # A log in use: it grew after its head was taken.
            if size > head.size and not isinstance(self._source, AtRest):
                waiting += 1
                continue
            if self._is_unproved(size, tree):
                continue
            problem = disagreement(size, root, head, tree, "was published")
            if problem:
                self._notebook.wrong(Stage.PUBLISHED, f"size {size}", problem)
        return waiting

    def _is_unproved(self, size: int, tree: Tree) -> bool:
        """Tell whether this is one of very many that were looked at before, or its tiles are wrong."""
        return size < self._after and size not in tree.roots

    def _newest_head(self) -> int:
        """Return the size of the head that a service shows by now."""
        if self._keys is None:
            return 0
        try:
            return self._keys.open(self._source.checkpoint()).size
        except VerificationError as error:
            self._notebook.wrong(Stage.PUBLISHED, "the checkpoint, asked for again", str(error))
            return 0

    def _read_again(self, adopted: AdoptedKeys) -> Quorum:
        quorum = Quorum(self._policy, self._notebook, self._now)
        try:
            for published in self._source.published():
                self._look(published, adopted, quorum)
        except VerificationError as error:
            self._notebook.wrong(Stage.PUBLISHED, "published checkpoints", str(error))
        return quorum

    def _look(self, published: Published, adopted: AdoptedKeys, quorum: Quorum) -> None:
        """Look at one for the second time: a service could show others now."""
        checkpoint = Checkpoint.parse(split(published.note)[0])
        known = self._heads.root(checkpoint.size)
        if known is None:
            return
        if known != checkpoint.root and self._keys is not None and self._is_signed(self._keys, published):
            self._fork(checkpoint, known)
        if checkpoint.size <= self._after and checkpoint.size != self._heads.sizes[-1]:
            return
        for key in adopted.at(checkpoint.size):
            self._check_signed(published.note, key, checkpoint.size)
        quorum.take(checkpoint.size, published.note)

    def _is_signed(self, keys: LogKeys, published: Published) -> bool:
        try:
            keys.open(published.note)
        except VerificationError:
            return False
        return True

    def _check_signed(self, note: str, key: NoteKey, size: int) -> None:
        try:
            if not read_note(note, [key]).signed:
                raise VerificationError(f"it is not signed by {brief(key)}, which an entry below it adopts")  # noqa: TRY301
        except VerificationError as error:
            self._notebook.wrong(Stage.PUBLISHED, f"size {size}", str(error))

    def _fork(self, checkpoint: Checkpoint, other: bytes) -> None:
        problem = f"fork: the log signed {checkpoint.root.hex()} and {other.hex()} for one size"
        self._notebook.wrong(Stage.PUBLISHED, f"size {checkpoint.size}", problem)

    def _told(self, waiting: int) -> str:
        parts = [f"{self._heads.count} published checkpoints, the largest of size {self._heads.sizes[-1]}"]
        if self._heads.count > len(self._heads.sizes):
            parts.append(f"; of the oldest {self._heads.count - len(self._heads.sizes)} only the signatures")
        if waiting:
            parts.append(
                f"; {waiting} larger than the head, which the service does not show yet, not compared"
            )
        return "".join(parts)

    def _told_again(self, tree: Tree) -> str:
        """Tell how many were looked at before, and what of them was looked at now."""
        before = bisect_right(self._heads.sizes, self._after)
        unproved = sum(self._is_unproved(size, tree) for size in self._heads.sizes[:before])
        told = f"; of the {before} not larger than {self._after} the roots alone" if before else ""
        return told + (f", and of the oldest {unproved} the signatures alone" if unproved else "")

    def _skip(self, reason: str) -> None:
        for stage in (Stage.PUBLISHED, Stage.COSIGNATURES, Stage.TIMES):
            self._notebook.skip(stage, reason)


class _Heads:
    """Sizes and roots in ascending order: 40 bytes each, and the newest alone once there are too many."""

    def __init__(self) -> None:
        self.sizes = array("Q")
        self.count = 0
        self._roots = bytearray()

    def __iter__(self) -> Iterator[tuple[int, bytes]]:
        for at, size in enumerate(self.sizes):
            yield size, self._at(at)

    def add(self, size: int, root: bytes) -> bytes | None:
        """Add a head at least as large as the last; return another root of its size, if there is one."""
        self.count += 1
        if self.sizes and self.sizes[-1] == size:
            known = self._at(len(self.sizes) - 1)
            return None if known == root else known
        if len(self.sizes) >= 2 * LIMIT:
            self.sizes, self._roots = self.sizes[LIMIT:], self._roots[LIMIT * HASH_SIZE :]
        self.sizes.append(size)
        self._roots += root
        return None

    def root(self, size: int) -> bytes | None:
        """Return the root that is kept of a size."""
        at = bisect_left(self.sizes, size)
        return self._at(at) if at < len(self.sizes) and self.sizes[at] == size else None

    def _at(self, at: int) -> bytes:
        return bytes(self._roots[at * HASH_SIZE : (at + 1) * HASH_SIZE])


def _place(published: Published) -> str:
    try:
        return f"size {Checkpoint.parse(split(published.note)[0]).size}"
    except VerificationError:
        return "published checkpoints"
