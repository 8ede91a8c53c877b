"""How much may be under way at once: of one participant, and of all together.

Work that waits for a worker process holds a thread of the server. What is
above a limit is refused at once and holds none, so that logins, the ledger and
other participants are still answered (ASVS 2.4.1). The refusal says in how many
seconds there might be room, by what took how long lately. What is under way is
served in turns (`dataspace.sandbox.waiting`): here is said whose it is.
"""

import math
import threading
import time
from collections import defaultdict, deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from dataspace.errors import TooMany
from dataspace.sandbox import asking

_RECENT: Final = 64  # durations that an estimate is made of
_UNMEASURED: Final = 2.0  # seconds, before anything was


class Limiter:
    """At most `each` of one participant and `total` of all, at a time."""

    def __init__(self, what: str, *, each: int, total: int) -> None:
        self._what, self._each, self._total = what, each, total
        self._lock = threading.Lock()
        self._begun: defaultdict[str, list[float]] = defaultdict(list)  # of what is under way, by participant
        self._durations: deque[float] = deque(maxlen=_RECENT)

    @contextmanager
    def holding(self, participant: str) -> Iterator[None]:
        """Count one more while the context lasts.

        Raises:
            TooMany: the participant, or all together, have as many as they may; `retry_after` is the
                seconds after which one of them should be done.

        """
        begun = self._enter(participant)
        try:
            with asking(participant):
                yield
        finally:
            self._leave(participant, begun)

    def _enter(self, participant: str) -> float:
        with self._lock:
            now, mine = time.monotonic(), self._begun.get(participant, [])
            all_begun = [begun for theirs in self._begun.values() for begun in theirs]
            if len(mine) >= self._each or len(all_begun) >= self._total:
                raise self._refusal(now - min(mine if len(mine) >= self._each else all_begun))
            self._begun[participant].append(now)
            return now

    def _leave(self, participant: str, begun: float) -> None:
        with self._lock:
            self._durations.append(time.monotonic() - begun)
            self._begun[participant].remove(begun)
            if not self._begun[participant]:
                del self._begun[participant]

    def _refusal(self, lasts: float) -> TooMany:
        """Return the refusal; `lasts` is for how long the oldest has been under way."""
        mean = sum(self._durations) / len(self._durations) if self._durations else _UNMEASURED
        seconds = max(1, math.ceil(mean - lasts))
        limits = f"{self._each} of one participant, {self._total} of all"
        return TooMany(
            f"too many {self._what} at once: want at most {limits}; try again in about {seconds} seconds",
            retry_after=seconds,
        )


@dataclass(frozen=True)
class Limits:
    """The limits of one service: together they leave threads of its 32 for everything that is quick."""

    uploads: Limiter = field(default_factory=lambda: Limiter("uploads", each=2, total=4))
    queries: Limiter = field(default_factory=lambda: Limiter("queries", each=8, total=20))
    cosignatures: Limiter = field(default_factory=lambda: Limiter("cosignatures", each=4, total=4))
