"""Whose call a pool serves next, what a refusal says, and how much processor time a worker has."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from dataspace.errors import TooCostly, TooMany, Unavailable
from dataspace.sandbox import Pool, asking
from dataspace.sandbox.waiting import EACH, Ticket, Waiting

MEMORY = 1 << 30


class Busy:
    """What runs in the worker of these tests."""

    def spin(self, request: dict[str, Any]) -> int:
        until = time.process_time() + request["seconds"]
        while time.process_time() < until:
            pass
        return os.getpid()

    def sleep(self, request: dict[str, Any]) -> str:
        time.sleep(request["seconds"])
        return str(request.get("name", ""))

    def wait(self, request: dict[str, Any]) -> str:
        while not Path(request["until"]).exists():
            time.sleep(0.01)
        return str(request["name"])

    def abort(self, _: dict[str, Any]) -> None:
        os.kill(os.getpid(), signal.SIGABRT)


@pytest.fixture
def lone() -> Iterator[Pool]:
    pool = Pool("tests.test_sandbox_limits:Busy", workers=1, memory=MEMORY, deadline=20)
    pool.warm()
    yield pool
    pool.close()


def _order(pool: Pool, go: Path, *, named: bool) -> list[str]:
    """Return in which order the calls end of one that floods a pool, and of one that asks last."""
    ended: list[str] = []

    def call(asker: str, method: str) -> None:
        with asking(asker if named else "everybody"):
            pool.call(method, {"seconds": 0.1, "until": str(go), "name": asker})
        ended.append(asker)

    askers = [("a", "wait"), *[("a", "sleep")] * 5, ("b", "sleep")]
    threads = [threading.Thread(target=call, args=args) for args in askers]
    for waiting, thread in enumerate(threads):
        thread.start()
        while sum(map(len, pool._waiting._lines.values())) < waiting:
            time.sleep(0.01)
    go.touch()
    for thread in threads:
        thread.join()
    return ended


def test_he_13_one_that_floods_a_pool_does_not_keep_another_waiting(lone: Pool, tmp_path: Path) -> None:
    # One of the flood is being served, and perhaps one more whose turn it was.
    assert _order(lone, tmp_path / "one", named=True).index("b") <= 2
    # The naive queue, in which all are one, serves who came last after all the others.
    assert _order(lone, tmp_path / "other", named=False).index("b") == 6


def test_he_13_one_asker_has_so_many_calls_waiting_and_is_told_how_long(lone: Pool, tmp_path: Path) -> None:
    go = tmp_path / "go"

    def call() -> str:
        with asking("a"):
            return str(lone.call("wait", {"until": str(go), "name": "a"}))

    with ThreadPoolExecutor(EACH + 2) as threads:
        lone.call("sleep", {"seconds": 0.3})
        under_way = [threads.submit(call) for _ in range(EACH + 1)]
        while len(lone._waiting._lines.get("a", ())) < EACH:
            time.sleep(0.01)
        with pytest.raises(TooMany, match="6 of your calls wait") as refused, asking("a"):
            lone.call("sleep", {"seconds": 0})
        # Six and a half calls of 0.3 seconds or a little more.
        assert refused.value.facts["retry_after"] >= 2
        assert f"in about {refused.value.facts['retry_after']} seconds" in str(refused.value)
        go.touch()
        with asking("b"):
            assert lone.call("sleep", {"seconds": 0, "name": "b"}) == "b"
        assert [one.result() for one in under_way] == ["a"] * (EACH + 1)


def _waiting(workers: int, *askers: str) -> tuple[Waiting, list[Ticket]]:
    waiting = Waiting(workers)
    tickets = []
    for asker in askers:
        with asking(asker):
            tickets.append(waiting.join())
    return waiting, tickets


def test_turns_go_round_by_asker() -> None:
    waiting, _ = _waiting(1, "a", "a", "a", "b", "c", "b")
    served = []
    while ticket := waiting.next():
        served.append(ticket.asker)
        waiting.served(ticket)
    assert "".join(served) == "abcaba"


def test_who_gives_up_costs_the_others_of_its_asker_no_turn() -> None:
    waiting, tickets = _waiting(1, "a", "a", "b")
    waiting.leave(tickets[0])
    assert waiting.next() is tickets[1]
    waiting.leave(tickets[1])
    assert waiting.next() is tickets[2]


@pytest.mark.parametrize(("workers", "seconds"), [(1, 14), (2, 8), (8, 4)])
def test_an_estimate_is_of_measured_durations_and_of_whose_turn_comes_before(
    workers: int, seconds: int
) -> None:
    waiting, _ = _waiting(workers, "a", "a", "a", "b", "b", "c")
    for lasted in (2.0, 6.0):
        waiting.lasted(lasted)
    with asking("d"):
        # A turn of each of three askers, and half of those who are being served: 4 seconds each.
        assert waiting.estimate() == seconds


def test_nobodys_calls_are_not_limited_and_have_their_turn() -> None:
    waiting, tickets = _waiting(1, *[""] * (3 * EACH), "a")
    waiting.served(tickets[0])
    assert waiting.next() is tickets[-1]


def test_he_13_a_call_that_burns_its_processor_time_ends_and_the_pool_serves_on() -> None:
    pool = Pool("tests.test_sandbox_limits:Busy", workers=1, memory=MEMORY, deadline=20, cpu=2)
    try:
        with pytest.raises(TooCostly, match="processor time"):
            pool.call("spin", {"seconds": 15})
        assert pool.call("sleep", {"seconds": 0, "name": "next"}) == "next"
    finally:
        pool.close()


def test_a_worker_is_replaced_at_half_of_its_processor_time() -> None:
    pool = Pool("tests.test_sandbox_limits:Busy", workers=1, memory=MEMORY, deadline=20, cpu=3)
    try:
        first = pool.call("spin", {"seconds": 0.1})
        assert pool.call("spin", {"seconds": 1.5}) == first
        assert pool.call("spin", {"seconds": 0.1}) != first
    finally:
        pool.close()


def test_a_crash_is_not_taken_for_too_much_time(lone: Pool) -> None:
    with pytest.raises(Unavailable, match="died"):
        lone.call("abort", {})
