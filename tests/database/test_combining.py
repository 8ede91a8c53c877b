"""Threads combine their work: every piece is done once, in order, by one thread at a time."""

import threading
from concurrent.futures import ThreadPoolExecutor
from time import sleep

import pytest

from dataspace.database.combining import Combiner


class Worker:
    """Performs batches; the first one waits until it is let go."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.entered, self.release = threading.Event(), threading.Event()
        self.combiner = Combiner(self.perform, limit=3)

    def perform(self, batch: list[int]) -> None:
        self.batches.append(batch)
        if batch == [0]:
            self.entered.set()
            assert self.release.wait(10)
        if -1 in batch:
            raise KeyboardInterrupt

    def queue(self, pool: ThreadPoolExecutor, *works: int, alone: int = -2) -> None:
        """Hand in 0, wait until it is being performed, and queue `works` behind it."""
        pool.submit(self.combiner.submit, 0)
        assert self.entered.wait(10)
        for number, work in enumerate(works, start=1):
            pool.submit(self.combiner.submit, work, alone=work == alone)
            while len(self.combiner._turns) < number:
                sleep(0.001)


def test_a_lone_thread_does_its_own_work() -> None:
    seen: list[int] = []
    combiner: Combiner[int] = Combiner(lambda _: seen.append(threading.get_ident()), limit=3)
    combiner.submit(1)
    assert seen == [threading.get_ident()]


def test_what_waits_is_done_in_batches_of_the_limit_in_order_of_arrival() -> None:
    worker = Worker()
    with ThreadPoolExecutor(8) as pool:
        worker.queue(pool, 1, 2, 3, 4, 5)
        worker.release.set()
    assert worker.batches == [[0], [1, 2, 3], [4, 5]]


def test_work_that_wants_to_be_alone_is_alone() -> None:
    worker = Worker()
    with ThreadPoolExecutor(8) as pool:
        worker.queue(pool, 1, 2, 3, alone=2)
        worker.release.set()
    assert worker.batches == [[0], [1], [2], [3]]


def test_an_interrupt_reaches_the_leader_and_the_others_go_on() -> None:
    worker = Worker()
    with ThreadPoolExecutor(8) as pool:
        worker.queue(pool, -1, 1, 2, 3)
        worker.release.set()
    assert worker.batches == [[0], [-1, 1, 2], [3]]
    worker.combiner.submit(4)
    assert worker.batches[-1] == [4]


def test_an_interrupted_waiter_takes_its_work_back() -> None:
    worker = Worker()
    with ThreadPoolExecutor(8) as pool:
        worker.queue(pool, 1, 2)
        turn = worker.combiner._turns[0]
        with pytest.raises(KeyboardInterrupt):
            worker.combiner._wait(_Interrupted(turn))  # type: ignore[arg-type]
        worker.release.set()
        turn.done = True
        turn.wake.release()
    assert worker.batches == [[0], [2]]


class _Interrupted:
    """A turn whose wait is interrupted, as by Ctrl-C."""

    def __init__(self, turn: object) -> None:
        self.turn = turn
        self.chosen = False
        self.wake = self

    def acquire(self) -> None:
        raise KeyboardInterrupt

    def __eq__(self, other: object) -> bool:
        return other is self.turn

    def __hash__(self) -> int:
        return 0


def test_many_threads_lose_nothing() -> None:
    done: list[int] = []
    combiner: Combiner[int] = Combiner(done.extend, limit=7)
    with ThreadPoolExecutor(32) as pool:
        list(pool.map(combiner.submit, range(2000)))
    assert sorted(done) == list(range(2000))
