"""Work of many threads done in batches by one of them at a time (flat combining).

A thread that hands in work while nobody leads becomes the leader and performs
everything that waits, its own first; the others sleep until theirs is done or
they are the heir. A lone thread never switches to another one, which would
cost a small transaction a third of its time (measured).
"""

import threading
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

W = TypeVar("W")


class Combiner(Generic[W]):
    """Calls `perform` with batches of at most `limit`, one at a time, in the order of arrival.

    `perform` answers for every item itself. What it raises reaches only the
    thread that happens to lead, so it raises nothing but an interrupt.
    """

    def __init__(self, perform: Callable[[list[W]], None], limit: int) -> None:
        self._perform = perform
        self._limit = limit
        self._mutex = threading.Lock()
        self._led = False
        self._turns: deque[_Turn[W]] = deque()

    def submit(self, work: W, *, alone: bool = False) -> None:
        """Have `work` performed and return; `alone` shares its batch with nothing."""
        turn = _Turn(work, alone)
        with self._mutex:
            self._turns.append(turn)
            turn.chosen, self._led = not self._led, True
        if not turn.chosen:
            self._wait(turn)
        if not turn.done:
            self._lead()

    def _wait(self, turn: "_Turn[W]") -> None:
        try:
            turn.wake.acquire()
        except BaseException:
            # An interrupted thread neither leads nor leaves work behind that nobody waits for.
            with self._mutex:
                if turn in self._turns:
                    self._turns.remove(turn)
                    if turn.chosen:
                        self._choose()
            raise

    def _lead(self) -> None:
        with self._mutex:
            batch = [self._turns.popleft()]
            while self._turns and len(batch) < self._limit and not (batch[0].alone or self._turns[0].alone):
                batch.append(self._turns.popleft())
        try:
            self._perform([turn.work for turn in batch])
        finally:
            with self._mutex:
                for turn in batch:
                    turn.done = True
                self._choose()
            for turn in batch[1:]:
                turn.wake.release()

    def _choose(self) -> None:
        """Hand the lead to the thread that waits longest, if any does; the mutex is held."""
        self._led = bool(self._turns)
        if self._led:
            heir = self._turns[0]
            heir.chosen = True
            heir.wake.release()


class _Turn(Generic[W]):
    """One thread's place in the queue; `wake` is locked until the thread may go on."""

    __slots__ = ("alone", "chosen", "done", "wake", "work")

    def __init__(self, work: W, alone: bool) -> None:
        self.work = work
        self.alone = alone
        self.chosen = self.done = False
        self.wake = threading.Lock()
        self.wake.acquire()
