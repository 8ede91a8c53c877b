"""How two things are measured beside one another: in turn, so that what else the machine does hits both."""

import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

Row = tuple[str, float, float, str]  # what was measured, our seconds, the bare seconds, a note
Rows = Iterator[Row]


def in_turn(
    ours: Callable[[], Any],
    bare: Callable[[], Any],
    *,
    rounds: int = 9,
    times: int = 1,
    before: Callable[[], Any] | None = None,
) -> tuple[float, float]:
    """Return the median seconds of one call of each, after one round that does not count.

    `times`: calls of one round. `before` is called before each of them in every
    round, and not measured.
    """
    taken: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds + 1):
        for act, seconds in zip((ours, bare), taken, strict=True):
            if before:
                before()
            seconds.append(_seconds(act, times))
    return statistics.median(taken[0][1:]), statistics.median(taken[1][1:])


def cpu_in_turn(ours: Callable[[], Any], bare: Callable[[], Any], *, rounds: int = 15) -> tuple[float, float]:
    """Return the least processor seconds of this process that one call of each took."""
    taken: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds):
        for act, seconds in zip((ours, bare), taken, strict=True):
            start = time.process_time()
            act()
            seconds.append(time.process_time() - start)
    return min(taken[0]), min(taken[1])


def _seconds(act: Callable[[], Any], times: int) -> float:
    start = time.perf_counter()
    for _ in range(times):
        act()
    return (time.perf_counter() - start) / times
