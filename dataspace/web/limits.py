"""How much may be under way at once: of one participant, and of all together.

Work that waits for a worker process holds a thread of the server. What is
above a limit is refused at once and holds none, so that logins, the ledger and
other participants are still answered (ASVS 2.4.1).
"""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from dataspace.errors import TooMany


class Limiter:
    """At most `each` of one participant and `total` of all, at a time."""

    def __init__(self, what: str, *, each: int, total: int) -> None:
        self._what, self._each, self._total = what, each, total
        self._lock = threading.Lock()
        self._held: Counter[str] = Counter()

    @contextmanager
    def holding(self, participant: str) -> Iterator[None]:
        """Count one more while the context lasts.

        Raises:
            TooMany: the participant, or all together, have as many as they may.

        """
        with self._lock:
            if self._held[participant] >= self._each or self._held.total() >= self._total:
                limits = f"{self._each} of one participant, {self._total} of all"
                raise TooMany(f"too many {self._what} at once: want at most {limits}", retry_after=2)
            self._held[participant] += 1
        try:
            yield
        finally:
            with self._lock:
                self._held[participant] -= 1
                self._held += Counter()  # forgets who has none


@dataclass(frozen=True)
class Limits:
    """The limits of one service: together they leave threads of its 32 for everything that is quick."""

    uploads: Limiter = field(default_factory=lambda: Limiter("uploads", each=2, total=4))
    queries: Limiter = field(default_factory=lambda: Limiter("queries", each=8, total=20))
    cosignatures: Limiter = field(default_factory=lambda: Limiter("cosignatures", each=4, total=4))
