"""The walk through a log, from an entry on: tree, records and meaning in one pass, in bounded memory.

One pass, so that a source cannot show one log to the hashes and another to the
records. Stretches are read here or by workers; they come together in order.
"""

import time
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from typing import Final

from dataspace.audit.history import History
from dataspace.audit.records import RecordCheck
from dataspace.audit.report import KEPT, Notebook, Problem, Stage
from dataspace.audit.source import Source
from dataspace.audit.stretch import BUNDLES, Reader, Reading, Stretch
from dataspace.audit.tree import Tree
from dataspace.audit.workers import Workers
from dataspace.errors import NotFound, Unauthenticated, Unavailable
from dataspace.proof.tiles import WIDTH

OF_RECORDS: Final = (Stage.RECORDS, Stage.FORM, Stage.MEANING, Stage.DECISIONS, Stage.STATE)

WORTH: Final = 2.0  # seconds that are left: to start processes takes one of them
_FROM_HERE_ON: Final = ", here and after entry "  # in what `replay` tells of a bundle

Progress = Callable[[int, int], None]  # so many entries were read, of so many


class Walk:
    """Reads the entries from `begin` to before `size`, and puts together what they tell."""

    def __init__(
        self, source: Source, notebook: Notebook, tree: Tree, records: RecordCheck, history: History
    ) -> None:
        self.shows_records = True
        self.denied: str | None = None
        self._source, self._notebook, self._tree = source, notebook, tree
        self._records, self._history = records, history
        self._decisions: Counter[str] = Counter()
        self._unrunnable: set[str] = set()

    def run(
        self, begin: int, size: int, progress: Progress | None, start: Callable[[], Workers] | None
    ) -> None:
        """Take the log; `start` makes workers, if there is enough to do for them.

        Raises:
            Unavailable, Malformed: the source cannot be read, or is wrong in too many places.

        """
        first, end = begin // WIDTH, -(-size // WIDTH)
        reader = Reader(self._source, size)
        # A generator: whether records are shown is known only when a stretch's turn comes.
        stretches = (self._stretch(at, min(at + BUNDLES, end), begin) for at in range(first, end, BUNDLES))
        with closing(_readings(stretches, -((first - end) // BUNDLES), reader, start)) as readings:
            for stretch, reading in readings:
                self._take(stretch, reading, size)
                if self._notebook.counts[Stage.ENTRIES] >= KEPT:
                    raise Unavailable(f"stopped after {KEPT} wrong entries")
                if progress is not None:
                    progress(min(stretch.end * WIDTH, size) - begin, size - begin)
        self._close(begin, size)

    def hide(self, reason: NotFound | Unauthenticated) -> None:
        """Ask for no records any more: the source shows none."""
        self.shows_records = False
        # Who brings a token means to see records: without them the audit is not what was asked for.
        self.denied = str(reason) if isinstance(reason, Unauthenticated) else None
        for stage in OF_RECORDS:
            self._notebook.skip(stage, str(reason))

    def _stretch(self, first: int, end: int, begin: int) -> Stretch:
        return Stretch(first, end, self._tree.inside(first, end), begin, self.shows_records)

    def _take(self, stretch: Stretch, reading: Reading, size: int) -> None:
        self._notebook.add(reading.problems, reading.counts)
        self._tree.count += reading.tiles
        roots = iter(reading.roots)
        for number in range(stretch.first, stretch.end):
            self._tree.take(number, next(roots) if (number + 1) * WIDTH <= size else None, reading.peaks)
        if self.shows_records:
            self._take_records(reading)

    def _take_records(self, reading: Reading) -> None:
        told = reading.told
        self._add(told.problems, told.counts)
        self._records.miss(told.missing)
        for index, fields in self._records.take(reading.facts, told.held, told.gap, (told.part, told.lost)):
            self._history.take(index, fields)
        self._decisions.update(told.decisions)
        if told.undecided is not None:
            self._notebook.skip(Stage.DECISIONS, told.undecided)
        if told.denied is not None:
            reason, unauthenticated = told.denied
            self.hide(Unauthenticated(reason) if unauthenticated else NotFound(reason))
        if told.broken is not None:
            place, _, problem = told.broken.partition(": ")
            self._notebook.wrong(Stage.RECORDS, place, problem)
            self.shows_records = False

    def _add(self, problems: list[Problem], counts: dict[int, int]) -> None:
        kept = [problem for problem in problems if self._is_new(problem)]
        again = len(problems) - len(kept)
        self._notebook.add(kept, {**counts, Stage.DECISIONS: counts.get(Stage.DECISIONS, 0) - again})

    def _is_new(self, problem: Problem) -> bool:
        """Tell whether a finding is new: that a bundle cannot be run, each worker tells once."""
        policy, marked, _ = problem[2].partition(_FROM_HERE_ON)
        if problem[0] != Stage.DECISIONS or not marked:
            return True
        known = policy in self._unrunnable
        self._unrunnable.add(policy)
        return not known

    def _close(self, begin: int, size: int) -> None:
        self._tree.finish()
        whence = f" from entry {begin} on" if begin else ""
        self._notebook.right(Stage.ENTRIES, f"{size - begin} entries{whence}")
        self._notebook.right(Stage.TILES, f"{self._tree.count} tiles")
        if not self.shows_records:
            return
        self._records.finish()
        self._history.finish(size)
        if Stage.DECISIONS not in self._notebook.reasons:
            self._close_decisions()

    def _close_decisions(self) -> None:
        counts = self._decisions
        told = [f"{counts['replayed']} made again"]
        told += [f"{counts['own']} refusals by the service itself"] if counts["own"] else []
        told += [f"{counts['no-input']} without their input"] if counts["no-input"] else []
        told += [f"{counts['no-bundle']} without their bundle"] if counts["no-bundle"] else []
        told += [f"{counts['bundle']} by bundles that cannot be run"] if counts["bundle"] else []
        if counts.total() and not counts["replayed"] + counts["own"]:
            self._notebook.skip(Stage.DECISIONS, "; ".join(told[1:]))
        else:
            self._notebook.right(Stage.DECISIONS, "; ".join(told))


def _readings(
    stretches: Iterator[Stretch], count: int, reader: Reader, start: Callable[[], Workers] | None
) -> Generator[tuple[Stretch, Reading]]:
    """Yield the readings of `count` stretches, by workers once the first ones say that it takes long."""
    began = time.monotonic()
    for done, stretch in enumerate(stretches, start=1):
        yield stretch, reader.read(stretch)
        if start is not None and (count - done) * (time.monotonic() - began) / done > WORTH:
            break
    else:
        return
    with closing(start()) as workers:
        yield from workers.readings(stretches, reader.read)
