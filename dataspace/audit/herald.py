"""Webhooks: what a monitor tells a program elsewhere, from a thread of its own, so that nothing waits for it.

The address may be dead, slow, or answer with a redirect to somewhere it has no
business (attack LO-07): every POST has a deadline, no redirect is followed, the
answer's body is not used. What is not delivered is tried again, ever later;
what cannot be delivered for a day, or finds too much waiting, is given up, and
the log says so. Events arrive in order, and may arrive twice.
"""

import asyncio
import json
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

from dataspace.errors import DataSpaceError
from dataspace.ledger.outbound import checked_url, post

WAITING: Final = 64  # events that wait for their delivery; of more, the oldest is given up
SECONDS: Final = 10.0  # for one POST and its whole answer
FIRST_PAUSE: Final = 1.0
LONGEST_PAUSE: Final = 300.0
LIFETIME: Final = 24 * 3600.0
_JSON: Final = "application/json"
_GOOD: Final = range(200, 300)
_LOG: Final = logging.getLogger("dataspace.monitor")

Event = Mapping[str, Any]


class Teller(Protocol):
    """Somebody who is told of events; it MUST NOT keep its caller waiting."""

    def tell(self, event: Event) -> None:
        """Take an event."""
        ...


class Herald:
    """Posts events to `url`, one after the other; a context that gives what waits `grace` seconds at its end.

    Raises:
        Malformed: the address is none.

    """

    def __init__(
        self, url: str, *, clock: Callable[[], float] = time.monotonic, first_pause: float = FIRST_PAUSE
    ) -> None:
        self._url = checked_url(url, "the webhook")
        self._clock, self._first_pause = clock, first_pause
        self._waiting: deque[tuple[float, bytes]] = deque()
        self._changed = threading.Condition()
        self._ended = False
        self._thread = threading.Thread(target=self._run, name="webhook", daemon=True)
        self._thread.start()

    def tell(self, event: Event) -> None:
        """Take an event to be posted."""
        body = json.dumps(event, ensure_ascii=False).encode()
        with self._changed:
            if len(self._waiting) == WAITING:
                self._waiting.popleft()
                _LOG.warning("the webhook is too far behind: an event was given up")
            self._waiting.append((self._clock(), body))
            self._changed.notify_all()

    def close(self, grace: float) -> bool:
        """Wait so many seconds for what is under way, end, and return whether all was delivered."""
        with self._changed:
            delivered = self._changed.wait_for(lambda: not self._waiting, grace)
            self._ended = True
            self._changed.notify_all()
        self._thread.join(SECONDS + 1)
        return delivered

    def _run(self) -> None:
        pause = self._first_pause
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._ended or self._waiting)
                if self._ended:
                    return
                item = self._waiting[0]
            problem = self._post(item[1])
            with self._changed:
                if problem is None or self._clock() - item[0] > LIFETIME:
                    pause = self._first_pause
                    self._drop(item, problem)
                    continue
                _LOG.warning("the webhook was not delivered, tried again in %g seconds: %s", pause, problem)
                self._changed.wait_for(lambda: self._ended, pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    def _drop(self, item: tuple[float, bytes], problem: str | None) -> None:
        """Take an event off the queue, from which it may have been pushed meanwhile."""
        if self._waiting and self._waiting[0] is item:
            self._waiting.popleft()
        if problem is not None:
            _LOG.error("an event was given up, the webhook could not be delivered: %s", problem)
        self._changed.notify_all()

    def _post(self, body: bytes) -> str | None:
        """Return why an event was not delivered, or None."""
        try:
            status = asyncio.run(post(self._url, body, _JSON, seconds=SECONDS)).status
        except DataSpaceError as error:
            return str(error)
        return None if status in _GOOD else f"it answered {status}"
