import contextlib
import logging
import os
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from dataspace.errors import NotFound, OutOfSpace, PolicyDenied, TooCostly, TooMany, Unavailable
from dataspace.sandbox import Pool

MEMORY = 1 << 30


class Subject:
    """What runs in the worker of these tests."""

    def __init__(self) -> None:
        self.held: set[str] = set()

    def echo(self, request: dict[str, Any]) -> Any:
        return request["value"]

    def pid(self, _: dict[str, Any]) -> int:
        return os.getpid()

    def sleep(self, request: dict[str, Any]) -> int:
        time.sleep(request["seconds"])
        return os.getpid()

    def hold(self, request: dict[str, Any]) -> list[str]:
        self.held.add(request["name"])
        return sorted(self.held)

    def drop(self, request: dict[str, Any]) -> None:
        self.held.discard(request["name"])
        if request.get("badly"):
            raise RuntimeError

    def holding(self, _: dict[str, Any]) -> list[str]:
        return sorted(self.held)

    def refuse(self, _: dict[str, Any]) -> None:
        raise PolicyDenied("the policy says no", reasons=["purpose-not-agreed"])

    def fail(self, _: dict[str, Any]) -> None:
        raise ValueError("cell 13900000000 is no number")

    def fill(self, _: dict[str, Any]) -> int:
        return len(bytearray(8 << 30))

    def crash(self, _: dict[str, Any]) -> None:
        os.abort()

    def unsendable(self, _: dict[str, Any]) -> object:
        return object()

    def limits(self, _: dict[str, Any]) -> dict[str, Any]:
        return {
            "memory": resource.getrlimit(resource.RLIMIT_AS)[1],
            "core": resource.getrlimit(resource.RLIMIT_CORE)[1],
            "files": resource.getrlimit(resource.RLIMIT_NOFILE)[1],
            "environment": sorted(os.environ),
            "folder": os.getcwd(),  # noqa: PTH109
        }

    def report(self, stage: str, percent: int) -> None:
        """In a worker process the sandbox puts its own in this place."""

    def tell(self, request: dict[str, Any]) -> str:
        for stage, percent in request["told"]:
            self.report(stage, percent)
        return "told"

    def write(self, request: dict[str, Any]) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        Path(request["path"]).write_bytes(bytes(2000))

    def _private(self, _: dict[str, Any]) -> str:
        return "never"


class Diligent(Subject):
    """A worker that puts off two pieces of work for each answer, and fails at the hundredth."""

    def __init__(self) -> None:
        super().__init__()
        self.owed = self.done = 0

    def work(self, request: dict[str, Any]) -> int:
        self.owed += request["pieces"]
        return self.done

    def _idle(self) -> bool:
        if self.done == 100:
            raise RuntimeError("cell 13900000000 is no number")
        if self.done < self.owed:
            self.done += 1
        return self.done < self.owed


class Hopeless:
    """A worker that cannot start."""

    def __init__(self) -> None:
        raise RuntimeError


def _runs(pid: int) -> bool:
    """Say whether the process runs; one that only waits to be buried does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state not in "ZX"


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    pool = Pool("tests.test_sandbox:Subject", workers=2, memory=MEMORY, deadline=20)
    yield pool
    pool.close()


@pytest.fixture
def lone() -> Iterator[Pool]:
    pool = Pool("tests.test_sandbox:Subject", workers=1, memory=MEMORY, deadline=20)
    yield pool
    pool.close()


def test_values_cross_both_ways(pool: Pool) -> None:
    value = {"text": "政务", "bytes": b"\0\xff", "list": [1, None, True, -(2**63)], "float": 0.5}
    assert pool.call("echo", {"value": value}) == value


def test_a_large_value_crosses(pool: Pool) -> None:
    value = os.urandom(1 << 20) * 20
    assert pool.call("echo", {"value": value}) == value


def test_errors_of_the_tree_cross_with_message_and_facts(pool: Pool) -> None:
    with pytest.raises(PolicyDenied, match="the policy says no") as caught:
        pool.call("refuse", {})
    assert caught.value.facts == {"reasons": ["purpose-not-agreed"]}


def test_what_was_put_off_is_done_between_requests() -> None:
    pool = Pool("tests.test_sandbox:Diligent", workers=1, memory=MEMORY, deadline=20)
    try:
        assert pool.call("work", {"pieces": 2}) == 0
        while pool.call("work", {"pieces": 0}) < 2:
            time.sleep(0.01)
        before = pool.call("pid", {})
        # A failure between requests costs the worker, and nobody is told why.
        pool.call("work", {"pieces": 200})
        while _runs(before):
            time.sleep(0.01)
        assert pool.call("pid", {}) != before
    finally:
        pool.close()


def test_what_a_worker_reports_is_told_before_its_reply_and_the_same_once(pool: Pool) -> None:
    told: list[tuple[str, int]] = []
    steps = [("scanning", 0), ("scanning", 0), ("scanning", 50), ("encrypting", 50)]
    assert pool.call("tell", {"told": steps}, progress=lambda *now: told.append(now)) == "told"
    assert told == [("scanning", 0), ("scanning", 50), ("encrypting", 50)]
    assert pool.call("tell", {"told": steps}) == "told"  # and nobody has to listen


@pytest.mark.parametrize(
    "step", [("a cell 139", 1), ("x" * 33, 1), ("scanning", 101), ("scanning", -1), ("", 1)]
)
def test_a_report_that_is_none_costs_the_worker(lone: Pool, step: tuple[str, int]) -> None:
    before = lone.call("pid", {})
    with pytest.raises(Unavailable):
        lone.call("tell", {"told": [step]}, progress=lambda *_: None)
    assert lone.call("pid", {}) != before


def test_who_listens_can_end_the_call(lone: Pool) -> None:
    def stop(*_: object) -> None:
        raise NotFound("nobody wants it any more")

    before = lone.call("pid", {})
    with pytest.raises(NotFound, match="nobody"):
        lone.call("tell", {"told": [("scanning", 0)]}, progress=stop)
    assert lone.call("pid", {}) != before


def test_up_25_a_worker_that_fills_the_disk_says_so(lone: Pool, tmp_path: Path) -> None:
    with pytest.raises(OutOfSpace):
        lone.call("write", {"path": str(tmp_path / "full")})


def test_an_error_of_the_tree_keeps_the_worker(lone: Pool) -> None:
    before = lone.call("pid", {})
    with pytest.raises(PolicyDenied):
        lone.call("refuse", {})
    assert lone.call("pid", {}) == before


def test_qy_12_another_exception_crosses_without_its_text_and_costs_the_worker(
    lone: Pool, caplog: pytest.LogCaptureFixture
) -> None:
    before = lone.call("pid", {})
    with caplog.at_level(logging.DEBUG), pytest.raises(Unavailable, match="the worker failed") as caught:
        lone.call("fail", {})
    assert (
        "13900000000" not in f"{caught.value} {caught.value.facts} {caught.value.__cause__!r} {caplog.text}"
    )
    assert lone.call("pid", {}) != before


@pytest.mark.parametrize("method", ["_private", "__init__", "nothing", "held", "report"])
def test_only_public_methods_can_be_called(pool: Pool, method: str) -> None:
    with pytest.raises(NotFound):
        pool.call(method, {})


def test_qy_04_a_call_over_its_deadline_is_killed_and_the_pool_serves_on(lone: Pool) -> None:
    before = lone.call("pid", {})
    start = time.monotonic()
    with pytest.raises(TooCostly, match="time"):
        lone.call("sleep", {"seconds": 60}, deadline=0.3)
    assert time.monotonic() - start < 5
    assert lone.call("pid", {}) != before
    assert not _runs(before)


def test_qy_04_a_call_over_the_memory_is_too_costly(lone: Pool) -> None:
    with pytest.raises(TooCostly, match="memory"):
        lone.call("fill", {})
    assert lone.call("echo", {"value": 1}) == 1


def test_a_crash_is_told_and_the_worker_replaced(lone: Pool) -> None:
    with pytest.raises(Unavailable, match="died"):
        lone.call("crash", {})
    assert lone.call("echo", {"value": 1}) == 1


def test_a_worker_that_died_idle_is_not_used(lone: Pool) -> None:
    os.kill(lone.call("pid", {}), 9)
    time.sleep(0.1)
    assert lone.call("echo", {"value": 1}) == 1


def test_a_value_that_cannot_cross_is_a_failure(lone: Pool) -> None:
    with pytest.raises(Unavailable):
        lone.call("unsendable", {})


def test_waiting_for_a_worker_is_bounded(lone: Pool) -> None:
    lone.warm()
    with ThreadPoolExecutor(1) as threads:
        busy = threads.submit(lone.call, "sleep", {"seconds": 1})
        time.sleep(0.2)
        with pytest.raises(TooMany):
            lone.call("pid", {}, deadline=0.1)
        busy.result()


def test_many_threads_share_the_workers(pool: Pool) -> None:
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda value: pool.call("echo", {"value": value}), range(200)))
    assert answers == list(range(200))


def test_equal_affinity_prefers_the_same_worker(pool: Pool) -> None:
    first = pool.call("pid", {}, affinity="a")
    second = pool.call("pid", {}, affinity="b")
    assert first != second
    assert {pool.call("pid", {}, affinity="a") for _ in range(5)} == {first}
    assert {pool.call("pid", {}, affinity="b") for _ in range(5)} == {second}


def test_a_busy_favourite_yields_to_an_idle_worker(pool: Pool) -> None:
    favourite = pool.call("pid", {}, affinity="c")
    with ThreadPoolExecutor(1) as threads:
        busy = threads.submit(pool.call, "sleep", {"seconds": 0.5}, affinity="c")
        time.sleep(0.2)
        assert pool.call("pid", {}, affinity="c") != favourite
        assert busy.result() == favourite


def test_a_broadcast_reaches_every_worker_also_a_busy_one(pool: Pool) -> None:
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(lambda affinity: pool.call("hold", {"name": "ds"}, affinity=affinity), "xy"))
        busy = threads.submit(pool.call, "sleep", {"seconds": 0.5})
        time.sleep(0.1)
        pool.broadcast("drop", {"name": "ds"})
        held = list(threads.map(lambda affinity: pool.call("holding", {}, affinity=affinity), "xyxy"))
        busy.result()
    assert held == [[]] * 4


def test_a_worker_that_fails_a_broadcast_is_replaced(lone: Pool) -> None:
    before = lone.call("pid", {})
    lone.broadcast("drop", {"name": "ds", "badly": True})
    assert lone.call("pid", {}) != before


def test_a_worker_is_recycled_after_its_calls() -> None:
    pool = Pool("tests.test_sandbox:Subject", workers=1, memory=MEMORY, deadline=20, recycle=2)
    served = [pool.call("pid", {}) for _ in range(4)]
    pool.close()
    assert served[0] == served[1] != served[2] == served[3]


def test_a_worker_is_confined_and_sees_no_setting(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATASPACE_KEYS", "file:secret")
    limits = pool.call("limits", {})
    assert (limits["memory"], limits["core"], limits["folder"]) == (MEMORY, 0, "/")
    assert limits["files"] <= 64
    assert not [name for name in limits["environment"] if name.startswith("DATASPACE")]


def test_a_target_that_does_not_start_is_unavailable() -> None:
    pool = Pool("tests.test_sandbox:Hopeless", workers=1, memory=MEMORY, deadline=20)
    with pytest.raises(Unavailable):
        pool.warm()
    with pytest.raises(Unavailable):
        pool.call("pid", {})
    pool.close()


def test_a_process_that_does_not_start_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    pool = Pool("tests.test_sandbox:Subject", workers=2, memory=MEMORY, deadline=20)
    start = time.monotonic()
    with pytest.raises(Unavailable, match="started"):
        pool.call("pid", {})
    assert time.monotonic() - start < 5
    monkeypatch.undo()
    with contextlib.suppress(Unavailable):
        pool.call("pid", {})
    assert pool.call("pid", {})
    pool.close()


def test_a_closed_pool_stops_calls_and_leaves_no_process() -> None:
    pool = Pool("tests.test_sandbox:Subject", workers=1, memory=MEMORY, deadline=20)
    worker = pool.call("pid", {})
    with ThreadPoolExecutor(1) as threads:
        running = threads.submit(pool.call, "sleep", {"seconds": 60})
        time.sleep(0.2)
        pool.close()
        with pytest.raises(Unavailable):
            running.result()
    with pytest.raises(Unavailable):
        pool.call("pid", {})
    assert not _runs(worker)


def test_workers_die_with_their_parent() -> None:
    script = (
        "from dataspace.sandbox import Pool; import os; "
        f"pool = Pool('tests.test_sandbox:Subject', workers=1, memory={MEMORY}, deadline=20); "
        "print(pool.call('pid', {}), flush=True); os.kill(os.getpid(), 9)"
    )
    printed = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, check=False, text=True
    ).stdout
    time.sleep(0.2)
    assert not _runs(int(printed))


def test_a_worker_outlives_the_thread_that_first_called() -> None:
    pool = Pool("tests.test_sandbox:Subject", workers=1, memory=MEMORY, deadline=20)
    seen: list[int] = []
    thread = threading.Thread(target=lambda: seen.append(pool.call("pid", {})))
    thread.start()
    thread.join()
    time.sleep(0.1)
    assert [pool.call("pid", {})] == seen
    pool.close()


def test_a_request_that_cannot_cross_is_the_callers_error(pool: Pool) -> None:
    with pytest.raises(TypeError):
        pool.call("echo", {"value": object()})
