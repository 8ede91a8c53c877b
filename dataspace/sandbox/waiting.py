"""Who waits for a worker, and who is next: not who came first, but each asker in its turn.

An asker is whoever the work is done for: a participant. Within `asking` every
call of a pool in that context is its own; outside of it calls are nobody's, who
is one asker like any other and has no limit. Attack HE-13: one that sends many
calls waits behind its own, and another's next call is served after at most one
of each who waits.
"""

import math
from collections import OrderedDict, deque
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

from dataspace.errors import TooMany

EACH: Final = 6  # calls of one asker that may wait for a pool
_RECENT: Final = 64  # durations that an estimate is made of
_NOBODY: Final = ""

_asker: ContextVar[str] = ContextVar("asker", default=_NOBODY)


@contextmanager
def asking(participant: str) -> Iterator[None]:
    """Name whom the calls of this context are for."""
    token = _asker.set(participant)
    try:
        yield
    finally:
        _asker.reset(token)


class Ticket:
    """One call that waits."""

    def __init__(self, asker: str) -> None:
        self.asker = asker


class Waiting:
    """The calls that wait for a pool of so many workers; its caller holds the pool's lock."""

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._lines: OrderedDict[str, deque[Ticket]] = OrderedDict()
        self._durations: deque[float] = deque(maxlen=_RECENT)

    def join(self) -> Ticket:
        """Return a ticket for the asker of this context.

        Raises:
            TooMany: as many of its calls wait as may; `retry_after` is when one of them has been served.

        """
        asker = _asker.get()
        line = self._lines.get(asker, deque())
        if asker != _NOBODY and len(line) >= EACH:
            raise self.busy(f"{EACH} of your calls wait for a worker already")
        self._lines.setdefault(asker, line).append(Ticket(asker))
        return line[-1]

    def next(self) -> Ticket | None:
        """Return whose turn it is."""
        return next(iter(self._lines.values()))[0] if self._lines else None

    def served(self, ticket: Ticket) -> None:
        """Take a ticket out, whose asker is then the last in turn."""
        self.leave(ticket)
        if ticket.asker in self._lines:
            self._lines.move_to_end(ticket.asker)

    def leave(self, ticket: Ticket) -> None:
        """Take a ticket out; the others of its asker keep their turn."""
        line = self._lines[ticket.asker]
        line.remove(ticket)
        if not line:
            del self._lines[ticket.asker]

    def lasted(self, seconds: float) -> None:
        """Note how long a call took."""
        self._durations.append(seconds)

    def estimate(self) -> int:
        """Return in how many seconds, from 1 on, a new call of this context's asker might be served."""
        asker = _asker.get()
        mine = len(self._lines.get(asker, ()))
        # Until my next is served, each of the others is served at most once more than I am.
        others = sum(min(len(line), mine + 1) for name, line in self._lines.items() if name != asker)
        mean = sum(self._durations) / len(self._durations) if self._durations else 1.0
        # Those who are being served now are half done, on the average.
        return max(1, math.ceil(mean * (mine + others + self._workers / 2) / self._workers))

    def busy(self, why: str) -> TooMany:
        """Return the refusal of a call, with the estimate."""
        seconds = self.estimate()
        return TooMany(f"{why}: try again in about {seconds} seconds", retry_after=seconds)
